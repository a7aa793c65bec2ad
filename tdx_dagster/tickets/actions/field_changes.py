"""Changing fields of a ticket: which differ, which a person has decided, and the one patch for the rest.

Belongs here: comparing the ticket with what is wanted, the effect of the patch, and what is said of it. The
value expected is written with the intent; what TDX shows afterwards is what is reported.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tdx_dagster.discovery.passages import SYSTEM_NAME
from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.models import Choice, FeedEntry, PatchOperation, Ticket
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, Evidence, TdxWrites
from tdx_dagster.tickets.actions.field_lines import has_own_line, last_line_of
from tdx_dagster.tickets.actions.link_lines import is_by
from tdx_dagster.tickets.actions.ticket_fields import STATUS, Change, FieldValue, TicketField

# Where the detail of an effect keeps its changes, and what the ticket shows after them.
CHANGES, SHOWN = "changes", "shown"

# Where a comment keeps the status it has changed.
STATUS_WAS = "status_was"


class ReadsFeed(Protocol):
    """What shows who has changed a ticket."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed."""


class ReadsTicket(ReadsFeed, Protocol):
    """The same, and the ticket."""

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket."""


Wanted = tuple[TicketField, Choice | None]
"""A field and what it is set to; None clears it."""

Expected = Mapping[str, Sequence[int | str | None]]
"""Values from which a field may be changed, by setting; a field that is not named: from any."""


@dataclass(frozen=True)
class Compared:
    """What is to be done with the fields of a ticket.

    Args:
        changes: What is changed.
        left: Why others are left alone.
    """

    changes: list[Change] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def compare(
    context: ActionContext, now: Ticket, wanted: Iterable[Wanted], expected: Expected
) -> Compared:
    """Compare a ticket with what is wanted.

    A field is left alone where it has another value than `expected_value`, or than the settings expect; where
    they say nothing of it, also where a person has set it before the robot came.

    Args:
        context: The ticket.
        now: As it was read last.
        wanted: The fields and what they are set to.
        expected: What the settings expect.
    """
    found = Compared()
    for one, to in wanted:
        value = one.value(now)
        if value == _value(to):
            continue
        allowed = expected.get(one.setting)
        is_allowed = (
            not is_set_by_person(context, one) if allowed is None else _is_among(one, now, allowed)
        )
        if is_allowed and value == expected_value(context, one):
            name = to.name if to else "none"
            found.changes.append(Change(one, value, _value(to), one.shown(now), name))
        else:
            found.left.append(left_alone(context.ticket.tdx, one, now))
    return found


def compare_now(
    context: ActionContext, wanted: Iterable[Wanted], expected: Expected
) -> tuple[Ticket, Compared]:
    """Compare the ticket as this run has read it; where something is left alone, as it is by now.

    Why a field is left alone is said of the value it has, not of the one it had.

    Args:
        context: The ticket.
        wanted: The fields and what they are set to.
        expected: What the settings expect.
    """
    now, wanted = context.ticket.latest, tuple(wanted)
    found = compare(context, now, wanted, expected)
    if found.left:
        now = context.ticket.tdx.ticket(context.ticket.id)
        found = compare(context, now, wanted, expected)
    return now, found


def expected_value(context: ActionContext, one: TicketField) -> FieldValue:
    """Give the value a field has unless a person has changed it.

    It is what the robot has set last; where it never has, what this run has read before its first write.
    """
    return last_set(context.write.effects()).get(one.path, one.value(context.ticket.ticket))


def is_set_by_person(context: ActionContext, one: TicketField) -> bool:
    """Tell whether a person has set a field that the robot never has, by TDX's newest line about it."""
    if one.path in last_set(context.write.effects()) or context.ticket.is_untouched:
        return False
    line, uid = last_line_of(context.ticket.feed(), one), context.ticket.tdx.account().uid
    if uid is None or line is None or line.created_uid is None:
        return False
    return line.created_name.strip() != SYSTEM_NAME and not is_by(line, uid)


def _value(to: Choice | None) -> FieldValue:
    return to.id if to else None


def _is_among(one: TicketField, ticket: Ticket, allowed: Sequence[int | str | None]) -> bool:
    value, name = one.value(ticket), one.shown(ticket).casefold()
    return any(
        other == value
        or (isinstance(other, str) and value is not None and other.casefold() == name)
        for other in allowed
    )


def left_alone(tdx: ReadsFeed, one: TicketField, now: Ticket) -> str:
    """Say that a field is left alone, with its value and, where the feed says it, who set it."""
    line = last_line_of(tdx.feed(now.id), one)
    set_by = f", set by {line.created_name}" if line and line.created_name else ""
    return f"{one.label.capitalize()} left alone: now {one.shown(now)}{set_by}"


