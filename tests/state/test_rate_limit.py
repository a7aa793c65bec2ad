"""The rate limiter that all processes share: who is granted a call when, and what it learns."""

import threading
import time as real_time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.state.rate_limit import MOST_SLOTS, PostgresLimiter, ShareLimiter
from tdx_dagster.tdx.clock import Clock
from tdx_dagster.tdx.errors import TdxRateLimited, TdxRetryLater
from tdx_dagster.tdx.rate_limit import Limiter

KEY = "GET /{app}/tickets/{id} at tdx.example.edu"


@dataclass
class Sleeps:
    """Keeps how long it was asked to sleep, and does not."""

    asked: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return Clock(sleep=self.asked.append)

    @property
    def last(self) -> float:
        return self.asked[-1] if self.asked else 0.0


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def limiter(database: Engine, sleeps: Sleeps) -> Limiter:
    return PostgresLimiter(database, sleeps.clock)


def test_a_full_burst_passes_and_the_next_call_waits_for_the_window(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """The window is the API's, and one per cent longer: clients wake late."""
    for _ in range(3):
        limiter.acquire(KEY, 3, 60, 120)
    assert sleeps.asked == []
    limiter.acquire(KEY, 3, 60, 120)
    assert sleeps.last == pytest.approx(60.6, abs=0.5)


def test_keys_do_not_hold_each_other_up(limiter: Limiter, sleeps: Sleeps) -> None:
    """Limits of two methods never interact."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.acquire("GET /reports/{id} at tdx.example.edu", 1, 60, 0)
    assert sleeps.asked == []


def test_who_cannot_wait_is_refused_and_reserves_nothing(limiter: Limiter, sleeps: Sleeps) -> None:
    """A sensor that asks every few seconds would push everybody's slots into the future."""
    limiter.acquire(KEY, 1, 60, 0)
    for _ in range(5):
        with pytest.raises(TdxRateLimited) as caught:
            limiter.acquire(KEY, 1, 60, 30)
    assert caught.value.wait_seconds == pytest.approx(60.6, abs=0.5)
    limiter.acquire(KEY, 1, 60, 61)
    assert sleeps.asked == [pytest.approx(60.6, abs=0.5)]


def test_a_smaller_limit_is_learned_from_the_headers(limiter: Limiter, sleeps: Sleeps) -> None:
    """Tenants and releases differ from the documentation."""
    limiter.acquire(KEY, 60, 60, 0)
    limiter.learn(KEY, 2, 1, 60)
    limiter.acquire(KEY, 60, 60, 0)
    limiter.acquire(KEY, 60, 60, 120)
    assert sleeps.last == pytest.approx(60.6, abs=0.5)


def test_a_larger_limit_is_learned_from_the_headers(limiter: Limiter, sleeps: Sleeps) -> None:
    """Older tenants allow more; nobody should wait for nothing."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.learn(KEY, 3, 2, 60)
    limiter.acquire(KEY, 1, 60, 0)
    limiter.acquire(KEY, 1, 60, 0)
    assert sleeps.asked == []


def test_calls_of_others_are_learned_from_what_remains(limiter: Limiter, sleeps: Sleeps) -> None:
    """Case A05: everybody behind one address shares its limit, ours or not."""
    limiter.acquire(KEY, 4, 60, 0)
    # We made one call of four; the others must have made two.
    limiter.learn(KEY, 4, 1, 20)
    limiter.acquire(KEY, 4, 60, 0)
    assert sleeps.asked == []
    limiter.acquire(KEY, 4, 60, 120)
    assert sleeps.last == pytest.approx(20, abs=0.5)


def test_the_length_of_a_window_is_learned_at_its_first_call(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """Windows of ten seconds are documented for one method; nobody should wait a minute there."""
    limiter.acquire(KEY, 2, 60, 0)
    limiter.learn(KEY, 2, 1, 10)
    limiter.acquire(KEY, 2, 60, 0)
    limiter.acquire(KEY, 2, 60, 120)
    assert sleeps.last == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("reset_in", [59, 62, 0, -3600, 93_600])
def test_a_window_that_is_as_known_or_cannot_be_is_no_news(
    limiter: Limiter, sleeps: Sleeps, reset_in: float
) -> None:
    """Headers name whole seconds, and clocks go wrong by hours (case A03)."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.learn(KEY, 1, 0, reset_in)
    limiter.acquire(KEY, 1, 60, 120)
    assert sleeps.last == pytest.approx(60.6, abs=0.5)


def test_our_own_calls_are_not_taken_for_those_of_others(limiter: Limiter, sleeps: Sleeps) -> None:
    """Else every answer would make the limit smaller."""
    for left in (3, 2, 1, 0):
        limiter.acquire(KEY, 4, 60, 0)
        limiter.learn(KEY, 4, left, 60)
    assert sleeps.asked == []


def test_an_answer_without_headers_says_that_there_is_no_limit(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """Case A06: a method that is not limited carries no headers, and need not be slowed down."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.learn(KEY, None, None, None)
    for _ in range(5):
        limiter.acquire(KEY, 1, 60, 0)
    assert sleeps.asked == []


def test_a_method_known_to_be_limited_stays_so_without_headers(limiter: Limiter) -> None:
    """A proxy that strips the headers now and then must not switch the limiter off."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.learn(KEY, 1, 0, 60)
    limiter.learn(KEY, None, None, None)
    with pytest.raises(TdxRateLimited):
        limiter.acquire(KEY, 1, 60, 0)


@pytest.mark.parametrize("unlimited_before", [False, True])
def test_after_a_429_everybody_waits(
    limiter: Limiter, sleeps: Sleeps, unlimited_before: bool
) -> None:
    """One process meets the 429, the others must not find out each for itself."""
    limiter.acquire(KEY, 3, 60, 0)
    if unlimited_before:
        limiter.learn(KEY, None, None, None)
    limiter.penalise(KEY, 7)
    limiter.learn(KEY, None, None, None)
    for _ in range(2):
        limiter.acquire(KEY, 3, 60, 120)
        assert sleeps.last == pytest.approx(7, abs=0.5)


def test_a_429_never_lets_a_call_go_earlier(limiter: Limiter, sleeps: Sleeps) -> None:
    """A short penalty must not cancel what our own counting says."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.penalise(KEY, 5)
    limiter.acquire(KEY, 1, 60, 120)
    assert sleeps.last == pytest.approx(60.6, abs=0.5)


def test_what_is_said_about_an_unknown_key_changes_nothing(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """Headers may arrive after the row was deleted by hand."""
    limiter.learn(KEY, 1, 0, 60)
    limiter.penalise(KEY, 60)
    limiter.acquire(KEY, 1, 60, 0)
    assert sleeps.asked == []


def test_an_absurd_limit_does_not_cost_absurd_room(limiter: Limiter) -> None:
    """A slot is kept for every call of a window, and headers come from outside."""
    limiter.acquire(KEY, 1, 60, 0)
    limiter.learn(KEY, 999_999_999, 999_999_998, 60)
    for _ in range(MOST_SLOTS - 1):
        limiter.acquire(KEY, 1, 60, 0)
    with pytest.raises(TdxRateLimited):
        limiter.acquire(KEY, 1, 60, 0)


def test_no_window_ever_holds_more_than_the_limit(database_url: str) -> None:
    """Case A05: eight runs, each with connections of its own, share one limit exactly."""
    limit, period, runs = 20, 1.0, 8
    stamps: list[float] = []
    ends = real_time.monotonic() + 3.75

    def run() -> None:
        limiter = PostgresLimiter(create_engine(database_url))
        while True:
            try:
                limiter.acquire(KEY, limit, period, ends - real_time.monotonic())
            except TdxRateLimited:
                return
            stamps.append(real_time.monotonic())

    _in_threads(run, runs)
    stamps.sort()
    spans = [later - first for first, later in zip(stamps, stamps[limit:], strict=False)]
    assert len(stamps) >= 3 * limit
    # A thread may be late to look at the clock, on a busy machine by much; never is it early. A hole would show
    # calls of two windows side by side.
    assert min(spans) > period * 0.5


def _in_threads(run: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("make", [make_engine, create_engine], ids=["ours", "plain"])
def test_without_its_database_nothing_is_called(make: Callable[[str], Engine]) -> None:
    """A limiter that lets calls through when its database is away is none."""
    limiter = PostgresLimiter(make("postgresql+psycopg2://x:secret@127.0.0.1:1/none"))
    with pytest.raises(TdxRetryLater, match="DATABASE_URL") as caught:
        limiter.acquire(KEY, 60, 60, 0)
    assert "secret" not in str(caught.value)
    # The answer of a call that is done must not be lost for this.
    limiter.learn(KEY, 60, 59, 60)
    limiter.penalise(KEY, 5)


def test_a_server_that_stops_between_the_call_and_its_answer_costs_the_answer_nothing(
    tmp_path: Path,
) -> None:
    """With the engine of production the driver's error is another one than SQLAlchemy's."""
    url = server.start(tmp_path)
    try:
        migrate(ensure_database(url, "limits"))
        limiter = PostgresLimiter(make_engine(ensure_database(url, "limits")))
        limiter.acquire(KEY, 60, 60, 0)
    finally:
        server.stop(tmp_path)
    limiter.learn(KEY, 60, 59, 60)
    limiter.penalise(KEY, 5)
    with pytest.raises(TdxRetryLater, match="DATABASE_URL"):
        limiter.acquire(KEY, 60, 60, 0)


def test_a_database_without_our_schema_is_no_reason_to_call(database_url: str) -> None:
    """The same holds where somebody forgot to migrate."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE meta.rate_window"))
    with pytest.raises(TdxRetryLater):
        PostgresLimiter(engine).acquire(KEY, 60, 60, 0)


