"""Places where people run this: servers, poolers, roles and containers that are set up differently.

Each file holds one kind. `make places` runs them; they use real servers and skip only where a program is
missing.
"""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tdx_dagster.postgres.account import account_for
from tdx_dagster.postgres.database import connect, libpq_url


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_sql(url: str, *statements: str) -> list[Any]:
    """Run statements one after the other and give the last one's rows."""
    opened = connect(url)
    try:
        with opened.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        opened.close()


def with_user(url: str, name: str) -> str:
    """The same address for another user."""
    return libpq_url(
        make_url(url).set(username=name, password="secret").render_as_string(hide_password=False)
    )


@pytest.fixture
def make_role(database_url: str) -> Iterator[Callable[[str], str]]:
    """Makes login roles that vanish after the test; gives the address for each."""
    made: list[str] = []

    def make(name: str, *options: str) -> str:
        run_sql(database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret' {' '.join(options)}")
        made.append(name)
        return with_user(database_url, name)

    yield make
    for name in made:
        run_sql(database_url, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextlib.contextmanager
def pooled(url: str, folder: Path, mode: str = "transaction") -> Iterator[str]:
    """PgBouncer before a database, with few sessions; gives its address."""
    if PGBOUNCER is None:
        pytest.skip("needs PgBouncer")
    known = make_url(url)
    port = free_port()
    folder.chmod(0o755)
    # With workers of pytest-xdist there is one folder more.
    for parent in folder.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o711)
    (folder / "users.txt").write_text(f'"{known.username}" "{known.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={known.host} port={known.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users.txt\n"
        f"pool_mode = {mode}\ndefault_pool_size = 4\nmax_client_conn = 200\n"
    )
    account = account_for(folder, Path(PGBOUNCER), None)
    command = [PGBOUNCER, "-q", str(folder / "pgbouncer.ini")]
    process = subprocess.Popen(
        command, user=account.uid, group=account.gid, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            assert process.poll() is None, "PgBouncer ended"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
        yield libpq_url(known.set(port=port).render_as_string(hide_password=False))
    finally:
        process.terminate()
        process.wait()
