"""The one seam through which every write to TDX goes: intent, write, look, settle.

Belongs here: the order of steps that makes a write happen once (DESIGN 4), for real and in a rehearsal.
Does not: what to write (the actions), the claim's life around it (`once`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from tdx_dagster.state.records import Claim, EffectRecord, EffectState
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxError, TdxRefused, TdxRetryLater, TdxSettingError, TdxUnclear
from tdx_dagster.tdx.models import FeedEntry, FeedPost, Status, Ticket, TicketItem
from tdx_dagster.tdx.text import normalised, visible_text
from tdx_dagster.tdx.transport import guarded_writes
from tdx_dagster.tickets.actions.action import RetryLater, Uncertain

# Our own entry may bear a time hours off, where clocks or zones of TDX and the database differ; one with
# the same words from before that is somebody else's, or of another configuration.
RECOGNITION_WINDOW = timedelta(hours=24)

# Between the last time the log confirmed the claim and a write no more than this may pass on our own
# monotonic clock: a process that was suspended, or that waited for its turn, asks again.
FENCE_SECONDS = 5.0

Evidence = Mapping[str, Any]
NOTHING: Evidence = {}


class TdxWrites(Protocol):
    """The writes of the TDX facade, and the reads that tell what became of one."""

    def post_feed(self, ticket_id: int, post: FeedPost) -> FeedEntry | None:
        """Add an entry to a ticket's feed."""

    def attach_asset(self, ticket_id: int, asset_id: int) -> bool:
        """Link an asset; False where the answer does not say whether it is linked."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed."""

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket."""

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """Read what is linked to a ticket."""

    def ticket_statuses(self) -> tuple[Status, ...]:
        """Read the ticket statuses."""


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


class Hands(Protocol):
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


@dataclass(frozen=True)
class Times:
    """How long things are believed; all in seconds (DESIGN 4).

    Args:
        settle: How long after an unclear write its absence is believed.
        lease: How long a claim is good without renewal.
        retry_pause: First pause after a retryable failure; it doubles.
        max_attempts: After so many the action is given up.
    """

    settle: float = 120.0
    lease: float = 300.0
    retry_pause: float = 60.0
    max_attempts: int = 8


@dataclass
class _TicketEffects:
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


@dataclass
class RealHands(_TicketEffects):
    """Hands that write, each effect once.

    Args:
        tdx: Where writes go.
        ticket_id: The ticket.
        action_id: The action.
        store: The action log.
        claim: What gives the right to write.
        times: How long things are believed.
    """

    store: ActionStore
    claim: Claim
    times: Times
    is_rehearsal: bool = field(default=False, init=False)
    _confirmed_at: float = field(default=float("-inf"), init=False)

    def effects(self) -> Mapping[str, EffectRecord]:
        """See `Hands.effects`."""
        return self.store.effects(self.ticket_id)

    def do(self, effect: Effect) -> Evidence:
        """Bring an effect about, once, whatever happened to earlier attempts at it.

        Raises:
            RetryLater: Not done, or its outcome is not known yet; it comes back and looks first.
            Uncertain: The outcome is unknown and the effect cannot be looked for.
            StaleClaim: Somebody else holds the action now.
            TdxError: TDX refused, or a setting is wrong.
        """
        record = self._begin(effect)
        if record.state is EffectState.OPEN:
            found = self._look(effect, record)
            if found is not None:
                return self._settle(effect, "reconciled", found)
            record = self._begin(effect, absent_event=record.event_id)
        if record.state is EffectState.DONE:
            return record.detail
        return self._write(effect)

    def _begin(self, effect: Effect, absent_event: int | None = None) -> EffectRecord:
        # Before asking, not after: who is suspended between the answer and the next line must notice.
        self._confirmed_at = time.monotonic()
        return self.store.begin_effect(
            self.claim,
            effect.name,
            effect.detail,
            lease_seconds=self.times.lease,
            absent_event=absent_event,
        )

    def _write(self, effect: Effect) -> Evidence:
        try:
            with guarded_writes(lambda: self._still_ours(effect)):
                evidence = effect.write(self.tdx)
        except (TdxRetryLater, TdxRefused, TdxSettingError) as error:
            self._settle(effect, "not_done", {"error": str(error)})
            raise
        except TdxUnclear as error:
            return self._settle_unclear(effect, str(error))
        if evidence is None:
            return self._settle_unclear(effect, "the answer does not say whether it was done")
        return self._settle(effect, "done", evidence)

    def _still_ours(self, effect: Effect) -> None:
        """Confirm the claim once more where the last time is too long ago.

        The intent is stored anew: its age says since when the write may be under way.

        Raises:
            StaleClaim: It is not; nothing is sent.
            StoreUnavailable: Nobody knows; nothing is sent either.
        """
        if time.monotonic() - self._confirmed_at <= FENCE_SECONDS:
            return
        now = time.monotonic()
        self.store.renew(
            self.claim, lease_seconds=self.times.lease, intent=(effect.name, effect.detail)
        )
        self._confirmed_at = now

    def _settle_unclear(self, effect: Effect, why: str) -> Evidence:
        """Look at once: what is there need not wait. What is not there yet may still come."""
        self._settle(effect, "unclear", {**effect.detail, "error": why})
        record = EffectRecord(EffectState.OPEN, 0, 0.0, effect.detail)
        found = self._look(effect, record)
        if found is None:  # only where the settle time is 0: the next attempt may write at once
            raise RetryLater(why, self.times.settle)
        return self._settle(effect, "reconciled", found)

    def _look(self, effect: Effect, record: EffectRecord) -> Evidence | None:
        """Look for an open effect; None only once its absence can be believed."""
        if effect.look is None:
            raise Uncertain(
                f"Whether {effect.name} happened on ticket {self.ticket_id} is unknown, and this action "
                "cannot look for it. Look at the ticket; `tdx-dagster failed --clear` lets it run again."
            )
        try:
            found = effect.look(self.tdx, record)
        except TdxError as error:
            raise RetryLater(f"{effect.name}: looking for it failed: {error}") from error
        if found is None and record.age_seconds < self.times.settle:
            raise RetryLater(
                f"{effect.name}: the outcome of the last write is unclear; looking again once "
                f"{self.times.settle:g} s have passed.",
                self.times.settle - record.age_seconds,
            )
        return found

    def _settle(self, effect: Effect, event: str, detail: Evidence) -> Evidence:
        self.store.settle_effect(self.claim, effect.name, event, detail)
        return detail


@dataclass
class RehearsingHands(_TicketEffects):
    """Hands that write nothing and remember what they would have written.

    Args:
        tdx: Used for reads only.
        ticket_id: The ticket.
        action_id: The action.
        known: Effects begun in earlier real runs.
    """

    known: Callable[[], Mapping[str, EffectRecord]]
    planned: list[Effect] = field(default_factory=list)
    is_rehearsal: bool = field(default=True, init=False)

    def effects(self) -> Mapping[str, EffectRecord]:
        """See `Hands.effects`."""
        return self.known()

    def do(self, effect: Effect) -> Evidence:
        """Remember the effect."""
        self.planned.append(effect)
        return effect.detail
