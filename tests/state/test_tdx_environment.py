"""The TDX that a database belongs to, where two processes write first at the same time."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, make_url, text

from tdx_dagster.postgres.database import engine
from tdx_dagster.state import tdx_environment
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.state.tdx_environment import (
    QUERIES,
    OtherEnvironment,
    record_environment,
    recorded_environment,
)
from tests.places.conftest import run_sql

SANDBOX = "https://tdx.example.edu/SBTDWebApi"
PRODUCTION = "https://tdx.example.edu/TDWebApi"
WAITS = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@contextmanager
def first_writer(database: Engine) -> Iterator[Connection]:
    """A process that has stored the sandbox, and not committed."""
    with database.connect() as connection:
        connection.execute(QUERIES["record"], {"address": "tdx.example.edu/SBTDWebApi"})
        yield connection


def waiting(url: str, base_url: str, pool: ThreadPoolExecutor) -> "Future[None]":
    """Another process, once it waits for the first one to end."""
    made = engine(url)
    recording = pool.submit(record_environment, made, base_url)
    with made.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(WAITS).scalar_one():
            assert not recording.done(), recording.exception()
    return recording


@pytest.mark.parametrize("level", ["read committed", "serializable"])
def test_of_two_that_begin_at_once_the_loser_agrees_or_is_refused(
    database_url: str, level: str
) -> None:
    """Both have read that nothing is recorded; whoever commits first decides, whatever the server's default."""
    name = make_url(database_url).database
    run_sql(database_url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    made = engine(database_url)
    with ThreadPoolExecutor(2) as pool, first_writer(made) as first:
        refused = waiting(database_url, PRODUCTION, pool)
        agrees = pool.submit(record_environment, made, SANDBOX)
        first.commit()
        with pytest.raises(OtherEnvironment, match=r"TDX_BASE_URL leads to tdx\.example\.edu/TDW"):
            refused.result()
        agrees.result()
    assert recorded_environment(made) == "tdx.example.edu/SBTDWebApi"
    made.dispose()


def test_a_first_writer_that_dies_before_its_commit_leaves_the_place_to_the_other(
    database_url: str,
) -> None:
    """What it stored is not there."""
    made = engine(database_url)
    with ThreadPoolExecutor(1) as pool, first_writer(made) as first:
        second = waiting(database_url, PRODUCTION, pool)
        first.rollback()
        second.result()
    assert recorded_environment(made) == "tdx.example.edu/TDWebApi"
    made.dispose()


def test_a_first_writer_that_hangs_stops_nobody_for_long(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows which TDX it will be, so nothing is written."""
    monkeypatch.setattr(tdx_environment, "BOUNDS", "SET LOCAL lock_timeout = '50ms'")
    with (
        first_writer(database),
        pytest.raises(StoreUnavailable, match="cannot say which TDX it belongs to"),
    ):
        record_environment(database, SANDBOX)
    record_environment(database, SANDBOX)
