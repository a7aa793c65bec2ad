"""The field tables of the TDX types: how answers are rendered, and how input is read.

`shapes.json` describes a field as `name: "kind[?] [full-only] [read-only] [= unset]"`. A question mark allows
null; `[Kind]` is a list; `full-only` fields are not loaded in search results; `= unset` is the value of an
unset field where it differs from the kind's own. The test that checks every answer uses the same tables.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from uuid import UUID

from tdx_dagster.simulator.tenant.constants import ZERO_GUID, Value

UNSET_DATE = "0001-01-01T05:00:00Z"
"""Year 1 as a production sample has it; `Options.unset_date` replaces it in answers (case E10)."""

_UNSET: dict[str, Value] = {
    "int": 0,
    "double": 0.0,
    "bool": False,
    "string": "",
    "guid": ZERO_GUID,
    "datetime": UNSET_DATE,
}
_SPEC = re.compile(
    r"^(?P<list>\[)?(?P<kind>\w+)\]?(?P<null>\?)?(?P<flags>( [a-z]+-[a-z]+)*)( = (?P<unset>\S+))?$"
)
_INT_RANGE = range(-(2**31), 2**31)


class UnreadableInputError(ValueError):
    """A member of the input does not fit its field."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type.

    Args:
        name: As TDX spells it.
        kind: `int`, `double`, `bool`, `string`, `guid`, `datetime`, `any`, or the name of another type.
        is_list: Whether the value is a list of that kind.
        nullable: Whether null may be sent.
        full_only: Whether search results leave it out (as null).
        read_only: Whether clients cannot set it.
        on_create: Whether clients can set it at creation only.
        unset: The value of an unset field.
    """

    name: str
    kind: str
    is_list: bool
    nullable: bool
    full_only: bool
    read_only: bool
    on_create: bool
    unset: Value


@cache
def fields(shape: str) -> tuple[Field, ...]:
    """Return the fields of a type in the order in which they are sent."""
    return tuple(_field(name, spec) for name, spec in _descriptions()[shape].items())


@cache
def _descriptions() -> dict[str, dict[str, str]]:
    text = files(__package__).joinpath("shapes.json").read_text(encoding="utf-8")
    described: dict[str, dict[str, str]] = json.loads(text)
    return described


def plain_field(name: str, kind: str, *, is_list: bool = False) -> Field:
    """Describe a nullable field outside any type: a query parameter, or a body that is a list.

    Args:
        name: What messages call it.
        kind: See `Field`.
        is_list: See `Field`.

    Returns:
        A field that may be null.
    """
    return Field(
        name,
        kind,
        is_list,
        nullable=True,
        full_only=False,
        read_only=False,
        on_create=False,
        unset=None,
    )


def _field(name: str, spec: str) -> Field:
    match = _SPEC.match(spec)
    if match is None:
        raise ValueError(f"shapes.json: cannot read {name}: {spec!r}")
    flags = match["flags"].split()
    is_list, nullable = match["list"] is not None, match["null"] is not None
    return Field(
        name,
        match["kind"],
        is_list,
        nullable,
        full_only="full-only" in flags,
        read_only="read-only" in flags,
        on_create="on-create" in flags,
        unset=_unset(match["kind"], match["unset"], is_list=is_list, nullable=nullable),
    )


def _unset(kind: str, given: str | None, *, is_list: bool, nullable: bool) -> Value:
    if given is not None:
        return given if kind == "string" else int(given)
    if nullable:
        return None
    return [] if is_list else _UNSET.get(kind)


@cache
def _template(shape: str, *, full: bool) -> tuple[dict[str, Value], frozenset[str]]:
    """Build an answer with nothing set, and the names of the fields that may be."""
    described = fields(shape)
    loaded = [field for field in described if full or not field.full_only]
    unset = {field.name: None for field in described}
    return unset | {field.name: _sent_unset(field) for field in loaded}, frozenset(
        field.name for field in loaded
    )


def _sent_unset(field: Field) -> Value:
    return [] if field.is_list and field.full_only else field.unset


def render(shape: str, values: Mapping[str, Value], *, full: bool = True) -> dict[str, Value]:
    """Build an answer of a type: every field of it and nothing else.

    Args:
        shape: The type's name.
        values: What is set, by field name. Names that are no field of the type are left out.
        full: False for search results, which leave `full_only` fields null.
    """
    unset, loaded = _template(shape, full=full)
    return unset | {name: value for name, value in values.items() if name in loaded}


def read(shape: str, given: object) -> dict[str, Value]:
    """Read an input object as leniently as TDX does.

    Names match whatever their case, unknown members are ignored, scalars sent as text are turned into
    what the field holds.

    Args:
        shape: The type's name.
        given: The parsed body.

    Returns:
        Every field of the type: what was sent, else its unset value.

    Raises:
        UnreadableInputError: A member cannot be turned into what its field holds.
    """
    return {field.name: field.unset for field in fields(shape)} | sent(shape, given)


def sent(shape: str, given: object) -> dict[str, Value]:
    """Read only those members of an input object that were sent.

    Args:
        shape: The type's name.
        given: The parsed body.

    Returns:
        The sent fields of the type, by TDX's own spelling.

    Raises:
        UnreadableInputError: See `read`; also where the body is no object.
    """
    if not isinstance(given, dict):
        raise UnreadableInputError(f"{shape}: an object is expected.")
    lowered = {str(name).lower(): value for name, value in given.items()}
    return {
        field.name: read_field(field, lowered[field.name.lower()])
        for field in fields(shape)
        if field.name.lower() in lowered
    }


def read_field(field: Field, value: object) -> Value:
    """Convert one sent value to the kind of its field.

    Args:
        field: The field.
        value: What was sent.

    Returns:
        The value to keep; null for a field that cannot be null becomes its unset value.

    Raises:
        UnreadableInputError: The value does not fit.
    """
    if value is None:
        return field.unset
    if not field.is_list:
        return _read_one(field, value)
    members = value if isinstance(value, list) else [value]
    return [_read_one(field, member) for member in members]


def _read_one(field: Field, value: object) -> Value:
    reader = _READERS.get(field.kind)
    try:
        if reader is not None:
            return reader(value)
        return value if field.kind == "any" else sent(field.kind, value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UnreadableInputError(f"The value of {field.name} is not valid.") from error


def _read_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    number = float(value) if isinstance(value, float) else int(value)
    if int(number) != number or int(number) not in _INT_RANGE:
        raise ValueError(value)
    return int(number)


def _read_double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(value)


def _read_string(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return json.dumps(value)
    if isinstance(value, list) and all(isinstance(member, str | int) for member in value):
        # A production client sends attribute values as a list; ids joined by commas are the
        # documented form of several choices.
        return ",".join(str(member) for member in value)
    raise ValueError(value)


def _read_guid(value: object) -> str:
    return str(UUID(str(value)))


def _read_date(value: object) -> str:
    return stamp(parse_date(str(value)))


_READERS = {
    "int": _read_int,
    "double": _read_double,
    "bool": _read_bool,
    "string": _read_string,
    "guid": _read_guid,
    "datetime": _read_date,
}


def parse_date(text: str) -> datetime:
    """Read a date in any form that TDX accepts; one without an offset counts as UTC."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def stamp(moment: datetime) -> str:
    """Write a date as TDX does: UTC, milliseconds without trailing zeros, `2014-11-20T21:22:52.05Z`."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    fraction = f"{moment.microsecond // 1000:03d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"
