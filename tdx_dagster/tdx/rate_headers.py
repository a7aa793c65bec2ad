"""What TDX's rate limit headers say, and how long to wait after a 429.

Reading only: who waits and who remembers is decided by the transport and the limiter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from tdx_dagster.tdx.parse import parse_date

# TDX advises at least five seconds after a 429, for clocks differ.
SHORTEST_WAIT = 5.0
# Two of the longest windows there are. A reset named further ahead is mistaken, and must not hold
# up everybody else who shares the limiter (case A03).
LONGEST_HOLD = 120.0
# The longest wait that an error names.
LONGEST_WAIT = 3600.0
# TDX names the reset to the second, so that the window may end up to a second later.
RESOLUTION = 1.0
# A bare number above this is a Unix time, below it a number of seconds.
_SMALLEST_UNIX_TIME = 10**9


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """The three headers; each None where missing or unreadable (case A06).

    Args:
        limit: Calls in a window.
        remaining: Calls left in it.
        reset_in: Seconds after which it has ended for certain, by the server's own clock where it
            shows one.
    """

    limit: int | None
    remaining: int | None
    reset_in: float | None

    @classmethod
    def of(cls, headers: Mapping[str, str], now: float) -> "RateHeaders":
        """Read them.

        Args:
            headers: Of an answer, names in any case.
            now: Our own Unix time, used where there is no readable `Date`.
        """
        return cls(
            limit=_count(headers.get("X-RateLimit-Limit")),
            remaining=_count(headers.get("X-RateLimit-Remaining")),
            reset_in=_seconds_until(headers, "X-RateLimit-Reset", now, RESOLUTION),
        )


def wait_after_429(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a 429 asks to wait, not below `SHORTEST_WAIT`; None where it says nothing.

    `Retry-After` is not TDX's, but that of the proxies in front of it; it counts where the reset is
    missing or unreadable (cases A01, A03).

    Args:
        headers: Of the answer.
        now: Our own Unix time.
    """
    for name, late in (("X-RateLimit-Reset", RESOLUTION), ("Retry-After", 0.0)):
        seconds = _seconds_until(headers, name, now, late)
        if seconds is not None:
            return max(seconds, SHORTEST_WAIT)
    return None


def _seconds_until(headers: Mapping[str, str], name: str, now: float, late: float) -> float | None:
    text = headers.get(name, "").strip()
    if text.isascii() and text.isdigit() and len(text) < 16:  # noqa: PLR2004  far beyond any time
        number = float(text)
        if number < _SMALLEST_UNIX_TIME:
            return number
        return number - server_time(headers, now) + late
    moment = _unix_time(text)
    return None if moment is None else moment - server_time(headers, now) + late


def server_time(headers: Mapping[str, str], now: float) -> float:
    """Give the server's clock as its `Date` header shows it, else ours; Unix seconds."""
    moment = _unix_time(headers.get("Date", "").strip())
    return now if moment is None else moment


def _unix_time(text: str) -> float | None:
    try:
        # A date of RFC 1123 without zone is naive, but GMT by definition.
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    try:
        other = parse_date(text, UTC)
    except ValueError:
        return None
    return None if other is None else other.timestamp()


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004
