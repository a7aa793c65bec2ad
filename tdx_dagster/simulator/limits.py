"""Rate limits as TDX has them: fixed windows per method template and caller.

A window begins at the first call of a method and ends so many seconds later. Nothing here waits.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

LimitMode = str | float
"""`off`, `real`, or a factor for the length of the windows."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of calls in a number of seconds, per address or per user."""

    calls: int = 60
    seconds: float = 60.0
    scope: Literal["ip", "user"] = "ip"


DEFAULT_LIMIT = Limit()

REAL_LIMITS: dict[str, Limit] = {
    "GET /reports": Limit(45, 60, "user"),
    "POST /reports/search": Limit(45, 60, "user"),
    "GET /reports/{id}": Limit(30, 60, "user"),
    "POST /{app}/tickets/search": Limit(30, 60),
    "POST /{app}/tickets": Limit(30, 60),
    "GET /people/lookup": Limit(75, 10),
    "POST /people": Limit(45, 60),
    "PATCH /people/{uid}": Limit(45, 60),
}
"""What differs from `DEFAULT_LIMIT`."""


@dataclass(slots=True)
class _Window:
    ends: datetime
    used: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call is within its limit, and the three headers that report it."""

    allowed: bool
    headers: dict[str, str | None] = field(default_factory=dict)


class Limiter:
    """Count calls in fixed windows.

    Args:
        mode: `off`, `real`, or a factor for the length of the windows: 0.05 allows the same number of
            calls in a twentieth of the time.
        clock: Gives the time now, with a zone.
        headers_when_off: Whether the headers are sent although nothing is limited.
        rounded_up: Whether the reset is rounded up to a second, not down.

    Raises:
        ValueError: The mode is none of these.
    """

    def __init__(
        self,
        mode: LimitMode,
        clock: Callable[[], datetime],
        *,
        headers_when_off: Callable[[], bool] = lambda: False,
        rounded_up: Callable[[], bool] = lambda: False,
    ) -> None:
        if mode not in ("off", "real") and not (isinstance(mode, int | float) and mode > 0):
            raise ValueError(f"Limits are 'off', 'real' or a factor above 0, not {mode!r}.")
        self.mode = mode
        self.table = dict(REAL_LIMITS)
        self._clock = clock
        self._headers_when_off = headers_when_off
        self._rounded_up = rounded_up
        self._windows: dict[tuple[str, str], _Window] = {}
        self._lock = threading.Lock()

    def admit(self, name: str, *, address: str, user: str | None) -> Admission:
        """Count a call.

        Args:
            name: `METHOD template`.
            address: The caller's address.
            user: The caller's uid, None where nobody is signed in.

        Returns:
            Whether it may go on, and the headers of its answer.
        """
        limit = self.table.get(name, DEFAULT_LIMIT)
        if self.mode == "off":
            return self._unlimited(limit)
        scale = 1.0 if self.mode == "real" else float(self.mode)
        scope = user if limit.scope == "user" and user is not None else address
        now = self._clock()
        with self._lock:
            window = self._windows.get((name, scope))
            if window is None or window.ends <= now:
                window = _Window(now + timedelta(seconds=limit.seconds * scale))
                self._windows[name, scope] = window
            window.used += 1
            used, ends = window.used, window.ends
        return Admission(
            used <= limit.calls, self._headers(limit, max(0, limit.calls - used), ends)
        )

    def _unlimited(self, limit: Limit) -> Admission:
        if not self._headers_when_off():
            return Admission(allowed=True)
        ends = self._clock() + timedelta(seconds=limit.seconds)
        return Admission(allowed=True, headers=self._headers(limit, limit.calls - 1, ends))

    def _headers(self, limit: Limit, remaining: int, ends: datetime) -> dict[str, str | None]:
        if self._rounded_up() and ends.microsecond:
            ends = ends.replace(microsecond=0) + timedelta(seconds=1)
        return {
            "X-RateLimit-Limit": str(limit.calls),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": http_date(ends),
        }


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(moment: datetime) -> str:
    """Write a date for an HTTP header, independent of the locale: `Wed, 28 Mar 2018 16:08:14 GMT`."""
    at = moment.astimezone(UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02d} {month} {at.year:04d} {at:%H:%M:%S} GMT"
