"""The `update_ticket` action: set fields of a ticket by one JSON patch, and nothing that has them already.

Belongs here: which fields, attributes and tags it sets. Does not: the order of steps (`field_action`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tdx_dagster.tickets.actions.choices import attribute_value, find_attribute
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, Evidence, TdxWrites
from tdx_dagster.tickets.actions.field_action import FieldAction, FillIn, Given
from tdx_dagster.tickets.actions.field_changes import Expected, Wanted
from tdx_dagster.tickets.actions.lookups import ByLookup
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING, attribute_field
from tdx_dagster.tickets.ticket_view import TdxReads

IdOrName = int | str | ByLookup

Clearable = Literal[
    "responsible_person", "responsible_group", "impact", "urgency", "source", "location"
]


class UpdateTicket(FieldAction):
    """Set fields of the ticket: who is responsible, priority, type, status and others.

    Each takes an id or a name of TDX. Only fields that differ are written, all in one call. A field that a
    person has set, before the robot or since, is left alone; `expected` names values that may be changed all
    the same, and leaves a field with any other value alone.
    """

    action_type: ClassVar[str] = "update_ticket"
    effect_prefix: ClassVar[str] = "update"
    templated: ClassVar[tuple[str, ...]] = (*BY_SETTING, "attributes", "tags")

    responsible_person: str | ByLookup | None = None
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
    attributes: Mapping[str, int | float | str | ByLookup] = Field(default_factory=dict)
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

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        wanted = set(self.given())
        if not (wanted or self.attributes or self.clear or self.tags):
            raise ValueError("it changes nothing; give at least one field")
        if twice := sorted(wanted & set(self.clear)):
            raise ValueError(f"{', '.join(twice)} is both set and cleared")
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
        return ", ".join(filter(None, [super().check(tdx), *self.tags]))

    def given(self) -> Mapping[str, Given]:
        """See `FieldAction.given`."""
        return {name: value for name in BY_SETTING if (value := getattr(self, name)) is not None}

    def more_wanted(self, tdx: TdxReads, fill_in: FillIn) -> Iterator[Wanted]:
        """See `FieldAction.more_wanted`: what is cleared, and the attributes."""
        yield from ((BY_SETTING[name], None) for name in self.clear)
        for given, to in self.attributes.items():
            if (value := fill_in(given, to)) == "":
                continue
            known = find_attribute(tdx, int(given) if given.isdecimal() else given)
            yield attribute_field(known.id, known.name), attribute_value(known, value)

    def expected_values(self) -> Expected:
        """See `FieldAction.expected_values`."""
        return self.expected

    @property
    def notifies(self) -> bool:
        """See `FieldAction.notifies`."""
        return self.notify_new_responsible

    def more(self, context: ActionContext) -> Sequence[str]:
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
