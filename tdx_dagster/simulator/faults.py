"""Faults: what a network, a proxy or an overloaded server does to chosen calls.

A fault names a method and a path, the calls it applies to, and what happens before or after their effect.
Does not contain: sockets or state; `app` and `server` carry a fault out.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tdx_dagster.simulator.messages import HTML, JSON, Outgoing
from tdx_dagster.simulator.tenant.constants import Value

Moment = Literal["before", "after"]

WEB_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    "<body><form action='/login'><h1>Sign in to your account</h1></form></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to some calls of a method and path.

    Args:
        method: HTTP method, `*` for any.
        path: Template as `/{app}/tickets/{id}/feed`; a segment without braces must equal what was sent,
            so `/46/tickets/7001/feed` strikes one ticket only.
        on: Which calls, counted from 1 since the fault was set; empty for all.
        status: Answer with this status instead of the right one.
        effect: Whether the call takes effect although `status`, `web_page` or `empty` hides it.
        body: Body of that answer.
        content_type: Its content type.
        headers: Headers to add to whatever answer is sent; None takes a header away.
        drop: Close the connection without an answer, before or after the effect.
        hold: Never answer, before or after the effect; the connection stays open.
        delay_seconds: Wait so long.
        delay: Whether that wait is before or after the effect.
        cut_body: Send half of the right answer's body and close.
        trickle_seconds: Send the right answer's body a little at a time over so long, so that a client
            which only limits the time between two reads waits for all of it.
        web_page: Answer 200 with a web page.
        empty: Answer 200 with no body.
    """

    method: str = "*"
    path: str
    on: tuple[int, ...] = ()
    status: int | None = None
    effect: bool = False
    body: str = ""
    content_type: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    drop: Moment | None = None
    hold: Moment | None = None
    delay_seconds: float = 0.0
    delay: Moment = "before"
    cut_body: bool = False
    trickle_seconds: float = 0.0
    web_page: bool = False
    empty: bool = False

    def strikes(self, method: str, template: str, path: str) -> bool:
        """Whether the fault matches a call, given its method, its path template and its path as sent."""
        if self.method not in ("*", method):
            return False
        wanted, shape, given = (_segments(text) for text in (self.path, template, path))
        return len(wanted) == len(shape) == len(given) and all(
            part.startswith("{") if want.startswith("{") else want in (part, sent)
            for want, part, sent in zip(wanted, shape, given, strict=True)
        )

    @property
    def replaces_answer(self) -> bool:
        """Whether the fault sends an answer of its own."""
        return self.status is not None or self.web_page or self.empty

    @property
    def prevents_effect(self) -> bool:
        """Whether the call is answered without being carried out."""
        return self.replaces_answer and not self.effect

    def answer(self) -> Outgoing:
        """Build the answer this fault sends in place of the real one."""
        if self.web_page:
            return Outgoing(self.status or 200, WEB_PAGE.encode(), HTML)
        body = "" if self.empty else self.body
        content_type = self.content_type or (JSON if body else None)
        return Outgoing(self.status or 200, body.encode(), content_type)


def _segments(path: str) -> list[str]:
    return [part.lower() for part in path.split("/") if part]


@dataclass(slots=True)
class _Counted:
    fault: Fault
    seen: int = 0


class Faults:
    """The faults in force. The first one that matches a call applies. Safe for threads."""

    def __init__(self) -> None:
        self._counted: list[_Counted] = []
        self._lock = threading.Lock()

    def add(
        self, method: str, path: str, *, on: int | tuple[int, ...] = (), **what: Value
    ) -> Fault:
        """Add a fault.

        Args:
            method: HTTP method, `*` for any.
            path: Template, see `Fault`.
            on: The calls it strikes, counted from now; empty for all.
            **what: Further fields of `Fault`.
        """
        numbers = (on,) if isinstance(on, int) else tuple(on)
        fault = Fault(method=method.upper(), path=path, on=numbers, **what)
        with self._lock:
            self._counted.append(_Counted(fault))
        return fault

    def clear(self) -> None:
        """Remove all faults. Calls held by one stay held."""
        with self._lock:
            self._counted = []

    def take(self, method: str, template: str, path: str) -> Fault | None:
        """Count a call and return the fault that applies to it, if any."""
        struck = None
        with self._lock:
            for counted in self._counted:
                if not counted.fault.strikes(method, template, path):
                    continue
                counted.seen += 1
                if struck is None and (not counted.fault.on or counted.seen in counted.fault.on):
                    struck = counted.fault
        return struck

    def seen(self, fault: Fault) -> int:
        """Count the calls that matched a fault in force, whether it applied to them or not."""
        with self._lock:
            return next(counted.seen for counted in self._counted if counted.fault is fault)

    def __iter__(self) -> Iterator[Fault]:
        return iter([counted.fault for counted in self._counted])
