"""What happens to the embedded server's folder and environment: data kept, or a clear refusal."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import database_url
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.postmaster import exists, live_postmaster

from .conftest import run_sql

FOREIGN = {
    "PGHOST": "db.example.edu",
    "PGPORT": "1",
    "PGUSER": "somebody",
    "PGPASSWORD": "wrong",
    "PGDATABASE": "theirs",
    "PGDATA": "/nowhere",
    "PGSERVICE": "theirs",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGSSLMODE": "verify-full",
    "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "America/Detroit",
    "PGTARGETSESSIONATTRS": "read-only",
}


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server, which is stopped after the test."""
    yield tmp_path / "postgres"
    server.stop(tmp_path / "postgres")


def kill(pid: int) -> None:
    """Kill a process and see it end; nobody may have counted it yet."""
    os.kill(pid, signal.SIGKILL)
    while exists(pid):
        time.sleep(0.001)


def pid_of(base: Path) -> int:
    """The process id of the folder's server."""
    found = live_postmaster(base / "data")
    assert found is not None
    return found.pid


def test_variables_for_other_servers_do_not_apply(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who work with databases have them in their shells."""
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    url = database_url({}, base)
    row = "SELECT current_user::text, current_setting('search_path'), current_setting('TimeZone')"
    assert run_sql(url, row) == [("postgres", '"$user", public', "UTC")]
    assert server.stop(base)
    assert not set(FOREIGN) & set(os.environ)


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_killed_server_is_started_over_its_data(base: Path, whole_group: bool) -> None:
    """As by the kernel's memory killer, or when a machine loses its power."""
    run_sql(server.start(base), "CREATE TABLE kept AS SELECT 42 AS answer")
    pid = pid_of(base)
    if whole_group:
        os.kill(pid, signal.SIGSTOP)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    kill(pid)
    assert run_sql(server.start(base), "SELECT answer FROM kept") == [(42,)]
    assert pid_of(base) != pid


def test_the_number_of_another_live_process_in_its_file_is_no_obstacle(base: Path) -> None:
    """After a reboot another program has it, and PostgreSQL alone refuses."""
    run_sql(server.start(base), "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(pid_of(base))
    lock = base / "data" / "postmaster.pid"
    other = subprocess.Popen(["/bin/sleep", "600"])
    try:
        # Its start lies in the future too: the clock was set back since.
        lines = lock.read_text().split("\n")
        lock.write_text("\n".join([str(other.pid), lines[1], str(2**31), *lines[3:]]))
        assert run_sql(server.start(base), "SELECT answer FROM kept") == [(42,)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_clock_that_jumped_back_is_no_obstacle(base: Path) -> None:
    """Everything in the folder is younger than now."""
    run_sql(server.start(base), "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(pid_of(base))
    later = time.time() + 10**8
    for path in base.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (later, later))
    assert run_sql(server.start(base), "SELECT answer FROM kept") == [(42,)]


def test_a_copied_folder_gets_a_server_of_its_own(base: Path, tmp_path: Path) -> None:
    """The file in it names the server of the first, which runs."""
    run_sql(server.start(base), "CREATE TABLE kept AS SELECT 42 AS answer", "CHECKPOINT")
    copy = tmp_path / "copy"
    subprocess.run(["/bin/cp", "-a", base, copy], check=True)
    try:
        url = server.start(copy)
        assert url != server.start(base)
        run_sql(url, "INSERT INTO kept VALUES (1)")
        assert run_sql(server.start(base), "SELECT count(*) FROM kept") == [(1,)]
    finally:
        server.stop(copy)


def test_a_lock_that_another_process_holds_is_waited_for_with_an_end(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs while it starts the server must not hang all others."""
    server.start(base)
    monkeypatch.setattr(server, "START_SECONDS", 0.0)
    monkeypatch.setattr(server, "STOP_SECONDS", 0.0)
    holder = subprocess.Popen(["/usr/bin/flock", base / "lock", "cat"], stdin=subprocess.PIPE)
    while (
        subprocess.run(["/usr/bin/flock", "-n", base / "lock", "true"], check=False).returncode == 0
    ):
        assert holder.poll() is None
    try:
        with pytest.raises(DatabaseError, match="starting or stopping"):
            server.start(base)
    finally:
        holder.communicate()
        monkeypatch.undo()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 250 MB: enough for the data of a new server and little more."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=250m,mode=755", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("may not mount")
    yield folder
    server.stop(folder / "postgres")
    subprocess.run(["/bin/umount", folder], check=True)


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    """What was committed is there again once somebody has made room."""
    base = small_disk / "postgres"
    run_sql(server.start(base), "CREATE TABLE kept AS SELECT 42 AS answer", "CHECKPOINT")
    kill(pid_of(base))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises((DatabaseError, psycopg2.Error), match=r"No space|full|closed|recovery"):
        run_sql(
            server.start(base), "CREATE TABLE large AS SELECT * FROM generate_series(1, 10000000)"
        )
    filler.unlink()
    server.stop(base)
    assert run_sql(server.start(base), "SELECT answer FROM kept") == [(42,)]


def test_a_disk_that_is_full_from_the_beginning_leaves_no_half_made_data(small_disk: Path) -> None:
    """The next start makes them whole."""
    base = small_disk / "postgres"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 5_000_000))
    with pytest.raises(DatabaseError, match=r"No space left on device|full"):
        server.start(base)
    assert not (base / "data").exists()
    filler.unlink()
    assert run_sql(server.start(base), "SELECT 1") == [(1,)]
