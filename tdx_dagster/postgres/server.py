"""The embedded PostgreSQL server, whose life is ours: joined or started, stopped, never half made.

Belongs here: one data folder, one server, one URL. Does not: databases in it, or what they hold.
The server outlives whoever started it; the next one joins it, or starts it anew after a crash. It
listens on loopback only, behind a random password.
"""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdx_dagster.postgres.account import Account, account_for
from tdx_dagster.postgres.binaries import Binaries, find_binaries
from tdx_dagster.postgres.errors import DatabaseSettingError, DatabaseUnavailable
from tdx_dagster.postgres.postmaster import (
    Postmaster,
    exists,
    forget_dead,
    live_postmaster,
    read_postmaster,
)

START_SECONDS = 60.0
"""How long a start may take; recovery after a crash is the long part."""

STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
RETRY_SECONDS = 0.25

# Faults that pass by themselves: a port taken meanwhile, a predecessor whose children still end.
PASSING = (
    "could not bind",
    "could not create any TCP/IP sockets",
    "already exists",
    "pre-existing shared memory block",
)

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",  # web server, daemon, code server and runs hold a few each
    "shared_buffers": "64MB",  # a small machine has better uses for memory
    "max_parallel_workers_per_gather": "0",  # containers give 64 MB of shared memory files
    "wal_level": "minimal",  # nobody replicates from it, and loads write less
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements may hold people's data
}

# The log is opened by the server's own user. The number printed is the server's, for the shell is
# gone at once and the server becomes a child of the first process, which counts it when it ends.
LAUNCH = """
umask 077
if [ -f "$0" ] && [ "$(wc -c <"$0")" -gt 10000000 ]; then mv -f "$0" "$0.old"; fi
"$@" </dev/null >>"$0" 2>&1 &
echo $!
"""


def start(base: Path) -> str:
    """Join the server of a folder, or start it, making its data first where there is none.

    Args:
        base: Folder that is the server's alone, for example `.tdx/postgres`.

    Returns:
        A libpq URL of the database `postgres`, password included. The port is kept over restarts
        where it is still free, so ask anew rather than keep the URL.

    Raises:
        DatabaseSettingError: Nothing will start until a person mends something.
        DatabaseUnavailable: It did not start this time; the text ends with the server's own words.
    """
    base = base.absolute()
    with _locked(base, make=True):
        data = base / "data"
        running = live_postmaster(data) if data.exists() else None
        if running is None:
            running = _launch(base, data)
        elif not running.is_ready:
            running = _until_ready(running.pid, data)
        return f"postgresql://postgres:{_password(base)}@127.0.0.1:{running.port}/postgres"


def stop(base: Path) -> bool:
    """Stop the server of a folder; open connections are cut, what was committed is kept.

    Returns:
        True if one was running.

    Raises:
        DatabaseUnavailable: It did not end in time.
    """
    base = base.absolute()
    if not (base / "data").exists():
        return False
    with _locked(base, make=False):
        running = live_postmaster(base / "data")
        if running is None:
            return False
        os.kill(running.pid, signal.SIGINT)  # PostgreSQL's "fast shutdown"
        deadline = time.monotonic() + STOP_SECONDS
        while exists(running.pid):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"The embedded PostgreSQL (process {running.pid}) did not stop within "
                    f"{STOP_SECONDS:.0f} s; see {base / 'data' / 'server.log'}."
                )
            time.sleep(POLL_SECONDS)
        return True


def is_running(base: Path) -> bool:
    """Whether the server of a folder runs now; starts nothing and waits for nobody."""
    with _readable(base):
        data = base.absolute() / "data"
        return data.exists() and live_postmaster(data) is not None


ITERATIONS_SETTING_MAJOR = 16


@contextmanager
def _locked(base: Path, *, make: bool) -> Iterator[None]:
    """Hold the folder's lock; the operating system frees it when its holder is killed."""
    with _readable(base):
        if make:
            # Root's server runs as another user, who passes through here to the data and sees no
            # names.
            base.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        handle = os.open(base / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


@contextmanager
def _readable(base: Path) -> Iterator[None]:
    """Say in our own words that the folder is somebody else's."""
    try:
        yield
    except PermissionError as error:
        raise DatabaseSettingError(
            f"{error.filename or base} cannot be used by this user: run as the user who made "
            f"{base}, or work in another folder."
        ) from error


def _launch(base: Path, data: Path) -> Postmaster:
    """Start a server over the data, again while only passing faults are in its way."""
    binaries = find_binaries(_data_major(data))
    owner = data.stat().st_uid if data.exists() else None
    account = account_for(data if data.exists() else base, binaries.postgres, owner)
    if not data.exists():
        _make_data(base, data, binaries, account)
    deadline = time.monotonic() + START_SECONDS
    port = _usual_port(data)
    while True:
        try:
            return _launch_once(data, binaries, account, port)
        except DatabaseUnavailable as error:
            passing = any(words in str(error) for words in PASSING)
            if not passing or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)
        port = _free_port()


def _launch_once(data: Path, binaries: Binaries, account: Account, port: int) -> Postmaster:
    forget_dead(data)
    settings = [word for k, v in SETTINGS.items() for word in ("-c", f"{k}={v}")]
    server: list[str | Path] = [binaries.postgres, "-p", str(port), *settings, "-D", data]
    log = data / "server.log"
    written = log.stat().st_size if log.exists() else 0
    done = account.run("/bin/sh", "-c", LAUNCH, log, *server, stderr=subprocess.PIPE)
    if done.returncode:
        raise DatabaseUnavailable(f"The embedded PostgreSQL did not start: {done.stderr.strip()}")
    try:
        return _until_ready(int(done.stdout), data)
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{error} Its log {log} ends: {_tail(log, written)}") from None


def _until_ready(pid: int, data: Path) -> Postmaster:
    """Wait until a process serves the data, or has ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        known = read_postmaster(data)
        if known is not None and known.pid == pid and known.is_ready:
            return known
        if not exists(pid):
            raise DatabaseUnavailable("The embedded PostgreSQL ended while it started.")
        time.sleep(POLL_SECONDS)
    raise DatabaseUnavailable(f"The embedded PostgreSQL was not ready after {START_SECONDS:.0f} s.")


def _make_data(base: Path, data: Path, binaries: Binaries, account: Account) -> None:
    """Make the data folder beside its place and move it there whole: it is never half made."""
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


def _password(base: Path) -> str:
    try:
        return (base / "password").read_text(encoding="ascii")
    except FileNotFoundError:
        raise DatabaseSettingError(
            f"{base / 'password'} is missing, and {base / 'data'} opens to nobody without it: "
            "put the file back, or move the whole folder away to begin anew."
        ) from None


def _data_major(data: Path) -> int | None:
    """Major version that made the data, or None where there are none."""
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii").strip())
    except (FileNotFoundError, ValueError) as error:
        raise DatabaseSettingError(
            f"{data} is no PostgreSQL data folder (PG_VERSION: {error}): "
            "move it away to begin anew."
        ) from error


def _usual_port(data: Path) -> int:
    """The port of the last start where it is still free, so that exported URLs stay good."""
    known = _last_port(data)
    return known if known is not None and _is_free(known) else _free_port()


def _last_port(data: Path) -> int | None:
    try:
        words = (data / "postmaster.opts").read_text(encoding="utf-8").split('"')
        return int(words[words.index("-p") + 2])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: Path, since: int) -> str:
    """What the server wrote to its log since a position."""
    try:
        with log.open("rb") as file:
            file.seek(since)
            return file.read()[-1500:].decode(errors="replace").strip()
    except OSError as error:
        return f"({error})"
