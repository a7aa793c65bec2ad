"""The log of API calls, for tests that count them and for people who watch a client.

A call is logged on arrival, so that held and dropped ones are included. Bodies of sign-in calls are not
kept.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

LONGEST = 100_000
"""Of a simulator that runs for days only the last calls are of use, and memory is not."""
LONGEST_BODY = 20_000


@dataclass(slots=True)
class LoggedCall:
    """One call.

    Args:
        number: Counted from 1 since the log was last emptied.
        time: When it arrived, as TDX writes dates.
        method: HTTP method.
        template: Path template as `/{app}/tickets/{id}`; empty where no route matched.
        path: Path as sent, below `/api`.
        query: Raw query.
        body: Begin of the body as text, `LONGEST_BODY` characters at most.
        status: HTTP status; None while it is being answered, 0 where the connection was dropped.
    """

    number: int
    time: str
    method: str
    template: str
    path: str
    query: str
    body: str
    status: int | None = None

    @property
    def name(self) -> str:
        """Method and template, for example `GET /reports/{id}`."""
        return f"{self.method} {self.template}"


class CallLog:
    """The last `LONGEST` calls in order of arrival. Safe for threads."""

    def __init__(self) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=LONGEST)
        self._arrived = 0
        self._lock = threading.Lock()

    def enter(
        self, *, time: str, method: str, template: str, path: str, query: str, body: str
    ) -> LoggedCall:
        """Enter a call that has arrived.

        Args:
            time: See `LoggedCall`, as all others.
            method: HTTP method.
            template: Path template.
            path: Path as sent.
            query: Raw query.
            body: Body as text.

        Returns:
            The entry, whose status is set later.
        """
        with self._lock:
            self._arrived += 1
            kept = body[:LONGEST_BODY]
            call = LoggedCall(self._arrived, time, method, template, path, query, kept)
            self._calls.append(call)
        return call

    def reset(self) -> None:
        """Delete all entries."""
        with self._lock:
            self._calls.clear()
            self._arrived = 0

    def __iter__(self) -> Iterator[LoggedCall]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        """Count the calls since the last reset, entries no longer kept included."""
        return self._arrived

    def matching(self, method: str | None = None, template: str | None = None) -> list[LoggedCall]:
        """Find the calls of a method and template.

        Args:
            method: HTTP method, or None for any.
            template: Path template, whatever its placeholders are called, or None for any.

        Returns:
            The calls in order.
        """
        wanted = None if template is None else anonymous(template)
        return [
            call
            for call in self
            if (method is None or call.method == method.upper())
            and (wanted is None or anonymous(call.template) == wanted)
        ]

    def count(self, method: str | None = None, template: str | None = None) -> int:
        """Count the calls of a method and template, as in `matching`."""
        return len(self.matching(method, template))

    def by_name(self) -> Counter[str]:
        """Count the calls by `METHOD template`."""
        return Counter(call.name for call in self)

    def as_json(self) -> list[dict[str, Any]]:
        """Return all entries as plain objects."""
        return [asdict(call) for call in self]


def anonymous(template: str) -> str:
    """Strip the placeholders' names from a template: `/{app}/tickets/{id}` gives `{}/tickets/{}`."""
    return "/".join(
        "{}" if part.startswith("{") else part.lower() for part in template.split("/") if part
    )
