"""The rate limiter: how many calls of one method TDX allows, shared by everyone who calls it.

Two twins of one interface, one for a single process and one kept in PostgreSQL for all processes
and machines of an installation. Both keep, for each key, the times of its last grants; TDX's
counters are learned from the headers of its answers, so that nobody needs a 429 to find out (case
A05). What to do after a 429 is the transport's decision.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxRateLimited, TdxRetryLater

log = logging.getLogger(__name__)

# Clients wake a few milliseconds late, so that grants a full window apart reach TDX less than a
# window apart. Measured with 8 processes: one per cent removes every excess at no visible cost.
PERIOD_SLACK = 1.01
# A slot is kept for every call of a window; a header must not be able to ask for a billion of them.
MOST_SLOTS = 1000
# The headers show the length of a window to the second; a difference that small is no news.
PERIOD_NEWS = 3.0
# A window shorter or longer than any known one is a clock gone wrong, not news either.
SHORTEST_PERIOD, LONGEST_PERIOD = 1.0, 120.0


# A grant that a crash of the server forgets costs a 429 at worst; waiting for the disk costs every call.
NOT_FLUSHED = " FROM set_config('synchronous_commit', 'off', true)"


class Limiter(Protocol):
    """Grants calls. Keys say what TDX counts together: method, template and host."""

    def acquire(self, key: str, calls: int, period_seconds: float, max_wait: float) -> None:
        """Wait until the next call of this key is allowed; a learned limit replaces the given one.

        Args:
            key: What TDX counts together.
            calls: How many calls TDX allows in a period, as far as its documentation says.
            period_seconds: TDX's window.
            max_wait: Seconds this may wait at most.

        Raises:
            TdxRateLimited: It would take longer; nothing was reserved and no time was spent.
            TdxRetryLater: The limiter cannot be asked.
        """

    def learn(
        self, key: str, limit: int | None, remaining: int | None, reset_in_seconds: float | None
    ) -> None:
        """Take over what the headers of a good answer say. Never raises.

        Args:
            key: As in `acquire`.
            limit: Calls in a window; None where the answer carried no headers, which is how TDX
            shows
                that a method is not limited (reference, section 4.1; case A06).
            remaining: Calls left in it; fewer than we know of means that others use it too.
            reset_in_seconds: When it ends. At its first call this is its length, which is learned
                where it is not what `acquire` was told.
        """

    def penalise(self, key: str, wait_seconds: float) -> None:
        """Hold everybody back after a 429. Never raises."""


@dataclass(slots=True)
class _Window:
    """The last grants of a key, oldest first, as many as calls are allowed in a period."""

    period: float
    slots: list[float] = field(default_factory=list)
    # None: nothing learned; 0: not limited.
    learned: int | None = None
    learned_period: float | None = None

    def resize(self, calls: int) -> None:
        kept = self.slots[-calls:]
        self.slots = [float("-inf")] * (calls - len(kept)) + kept

    def hold(self, count: int, until: float) -> None:
        """Let the oldest `count` slots become free at `until` at the earliest."""
        freed = until - self.period
        held = [max(slot, freed) for slot in self.slots[:count]]
        self.slots = sorted(held + self.slots[count:])

    def join(self, begun: float, now: float) -> None:
        """Let all calls of the window that began then become free together, as they do in TDX.

        The headers are cut to whole seconds: the window began with our first call in it, or up to a second
        after what they say.
        """
        made = [slot for slot in self.slots if begun < slot <= now]
        if made:
            start = max(made[0], begun + 1.0)
            joined = [min(slot, start) if begun < slot <= now else slot for slot in self.slots]
            self.slots = sorted(joined)


class MemoryLimiter:
    """A limiter for the threads of one process.

    Args:
        clock: Time and waiting.
    """

    def __init__(self, clock: Clock = REAL_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def acquire(self, key: str, calls: int, period_seconds: float, max_wait: float) -> None:
        """See `Limiter`."""
        wait = self._reserve(key, calls, period_seconds * PERIOD_SLACK, max_wait)
        _wait_or_refuse(self._clock.sleep, key, wait, max_wait)

    def _reserve(self, key: str, calls: int, period: float, max_wait: float) -> float:
        with self._lock:
            window = self._windows.setdefault(key, _Window(period))
            window.period = window.learned_period or period
            if window.learned == 0:
                return 0.0
            window.resize(window.learned or calls)
            now = self._clock.monotonic()
            granted = max(now, window.slots[0] + window.period)
            if granted - now <= max_wait:
                window.slots = [*window.slots[1:], granted]
            return granted - now

    def learn(
        self, key: str, limit: int | None, remaining: int | None, reset_in_seconds: float | None
    ) -> None:
        """See `Limiter`."""
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                return
            if not limit:
                window.learned = 0 if window.learned is None else window.learned
                return
            window.learned = min(limit, MOST_SLOTS)
            window.resize(window.learned)
            if remaining is None or reset_in_seconds is None:
                return
            if remaining == limit - 1 and _is_news(reset_in_seconds, window.period):
                window.period = window.learned_period = reset_in_seconds
            now = self._clock.monotonic()
            ours = sum(slot > now - window.period for slot in window.slots)
            reset = min(max(reset_in_seconds, 0.0), window.period)
            window.hold(max(window.learned - remaining - ours, 0), now + reset)
            if 0 <= reset_in_seconds <= window.period + PERIOD_NEWS:
                window.join(now + reset - window.period, now)

    def penalise(self, key: str, wait_seconds: float) -> None:
        """See `Limiter`."""
        with self._lock:
            window = self._windows.get(key)
            if window is not None:
                window.learned = window.learned or max(len(window.slots), 1)
                window.hold(len(window.slots), self._clock.monotonic() + wait_seconds)


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


def _is_news(seen: float, known: float) -> bool:
    return SHORTEST_PERIOD <= seen <= LONGEST_PERIOD and abs(seen - known) > PERIOD_NEWS


def _wait_or_refuse(sleep: Callable[[float], None], key: str, wait: float, max_wait: float) -> None:
    if wait > max_wait:
        raise TdxRateLimited(
            f"The rate limit of {key} is used up for {wait:.0f} s more; try again then.",
            call=key,
            wait_seconds=wait,
        )
    if wait > 0:
        log.debug("Waiting %.1f s for the rate limit of %s.", wait, key)
        sleep(wait)


class PostgresLimiter:
    """A limiter for all processes and machines that share a database.

    Its statements commit by themselves, on connections of its own: inside a caller's transaction a
    grant would hold up everybody else until that one ends.

    Args:
        engine: The installation's database, migrated.
        clock: Waiting; the time is the database's.
    """

    def __init__(self, engine: Engine, clock: Clock = REAL_CLOCK) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock

    def acquire(self, key: str, calls: int, period_seconds: float, max_wait: float) -> None:
        """See `Limiter`."""
        try:
            wait = self._ask(
                "SELECT meta.rate_reserve(:key, :calls, :period, :max_wait)",
                key=key,
                calls=calls,
                period=period_seconds * PERIOD_SLACK,
                max_wait=max_wait,
            )
        except SQLAlchemyError as error:
            raise TdxRetryLater(
                f"{key} was not called: the rate limiter's database cannot be asked "
                f"({type(error).__name__}). See that DATABASE_URL answers and is migrated.",
                call=key,
            ) from error
        _wait_or_refuse(self._clock.sleep, key, wait, max_wait)

    def learn(
        self, key: str, limit: int | None, remaining: int | None, reset_in_seconds: float | None
    ) -> None:
        """See `Limiter`."""
        self._tell(
            "SELECT meta.rate_learn(:key, :calls, :remaining, :reset_in, :news, :shortest, :longest)",
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
        self._tell("SELECT meta.rate_penalise(:key, :wait)", key=key, wait=wait_seconds)

    def _tell(self, statement: str, **values: str | float | None) -> None:
        try:
            self._ask(statement, **values)
        except SQLAlchemyError as error:
            # The call itself is done and its answer is good: that must not be lost for this.
            log.warning("The rate limiter could not be told: %s", type(error).__name__)

    def _ask(self, statement: str, **values: str | float | None) -> Any:  # noqa: ANN401  a scalar
        with self._engine.connect() as connection:
            return connection.execute(text(statement + NOT_FLUSHED), values).scalar_one()
