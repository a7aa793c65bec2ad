"""Whether an answer has the shape that the reference's field tables give its type."""

import re
from typing import Any

from tdx_dagster.simulator.app import ROUTES
from tdx_dagster.simulator.tenant import shapes

GIVES = {route.name: route.gives for route in ROUTES}
_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d((\.\d{0,2}[1-9])?Z|(\.\d{1,3})?)$")
_FITS = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, float),
    "bool": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "guid": lambda value: isinstance(value, str) and _GUID.match(value),
    "datetime": lambda value: isinstance(value, str) and _DATE.match(value),
    "any": lambda _: True,
}


def problems(kind: str, value: Any, where: str = "") -> list[str]:
    """What is wrong with a value.

    Args:
        kind: Its type; `[T]` is a list, a question mark at the end allows null.
        value: The value.
        where: Path to it, for messages.

    Returns:
        A line for each problem.
    """
    if kind.endswith("?"):
        return [] if value is None else problems(kind[:-1], value, where)
    if kind.startswith("["):
        if not isinstance(value, list):
            return [f"{where}: no list: {value!r}"]
        return [
            p for n, each in enumerate(value) for p in problems(kind[1:-1], each, f"{where}[{n}]")
        ]
    if kind in _FITS:
        return [] if _FITS[kind](value) else [f"{where}: {value!r} is no {kind}"]
    return _object_problems(kind, value, where)


def _object_problems(kind: str, value: Any, where: str) -> list[str]:
    described = shapes.fields(kind)
    names = [field.name for field in described]
    if not isinstance(value, dict) or list(value) != names:
        return [f"{where}: not the fields of {kind}: {value!r}"]
    found = []
    for field in described:
        nested = f"[{field.kind}]" if field.is_list else field.kind
        found += problems(nested + "?" * field.nullable, value[field.name], f"{where}.{field.name}")
    return found