def test_a_grant_is_never_part_of_a_callers_transaction(database_url: str) -> None:
    """Else a long transaction would hold up every other process of the installation."""
    engine: Engine = create_engine(database_url)
    limiter = PostgresLimiter(engine)
    with engine.begin() as transaction:
        transaction.execute(text("SELECT 1"))
        limiter.acquire(KEY, 1, 60, 0)
        transaction.rollback()
    with pytest.raises(TdxRateLimited):
        PostgresLimiter(create_engine(database_url)).acquire(KEY, 1, 60, 0)


def test_calls_of_one_window_become_free_together_when_it_ends(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """TDX's windows are fixed: the last calls of one need not wait a minute more each (A05)."""
    for left in (2, 1, 0):
        limiter.acquire(KEY, 3, 60, 0)
        limiter.learn(KEY, 3, left, 60 - 10 * (2 - left))
        age(limiter, 10)
    for _ in range(3):
        limiter.acquire(KEY, 3, 60, 120)
        assert sleeps.last == pytest.approx(60.6 - 30, abs=0.7)
    limiter.acquire(KEY, 3, 60, 120)
    assert sleeps.last == pytest.approx(60.6 - 30 + 60.6, abs=0.7)


def age(limiter: Limiter, seconds: float) -> None:
    """Let time pass for a limiter."""
    assert isinstance(limiter, PostgresLimiter)
    statement = text(
        "UPDATE meta.rate_window SET slots = (SELECT array_agg(slot - make_interval(secs => :seconds)"
        " ORDER BY slot) FROM unnest(slots) AS slot)"
    )
    with limiter._engine.begin() as connection:
        connection.execute(statement, {"seconds": seconds})


def test_a_share_of_the_limit_is_ours_and_the_rest_is_left_to_others(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """Two installations behind one address, half for each."""
    ours = ShareLimiter(limiter, 0.5)
    for left in (3, 2):
        ours.acquire(KEY, 4, 60, 0)
        ours.learn(KEY, 4, left, 60)
    assert sleeps.asked == []
    ours.acquire(KEY, 4, 60, 120)
    assert sleeps.last == pytest.approx(60.6, abs=0.7)


def test_others_who_take_more_than_their_share_are_noticed(
    limiter: Limiter, sleeps: Sleeps
) -> None:
    """What TDX says is left counts, whoever was promised what."""
    ours = ShareLimiter(limiter, 0.5)
    ours.acquire(KEY, 4, 60, 0)
    ours.learn(KEY, 4, 0, 20)
    ours.acquire(KEY, 4, 60, 120)
    assert sleeps.last == pytest.approx(20, abs=1)
