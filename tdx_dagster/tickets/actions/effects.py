"""What an effect on TDX is: how it is named, written, and recognised on the ticket afterwards.

Belongs here: the effects that actions share (a feed entry, a linked asset) and the `Writer` they are handed
to. Does not: the order of steps that makes a write happen once (`tickets.once.writer`).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.html import normalised, visible_text
from tdx_dagster.tdx.models import FeedEntry, FeedPost, Status, Ticket, TicketItem

# Our own entry may bear a time hours off, where clocks or zones of TDX and the database differ; one with
# the same words from before that is somebody else's, or of another configuration.
RECOGNITION_WINDOW = timedelta(hours=24)

Evidence = Mapping[str, Any]
NOTHING: Evidence = {}

BeforeSend = Callable[[], None]


class TdxWrites(Protocol):
    """The writes of the TDX facade, and the reads that tell what became of one."""

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: BeforeSend | None = None
    ) -> FeedEntry | None:
        """Add an entry to a ticket's feed."""

    def attach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Link an asset; False where the answer does not say whether it is linked."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed."""

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket."""

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """Read what is linked to a ticket."""

    def ticket_statuses(self) -> tuple[Status, ...]:
        """Read the ticket statuses."""


class GuardedTdx:
    """The TDX client with a fence before each write: the twin of `ReadOnly`.

    Args:
        tdx: The client.
        before_send: Called right before each write is sent; it raises where the right to write is lost.
    """

    def __init__(self, tdx: TdxWrites, before_send: BeforeSend) -> None:
        self._tdx = tdx
        self._before_send = before_send

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: BeforeSend | None = None
    ) -> FeedEntry | None:
        """See `TdxWrites.post_feed`."""
        return self._tdx.post_feed(ticket_id, post, before_send=before_send or self._before_send)

    def attach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """See `TdxWrites.attach_asset`."""
        return self._tdx.attach_asset(
            ticket_id, asset_id, before_send=before_send or self._before_send
        )

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """See `TdxWrites.feed`."""
        return self._tdx.feed(ticket_id)

    def ticket(self, ticket_id: int) -> Ticket:
        """See `TdxWrites.ticket`."""
        return self._tdx.ticket(ticket_id)

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """See `TdxWrites.ticket_items`."""
        return self._tdx.ticket_items(ticket_id)

    def ticket_statuses(self) -> tuple[Status, ...]:
        """See `TdxWrites.ticket_statuses`."""
        return self._tdx.ticket_statuses()


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
    """

    name: str
    detail: Evidence
    write: Callable[[TdxWrites], Evidence | None]
    look: Callable[[TdxWrites, EffectRecord], Evidence | None] | None = None


class Writer(Protocol):
    """What an action may do to its ticket."""

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is really written."""

    def do(self, effect: Effect) -> Evidence:
        """Bring an effect about, once."""

    def post(self, name: str, post: FeedPost, note: Evidence = NOTHING) -> Evidence:
        """Add an entry to the feed, once for this name.

        Args:
            name: Of the effect.
            post: What to post.
            note: Kept with the effect and given back with its evidence. Where an earlier attempt's post of
                this name is found, it is the note of that attempt.
        """

    def attach(self, asset_id: int, asset_name: str) -> Evidence:
        """Link an asset to the ticket, once."""

    def effects(self) -> Mapping[str, EffectRecord]:
        """Give the state of every effect ever begun on this ticket."""


@dataclass
class TicketEffects:
    """The effects that built-in actions share, over whatever `do` does with them."""

    tdx: TdxWrites
    ticket_id: int
    action_id: str

    def do(self, effect: Effect) -> Evidence:
        """Bring an effect about."""
        raise NotImplementedError

    def effects(self) -> Mapping[str, EffectRecord]:
        """Give the state of every effect ever begun on this ticket."""
        raise NotImplementedError

    def post(self, name: str, post: FeedPost, note: Evidence = NOTHING) -> Evidence:
        """Add an entry to the feed, once for this name."""

        def write(tdx: TdxWrites) -> Evidence:
            entry = tdx.post_feed(self.ticket_id, post)
            return {"feed_id": entry.id if entry else None, **note}

        def look(tdx: TdxWrites, record: EffectRecord) -> Evidence | None:
            found = self._find_post(tdx, record)
            return found and {**found, **{key: record.detail.get(key) for key in note}}

        return self.do(Effect(name, {**asdict(post), **note}, write, look))

    def attach(self, asset_id: int, asset_name: str) -> Evidence:
        """Link an asset to the ticket, once."""
        detail = {"asset_id": asset_id, "asset_name": asset_name}

        def write(tdx: TdxWrites) -> Evidence | None:
            return detail if tdx.attach_asset(self.ticket_id, asset_id) else None

        def look(tdx: TdxWrites, _: EffectRecord) -> Evidence | None:
            linked = {item.asset_id for item in tdx.ticket_items(self.ticket_id)}
            return detail if asset_id in linked else None

        return self.do(Effect(attach_effect(asset_id, self.action_id), detail, write, look))

    def _find_post(self, tdx: TdxWrites, record: EffectRecord) -> Evidence | None:
        """Look for our own entry: what was to be posted stands in the record, not in today's settings."""
        text = normalised(str(record.detail["comments"]))
        new_status = int(record.detail.get("new_status_id") or 0)
        if not text:
            is_set = tdx.ticket(self.ticket_id).status_id == new_status
            return {"status_id": new_status} if is_set else None
        if record.detail.get("is_rich_html"):
            text = normalised(visible_text(str(record.detail["comments"])))
        of_others = {
            effect.detail.get("feed_id")
            for effect in self.effects().values()
            if effect.state is EffectState.DONE
        }
        since = datetime.now(UTC) - timedelta(seconds=record.age_seconds) - RECOGNITION_WINDOW
        for entry in reversed(tdx.feed(self.ticket_id)):
            seen = normalised(visible_text(entry.body))
            # A status change puts its system line before the words (reference 9.6).
            is_ours = seen == text or (new_status != 0 and seen.endswith(text))
            is_recent = entry.created_at is None or entry.created_at >= since
            same_privacy = entry.is_private == bool(record.detail["is_private"])
            if is_ours and is_recent and same_privacy and entry.id not in of_others:
                return {"feed_id": entry.id}
        return None


def attach_effect(asset_id: int, action_id: str) -> str:
    """Name the effect of linking an asset for an action.

    Linking is safe to repeat (204), so another action, or the same with other settings, links anew what
    a person has removed since.
    """
    return f"attach:{asset_id}:{action_id}"
