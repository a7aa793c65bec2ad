"""What people decided on a ticket: computers they removed, values they changed.

Belongs here: reading their decisions from the action log and the feed. A person has the last word: what is
found here is never undone by any action, version, setting, pipeline or backfill.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdx_dagster.inventory.computers import Computer
from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.models import FeedEntry
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import ATTACH
from tdx_dagster.tickets.actions.link_lines import link_lines
from tdx_dagster.tickets.ticket_view import TicketView

# TDX sets both dates of a new ticket within moments of each other.
UNTOUCHED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Removal:
    """A computer that a person has taken off the ticket.

    Args:
        by: Who, as TDX shows the name; empty where it is not known.
        at: When; None where it is not known.
    """

    by: str = ""
    at: datetime | None = None

    def __str__(self) -> str:
        """Say it as the summary does."""
        when = f" on {self.at:%Y-%m-%d}" if self.at else ""
        return f"left off: {self.by or 'a person'} removed it{when}"


@dataclass(frozen=True)
class Removals:
    """The computers that people have taken off a ticket.

    Args:
        ticket: The ticket.
        effects: What the robot has written on it.
        linked: Ids of the assets that are on it now.
    """

    ticket: TicketView
    effects: Mapping[str, EffectRecord]
    linked: frozenset[int]

    def of(self, computer: Computer) -> Removal | None:
        """Give the removal of a computer that is not on the ticket; None where nobody has removed it."""
        if computer.asset_id in self.linked:
            return None
        by_log = computer.asset_id in attached_by_robot(self.effects)
        if not by_log and _is_untouched(self.ticket):
            return None
        by_feed = last_removal(self.ticket.conversation(), computer)
        return by_feed or (Removal() if by_log else None)


def attached_by_robot(effects: Mapping[str, EffectRecord]) -> frozenset[int]:
    """Give the assets that the robot has linked to a ticket, by any action, and has not taken back."""
    return frozenset(
        int(effect.detail["asset_id"])
        for name, effect in effects.items()
        if name.startswith(ATTACH)
        and effect.state is EffectState.DONE
        and "asset_id" in effect.detail
    )


def last_removal(feed: Iterable[FeedEntry], computer: Computer) -> Removal | None:
    """Read from TDX's own lines whether a computer was removed after it was last added."""
    names = {
        text.casefold() for text in (computer.name, computer.serial_number, computer.tag) if text
    }
    found: Removal | None = None
    for line in link_lines(feed):
        if line.name in names:
            entry = line.entry
            found = None if line.is_added else Removal(entry.created_name, entry.created_at)
    return found


def _is_untouched(ticket: TicketView) -> bool:
    """Tell whether nobody has touched the ticket since it was made, so that its feed need not be read."""
    created, modified = ticket.ticket.created_at, ticket.ticket.modified_at
    return created is not None and modified is not None and modified - created <= UNTOUCHED


def why_status_is_left(
    context: ActionContext, from_status_ids: Collection[int], wanted: int
) -> str | None:
    """Say why the status of a ticket is not set; None where it may be.

    The ticket is read once more: the value expected is the one this run has planned with, and where the robot
    has set a status before, that one.

    Args:
        context: The ticket.
        from_status_ids: Statuses that may be changed; empty means any.
        wanted: The status to set.
    """
    planned, now = context.ticket.ticket, context.ticket.tdx.ticket(context.ticket.id)
    if now.status_id == wanted:
        return None
    shown = now.status_name or str(now.status_id)
    by = f", set by {now.modified_name}" if now.modified_name else ""
    last = last_status_set(context.write.effects())
    has_moved = now.status_id != planned.status_id or last not in {None, now.status_id}
    if has_moved or (from_status_ids and now.status_id not in from_status_ids):
        return f"Status left alone: now {shown}{by}"
    return None


def last_status_set(effects: Mapping[str, EffectRecord]) -> int | None:
    """Give the status that the robot has set last on a ticket; None where it never has."""
    set_by_us = [
        (effect.event_id, int(effect.detail["new_status_id"]))
        for effect in effects.values()
        if effect.state is EffectState.DONE and effect.detail.get("new_status_id")
    ]
    return max(set_by_us)[1] if set_by_us else None
