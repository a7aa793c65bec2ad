"""The one seam through which every write to TDX goes: intent, fence, write, settle, look.

Belongs here: the order of steps that makes a write happen once, for real (`LiveWriter`) and in a dry run
(`DryRunWriter`). Does not: what to write (`tickets.actions`), the claim's life around it (`runner`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tdx_dagster.state.records import Claim, EffectRecord, EffectState
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxError, TdxRefused, TdxRetryLater, TdxSettingError, TdxUnclear
from tdx_dagster.tickets.actions.effects import (
    Effect,
    Evidence,
    GuardedTdx,
    TicketEffects,
)
from tdx_dagster.tickets.actions.outcome import RetryLater, Uncertain

# Between the last time the log confirmed the claim and a write no more than this may pass on our own
# monotonic clock: a process that was suspended, or that waited for its turn, asks again.
FENCE_SECONDS = 5.0


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
class LiveWriter(TicketEffects):
    """Writer that write, each effect once.

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
        """See `Writer.effects`."""
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
            evidence = effect.write(GuardedTdx(self.tdx, lambda: self._still_ours(effect)))
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
class DryRunWriter(TicketEffects):
    """Writer that write nothing and remember what they would have written.

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
        """See `Writer.effects`."""
        return self.known()

    def do(self, effect: Effect) -> Evidence:
        """Remember the effect."""
        self.planned.append(effect)
        return effect.detail
