"""Start, join and stop the embedded PostgreSQL server of a folder.

Belongs here: one data folder, one server, one URL. Does not: databases in it, or what they hold.
The server outlives whoever started it; the next one joins it, or starts it again after a crash. It
listens on loopback only, behind a random password. It and all its children hold a kernel lock on a
file of the data: where process ids mean nothing, as between containers, the lock shows that it runs.
"""

import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2

from tdx_dagster.postgres.account import Account, account_for
from tdx_dagster.postgres.binaries import Binaries, find_binaries
from tdx_dagster.postgres.data_folder import data_major, make_data, read_password
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

STOP_SECONDS = 30.0

ORPHAN_SECONDS = 10.0
"""How long children of a killed server may take to end."""

POLL_SECONDS = 0.02
RETRY_SECONDS = 0.25

# Faults that pass by themselves: a port taken meanwhile, a predecessor whose children still end. The
# server of our own folder writes its log in English.
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
    "lc_messages": "C",
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

    The variables that libpq reads for other servers (PGHOST, PGSERVICE and so on) are removed from
    the environment of this process.

    Args:
        base: Folder that is the server's alone, for example `.tdx/postgres`.

    Returns:
        A libpq URL of the database `postgres`, password included. The port is kept over restarts
        where it is still free, so ask anew rather than keep the URL.

    Raises:
        DatabaseSettingError: Nothing starts until a person changes something.
        DatabaseUnavailable: It did not start this time; the text ends with the server's messages.
    """
    remove_foreign_variables(os.environ)
    base = base.absolute()
    with _locked(base, make=True):
        data = base / "data"
        running = live_postmaster(data) if data.exists() else None
        if running is None:
            running = _launch(base, data)
        elif not running.is_ready:
            running = _until_ready(running.pid, data)
        return _url(base, running.port)


def remove_foreign_variables(environment: MutableMapping[str, str]) -> list[str]:
    """Remove what libpq reads for other servers, and give the names removed."""
    names = [name for name in environment if re.fullmatch(r"PG[A-Z]+|PGCONNECT_TIMEOUT", name)]
    for name in names:
        del environment[name]
    return names


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
        data = base / "data"
        running = live_postmaster(data)
        if running is None:
            if (data / "PG_VERSION").exists():
                _require_ended(base, data)
            return False
        # PostgreSQL's "fast shutdown", then its "immediate" one, after which the next start recovers.
        for number in (signal.SIGINT, signal.SIGQUIT):
            os.kill(running.pid, number)
            if _has_ended(running.pid):
                return True
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL (process {running.pid}) did not stop within "
            f"{2 * STOP_SECONDS:.0f} s; see {data / 'server.log'}."
        )


def _has_ended(pid: int) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    while exists(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _require_ended(base: Path, data: Path) -> None:
    found = _own(base, data)
    if isinstance(found, Postmaster):
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL over {data} runs in another container: stop it there."
        )
    os.close(found)


def is_running(base: Path) -> bool:
    """Tell whether the server of a folder runs now; starts nothing and waits for nobody."""
    with _readable(base):
        base = base.absolute()
        data = base / "data"
        return live_postmaster(data) is not None or _runs_elsewhere(base, data)


def _own(base: Path, data: Path) -> int | Postmaster:
    """Lock the data for one server; where another has them, find it, or wait while it may be ending.

    The lock is on a file that data cannot be without, so nobody removes it by tidying up.

    Raises:
        DatabaseUnavailable: A server that cannot be reached from here has them.
    """
    handle = os.open(data / "PG_VERSION", os.O_RDWR | os.O_NOFOLLOW)
    deadline = time.monotonic() + ORPHAN_SECONDS
    while not _try_lock(handle):
        if (found := _elsewhere(base, data)) is not None or time.monotonic() > deadline:
            os.close(handle)
            if found is not None:
                return found
            raise DatabaseUnavailable(
                f"Another container or machine runs a server over {data}: stop it there, or set "
                "DATABASE_URL to a server that both reach."
            )
        time.sleep(POLL_SECONDS)
    return handle


def _try_lock(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _runs_elsewhere(base: Path, data: Path) -> bool:
    """Tell whether another container's server has the data; a copied folder is no other's."""
    if not (data / "PG_VERSION").exists():
        return False
    handle = os.open(data / "PG_VERSION", os.O_RDWR | os.O_NOFOLLOW)
    try:
        return not _try_lock(handle) and _elsewhere(base, data) is not None
    finally:
        os.close(handle)


def _elsewhere(base: Path, data: Path) -> Postmaster | None:
    """Find the server of the data by its port: it may be a process of another container."""
    known = read_postmaster(data)
    if known is None or not known.is_ready:
        return None
    try:
        opened = psycopg2.connect(_url(base, known.port), connect_timeout=5, sslmode="disable")
        with opened.cursor() as cursor:
            # Another server may listen on this port here, and a copied folder has the same password.
            cursor.execute("SELECT pg_read_file('postmaster.pid')")
            (said,) = cursor.fetchone() or ("",)
        opened.close()
    except psycopg2.Error:
        return None
    return known if said == (data / "postmaster.pid").read_text(encoding="utf-8") else None


def _url(base: Path, port: int) -> str:
    return f"postgresql://postgres:{read_password(base)}@127.0.0.1:{port}/postgres"


@contextmanager
def _locked(base: Path, *, make: bool) -> Iterator[None]:
    """Hold the folder's lock while a server is started or stopped; a killed holder frees it."""
    with _readable(base):
        if make:
            # Root's server runs as another user, who passes through here to the data and sees no
            # names.
            base.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        handle = os.open(base / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _wait_for(handle, base)
            yield
        finally:
            os.close(handle)


def _wait_for(handle: int, base: Path) -> None:
    deadline = time.monotonic() + START_SECONDS + STOP_SECONDS
    while not _try_lock(handle):
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"Another process has been starting or stopping the server of {base} for minutes: "
                "see whether it hangs, then try again."
            )
        time.sleep(POLL_SECONDS)


