"""The embedded server's data folder and its password: made whole or not at all, kept over a power cut.

Belongs here: `initdb` and the files next to its folder. Does not: starting a server over it.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from tdx_dagster.postgres.account import Account
from tdx_dagster.postgres.binaries import Binaries
from tdx_dagster.postgres.errors import DatabaseSettingError, DatabaseUnavailable

ITERATIONS_SETTING_MAJOR = 16


def make_data(base: Path, data: Path, binaries: Binaries, account: Account) -> None:
    """Make the data folder under another name and move it to its place whole."""
    for left_over in base.glob("new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    _write_password(base)
    work = Path(tempfile.mkdtemp(prefix="new-", dir=base))
    try:
        shutil.copyfile(base / "password", work / "password")
        (work / "password").chmod(0o600)
        account.own(work / "password")
        account.own(work)
        _run_initdb(work, binaries, account)
        (work / "data").rename(data)
        _to_disk(base)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run_initdb(work: Path, binaries: Binaries, account: Account) -> None:
    options = ["-U", "postgres", "-A", "scram-sha-256", f"--pwfile={work / 'password'}"]
    options += ["-E", "UTF8", "--data-checksums", "--no-instructions"]
    options += _cheap_sign_in(binaries)
    said = ""
    for locale in ("C.UTF-8", "C"):  # the first is unknown to some systems
        done = account.run(
            binaries.initdb,
            "-D",
            work / "data",
            *options,
            f"--locale={locale}",
            stderr=subprocess.STDOUT,
        )
        if done.returncode == 0:
            return
        said = done.stdout.strip()[-1500:]
    raise DatabaseUnavailable(f"{binaries.initdb} could not make the embedded database: {said}")


def _cheap_sign_in(binaries: Binaries) -> list[str]:
    """Save each connection the thousands of rounds that make short passwords costly to guess.

    Ours is 192 bits of chance, and Dagster opens several connections a second.
    """
    return ["-c", "scram_iterations=1"] if binaries.major >= ITERATIONS_SETTING_MAJOR else []


def _write_password(base: Path) -> None:
    handle = os.open(
        base / "password", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
    )
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(24))
        file.flush()
        os.fsync(handle)
    _to_disk(base)


def _to_disk(folder: Path) -> None:
    """Keep what was just named in a folder over a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_password(base: Path) -> str:
    """Read the password of the embedded server.

    Raises:
        DatabaseSettingError: It is lost.
    """
    path = base / "password"
    known = path.read_text(encoding="ascii") if path.exists() else ""
    if not known:
        raise DatabaseSettingError(
            f"{path} is missing or empty, and {base / 'data'} opens to nobody without it: "
            "put the file back, or move the whole folder away to start with an empty database."
        )
    return known


def data_major(data: Path) -> int | None:
    """Give the major version that made the data, or None where there are none."""
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii").strip())
    except (FileNotFoundError, ValueError) as error:
        raise DatabaseSettingError(
            f"{data} is no PostgreSQL data folder (PG_VERSION: {error}): "
            "move it away to start with an empty database."
        ) from error
