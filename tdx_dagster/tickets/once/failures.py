"""What an error of an action means for its row: it comes back, stops, or waits for a person.

Belongs here: the kind of a failure, its pause, and its words. Does not: running actions (`runner`).
"""

from tdx_dagster.environment import log_command
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.state.records import FailureKind
from tdx_dagster.tdx.errors import TdxError, TdxRefused
from tdx_dagster.tickets.actions.outcome import GiveUp, RetryLater, Uncertain
from tdx_dagster.tickets.actions.templates import BadTemplate
from tdx_dagster.tickets.once.writer import Times

OUR_ERRORS = (TdxError, RetryLater, GiveUp, Uncertain, InventoryUnavailable, BadTemplate)

LONGEST_PAUSE_SECONDS = 24 * 3600.0


class NeverEnded(Exception):
    """Attempts that left no result.

    Args:
        attempts: How many.
    """

    def __init__(self, attempts: int) -> None:
        super().__init__(
            f"Given up: {attempts} attempts ended without a result, so the process was killed each time. See "
            f"its memory and its log; {log_command('failed --clear')} lets it run again."
        )


def judge(error: BaseException, attempt: int, times: Times) -> tuple[FailureKind, float | None]:
    """Give the kind of a failure, and the seconds until it comes back where it does.

    Args:
        error: What was raised.
        attempt: Which attempt it was, from 1.
        times: How many there are, and their first pause.
    """
    if isinstance(error, Uncertain):
        return FailureKind.UNCERTAIN, None
    given_up = isinstance(error, (GiveUp, TdxRefused, NeverEnded))
    if given_up or attempt >= times.max_attempts:
        return FailureKind.PERMANENT, None
    pause = min(times.retry_pause * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
    wait = getattr(error, "wait_seconds", None) or 0.0
    return FailureKind.RETRYABLE, max(pause, wait)


def explain(error: BaseException) -> str:
    """Give the words of an error, with its type where it is none of ours."""
    ours = (*OUR_ERRORS, NeverEnded)
    return str(error) if isinstance(error, ours) else f"{type(error).__name__}: {error}"
