"""Repeating a call within its time: `TdxRetryLater` is repeated, nothing else ever is.

Belongs here: how often, and the pauses between. Does not: what may be repeated (`verdict` decides by the error
it raises).
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from tdx_dagster.tdx.call import Budget, Call, CallLimits
from tdx_dagster.tdx.clock import Clock
from tdx_dagster.tdx.errors import TdxRetryLater

log = logging.getLogger(__name__)

T = TypeVar("T")

# Each pause is longer than the one before, whatever the jitter.
_PAUSE = wait_exponential_jitter(multiplier=0.5, max=15, jitter=0.5)


def repeat(call: Call, attempt: Callable[[Budget], T], limits: CallLimits, clock: Clock) -> T:
    """Make a call's attempts until one succeeds or its time or tries are used up.

    Raises:
        TdxError: Of the last attempt.
    """
    budget = Budget(clock, limits, call)
    retrying = Retrying(
        retry=retry_if_exception_type(TdxRetryLater),
        wait=_pause,
        stop=stop_any(stop_after_attempt(limits.attempts), _stop_before_overtime(budget)),
        sleep=clock.sleep,
        before_sleep=_log_pause,
        reraise=True,
    )
    return retrying(attempt, budget)


class _stop_before_overtime(stop_base):  # noqa: N801  named as tenacity names its own
    """Give up where the pause would outlast the time for waiting."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def __call__(self, retry_state: RetryCallState) -> bool:
        return retry_state.upcoming_sleep > self._budget.wait_left


def _pause(state: RetryCallState) -> float:
    """Seconds to the next attempt: what the error says, else growing with jitter."""
    error = state.outcome.exception() if state.outcome else None
    wait = getattr(error, "wait_seconds", None)
    return _PAUSE(state) if wait is None else float(wait)


def _log_pause(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("%s Next attempt in %.1f s.", error, state.upcoming_sleep)
