"""What people decided on a ticket: computers they removed, a status they changed.

Belongs here: reading their decisions from the action log and from TDX. A person has the last word: what is
found here is never undone by any action, version, setting, pipeline or backfill. Does not: how TDX's own
lines about links read (`link_lines`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tdx_dagster.state.records import OVERRIDE, EffectRecord, EffectState
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import FeedEntry
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import ATTACH, Expectation, TdxWrites
from tdx_dagster.tickets.actions.field_changes import (
    expected_value,
    is_set_by_person,
    left_alone,
)
from tdx_dagster.tickets.actions.link_lines import (
    is_by,
    last_removal_of_asset,
    last_removal_of_name,
    mentions_removal,
)
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING
from tdx_dagster.tickets.ticket_view import TicketView

# How the reason begins for which a computer is not attached.
LEFT_OFF = "left off"


@dataclass(frozen=True, slots=True)
class Removal:
    """A computer that a person has taken off the ticket.

    Args:
        by: Who, as TDX shows the name; empty where it is not known.
        at: When; None where it is not known.
        is_overruled: A person has said since that it may be attached again.
    """

    by: str = ""
    at: datetime | None = None
    is_overruled: bool = False

    def __str__(self) -> str:
        """Say it as the summary does."""
        when = f" on {self.at:%Y-%m-%d}" if self.at else ""
        return f"{LEFT_OFF}: {self.by or 'a person'} removed it{when}"


@dataclass(frozen=True)
class Removals:
    """The computers that people have taken off a ticket.

    Args:
        ticket: The ticket.
        effects: Gives what the robot has written on it.
    """

    ticket: TicketView
    effects: Callable[[], Mapping[str, EffectRecord]]

    def of(self, asset_id: int, names: Collection[str]) -> Removal | None:
        """Give the removal of a computer that is not on the ticket; None where nobody has removed it.

        That the robot has attached it and it is gone says so in any language. What people attached themselves
        is read from TDX's lines in the feeds.

        Args:
            asset_id: The computer.
            names: What it is called: its name, serial number, tag.
        """
        if asset_id in self._linked():
            return None
        effects = self.effects()
        mine = _links_of(asset_id, effects)
        done = [record for record in mine if record.state is EffectState.DONE]
        if not mine and self.ticket.is_untouched:
            return None
        if done and asset_id in self._linked(now=True):
            return None
        called = {*names, *(str(record.detail.get("asset_name", "")) for record in mine)} - {""}
        found = self._in_feeds(asset_id, called, is_ours=bool(done))
        if found is None and not done:
            return None
        removal = Removal(found.created_name, found.created_at) if found else Removal()
        return replace(removal, is_overruled=_is_overruled(effects.get(OVERRIDE), done, removal))

    def _linked(self, *, now: bool = False) -> Collection[int | None]:
        items = self.ticket.items_now() if now else self.ticket.items()
        return {item.asset_id for item in items}

    def _in_feeds(
        self, asset_id: int, names: Collection[str], *, is_ours: bool
    ) -> FeedEntry | None:
        """Read who has removed it.

        The asset's own feed names the ticket by its number. The ticket's names the asset by a name that others
        may have too and that may have changed since, so it decides only where the asset's cannot be read.

        Args:
            asset_id: The computer.
            names: What it is called.
            is_ours: The robot has attached it: whoever removed it counts.
        """
        feed = self.ticket.conversation()
        by_name = last_removal_of_name(feed, names)
        if is_ours and by_name:
            return by_name
        if not any(map(mentions_removal, feed)):
            return by_name
        try:
            asset_feed = self.ticket.tdx.asset_feed(asset_id)
        except TdxRefused:
            found = by_name
        else:
            found = last_removal_of_asset(asset_feed, self.ticket.id)
        return None if found and not is_ours and self._is_robot(found) else found

    def _is_robot(self, entry: FeedEntry) -> bool:
        """Tell whether the account that the robot uses has written an entry: then it took its own link back.

        Another program that signs in with the same account cannot be told from the robot.
        """
        uid = self.ticket.tdx.account().uid
        return uid is not None and is_by(entry, uid)


def attached_by_robot(effects: Mapping[str, EffectRecord]) -> frozenset[int]:
    """Give the assets that the robot has linked to a ticket, or may have, and has not taken back."""
    return frozenset(
        int(effect.detail["asset_id"])
        for name, effect in effects.items()
        if name.startswith(ATTACH) and "asset_id" in effect.detail
    )


def _links_of(asset_id: int, effects: Mapping[str, EffectRecord]) -> list[EffectRecord]:
    return [
        record
        for name, record in effects.items()
        if name.startswith(ATTACH) and record.detail.get("asset_id") == asset_id
    ]


def _is_overruled(
    override: EffectRecord | None, done: Iterable[EffectRecord], removal: Removal
) -> bool:
    """Tell whether a person has allowed the computer after it was removed, by the log's order if it knows."""
    if override is None:
        return False
    if done:
        return override.event_id > max(record.event_id for record in done)
    said_at = datetime.now(UTC) - timedelta(seconds=override.age_seconds)
    return removal.at is None or removal.at <= said_at


def expected_status(
    context: ActionContext, from_status_ids: Collection[int], wanted: int
) -> Expectation:
    """Give the check of a ticket's status right before it is set.

    Args:
        context: The ticket.
        from_status_ids: Statuses that may be changed, whoever has set them; empty means any that no person
            has set.
        wanted: The status to set.
    """

    def check(tdx: TdxWrites) -> str | None:
        is_theirs = not from_status_ids and is_set_by_person(context, BY_SETTING["status"])
        # The last read before the write.
        now = tdx.ticket(context.ticket.id)
        may_change = now.status_id in from_status_ids if from_status_ids else not is_theirs
        if now.status_id == wanted or (now.status_id == status_before(context) and may_change):
            return None
        return left_alone(tdx, BY_SETTING["status"], now)

    return check


def status_before(context: ActionContext) -> int:
    """Give the status a ticket has unless a person has changed it."""
    return int(expected_value(context, BY_SETTING["status"]) or 0)
