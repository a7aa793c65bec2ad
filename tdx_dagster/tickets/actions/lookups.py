"""Look-ups: a value of an action's settings that comes from a table or a map, by something of the ticket.

Belongs here: the settings of a look-up, their check, and the value on one ticket. Does not: reading tables
(`tickets.tables`), what the value means in TDX (`choices`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tdx_dagster.postgres.errors import DatabaseSettingError, DatabaseUnavailable
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.nearest import nearest
from tdx_dagster.tickets.actions.outcome import GiveUp, RetryLater
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.tables import ByKey, Tables, TableTooLong, Value, by_folded_key, fold

TABLE_PATTERN = r"^[^.]+\.[^.]+$"
PLAIN_NAMES = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

Otherwise = Literal["leave_alone", "fail"]
"""What becomes of a value where the look-up gives none."""


class LookupFault(TdxSettingError):
    """A look-up names what the database does not have, or may not be read: no ticket is at fault."""


class Lookup(BaseModel):
    """Where a value comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    by: str = Field(min_length=1, max_length=1000)
    """What is looked up on a ticket: an expression over the names of conditions."""
    table: str = Field(default="", pattern=rf"^$|{TABLE_PATTERN}")
    """The table or view, as schema.table."""
    key: str = ""
    """The column that is compared; left out: the last name of `by`."""
    column: str = ""
    """The column of the value; left out: the name of the setting."""
    map: Mapping[str, Value] = Field(default_factory=dict)
    """In place of a table: values by key."""
    default: Value | None = None
    """The value where the look-up gives none."""
    asset: str = ""
    """The table's asset key in Dagster, like hub/routing; left out: schema/table."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if bool(self.table) == bool(self.map):
            raise ValueError("a look-up has either a table or a map")
        if self.map and (self.key or self.column or self.asset):
            raise ValueError("key, column and asset go with a table")
        if self.table and not self.key and not PLAIN_NAMES.fullmatch(self.by):
            raise ValueError(f"give key, the column that is compared with {self.by!r}")
        if is_template(self.by):
            raise ValueError(f"by is an expression without marks, not {self.by!r}")
        if twice := sorted(key for key in self.map if self._is_twice(key)):
            raise ValueError(f"the map has {', '.join(twice)} twice: case and blanks do not count")
        return self

    def _is_twice(self, key: str) -> bool:
        return sum(fold(other) == fold(key) for other in self.map) > 1

    @property
    def key_column(self) -> str:
        """The column of the keys."""
        return self.key or self.by.rpartition(".")[2]

    @property
    def place(self) -> str:
        """Where it looks, for people."""
        return self.table or "the map"

    def hashed(self) -> list[tuple[str, object]]:
        """Give what makes the identity of an action that has it; what is found never does."""
        given = self.model_dump(exclude_defaults=True, exclude={"asset"})
        return sorted(
            (name, sorted(value.items()) if isinstance(value, Mapping) else value)
            for name, value in given.items()
        )


class ByLookup(BaseModel):
    """A value that is looked up, in the place of one that is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lookup: Lookup


def lookups_in(settings: Mapping[str, Any]) -> Iterator[tuple[str, Lookup]]:
    """Give the look-ups among some settings, by the name of the setting or of the attribute."""
    for name, value in settings.items():
        if isinstance(value, ByLookup):
            yield name, value.lookup
        elif isinstance(value, Mapping):
            yield from lookups_in(value)


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a look-up gave on a ticket.

    Args:
        setting: The setting or attribute.
        value: The value; None: it is left alone.
        why: Where it comes from, or why there is none.
        is_default: It is the default.
    """

    setting: str
    value: Value | None
    why: str
    is_default: bool = False

    def __str__(self) -> str:
        """Say it in the message of an action."""
        return f"{self.setting.replace('_', ' ')} looked up: {self.why}"

    @property
    def left_alone(self) -> str:
        """Say that the field is left alone."""
        label = self.setting.removeprefix("ticket_").replace("_", " ")
        return f"{label[:1].upper()}{label[1:]} left alone: {self.why}"

    def stored(self) -> Mapping[str, Any]:
        """Give it as JSON, for the evidence."""
        return {"value": self.value, "why": self.why}


def look_up(
    context: ActionContext, setting: str, lookup: Lookup, otherwise: Otherwise = "leave_alone"
) -> LookedUp:
    """Look a value up on one ticket.

    Several values for one key are left alone whatever the settings say: which is right cannot be known.

    Args:
        context: The ticket.
        setting: The setting or attribute it is for.
        lookup: Where to look.
        otherwise: What becomes of a value that is not found and has no default.

    Raises:
        RetryLater: The database does not answer now.
        GiveUp: There is none, and `otherwise` is fail.
        LookupFault: The table or a column cannot be used.
    """
    key = " ".join(str(found).split()) if (found := context.evaluate(lookup.by)) is not None else ""
    values = values_of(context.tables, setting, lookup).get(fold(key), ())
    if len(values) == 1:
        return LookedUp(setting, values[0], f"{lookup.place} has {values[0]!r} for {key!r}")
    if values:
        named = ", ".join(map(repr, values))
        why = f"{lookup.place} has {len(values)} values for {key!r}: {named}"
        return LookedUp(setting, None, why)
    why = f"{lookup.place} has none for {key!r}" if key else f"{lookup.by} is empty on this ticket"
    if lookup.default is not None:
        return LookedUp(
            setting, lookup.default, f"{why}, so the default {lookup.default!r}", is_default=True
        )
    if otherwise == "fail":
        raise GiveUp(
            f"{setting} cannot be looked up: {why}. Add it, then let the ticket run again."
        )
    return LookedUp(setting, None, why)


def values_of(tables: Tables, setting: str, lookup: Lookup) -> ByKey:
    """Give the values of a look-up by folded key.

    Raises:
        RetryLater: The database does not answer now.
        LookupFault: The table or a column is not there, or may not be read; with the nearest name.
    """
    if not lookup.table:
        return by_folded_key(lookup.map.items())
    wanted = lookup.column or setting
    try:
        _check_columns(tables, lookup.table, (lookup.key_column, wanted))
        return tables.values(lookup.table, lookup.key_column, wanted)
    except DatabaseUnavailable as error:
        raise RetryLater(f"{lookup.table} cannot be read now: {error}") from error
    except DatabaseSettingError as error:
        raise LookupFault(f"The look-up in {lookup.table} cannot be made: {error}") from error
    except TableTooLong as error:
        raise LookupFault(
            f"The look-up cannot be made: {error}. Name a view with the rows that are needed."
        ) from error


def _check_columns(tables: Tables, name: str, wanted: tuple[str, ...]) -> None:
    known = tables.columns()
    if name not in known:
        raise LookupFault(
            f"The look-up names the table {name!r}, which the database of DATABASE_URL does not have."
            f"{nearest(name, known)}"
        )
    columns = known[name]
    for one in wanted:
        if one not in columns:
            raise LookupFault(
                f"The look-up names the column {one!r} of {name}, which there is not."
                f"{nearest(one, columns)} It has {', '.join(columns)}."
            )
        if not columns[one]:
            raise LookupFault(_missing_right(tables.user(), name, one))


def _missing_right(user: str, name: str, one: str) -> str:
    schema, _, table = name.partition(".")
    return (
        f"The look-up needs a right: the database user {user} may not read {one} of {name}. Ask its owner for: "
        f'GRANT USAGE ON SCHEMA "{schema}" TO "{user}"; GRANT SELECT ON "{schema}"."{table}" TO "{user}".'
    )
