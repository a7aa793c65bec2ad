"""Two containers on one volume (case F03), as process namespaces: one server over the data, or a refusal."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tdx_dagster.postgres import server
from tdx_dagster.postgres.errors import DatabaseUnavailable

from .conftest import run_sql

START = """
import sys
from pathlib import Path
from tdx_dagster.postgres import server
from tdx_dagster.postgres.errors import DatabaseError
try:
    print(server.start(Path(sys.argv[1])), flush=True)
except DatabaseError as error:
    print(type(error).__name__, error, flush=True)
sys.stdin.read()
"""
CONTAINER = ["unshare", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]

Container = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """Starts a process namespace that starts or joins the server, and stays until its input ends."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*CONTAINER, "true"], check=False).returncode
    ):
        pytest.skip("may not make process namespaces")
    running: list[subprocess.Popen[str]] = []

    def start(*more: str) -> "subprocess.Popen[str]":
        command = [*CONTAINER, *more, sys.executable, "-c", START, str(tmp_path / "postgres")]
        running.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        return running[-1]

    yield start
    for one in running:
        one.communicate(timeout=120)


def said_by(one: "subprocess.Popen[str]") -> str:
    """The address or the refusal that a container gives."""
    assert one.stdout is not None
    return one.stdout.readline().strip()


def test_the_second_container_uses_the_server_of_the_first(
    container: Container, tmp_path: Path
) -> None:
    """It took the lock file for a dead one's, and two servers wrote over one folder."""
    first, second = container(), container()
    url = said_by(first)
    assert said_by(second) == url
    run_sql(url, "CREATE TABLE written (by text)", "INSERT INTO written VALUES ('first')")
    assert server.start(tmp_path / "postgres") == url
    assert server.is_running(tmp_path / "postgres")
    assert run_sql(url, "SELECT by FROM written") == [("first",)]


def test_a_container_that_cannot_reach_the_first_is_refused(
    container: Container, tmp_path: Path
) -> None:
    """Loopback is each container's own."""
    url = said_by(container())
    refused = said_by(container("--net"))
    assert refused.startswith("DatabaseUnavailable Another container")
    assert "DATABASE_URL" in refused
    assert server.is_running(tmp_path / "postgres")
    with pytest.raises(DatabaseUnavailable, match="stop it there"):
        server.stop(tmp_path / "postgres")
    assert run_sql(url, "SELECT 1") == [(1,)]


def test_after_the_first_container_is_killed_the_second_serves_its_data(
    container: Container,
) -> None:
    """The kernel gives the lock back with the last process of the server."""
    first = container()
    url = said_by(first)
    run_sql(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    first.wait()
    second = said_by(container())
    assert run_sql(second, "SELECT answer FROM kept") == [(42,)]
