"""What the actions that set fields of a ticket share: from settings to values, and one patch for what differs.

Belongs here: the order of steps of `update_ticket` and `status`. Does not: which fields each sets, comparing
and writing (`field_changes`), what a name means in TDX (`choices`).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.choices import UnknownValue, find_choice, find_status
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Evidence
from tdx_dagster.tickets.actions.field_changes import (
    Expected,
    Patch,
    Wanted,
    compare,
    compare_now,
    say,
    stored_changes,
)
from tdx_dagster.tickets.actions.lookups import (
    ByLookup,
    LookedUp,
    Lookup,
    Otherwise,
    look_up,
    values_of,
)
from tdx_dagster.tickets.actions.outcome import GiveUp, LeftAlone, Performed
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING, Change
from tdx_dagster.tickets.tables import Tables
from tdx_dagster.tickets.ticket_view import TdxReads

Value = int | float | str
Given = Value | ByLookup
FillIn = Callable[[str, Given], Value]
"""Gives the value of a setting; empty: it is left out."""

LOOKED_UP = "looked_up"

# So many people of a table are looked for by `check`, within what TDX allows in a minute.
MOST_PEOPLE = 20


class FieldAction(Action):
    """An action that sets fields of a ticket as its settings say, and none that a person has changed."""

    result_names: ClassVar[tuple[str, ...] | None] = ("changes", "shown", "left_alone", LOOKED_UP)
    # How the name of its effect begins.
    effect_prefix: ClassVar[str] = ""

    off_hold_days: float | None = Field(default=None, gt=0)
    """With a status that needs a date: when the ticket goes off hold, in days from the write."""
    off_hold_date: date | None = None
    """The same as a date."""
    otherwise: Otherwise = "leave_alone"
    """Where a look-up gives no value and has no default: leave_alone the field, or fail."""
    add_summary_line: bool = True
    """Name the changes in the summary."""

    @model_validator(mode="after")
    def _has_one_date(self) -> Self:
        if self.off_hold_days and self.off_hold_date:
            raise ValueError("give off_hold_days or off_hold_date, not both")
        return self

    @abstractmethod
    def given(self) -> Mapping[str, Given]:
        """Give the fields that are set, by setting."""

    def more_wanted(self, tdx: TdxReads, fill_in: FillIn) -> Iterable[Wanted]:
        """Give what is set besides."""
        del tdx, fill_in
        return ()

    def expected_values(self) -> Expected:
        """Give the values from which fields may be changed."""
        return {}

    def more(self, context: ActionContext) -> Sequence[str]:
        """Write what is no field of the ticket; say what was done."""
        del context
        return ()

    @property
    def notifies(self) -> bool:
        """Whether TDX mails whoever becomes responsible."""
        return False

    def check(self, tdx: TdxReads) -> str:
        """See `Action.check`: each value is one that TDX has, also those of maps and defaults."""
        wanted = self._wanted(tdx, _fixed, check_ids=True)
        for setting, lookup in self.lookups():
            for value in _written(lookup):
                self._wanted(tdx, partial(_only, setting, value), check_ids=True)
        self._check_status(tdx)
        return ", ".join(to.name if to else "none" for _, to in wanted)

    def check_tables(self, tdx: TdxReads, tables: Tables) -> str:
        """See `Action.check_tables`: each value of a table is one that TDX has."""
        found = super().check_tables(tdx, tables)
        for setting, lookup in self.lookups():
            values = values_of(tables, setting, lookup) if lookup.table else {}
            held = sorted({one for each in values.values() for one in each}, key=str)
            # A person costs a search each.
            for value in held[:MOST_PEOPLE] if setting == "responsible_person" else held:
                try:
                    self._wanted(tdx, partial(_only, setting, value), check_ids=True)
                except UnknownValue as error:
                    raise UnknownValue(f"{error} It stands in {lookup.table}.") from error
        return found

    def perform(self, context: ActionContext) -> Performed:
        """Compare, and write what differs."""
        name = f"{self.effect_prefix}:{self.identity().action_id}"
        evidence, left, looked_up = self._earlier(context, name), list[str](), list[LookedUp]()
        if evidence is None:
            filled = _Filled(self, context)
            wanted = self._wanted_on(context, filled)
            evidence, left = self._write(context, name, wanted)
            looked_up = filled.looked_up
            left += [one.left_alone for one in looked_up if one.value is None]
        lines = [*(say(evidence) if evidence else ()), *self.more(context), *left]
        sources = [str(one) for one in looked_up if one.value is not None]
        return Performed(
            message="; ".join([*(lines or ["Nothing to change"]), *sources]),
            summary_lines=lines if self.add_summary_line else [],
            evidence={
                **(evidence or {}),
                **({"left_alone": left} if left else {}),
                **(
                    {LOOKED_UP: {one.setting: one.stored() for one in looked_up}}
                    if looked_up
                    else {}
                ),
            },
        )

    def _write(
        self, context: ActionContext, name: str, wanted: Sequence[Wanted]
    ) -> tuple[Evidence | None, list[str]]:
        """Write what differs, and say what is left alone.

        The ticket is read right before the patch is sent. Where a person has changed a field of it by then,
        what is left is compared with that read.
        """
        expected = self.expected_values()
        now, found = compare_now(context, wanted, expected)
        reads = [now]
        while found.changes:
            patch = replace(self._patch(context, name, found.changes), read_before=reads.append)
            try:
                return context.write.do(patch.effect()), found.left
            except LeftAlone:
                found = compare(context, reads[-1], wanted, expected)
        return None, found.left

    def _earlier(self, context: ActionContext, name: str) -> Evidence | None:
        """Give the patch of an earlier attempt that is on the ticket."""
        record = context.write.effects().get(name)
        if record is None:
            return None
        return context.write.recover(
            self._patch(context, name, stored_changes(record.detail)).effect()
        )

    def _patch(self, context: ActionContext, name: str, changes: Sequence[Change]) -> Patch:
        is_status_set = any(one.field is BY_SETTING["status"] for one in changes)
        return Patch(
            context.ticket.id,
            name,
            changes,
            off_hold_at=self._off_hold_at() if is_status_set else "",
            notify=self.notifies,
            changed_to=context.ticket.changed_to,
        )

    def _off_hold_at(self) -> str:
        if self.off_hold_days:
            return (datetime.now(UTC) + timedelta(days=self.off_hold_days)).isoformat()
        return f"{self.off_hold_date.isoformat()}T12:00:00Z" if self.off_hold_date else ""

    def _wanted_on(self, context: ActionContext, filled: "_Filled") -> list[Wanted]:
        """Give the fields and the values they are set to on one ticket.

        Raises:
            UnknownValue: TDX has no value that the settings name.
            GiveUp: It has none that a template or a table gives on this ticket.
        """
        try:
            return self._wanted(context.ticket.tdx, filled)
        except UnknownValue as error:
            is_of_ticket = any(map(is_template, self.templates()))
            if is_of_ticket or any(one.table for _, one in self.lookups()):
                raise GiveUp(str(error)) from error
            raise

    def _wanted(self, tdx: TdxReads, fill_in: FillIn, *, check_ids: bool = False) -> list[Wanted]:
        """Give the fields and their values; one that is empty once filled in is left out."""
        try:
            wanted: list[Wanted] = [
                (BY_SETTING[name], find_choice(tdx, name, value, check_ids=check_ids))
                for name, given in self.given().items()
                if (value := fill_in(name, given)) != ""
            ]
            return [*wanted, *self.more_wanted(tdx, fill_in)]
        except UnknownValue as error:
            raise UnknownValue(f"The action {self.label!r}: {error}") from error

    def _check_status(self, tdx: TdxReads) -> None:
        given = self.given().get("status", "")
        fixed: set[Any] = {_fixed("status", given)} - {""}
        values = _written(given.lookup) if isinstance(given, ByLookup) else fixed
        if self.off_hold_days or self.off_hold_date:
            return
        for status in values:
            found = find_status(tdx, status)
            if found.needs_off_hold_date:
                raise UnknownValue(
                    f"The action {self.label!r}: the status {found.name!r} needs a date; give off_hold_days or "
                    "off_hold_date."
                )


@dataclass
class _Filled:
    """Gives the values of an action's settings on one ticket, and remembers what was looked up."""

    action: FieldAction
    context: ActionContext
    looked_up: list[LookedUp] = field(default_factory=list)

    def __call__(self, setting: str, given: Given) -> Value:
        if isinstance(given, ByLookup):
            found = look_up(self.context, setting, given.lookup, self.action.otherwise)
            self.looked_up.append(found)
            return "" if found.value is None else found.value
        return _typed(self.context.render(given)) if isinstance(given, str) else given


def _fixed(_: str, given: Given) -> Value:
    """Leave out what is known only on a ticket."""
    is_open = isinstance(given, ByLookup) or (isinstance(given, str) and is_template(given))
    return "" if is_open else given  # type: ignore[return-value]


def _only(wanted: str, value: Value, setting: str, given: Given) -> Value:
    """Give one value of one look-up, and nothing else."""
    del given
    return value if setting == wanted else ""


def _written(lookup: Lookup) -> set[Any]:
    """Give the values of a look-up that stand in the settings."""
    default = set() if lookup.default is None else {lookup.default}
    return {*lookup.map.values(), *default}


def _typed(text: str) -> Value:
    """Take digits for an id."""
    plain = text.strip()
    return int(plain) if plain.isdecimal() else plain