@contextmanager
def _readable(base: Path) -> Iterator[None]:
    """Translate the errors of a folder that is somebody else's, read-only or full."""
    try:
        yield
    except PermissionError as error:
        raise DatabaseSettingError(
            f"{error.filename or base} cannot be used by this user: run as the user who made "
            f"{base}, or work in another folder."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatabaseUnavailable(f"The disk of {base} is full: free some space.") from error
        if error.errno == errno.EROFS:
            raise DatabaseSettingError(
                f"{base} cannot be written: work in another folder, or set DATABASE_URL."
            ) from error
        raise


def _launch(base: Path, data: Path) -> Postmaster:
    """Start a server over the data, or join one of another container that can be reached."""
    binaries = find_binaries(data_major(data))
    owner = data.stat().st_uid if data.exists() else None
    account = account_for(data if data.exists() else base, binaries.postgres, owner)
    if not data.exists():
        make_data(base, data, binaries, account)
    owned = _own(base, data)
    if isinstance(owned, Postmaster):
        return owned
    try:
        return _launch_patiently(data, binaries, account, owned)
    finally:
        os.close(owned)  # the server has its own copy


def _launch_patiently(data: Path, binaries: Binaries, account: Account, owned: int) -> Postmaster:
    """Launch again while only passing faults are in the way."""
    deadline = time.monotonic() + START_SECONDS
    port = _usual_port(data)
    while True:
        try:
            return _launch_once(data, binaries, account, port, owned)
        except DatabaseUnavailable as error:
            passing = any(words in str(error) for words in PASSING)
            if not passing or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)
        port = _free_port()


def _launch_once(
    data: Path, binaries: Binaries, account: Account, port: int, owned: int
) -> Postmaster:
    forget_dead(data)
    settings = [word for k, v in SETTINGS.items() for word in ("-c", f"{k}={v}")]
    server: list[str | Path] = [binaries.postgres, "-p", str(port), *settings, "-D", data]
    log = data / "server.log"
    written = log.stat().st_size if log.exists() else 0
    done = account.run(
        "/bin/sh", "-c", LAUNCH, log, *server, stderr=subprocess.PIPE, pass_fds=(owned,)
    )
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


def _usual_port(data: Path) -> int:
    """Give the port of the last start where it is still free, so that exported URLs stay good."""
    known = _last_port(data)
    return known if known is not None and is_free(known) else _free_port()


def _last_port(data: Path) -> int | None:
    try:
        words = (data / "postmaster.opts").read_text(encoding="utf-8").split('"')
        return int(words[words.index("-p") + 2])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of loopback; 0 is always free."""
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
    """Give what the server wrote to its log since a position."""
    try:
        with log.open("rb") as file:
            file.seek(since)
            return file.read()[-1500:].decode(errors="replace").strip()
    except OSError as error:
        return f"({error})"
