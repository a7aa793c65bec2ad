"""The rate limiter as the client sees it: who may call when, and how long to wait.

Belongs here: the protocol, waiting for a granted slot, and a limiter for a client that is alone. Does not:
the limiter that processes share (`state.rate_limit`), nor what to do after a 429 (`transport`).
"""

import logging
from collections.abc import Callable
from typing import Protocol

from tdx_dagster.tdx.errors import TdxRateLimited

log = logging.getLogger(__name__)


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
            limit: Calls in a window; None where the answer carried no headers, which is how TDX shows
                that a method is not limited (case A06).
            remaining: Calls left in it; fewer than we know of means that others use it too.
            reset_in_seconds: When it ends. At its first call this is its length, which is learned
                where it is not what `acquire` was given.
        """

    def penalise(self, key: str, wait_seconds: float) -> None:
        """Hold everybody back after a 429. Never raises."""


class Unlimited:
    """A limiter that grants every call at once: TDX's own 429s are all that slows a lone client down."""

    def acquire(self, key: str, calls: int, period_seconds: float, max_wait: float) -> None:
        """See `Limiter`."""

    def learn(
        self, key: str, limit: int | None, remaining: int | None, reset_in_seconds: float | None
    ) -> None:
        """See `Limiter`."""

    def penalise(self, key: str, wait_seconds: float) -> None:
        """See `Limiter`."""


def wait_or_refuse(sleep: Callable[[float], None], key: str, wait: float, max_wait: float) -> None:
    """Wait for a slot that was granted.

    Raises:
        TdxRateLimited: The wait would be longer than the time allowed.
    """
    if wait > max_wait:
        raise TdxRateLimited(
            f"The rate limit of {key} is used up for {wait:.0f} s more; try again then.",
            call=key,
            wait_seconds=wait,
        )
    if wait > 0:
        log.debug("Waiting %.1f s for the rate limit of %s.", wait, key)
        sleep(wait)
