"""The rate limiter that all processes and machines of an installation share, kept in PostgreSQL.

Belongs here: asking the functions of `meta.rate_*` and turning database errors into those of the limiter's
protocol (`tdx.rate_limit`). Does not: how slots are reserved and learned, which is SQL of the migrations.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxRetryLater
from tdx_dagster.tdx.rate_limit import Limiter, wait_or_refuse

log = logging.getLogger(__name__)

QUERIES = Queries(Path(__file__).with_name("rate_limit.sql"))

# Clients wake a few milliseconds late, so that grants a full window apart reach TDX less than a
# window apart. Measured with 8 processes: one per cent removes every excess at no visible cost.
PERIOD_SLACK = 1.01
# A slot is kept for every call of a window; a header must not be able to ask for a billion of them.
MOST_SLOTS = 1000
# The headers show the length of a window to the second; a smaller difference changes nothing.
PERIOD_NEWS = 3.0
# A window shorter or longer than any known one comes from a wrong clock and is not learned.
SHORTEST_PERIOD, LONGEST_PERIOD = 1.0, 120.0

# Waiting for the disk would cost every call; a process that is suspended between a statement and its COMMIT
# must not hold up all others.
_BOUNDS = (
    "SET LOCAL synchronous_commit TO off; SET LOCAL lock_timeout TO '10s'; "
    "SET LOCAL idle_in_transaction_session_timeout TO '10s'"
)

# The engine of `postgres.database` raises the first for a server that is away, SQLAlchemy's own for the rest.
_DATABASE_FAULTS = (DatabaseError, SQLAlchemyError)


class PostgresLimiter:
    """A limiter for all processes and machines that share a database.

    Each statement is a transaction of its own, on connections of its own: inside a caller's transaction a
    grant would hold up everybody else until that one ends. Without a BEGIN the database's own defaults of
    isolation and read-only would apply.

    Args:
        engine: The installation's database, migrated.
        clock: Waiting; the time is the database's.
    """

    def __init__(self, engine: Engine, clock: Clock = REAL_CLOCK) -> None:
        self._engine = engine
        self._clock = clock

    def acquire(self, key: str, calls: int, period_seconds: float, max_wait: float) -> None:
        """See `Limiter`."""
        period = period_seconds * PERIOD_SLACK
        try:
            wait = self._ask("reserve", key=key, calls=calls, period=period, max_wait=max_wait)
        except _DATABASE_FAULTS as error:
            raise TdxRetryLater(
                f"{key} was not called: the rate limiter's database cannot be asked "
                f"({type(error).__name__}). See that DATABASE_URL answers and is migrated.",
                call=key,
            ) from error
        wait_or_refuse(self._clock.sleep, key, wait, max_wait)

    def learn(
        self, key: str, limit: int | None, remaining: int | None, reset_in_seconds: float | None
    ) -> None:
        """See `Limiter`."""
        self._try(
            "learn",
            key=key,
            calls=min(limit or 0, MOST_SLOTS),
            remaining=remaining,
            reset_in=reset_in_seconds,
            news=PERIOD_NEWS,
            shortest=SHORTEST_PERIOD,
            longest=LONGEST_PERIOD,
        )

    def penalise(self, key: str, wait_seconds: float) -> None:
        """See `Limiter`."""
        self._try("penalise", key=key, wait=wait_seconds)

    def _try(self, query: str, **values: str | float | None) -> None:
        try:
            self._ask(query, **values)
        except _DATABASE_FAULTS as error:
            # The call itself is done and its answer is good: that must not be lost for this.
            log.warning("The rate limiter's database cannot be updated (%s).", type(error).__name__)

    def _ask(self, query: str, **values: str | float | None) -> Any:  # noqa: ANN401  a scalar
        with self._engine.begin() as connection:
            connection.exec_driver_sql(_BOUNDS)
            return connection.execute(QUERIES[query], values).scalar_one()


@dataclass(frozen=True)
class ShareLimiter:
    """A limiter that leaves a part of each limit to others behind the same address.

    They are still noticed where they take more than theirs.

    Args:
        whole: Keeps the windows.
        share: Ours, above 0 and at most 1.
    """

    whole: Limiter
    share: float

    def acquire(self, key: str, calls: int, period_seconds: float, max_wait: float) -> None:
        """See `Limiter`."""
        self.whole.acquire(key, self._ours(calls), period_seconds, max_wait)

    def learn(
        self, key: str, limit: int | None, remaining: int | None, reset_in_seconds: float | None
    ) -> None:
        """See `Limiter`."""
        if limit and remaining is not None:
            ours = self._ours(limit)
            is_first = remaining == limit - 1
            remaining = ours - 1 if is_first else min(remaining, ours)
        self.whole.learn(key, self._ours(limit) if limit else limit, remaining, reset_in_seconds)

    def penalise(self, key: str, wait_seconds: float) -> None:
        """See `Limiter`."""
        self.whole.penalise(key, wait_seconds)

    def _ours(self, calls: int) -> int:
        return max(1, int(calls * self.share))
