"""Form-encoded bodies, which clients in use send to sign in, to search and to post to feeds.

TDX documents JSON only, but its server also reads forms. Repeated names make a list, and so do the
bracketed names of other languages' libraries: `IDs=1&IDs=2`, `IDs[]=1`, `IDs[0]=1`, `Attributes[0][ID]=1`.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

Json = Any
"""Whatever JSON can hold."""

CONTENT_TYPE = "application/x-www-form-urlencoded"
_PART = re.compile(r"\[([^\[\]]*)\]|\.([^.\[\]]+)")
_MOST_FIELDS = 10_000
_DEEPEST = 20


def parse_form(text: str) -> dict[str, Json]:
    """Read a form as the object that the same request would send in JSON; empty values are null.

    Raises:
        ValueError: The form has more fields or deeper names than any client sends.
    """
    made: dict[str, Json] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS):
        _put(made, _path(name), value or None)
    return {name: _lists(value) for name, value in made.items()}


def _path(name: str) -> list[str]:
    head = re.split(r"[\[.]", name, maxsplit=1)[0]
    rest = [inner or outer for inner, outer in _PART.findall(name[len(head) :])]
    if len(rest) > _DEEPEST:
        raise ValueError(f"too deep: {name[:100]!r}")
    return [head, *rest]


def _put(made: dict[str, Json], path: list[str], value: str | None) -> None:
    """Store a value at its path; where names contradict each other, the later one wins."""
    for part in path[:-1]:
        if not isinstance(made.get(part), dict):
            made[part] = {}
        made = made[part]
    # An empty last part, as in `IDs[]`, appends; so does a name that is sent again.
    last = path[-1] or str(len(made))
    if last not in made or isinstance(made[last], dict):
        made[last] = value
    elif isinstance(made[last], list):
        made[last].append(value)
    else:
        made[last] = [made[last], value]


def _lists(value: Json) -> Json:
    """Turn objects whose names are all numbers into lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(member) for name, member in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
