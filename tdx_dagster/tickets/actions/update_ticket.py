"""The `update_ticket` action: set fields of a ticket by one JSON patch, and nothing that has them already.

Belongs here: the settings and the order of steps. Does not: comparing and writing (`field_changes`), what a
name means in TDX (`choices`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.choices import (
    UnknownValue,
    attribute_value,
    find_attribute,
    find_choice,
    find_status,
)
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, Evidence, TdxWrites
from tdx_dagster.tickets.actions.field_changes import (
    Patch,
    Wanted,
    compare,
    say,
    stored_changes,
)
from tdx_dagster.tickets.actions.outcome import GiveUp, LeftAlone, Performed
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING, Change, attribute_field
from tdx_dagster.tickets.ticket_view import TdxReads

IdOrName = int | str
Value = int | float | str

Clearable = Literal[
    "responsible_person", "responsible_group", "impact", "urgency", "source", "location"
]


class UpdateTicket(Action):
    """Set fields of the ticket: who is responsible, priority, type, status and others.

    Each takes an id or a name of TDX. Only fields that differ are written, all in one call. A field that a
    person has set, before the robot or since, is left alone; `expected` names values that may be changed all
    the same, and leaves a field with any other value alone.
    """

    action_type: ClassVar[str] = "update_ticket"

    templated: ClassVar[tuple[str, ...]] = (*BY_SETTING, "attributes", "tags")
    result_names: ClassVar[tuple[str, ...] | None] = ("changes", "shown", "left_alone")

    responsible_person: str | None = None
    """Who is responsible: UID, mail address, user name or full name."""
    responsible_group: IdOrName | None = None
    """The responsible group."""
    priority: IdOrName | None = None
    """The priority."""
    impact: IdOrName | None = None
    """The impact."""
    urgency: IdOrName | None = None
    """The urgency."""
    ticket_type: IdOrName | None = None
    """The type of the ticket."""
    source: IdOrName | None = None
    """The source."""
    location: IdOrName | None = None
    """The location."""
    status: IdOrName | None = None
    """The status."""
    off_hold_days: float | None = Field(default=None, gt=0)
    """With a status that needs a date: when the ticket goes off hold, in days from the write."""
    off_hold_date: date | None = None
    """The same as a date."""
    attributes: Mapping[str, int | float | str] = Field(default_factory=dict)
    """Custom attributes by id or name; a choice by id or name, else text."""
    clear: tuple[Clearable, ...] = ()
    """Fields that are emptied; clear `responsible_person` to assign to a group alone."""
    tags: tuple[str, ...] = ()
    """Tags to add; they are added once, and one that is there already stays."""
    expected: Mapping[str, tuple[int | str | None, ...]] = Field(default_factory=dict)
    """Values from which a field may be changed, by setting, whoever has set them; null: unset. A field that is
    not named: from any that no person has set."""
    notify_new_responsible: bool = False
    """Have TDX mail whoever becomes responsible."""
    add_summary_line: bool = True
    """Name the changes in the summary."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        wanted = set(self._given())
        if not (wanted or self.attributes or self.clear or self.tags):
            raise ValueError("it changes nothing; give at least one field")
        if twice := sorted(wanted & set(self.clear)):
            raise ValueError(f"{', '.join(twice)} is both set and cleared")
        if self.off_hold_days and self.off_hold_date:
            raise ValueError("give off_hold_days or off_hold_date, not both")
        if (self.off_hold_days or self.off_hold_date) and self.status is None:
            raise ValueError("an off-hold date goes with a status; give the status too")
        if unknown := sorted(set(self.expected) - set(BY_SETTING) - set(self.attributes)):
            raise ValueError(f"expected names {', '.join(unknown)}, which this action does not set")
        return self

    def hashed_settings(self) -> dict[str, object]:
        """See `Action.hashed_settings`; the order of names does not matter."""
        settings = super().hashed_settings()
        for name, value in settings.items():
            if isinstance(value, Mapping):
                settings[name] = sorted(value.items())
        return settings

    def check(self, tdx: TdxReads) -> str:
        """See `Action.check`: each value is one that TDX has."""
        wanted = self._wanted(tdx, _fixed, check_ids=True)
        names = [to.name if to else "none" for _, to in wanted]
        self._check_status(tdx)
        return ", ".join([*names, *self.tags])

    def perform(self, context: ActionContext) -> Performed:
        """Compare, and write what differs."""
        name = f"update:{self.identity().action_id}"
        evidence, left = self._earlier(context, name), list[str]()
        if evidence is None:
            evidence, left = self._write(context, name)
        lines = [*(say(evidence) if evidence else ()), *self._tag(context), *left]
        return Performed(
            message="; ".join(lines) or "Nothing to change",
            summary_lines=lines if self.add_summary_line else [],
            evidence={**(evidence or {}), **({"left_alone": left} if left else {})},
        )

    def _write(self, context: ActionContext, name: str) -> tuple[Evidence | None, list[str]]:
        """Write what differs, and say what is left alone.

        The ticket is read right before the patch is sent. Where a person has changed a field of it by then,
        what is left is compared with that read.
        """
        wanted, reads = self._wanted_on(context), [context.ticket.latest]
        found = compare(context, reads[-1], wanted, self.expected)
        if found.left:
            reads.append(context.ticket.tdx.ticket(context.ticket.id))
            found = compare(context, reads[-1], wanted, self.expected)
        while found.changes:
            patch = replace(self._patch(context, name, found.changes), read_before=reads.append)
            try:
                return context.write.do(patch.effect()), found.left
            except LeftAlone:
                found = compare(context, reads[-1], wanted, self.expected)
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
            notify=self.notify_new_responsible,
            changed_to=context.ticket.changed_to,
        )

    def _off_hold_at(self) -> str:
        if self.off_hold_days:
            return (datetime.now(UTC) + timedelta(days=self.off_hold_days)).isoformat()
        return f"{self.off_hold_date.isoformat()}T12:00:00Z" if self.off_hold_date else ""

    def _tag(self, context: ActionContext) -> list[str]:
        """Add the tags. No call shows which a ticket has, and adding one that is there changes nothing."""
        tags = [tag for tag in map(context.render, self.tags) if tag.strip()]
        ticket_id = context.ticket.id
        if not tags:
            return []
        name, detail = f"tags:{self.identity().action_id}", {"tags": tags}

        def write(tdx: TdxWrites) -> Evidence:
            tdx.tag_ticket(ticket_id, tags)
            return detail

        context.write.do(Effect(name, detail, write, look=lambda _, __: None))
        return [f"Tagged the ticket {', '.join(tags)}"]

    def _given(self) -> Iterator[str]:
        return (name for name in BY_SETTING if getattr(self, name) is not None)

    def _wanted_on(self, context: ActionContext) -> list[Wanted]:
        """Give the fields and the values they are set to on one ticket.

        Raises:
            UnknownValue: TDX has no value that the settings name.
            GiveUp: It has none that a template gives on this ticket.
        """

        def fill_in(given: Value) -> Value:
            return _typed(context.render(given)) if isinstance(given, str) else given

        try:
            return self._wanted(context.ticket.tdx, fill_in)
        except UnknownValue as error:
            if any(map(is_template, self.templates())):
                raise GiveUp(str(error)) from error
            raise

    def _wanted(
        self, tdx: TdxReads, fill_in: Callable[[Value], Value], *, check_ids: bool = False
    ) -> list[Wanted]:
        """Give the fields and their values; one that is empty once filled in is left out."""
        try:
            wanted: list[Wanted] = [
                (BY_SETTING[name], find_choice(tdx, name, value, check_ids=check_ids))
                for name in self._given()
                if (value := fill_in(getattr(self, name))) != ""
            ]
            wanted += [(BY_SETTING[name], None) for name in self.clear]
            for given, to in self.attributes.items():
                if (value := fill_in(to)) == "":
                    continue
                known = find_attribute(tdx, int(given) if given.isdecimal() else given)
                wanted.append(
                    (attribute_field(known.id, known.name), attribute_value(known, value))
                )
        except UnknownValue as error:
            raise UnknownValue(f"The action {self.label!r}: {error}") from error
        return wanted

    def _check_status(self, tdx: TdxReads) -> None:
        has_date = self.off_hold_days or self.off_hold_date
        if self.status is None or has_date or is_template(str(self.status)):
            return
        status = find_status(tdx, self.status)
        if status.needs_off_hold_date:
            raise UnknownValue(
                f"The action {self.label!r}: the status {status.name!r} needs a date; give off_hold_days or "
                "off_hold_date."
            )


def _fixed(given: Value) -> Value:
    """Leave out what is known only on a ticket."""
    return "" if isinstance(given, str) and is_template(given) else given


def _typed(text: str) -> Value:
    """Take digits for an id."""
    plain = text.strip()
    return int(plain) if plain.isdecimal() else plain
