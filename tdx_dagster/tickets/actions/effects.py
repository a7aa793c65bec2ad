"""What an effect on TDX is: how it is named, written, and recognised on the ticket afterwards.

Belongs here: the effects that actions share (a feed entry, a linked asset) and the `Writer` they are handed
to. Does not: the order of steps that makes a write happen once (`tickets.once.writer`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.html import normalised
from tdx_dagster.tdx.models import (
    Account,
    Choice,
    FeedEntry,
    FeedPost,
    PatchOperation,
    Status,
    Ticket,
    TicketItem,
)
from tdx_dagster.tickets.actions.field_lines import has_own_line
from tdx_dagster.tickets.actions.outcome import LeftAlone
from tdx_dagster.tickets.actions.recognition import find_own_entry
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING

Evidence = Mapping[str, Any]
NOTHING: Evidence = {}

BeforeSend = Callable[[], None]
Known = Callable[[], Mapping[str, EffectRecord]]

# How the names of the effects begin that link an asset.
ATTACH = "attach:"
DETACH = "detach:"

# And of those that set back the fields of a write, with the event that says it was made.
RESTORE = "restore:"

# Where the detail of an effect says what an undo leaves.
STAYS = "stays"


class TdxWrites(Protocol):
    """The writes of the TDX facade, and the reads that tell what became of one."""

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: BeforeSend | None = None
    ) -> FeedEntry:
        """Add an entry to a ticket's feed."""

    def attach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Link an asset; False where the answer does not say whether it is linked."""

    def detach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Take a link off; False where the answer does not say whether it is gone."""

    def attach_item(
        self, ticket_id: int, item_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Link a configuration item; False where the answer does not say whether it is linked."""

    def add_contact(
        self, ticket_id: int, uid: str, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Make a person a contact; False where the answer does not say whether they are."""

    def patch_ticket(
        self,
        ticket_id: int,
        operations: Sequence[PatchOperation],
        *,
        notify_new_responsible: bool = False,
        before_send: BeforeSend | None = None,
    ) -> Ticket:
        """Change fields of a ticket, all or none; give the ticket as it is then."""

    def tag_ticket(
        self, ticket_id: int, tags: Sequence[str], *, before_send: BeforeSend | None = None
    ) -> None:
        """Add tags to a ticket."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed."""

    def feed_entry(self, entry_id: int) -> FeedEntry:
        """Read one entry with its replies."""

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket."""

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """Read what is linked to a ticket."""

    def ticket_contacts(self, ticket_id: int) -> tuple[Choice, ...]:
        """Read the people who are contacts of a ticket."""

    def ticket_statuses(self) -> tuple[Status, ...]:
        """Read the ticket statuses."""

    def account(self) -> Account:
        """Give the account that is signed in; one call a process."""

    def check_ticket_app(self) -> None:
        """Check that the ticketing application is one; raises `TdxSettingError` where it is not."""


# Says, from a read right before a write, why the ticket is left alone; None where it is as expected.
Expectation = Callable[[TdxWrites], str | None]


@dataclass(frozen=True)
class Effect:
    """One write to TDX.

    Args:
        name: Unique on the ticket for what is written; the same name is the same effect, whoever asks.
        detail: Stored with the intent: enough to recognise the effect later. JSON values.
        write: Does it, with the TDX facade it is given. Gives evidence, or None where the answer does
            not say whether it was done.
        look: Says whether it is there, from the stored record: evidence, or None. Without it, an
            unclear outcome is never repeated and ends as "uncertain" for a person.
        expected: Says why the ticket is left as it is, where a read right before the write is sent does not
            find what the write expects.
    """

    name: str
    detail: Evidence
    write: Callable[[TdxWrites], Evidence | None]
    look: Callable[[TdxWrites, EffectRecord], Evidence | None] | None = None
    expected: Expectation | None = None

    def check_expected(self, tdx: TdxWrites) -> None:
        """Check that the ticket is as this write expects it.

        Raises:
            LeftAlone: It is not.
        """
        why = self.expected(tdx) if self.expected else None
        if why:
            raise LeftAlone(why)


class Writer(Protocol):
    """What an action may do to its ticket."""

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is really written."""

    def do(self, effect: Effect) -> Evidence:
        """Bring an effect about, once."""

    def post(
        self,
        name: str,
        post: FeedPost,
        note: Evidence = NOTHING,
        *,
        expected: Expectation | None = None,
    ) -> Evidence:
        """Add an entry to the feed, once for this name.

        Args:
            name: Of the effect.
            post: What to post.
            note: Kept with the effect and given back with its evidence. Where an earlier attempt's post of
                this name is found, it is the note of that attempt.
            expected: See `Effect`; for a post that changes the status.

        Raises:
            LeftAlone: The ticket is not as expected.
        """

    def attach(self, asset_id: int, asset_name: str) -> Evidence:
        """Link an asset to the ticket, once.

        Raises:
            LeftAlone: A person has removed it.
        """

    def recover(self, effect: Effect) -> Evidence | None:
        """Look for an effect that an earlier attempt has left open; None where it is known not to be there.

        Raises:
            RetryLater: It is not known yet.
        """

    def forget(self, effect: Effect) -> None:
        """Store of an effect that is known to be there that it has been taken back."""

    def effects(self) -> Mapping[str, EffectRecord]:
        """Give the state of every effect begun on this ticket that is there or may be there."""


def post_effect(
    ticket_id: int,
    name: str,
    post: FeedPost,
    note: Evidence,
    known: Known,
    expected: Expectation | None = None,
) -> Effect:
    """Make the effect of adding an entry to a ticket's feed.

    Args:
        ticket_id: The ticket.
        name: Of the effect.
        post: What to post.
        note: Kept with the effect and given back with its evidence.
        known: Gives all effects on the ticket, to tell their entries from this one.
        expected: See `Effect`.
    """
    wanted_status = {"new_status_id": post.new_status_id} if post.new_status_id else {}

    def write(tdx: TdxWrites) -> Evidence:
        return {"feed_id": tdx.post_feed(ticket_id, post).id, **wanted_status, **note}

    def look(tdx: TdxWrites, record: EffectRecord) -> Evidence | None:
        wanted = int(record.detail.get("new_status_id") or 0)
        status = tdx.ticket(ticket_id).status_id if wanted else 0
        kept = {key: record.detail.get(key) for key in note}
        if not normalised(str(record.detail["comments"])):
            is_set = status == wanted or _has_set(tdx, ticket_id, wanted, record.age_seconds)
            return {"status_id": status, **wanted_status, **kept} if is_set else None
        others = [effect for other, effect in known().items() if other != name]
        entry = find_own_entry(tdx.feed(ticket_id), record, others, tdx.account().uid)
        if entry is None:
            return None
        is_changed = {} if status == wanted else {"status_id": status}
        return {"feed_id": entry.id, **wanted_status, **is_changed, **kept}

    # Two posts of one effect may differ in their note; what is looked for is what the record says.
    return Effect(name, {**asdict(post), **note}, write, look, expected)


def _has_set(tdx: TdxWrites, ticket_id: int, status_id: int, age_seconds: float) -> bool:
    """Tell whether the robot has set a status that a person has changed since."""
    lines = [(BY_SETTING["status"], it.name) for it in tdx.ticket_statuses() if it.id == status_id]
    return has_own_line(tdx, ticket_id, lines, age_seconds)


def attach_effect(ticket_id: int, asset_id: int, asset_name: str, action_id: str) -> Effect:
    """Make the effect of linking an asset to a ticket."""
    detail = {"asset_id": asset_id, "asset_name": asset_name}

    def write(tdx: TdxWrites) -> Evidence | None:
        return detail if tdx.attach_asset(ticket_id, asset_id) else None

    def look(tdx: TdxWrites, _: EffectRecord) -> Evidence | None:
        linked = {item.asset_id for item in tdx.ticket_items(ticket_id)}
        return detail if asset_id in linked else None

    return Effect(attach_name(asset_id, action_id), detail, write, look)


def detach_effect(
    ticket_id: int, asset_id: int, asset_name: str, attached_event: int, is_ours: Expectation
) -> Effect:
    """Make the effect of taking back a link, once for each time it was made.

    Args:
        ticket_id: The ticket.
        asset_id: The asset.
        asset_name: What it is called.
        attached_event: The event that says it was linked.
        is_ours: Says why a link that is there is left alone; see `Effect.expected`.
    """
    detail = {"asset_id": asset_id, "asset_name": asset_name}

    def is_gone(tdx: TdxWrites) -> bool:
        return asset_id not in {item.asset_id for item in tdx.ticket_items(ticket_id)}

    def write(tdx: TdxWrites) -> Evidence | None:
        return detail if tdx.detach_asset(ticket_id, asset_id) else None

    def look(tdx: TdxWrites, _: EffectRecord) -> Evidence | None:
        return detail if is_gone(tdx) else None

    def expected(tdx: TdxWrites) -> str | None:
        return f"{asset_name} is no longer on the ticket" if is_gone(tdx) else is_ours(tdx)

    return Effect(f"{DETACH}{asset_id}:{attached_event}", detail, write, look, expected)


def restore_of(record: EffectRecord, effects: Mapping[str, EffectRecord]) -> EffectRecord | None:
    """Give the effect that has set back the fields of a write; None where they were not set back."""
    found = effects.get(restore_name(record))
    return found if found and found.state is EffectState.DONE else None


def restore_name(record: EffectRecord) -> str:
    """Name the effect that sets back the fields of a write."""
    return f"{RESTORE}{record.event_id}"


def attach_name(asset_id: int, action_id: str) -> str:
    """Name the effect of linking an asset for an action."""
    return f"{ATTACH}{asset_id}:{action_id}"
