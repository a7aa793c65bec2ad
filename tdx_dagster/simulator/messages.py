"""Requests, answers and refusals, independent of the server and of the tenant.

The server turns bytes into an `Incoming` and an `Outgoing` into bytes; all other modules use only these.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl

from tdx_dagster.simulator import forms
from tdx_dagster.simulator.forms import Json

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
_READABLE = ("application/json", "text/json", "text/plain", forms.CONTENT_TYPE)

_LENIENT_TOKEN = re.compile(
    r"""(?P<double>"(?:[^"\\]|\\.)*")|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<name>[A-Za-z_]\w*)(?=\s*:)""",
    re.DOTALL,
)


class Refusal(Exception):
    """Ends a call with an error answer.

    Args:
        status: HTTP status.
        message: The `Message` of TDX's error object; None sends an empty body.
    """

    def __init__(self, status: int, message: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Dropped(ConnectionAbortedError):
    """Ends the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request.

    Args:
        method: HTTP method, upper case.
        path: Decoded path without the query.
        query: The raw query string.
        headers: Values by lower-case name.
        body: The whole body.
        address: The caller's IP address.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = "127.0.0.1"

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter, or None; its name matches in any case."""
        found = None
        for key, value in parse_qsl(self.query, keep_blank_values=True):
            if key.lower() == name.lower():
                found = value
        return found

    def json(self) -> Json:
        """Parse the body, as leniently as TDX does: JSON whatever its content type says, else a form.

        Returns:
            The parsed body, None where it is empty.

        Raises:
            Refusal: 400 where it is neither, 415 where it claims to be something else.
        """
        text = self.body.decode("utf-8-sig", "replace")
        if not text.strip():
            return None
        for parse in (_parse, _parse_leniently):
            with contextlib.suppress(ValueError, RecursionError):
                return parse(text)
        return self._form(text)

    def _form(self, text: str) -> Json:
        kind = self.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if kind == forms.CONTENT_TYPE:
            with contextlib.suppress(ValueError):
                return forms.parse_form(text)
        if kind in _READABLE:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The request body is not valid JSON.")
        message = f"The request entity's media type '{kind}' is not supported for this resource."
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)


def _parse(text: str) -> Json:
    return json.loads(text, parse_constant=_no_constant)


def _parse_leniently(text: str) -> Json:
    return _parse(_LENIENT_TOKEN.sub(_strict, text))


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _strict(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return match["double"]
    if match["name"] is not None:
        return f'"{match["name"]}"'
    return '"' + match["single"].replace("\\'", "'").replace('"', '\\"') + '"'


Framing = Literal[
    "length", "close", "chunked", "cut", "chunk_cut", "chunk_endless", "chunk_garbled"
]
"""How the end of a body is marked: by its length (`cut`: half of it comes), by the end of the connection,
or by chunks (`chunk_cut`: it ends in the middle of one, `chunk_endless`: without the last one,
`chunk_garbled`: in one whose size is no number)."""


@dataclass(slots=True)
class Outgoing:
    """An answer.

    Args:
        status: HTTP status.
        body: The body's bytes.
        content_type: None sends no such header.
        headers: Further headers; a value of None takes one away that would be sent.
        framing: How the end of the body is marked.
        trickle_seconds: Time over which the body is spread, a little at a time.
        interim: Statuses of interim answers that come before it.
        only_interim: Whether the connection ends after those.
    """

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    framing: Framing = "length"
    trickle_seconds: float = 0.0
    interim: tuple[int, ...] = ()
    only_interim: bool = False


def json_answer(value: object, status: int = HTTPStatus.OK) -> Outgoing:
    """Build an answer in JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Outgoing(int(status), text.encode("utf-8", "replace"), JSON)


def text_answer(text: str) -> Outgoing:
    """Build an answer in plain text."""
    return Outgoing(int(HTTPStatus.OK), text.encode("utf-8", "replace"), TEXT)
