"""The one seam through which every write to TDX goes: intent, fence, write, settle, look.

Belongs here: the order of steps that makes a write happen once, for real (`LiveWriter`) and in a dry run
(`DryRunWriter`). Does not: what to write (`tickets.actions`), the claim's life around it (`runner`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tdx_dagster.environment import log_command
from tdx_dagster.state.records import Claim, EffectRecord, EffectState
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxError, TdxRefused, TdxRetryLater, TdxSettingError, TdxUnclear
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.effects import (
    NOTHING,
    Effect,
    Evidence,
    Expectation,
    TdxWrites,
    attach_effect,
    post_effect,
)
from tdx_dagster.tickets.actions.last_word import Removals
from tdx_dagster.tickets.actions.outcome import LeftAlone, RetryLater, Uncertain, Waits
from tdx_dagster.tickets.once.guarded_tdx import GuardedTdx

# An effect of the older daemon may be of any age.
LONG_AGO_SECONDS = 20 * 365 * 24 * 3600.0


@dataclass(frozen=True)
class Times:
    """How long facts are relied on; all in seconds.

    Args:
        settle: How long after an unclear write its absence is trusted.
        lease: How long a claim is good without renewal.
        retry_pause: First pause after a retryable failure; it doubles.
        max_attempts: After so many the action is given up.
    """

    settle: float = 120.0
    lease: float = 300.0
    retry_pause: float = 60.0
    max_attempts: int = 8


class TicketIsClosed(Exception):
    """The ticket is closed, so that nothing new is written on it; what is open is still looked for."""


class _Superseded(Exception):
    """Another holder has written the last event of the effect; nothing was sent."""


@dataclass
class _TicketWriter:
    """The effects that built-in actions share, over whatever `do` does with them.

    Args:
        removals: What people have taken off the ticket.
    """

    tdx: TdxWrites
    ticket_id: int
    action_id: str
    removals: Removals | None = field(default=None, kw_only=True)

    def do(self, effect: Effect, absent_event: int | None = None) -> Evidence:
        """Bring an effect about."""
        raise NotImplementedError

    def effects(self) -> Mapping[str, EffectRecord]:
        """Give the state of every effect begun on this ticket."""
        raise NotImplementedError

    def post(
        self,
        name: str,
        post: FeedPost,
        note: Evidence = NOTHING,
        *,
        expected: Expectation | None = None,
    ) -> Evidence:
        """See `Writer.post`."""
        return self.do(post_effect(self.ticket_id, name, post, note, self.effects, expected))

    def attach(self, asset_id: int, asset_name: str) -> Evidence:
        """See `Writer.attach`."""
        effect = attach_effect(self.ticket_id, asset_id, asset_name, self.action_id)
        removal = self.removals.of(asset_id, [asset_name]) if self.removals else None
        if removal is None:
            return self.do(effect)
        if not removal.is_overruled:
            raise LeftAlone(f"{asset_name}: {removal}")
        # The link that the log knows is gone, and a person asks for a new one.
        known = self.effects().get(effect.name)
        is_gone = known and known.state is EffectState.DONE
        return self.do(effect, known.event_id if known and is_gone else None)


@dataclass
class LiveWriter(_TicketWriter):
    """A writer that writes, each effect once.

    Args:
        tdx: Where writes go.
        ticket_id: The ticket.
        action_id: The action.
        store: The action log.
        claim: What gives the right to write.
        times: How long facts are relied on.
        closed: Why nothing new may be written; empty while it may.
        looks_first: The older daemon may have written on the ticket: look for each effect before writing it.
    """

    store: ActionStore
    claim: Claim
    times: Times
    closed: str = ""
    looks_first: bool = False
    is_dry_run: bool = field(default=False, init=False)

    def effects(self) -> Mapping[str, EffectRecord]:
        """See `Writer.effects`."""
        return self.store.effects(self.ticket_id)

    def do(self, effect: Effect, absent_event: int | None = None) -> Evidence:
        """Bring an effect about, once, whatever happened to earlier attempts at it.

        Args:
            effect: The effect.
            absent_event: The event that says it is there, where it is known to be there no longer.

        Raises:
            LeftAlone: The ticket is not as the write expects it.
            Waits: It is to be done at a stated time.
            RetryLater: Not done, or its outcome is not known yet; it comes back and looks first.
            Uncertain: The outcome is unknown and the effect cannot be looked for.
            StaleClaim: Somebody else holds the action now.
            TicketIsClosed: It is not there, and the ticket is closed.
            TdxError: TDX refused, or a setting is wrong.
        """
        if self.closed:
            found = self.recover(effect)
            if found is None:
                raise TicketIsClosed(self.closed)
            return found
        while True:
            record = self._begin(effect, absent_event)
            if record.state is EffectState.DONE:
                return record.detail
            if record.state is EffectState.BEGUN:
                if found := self._left_by_older_daemon(effect):
                    return self._settle(effect, "reconciled", found)
                try:
                    return self._write(effect, record.event_id)
                except _Superseded:
                    absent_event = None
                    continue
            # Another holder may renew its intent while this one looks: what the log answers next decides.
            found = self._look(effect, record)
            if found is not None:
                return self._settle(effect, "reconciled", found)
            absent_event = record.event_id

    def _left_by_older_daemon(self, effect: Effect) -> Evidence | None:
        """Look for an effect that the log does not know, as after an unclear answer."""
        if not self.looks_first or effect.look is None:
            return None
        try:
            return effect.look(
                self.tdx,
                EffectRecord(EffectState.OPEN, 0, LONG_AGO_SECONDS, effect.detail, self.action_id),
            )
        except TdxSettingError:
            raise
        except TdxError as error:
            self._settle(effect, "not_done", {"error": str(error)})
            raise RetryLater(f"{effect.name}: looking for it failed: {error}") from error

    def recover(self, effect: Effect) -> Evidence | None:
        """See `Writer.recover`."""
        record = self.effects().get(effect.name)
        if record is None:
            return None
        if record.state is EffectState.DONE:
            return record.detail
        found = self._look(effect, record)
        if found is not None:
            return self._settle(effect, "reconciled", found)
        renewed = self._begin(effect, record.event_id)
        if renewed.state is not EffectState.BEGUN:
            raise RetryLater(f"{effect.name}: another run is writing it", self.times.settle)
        self._settle(effect, "not_done", {"reason": "not found, and not repeated"})
        return None

    def forget(self, effect: Effect) -> None:
        """See `Writer.forget`."""
        record = self.effects().get(effect.name)
        if record and self._begin(effect, record.event_id).state is EffectState.BEGUN:
            self._settle(effect, "not_done", {"reason": "taken back"})

    def _begin(self, effect: Effect, absent_event: int | None = None) -> EffectRecord:
        return self.store.begin_effect(
            self.claim,
            effect.name,
            effect.detail,
            lease_seconds=self.times.lease,
            absent_event=absent_event,
        )

    def _write(self, effect: Effect, intent_event: int) -> Evidence:
        fence = _Fence(self.store, self.claim, effect, intent_event, self.times.lease)
        try:
            evidence = effect.write(GuardedTdx(self.tdx, self._before_send(effect, fence)))
        except (TdxRetryLater, TdxRefused, TdxSettingError, LeftAlone, Waits) as error:
            self._settle(effect, "not_done", {"error": str(error)})
            raise
        except TdxUnclear as error:
            return self._settle_unclear(effect, str(error))
        if evidence is None:
            return self._settle_unclear(effect, "the answer does not say whether it was done")
        return self._settle(effect, "done", evidence)

    def _before_send(self, effect: Effect, fence: "_Fence") -> Callable[[], None]:
        """Give what comes last before the request: the value that is expected, then the right to write."""

        def check() -> None:
            effect.check_expected(self.tdx)
            fence()

        return check

    def _settle_unclear(self, effect: Effect, why: str) -> Evidence:
        """Look immediately. Found: done. Not found: retry after the settle time, the write may still land."""
        self._settle(effect, "unclear", {**effect.detail, "error": why})
        record = EffectRecord(EffectState.OPEN, 0, 0.0, effect.detail, self.action_id)
        found = self._look(effect, record)
        if found is None:  # only where the settle time is 0: the next attempt may write at once
            raise RetryLater(why, self.times.settle)
        return self._settle(effect, "reconciled", found)

    def _look(self, effect: Effect, record: EffectRecord) -> Evidence | None:
        """Look for an open effect; None only once its absence can be trusted."""
        if effect.look is None:
            raise Uncertain(
                f"Whether {effect.name} happened on ticket {self.ticket_id} is unknown, and this action "
                f"cannot look for it. Look at the ticket; {log_command('failed --clear')} lets it run again."
            )
        try:
            found = effect.look(self.tdx, record)
        except TdxSettingError:
            raise
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
class _Fence:
    """Asks the log right before each write is sent: is the last event of this effect my own intent?

    One question under the lock of the effect, so that two holders of different actions cannot both write.
    """

    store: ActionStore
    claim: Claim
    effect: Effect
    intent_event: int
    lease_seconds: float

    def __call__(self) -> None:
        """Confirm, and keep the event that now stands for the intent.

        Raises:
            StaleClaim: The claim is lost; nothing is sent.
            StoreUnavailable: Nobody knows; nothing is sent either.
        """
        confirmed = self.store.confirm_intent(
            self.claim,
            self.effect.name,
            self.effect.detail,
            intent_event=self.intent_event,
            lease_seconds=self.lease_seconds,
        )
        if confirmed is None:
            raise _Superseded
        self.intent_event = confirmed


@dataclass
class DryRunWriter(_TicketWriter):
    """A writer that writes nothing and remembers what it would have written.

    Args:
        tdx: Used for reads only.
        ticket_id: The ticket.
        action_id: The action.
        known: Gives the effects of earlier real runs.
    """

    known: Callable[[], Mapping[str, EffectRecord]]
    planned: list[Effect] = field(default_factory=list)
    is_dry_run: bool = field(default=True, init=False)

    def effects(self) -> Mapping[str, EffectRecord]:
        """See `Writer.effects`."""
        return self.known()

    def do(self, effect: Effect, absent_event: int | None = None) -> Evidence:
        """Remember the effect; one that is there already is not written again.

        One whose outcome is open is looked for, as a run does before it writes.
        """
        record = self.known().get(effect.name)
        if record and record.state is EffectState.DONE and record.event_id != absent_event:
            return record.detail
        if record and record.state is EffectState.OPEN and effect.look:
            found = effect.look(self.tdx, record)
            if found is not None:
                return found
        effect.check_expected(self.tdx)
        self.planned.append(effect)
        return effect.detail

    def recover(self, effect: Effect) -> Evidence | None:
        """See `Writer.recover`."""
        record = self.known().get(effect.name)
        if record is None:
            return None
        if record.state is EffectState.DONE:
            return record.detail
        return effect.look(self.tdx, record) if effect.look else None

    def forget(self, effect: Effect) -> None:
        """See `Writer.forget`: a dry run stores nothing."""
