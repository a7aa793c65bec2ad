"""Faults: what a network, a proxy or an overloaded server does to chosen calls.

A fault names a method and a path, the calls it applies to, and what happens before or after their effect.
Does not contain: sockets or state; `app` and `server` carry a fault out.
"""

import codecs
import gzip
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from tdx_dagster.simulator.messages import HTML, JSON, Framing, Outgoing
from tdx_dagster.simulator.tenant.constants import Value

Moment = Literal["before", "after"]

Shape = Literal["null", "text", "number", "list", "object", "wrapped", "lower_case", "nested"]
"""JSON of another shape: null, a text, a number, `[]`, `{}`, the right answer inside `{"value": ...}`, its
names in small letters, or a list nested too deep to parse."""

Coding = Literal["gzip", "gzip_cut", "gzip_garbled", "bom", "utf-16"]
"""How the bytes of a body are coded: gzip, gzip that ends early or is none, a byte order mark, UTF-16."""

WEB_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    "<body><form action='/login'><h1>Sign in to your account</h1></form></body></html>"
)
_NESTED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to some calls of a method and path.

    Args:
        method: HTTP method, `*` for any.
        path: Template as `/{app}/tickets/{id}/feed`; a segment without braces must equal what was sent,
            so `/46/tickets/7001/feed` matches one ticket only. `*` matches every call.
        on: Which calls, counted from 1 since the fault was set; empty for all.
        status: Answer with this status in place of the real answer.
        effect: Whether the call takes effect although the fault replaces its answer.
        body: Body of that answer; left out of a 4xx, TDX's error record.
        content_type: Its content type.
        headers: Headers to add to the answer; None removes one.
        drop: Close the connection without an answer, before or after the effect.
        hold: Never answer, before or after the effect; the connection stays open.
        delay_seconds: Wait this long.
        delay: Whether the wait is before or after the effect.
        cut_body: Send half of the body and close; short for `framing="cut"`.
        framing: How the end of the body is marked, see `messages.Framing`.
        coding: How the bytes of the body are coded.
        shape: Give the real answer's JSON another shape.
        trickle_seconds: Send the body a little at a time over this long, so that a client which only
            limits the time between two reads waits for all of it.
        interim: Interim answers to send first, for example `(100, 102, 103)`.
        only_interim: Close the connection after the interim answers.
        web_page: Answer with a web page, 200 unless `status` says otherwise.
        empty: Answer with no body, 200 unless `status` says otherwise.
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
    framing: Framing = "length"
    coding: Coding | None = None
    shape: Shape | None = None
    trickle_seconds: float = 0.0
    interim: tuple[int, ...] = ()
    only_interim: bool = False
    web_page: bool = False
    empty: bool = False

    def matches(self, method: str, template: str, path: str) -> bool:
        """Tell whether the fault matches a call, given its method, its path template and its path as sent."""
        if self.method not in ("*", method):
            return False
        if self.path == "*":
            return True
        wanted, shape, given = (_segments(text) for text in (self.path, template, path))
        return len(wanted) == len(shape) == len(given) and all(
            part.startswith("{") if want.startswith("{") else want in (part, sent)
            for want, part, sent in zip(wanted, shape, given, strict=True)
        )

    @property
    def replaces_answer(self) -> bool:
        """Whether the fault sends an answer of its own."""
        return self.status is not None or self.web_page or self.empty or self.only_interim

    @property
    def prevents_effect(self) -> bool:
        """Whether the call is answered without being carried out."""
        return self.replaces_answer and not self.effect

    def answer(self) -> Outgoing:
        """Build the answer this fault sends in place of the real one."""
        if self.web_page:
            return Outgoing(self.status or 200, WEB_PAGE.encode(), HTML)
        body = "" if self.empty else self.body or self._refusal
        content_type = self.content_type or (JSON if body else None)
        return Outgoing(self.status or 200, body.encode(), content_type)

    @property
    def _refusal(self) -> str:
        """TDX's error record, where the fault is a 4xx without a body of its own."""
        is_refusal = 400 <= (self.status or 200) < 500  # noqa: PLR2004  ranges of HTTP
        return '{"ID": -1, "Message": "Refused."}' if is_refusal else ""

    def apply_to(self, answer: Outgoing) -> None:
        """Change how an answer is written, whether it is the real one or not."""
        if self.shape is not None and answer.body:
            answer.body = _reshaped(self.shape, answer.body)
        if self.coding is not None and answer.body:
            answer.body = _coded(self.coding, answer.body)
            if self.coding.startswith("gzip"):
                answer.headers["Content-Encoding"] = "gzip"
        answer.framing = "cut" if self.cut_body else self.framing
        answer.trickle_seconds = self.trickle_seconds
        answer.interim, answer.only_interim = self.interim, self.only_interim


def _reshaped(shape: Shape, body: bytes) -> bytes:
    match shape:
        case "wrapped":
            return b'{"value":' + body + b"}"
        case "lower_case":
            return re.sub(rb'"(\w+)":', lambda name: name[0].lower(), body)
        case "nested":
            return b"[" * _NESTED + b"]" * _NESTED
        case _:
            fixed = {
                "null": b"null",
                "text": b'"OK"',
                "number": b"0",
                "list": b"[]",
                "object": b"{}",
            }
            return fixed[shape]


def _coded(coding: Coding, body: bytes) -> bytes:
    match coding:
        case "bom":
            return codecs.BOM_UTF8 + body
        case "utf-16":
            return body.decode().encode("utf-16")
        case "gzip_garbled":
            return b"\x1f\x8b\x08\x00" + body
        case "gzip_cut":
            packed = gzip.compress(body)
            return packed[: len(packed) // 2]
        case _:
            return gzip.compress(body)


def _segments(path: str) -> list[str]:
    return [part.lower() for part in path.split("/") if part]


_CHOICES: dict[str, tuple[object, ...]] = {
    "framing": get_args(Framing),
    "coding": (None, *get_args(Coding)),
    "shape": (None, *get_args(Shape)),
    "drop": (None, *get_args(Moment)),
    "hold": (None, *get_args(Moment)),
    "delay": get_args(Moment),
}


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
            on: The calls it applies to, counted from now; empty for all.
            **what: Further fields of `Fault`.

        Raises:
            ValueError: A field has a value that it does not know.
        """
        numbers = (on,) if isinstance(on, int) else tuple(on)
        for name, known in _CHOICES.items():
            if what.get(name, known[0]) not in known:
                raise ValueError(f"{name} is one of {', '.join(map(str, known))}.")
        what["interim"] = tuple(what.get("interim", ()))
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
        found = None
        with self._lock:
            for counted in self._counted:
                if not counted.fault.matches(method, template, path):
                    continue
                counted.seen += 1
                if found is None and (not counted.fault.on or counted.seen in counted.fault.on):
                    found = counted.fault
        return found

    def seen(self, fault: Fault) -> int:
        """Count the calls that matched a fault in force, whether it applied to them or not."""
        with self._lock:
            return next(counted.seen for counted in self._counted if counted.fault is fault)

    def __iter__(self) -> Iterator[Fault]:
        return iter([counted.fault for counted in self._counted])
