"""What all tests share: a clean environment, and real PostgreSQL databases, one for each test.

One server a session runs in a temporary folder; a database of it is migrated once and copied for
each test that asks for one. Servers are stopped at the end.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from psycopg2 import sql
from sqlalchemy import Engine

from tdx_dagster.named_tdx import UNNAMED, select_tdx
from tdx_dagster.postgres import binaries, server
from tdx_dagster.postgres.database import connect, engine, ensure_database, normalise_url
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.project import select_own_project
from tdx_dagster.settings import forget_declared

# A test that asks for none of these fixtures, in a file that has none of these words, is a unit test.
SERVER_FIXTURES = frozenset({"cluster", "system_cluster", "each_cluster", "server", "simulator"})
SERVER_WORDS = re.compile(
    r"^(from|import) (dagster|subprocess|tdxlib|tdxapi)\b|\bSimulator\b|ScriptedServer|import server\b"
    r"|tdx_dagster\.(cli|component|definitions|resources|inventory\.assets)\b",
    re.MULTILINE,
)

# A busy machine is no wrong result.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

TEMPLATE = "tdx_template"
NAMES = count(1)


@cache
def starts_servers(file: Path) -> bool:
    """Whether a file of tests has to do with servers, processes or Dagster."""
    return bool(SERVER_WORDS.search(file.read_text(encoding="utf-8")))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no other file where unit tests alone are wanted: importing Dagster takes seconds."""
    is_other = collection_path.suffix == ".py" and starts_servers(collection_path)
    return True if config.option.markexpr == "unit" and is_other else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need no server and no Dagster as `unit`."""
    for item in items:
        if isinstance(item, pytest.Function) and _is_unit(item):
            item.add_marker(pytest.mark.unit)


def _is_unit(item: pytest.Function) -> bool:
    # Hundreds of inputs, or large ones, are for `make test`.
    is_long = item.get_closest_marker("slow") or hasattr(item.function, "hypothesis")
    if is_long or "hostile" in item.name or SERVER_FIXTURES & set(item.fixturenames):
        return False
    # A fixture that makes what it is told to names a server by its parameter.
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    is_server = {"postgres", "remembering"} & set(map(str, parameters))
    return not is_server and not starts_servers(item.path)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it, nor the project that a test before it has selected."""
    select_own_project()
    select_tdx(UNNAMED)
    forget_declared()
    for name in list(os.environ):
        if name.startswith(("TDX_", "DAEMON_", "INVENTORY_", "DAGSTER_")) or name == "DATABASE_URL":
            monkeypatch.delenv(name)


@dataclass(frozen=True)
class Cluster:
    """A running server for tests."""

    url: str

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """A database that exists as long as the block runs; gives its URL."""
        name = f"test_{next(NAMES)}"
        quoted = sql.Identifier(name)
        admin = connect(self.url)
        try:
            with admin.cursor() as cursor:
                make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                cursor.execute(make.format(quoted, sql.Identifier(template)))
                yield normalise_url(self.url).rpartition("/")[0] + f"/{name}"
                cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))
        finally:
            admin.close()


@contextmanager
def running_cluster(base: Path) -> Iterator[Cluster]:
    """A server with a migrated template, stopped when the block ends."""
    url = server.start(base)
    try:
        admin = connect(url)
        with admin.cursor() as cursor:
            # The databases live for a test; nobody needs them after a power cut.
            cursor.execute("ALTER SYSTEM SET fsync = off")
            cursor.execute("SELECT pg_reload_conf()")
        admin.close()
        migrate(ensure_database(url, TEMPLATE))
        yield Cluster(url)
    finally:
        server.stop(base)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The server of this session, from the same programs that people get."""
    with running_cluster(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def system_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A second server from the system's own PostgreSQL, where there is one."""
    found = next((b for b in binaries.system_binaries() if b.major >= binaries.OLDEST_MAJOR), None)
    if found is None:
        pytest.skip("no PostgreSQL of the system's own")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PG_BINDIR", str(found.folder))
            base = tmp_path_factory.mktemp("system-postgres")
            running = stack.enter_context(running_cluster(base))
        yield running


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    """A migrated, empty database for one test."""
    with cluster.database(TEMPLATE) as url:
        yield url


@pytest.fixture
def bare_url(cluster: Cluster) -> Iterator[str]:
    """A database without any of our tables."""
    with cluster.database() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """An engine over the test's migrated database."""
    made = engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(params=["cluster", "system_cluster"])
def each_cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each server version there is, for tests of SQL."""
    running = request.getfixturevalue(request.param)
    assert isinstance(running, Cluster)
    return running


@pytest.fixture
def each_database_url(each_cluster: Cluster) -> Iterator[str]:
    """A migrated, empty database on each server version."""
    with each_cluster.database(TEMPLATE) as url:
        yield url


@pytest.fixture
def each_bare_url(each_cluster: Cluster) -> Iterator[str]:
    """A database without any of our tables on each server version."""
    with each_cluster.database() as url:
        yield url
