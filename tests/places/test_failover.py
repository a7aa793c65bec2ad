"""A primary and its standby (case F11): streaming replication, promoted while sessions are open."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from tdx_dagster.postgres import binaries
from tdx_dagster.postgres.account import account_for
from tdx_dagster.postgres.database import connect, engine, libpq_url
from tdx_dagster.postgres.errors import ReadOnlyServer

from .conftest import free_port, run_sql


class Nodes:
    """A primary and a standby of the system's own PostgreSQL, in one folder."""

    def __init__(self, folder: Path, programs: Path) -> None:
        """Make the folder reachable for the account that serves."""
        folder.chmod(0o755)
        self._account = account_for(folder, programs / "postgres", None)
        self.folder = folder / "nodes"
        self.folder.mkdir()
        shutil.chown(self.folder, self._account.uid, self._account.gid)
        self._programs = programs
        self.ports = {"first": free_port(), "second": free_port()}

    def run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL's as the account that serves."""
        done = self._account.run(
            self._programs / program, *words, stderr=subprocess.PIPE, timeout=120
        )
        assert done.returncode == 0, (program, words, done.stderr)

    def control(self, node: str, verb: str) -> None:
        """Start, stop or promote a node."""
        options = f"-p {self.ports[node]} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        more = ["-o", options, "-l", str(self.folder / f"{node}.log")] if verb == "start" else []
        more += ["-m", "immediate"] if verb == "stop" else []
        self.run("pg_ctl", verb, "-D", str(self.folder / node), "-w", *more)

    def url(self, node: str) -> str:
        """Give the address of a node's database."""
        return f"postgresql://postgres@127.0.0.1:{self.ports[node]}/postgres"


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """A primary with a standby that follows it.

    Not below `tmp_path`: a second pytest closes the folder above it to the account that serves.
    """
    found = next((b for b in binaries.system_binaries() if b.major >= binaries.OLDEST_MAJOR), None)
    if found is None or not (found.folder / "pg_basebackup").exists():
        pytest.skip("needs the system's own PostgreSQL")
    folder = Path(tempfile.mkdtemp())
    made = Nodes(folder, found.folder)
    made.run(
        "initdb",
        "-D",
        str(made.folder / "first"),
        "-A",
        "trust",
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "-N",
    )
    try:
        made.control("first", "start")
        target = f"host=127.0.0.1 port={made.ports['first']} user=postgres"
        made.run(
            "pg_basebackup",
            "-D",
            str(made.folder / "second"),
            "-d",
            target,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-N",
        )
        made.control("second", "start")
        yield made
    finally:
        for node in ("first", "second"):
            with contextlib.suppress(AssertionError):
                made.control(node, "stop")
        shutil.rmtree(folder)


def test_f11_a_standby_is_refused_by_name_and_found_as_primary_once_promoted(nodes: Nodes) -> None:
    """One address with two hosts, as for a cluster: the driver takes the first that answers."""
    run_sql(nodes.url("first"), "CREATE TABLE kept AS SELECT 42 AS answer")
    with pytest.raises(ReadOnlyServer, match=r"standby.*DATABASE_URL"):
        connect(nodes.url("second"))
    ports = ",".join(str(port) for port in nodes.ports.values())
    url = f"postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.1&port={ports}"
    made = engine(url + "&target_session_attrs=read-write")
    with made.begin() as connection:
        connection.execute(text("INSERT INTO kept VALUES (1)"))
        lsn = connection.execute(text("SELECT pg_current_wal_insert_lsn()")).scalar_one()
    until_replayed(nodes, lsn)
    nodes.control("first", "stop")
    nodes.control("second", "promote")
    with made.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar_one() == 2
        connection.execute(text("INSERT INTO kept VALUES (2)"))
    made.dispose()


def until_replayed(nodes: Nodes, lsn: str) -> None:
    """Wait for the standby; it takes no sessions of ours, so the driver asks."""
    with contextlib.closing(psycopg2.connect(libpq_url(nodes.url("second")))) as standby:
        standby.autocommit = True
        with standby.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,))
                if (cursor.fetchone() or (False,))[0]:
                    return