def last_set(effects: Mapping[str, EffectRecord]) -> Mapping[str, FieldValue]:
    """Give the value that the robot has set each field to last, by its name in TDX."""
    found: dict[str, FieldValue] = {}
    done = [one for one in effects.values() if one.state is EffectState.DONE]
    for effect in sorted(done, key=lambda one: one.event_id):
        # A status that was there already is whoever's it was.
        is_set = effect.detail.get("new_status_id") != effect.detail.get(STATUS_WAS)
        if effect.detail.get("new_status_id") and is_set:
            found[STATUS] = int(effect.detail["new_status_id"])
        for change in effect.detail.get(CHANGES) or ():
            found[str(change["path"])] = change["to"]
    return found


@dataclass(frozen=True)
class Patch:
    """One patch of a ticket, sent only while each field has the value that it changes from.

    Args:
        ticket_id: The ticket.
        name: Of the effect.
        changes: What it changes.
        off_hold_at: When a status that is set takes the ticket off hold, as TDX takes it; empty: never.
        notify: Have TDX mail whoever becomes responsible.
        changed_to: Called with the ticket as it is after the patch.
        read_before: Called with the ticket as it is right before the patch.
    """

    ticket_id: int
    name: str
    changes: Sequence[Change]
    off_hold_at: str = ""
    notify: bool = False
    changed_to: Callable[[Ticket], None] = field(default=lambda _: None)
    read_before: Callable[[Ticket], None] = field(default=lambda _: None)

    def effect(self) -> Effect:
        """Give the effect of the patch."""
        status = [one.value for one in self.changes if one.field.path == STATUS]
        detail: Evidence = {
            CHANGES: [one.stored() for one in self.changes],
            **({"off_hold_at": self.off_hold_at} if self.off_hold_at else {}),
            # As a comment stores it, so that each action knows the status that the robot has set.
            **({"new_status_id": status[0]} if status else {}),
        }

        def write(tdx: TdxWrites) -> Evidence:
            ticket = tdx.patch_ticket(
                self.ticket_id, self._operations(), notify_new_responsible=self.notify
            )
            self.changed_to(ticket)
            return {**detail, SHOWN: _shown(self.changes, ticket)}

        return Effect(self.name, detail, write, self._look, self._moved)

    def _operations(self) -> list[PatchOperation]:
        made = [one.operation() for one in self.changes]
        if self.off_hold_at:
            made.append(PatchOperation("replace", "/GoesOffHoldDate", self.off_hold_at))
        return made

    def _moved(self, tdx: TdxWrites) -> str | None:
        """Say which fields have another value by now."""
        now = tdx.ticket(self.ticket_id)
        self.read_before(now)
        return say_moved(self.changes, now) or None

    def _look(self, tdx: TdxWrites, record: EffectRecord) -> Evidence | None:
        """Tell whether the patch was made: all of it or nothing; a person may have changed it since.

        One field alone says nothing: a person may have set it to the same value.
        """
        changes = stored_changes(record.detail)
        ticket = tdx.ticket(self.ticket_id)
        is_made = all(one.field.value(ticket) == one.value for one in changes)
        lines = [(one.field, one.name) for one in changes]
        if not is_made and not has_own_line(tdx, self.ticket_id, lines, record.age_seconds):
            return None
        self.changed_to(ticket)
        return {**record.detail, SHOWN: _shown(changes, ticket)}


def say_moved(changes: Iterable[Change], now: Ticket) -> str:
    """Say which fields have another value than a change expects; empty where none has."""
    moved = [one.field for one in changes if one.field.value(now) != one.expected]
    return ", ".join(f"{one.label} is now {one.shown(now)}" for one in moved)


def stored_changes(detail: Evidence) -> Sequence[Change]:
    """Read the changes of a patch from what is stored of it."""
    return [Change.from_stored(dict(one)) for one in detail.get(CHANGES) or ()]


def _shown(changes: Iterable[Change], ticket: Ticket) -> Mapping[str, Any]:
    return {
        one.field.path: {
            "value": one.field.value(ticket),
            "name": one.field.shown(ticket),
        }
        for one in changes
    }


def say(evidence: Evidence) -> list[str]:
    """Say what a patch has done, in one line, and what of it is not so any more."""
    shown = evidence.get(SHOWN) or {}
    did, differs = [], []
    for one in stored_changes(evidence):
        now = shown.get(one.field.path) or {"value": one.value, "name": one.name}
        if now["value"] == one.value:
            did.append(f"{one.field.label} to {now['name']}")
        else:
            differs.append(f"Set {one.field.label} to {one.name}; the ticket shows {now['name']}")
    return ([f"Changed ticket {', '.join(did)}"] if did else []) + differs
