"""Routing: from a path to its handler.

Templates are written as `/{app}/tickets/{id}/feed`, below `/TDWebApi/api` or `/SBTDWebApi/api`. Letter
case, repeated slashes and a trailing slash make no difference.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tdx_dagster.simulator.messages import Outgoing
from tdx_dagster.simulator.tenant.tenant import Call, Tenant

Handler = Callable[[Tenant, Call], Outgoing]

BASE_PATHS = ("/TDWebApi", "/SBTDWebApi")
"""Production and its sandbox, which is a copy with the same ids."""

_TEXT_PLACEHOLDERS = {"uid", "username"}
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API.

    Args:
        method: HTTP method.
        template: Path below `/api`. Placeholders are whole numbers, except `{uid}` and `{username}`.
        handler: What answers it.
        takes: Type of the body, as in `shapes.json`; `[T]` is a list, empty for none.
        gives: Type of the answer, likewise; empty for none in particular.
        signed_in: Whether a token is needed.
    """

    method: str
    template: str
    handler: Handler
    takes: str = ""
    gives: str = ""
    signed_in: bool = True

    @property
    def name(self) -> str:
        """Method and template, for example `GET /reports/{id}`."""
        return f"{self.method} {self.template}"


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the values of its placeholders."""

    route: Route
    ids: dict[str, Any]


class Router:
    """Find the route of a request.

    Args:
        routes: All of them; of two that fit, the earlier wins.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._patterns = [(_pattern(route.template), route) for route in self.routes]

    def find(self, method: str, path: str) -> Match | frozenset[str]:
        """Find a route.

        Args:
            method: HTTP method.
            path: Path below `/api`, as `below_api` gives it.

        Returns:
            The match, or the methods that the path has (none where it is unknown).
        """
        methods = set()
        for pattern, route in self._patterns:
            found = pattern.match(path)
            if found is None:
                continue
            ids = {name: _value(name, text) for name, text in found.groupdict().items()}
            if any(isinstance(value, int) and value > _LARGEST_ID for value in ids.values()):
                continue
            if route.method == ("GET" if method == "HEAD" else method):
                return Match(route, ids)
            methods.add(route.method)
        return frozenset(methods)


def below_api(path: str, bases: Iterable[str] = BASE_PATHS) -> str | None:
    """Return the part of a path below the API with single slashes, None for any other path."""
    single = re.sub(r"/{2,}", "/", path)
    for base in bases:
        start = f"{base}/api/"
        if single.lower().startswith(start.lower()):
            return single[len(start) - 1 :].rstrip("/")
    return None


def _pattern(template: str) -> re.Pattern[str]:
    parts = [_part(part) for part in template.strip("/").split("/")]
    return re.compile("/" + "/".join(parts) + r"\Z", re.IGNORECASE)


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part.strip("{}")
    return f"(?P<{name}>{'[^/]+' if name in _TEXT_PLACEHOLDERS else '[0-9]{1,10}'})"


def _value(name: str, text: str) -> str | int:
    return text if name in _TEXT_PLACEHOLDERS else int(text)
