"""Tests on one field of a record, from which searches are made.

Filters are AND between fields and OR within one list; an empty list, a null and (where a filter cannot be
null) a zero or year 1 do not filter.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.shapes import UNSET_DATE, parse_date

Test = Callable[[Record], bool]


def fitting(records: Iterable[Record], app: int, tests: Iterable[Test]) -> list[Record]:
    """Return the records of an application that pass all tests."""
    every = list(tests)
    return [one for one in records if one["AppID"] == app and all(test(one) for test in every)]


def capped(found: list[Record], most: int | None) -> list[Record]:
    """Return the first records of a result."""
    return found[:most] if most is not None and most > 0 else found


def members(fields: Mapping[str, str], wanted: Record) -> Iterable[Test]:
    """Test the filters that are lists of values, each that is set.

    Args:
        fields: Field of the record by name of the filter.
        wanted: The search.
    """
    return (member(field, wanted[name]) for name, field in fields.items() if wanted[name])


def member(field: str, values: Iterable[object]) -> Test:
    """Test for one of several values.

    Args:
        field: Field of the record; one that is not set counts as 0.
        values: The values.
    """
    chosen = set(values)
    return lambda record: record.get(field, 0) in chosen


def truth(field: str, *, is_set: bool) -> Test:
    """Test a flag, or whether a field is set.

    Args:
        field: Field of the record.
        is_set: What it must be.
    """
    return lambda record: bool(record.get(field)) is is_set


def date_range(field: str, low: str | None, high: str | None) -> Iterable[Test]:
    """Test a range of dates, both ends included; a date that is not set fits none.

    Args:
        field: Field of the record.
        low: Its begin as sent; null and year 1 are no bound.
        high: Its end, likewise.
    """
    if low is not None and not low.startswith("0001-"):
        since = parse_date(low)
        yield lambda record: (at := _date(record, field)) is not None and at >= since
    if high is not None and not high.startswith("0001-"):
        until = parse_date(high)
        yield lambda record: (at := _date(record, field)) is not None and at <= until


def _date(record: Record, field: str) -> datetime | None:
    text = record.get(field) or UNSET_DATE
    return None if text.startswith("0001-") else parse_date(text)


def attribute_tests(wanted: Record) -> Iterable[Test]:
    """Test the values of custom attributes that a search asks for; one of several choices is enough."""
    for asked in wanted["CustomAttributes"] or ():
        yield _has_choice(asked.get("ID", 0), _choices(asked.get("Value")))


def _has_choice(number: int, chosen: set[str]) -> Test:
    return lambda record: not chosen.isdisjoint(_choices(record.get("Attributes", {}).get(number)))


def _choices(value: str | None) -> set[str]:
    return {part.strip() for part in (value or "").split(",")}
