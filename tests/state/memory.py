"""The action log in memory: the twin of `PostgresStore`, for tests of whatever stands on the store.

It keeps the same promises (one contract test serves both), with a clock that is an input. It is never
used for real work: what it knows dies with the process.
"""

import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tdx_dagster.state import postgres_store
from tdx_dagster.state.records import (
    PRESENT_EVENTS,
    WAITS,
    ActionIdentity,
    ActionStats,
    Attempt,
    Claim,
    EffectRecord,
    EffectState,
    FailureKind,
    LogRow,
    LogStatus,
    StaleClaim,
    StoredResult,
)


@dataclass(slots=True)
class _Entry:
    """A row of the log with what the outside does not see."""

    row: LogRow
    token: str | None = None
    lease_until: datetime | None = None
    lines: tuple[str, ...] = ()


@dataclass
class MemoryStore:
    """The action log in memory.

    Args:
        clock: Gives the store's time; tests move it instead of waiting.
    """

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _entries: dict[tuple[int, str], _Entry] = field(default_factory=dict)
    _attempts: list[Attempt] = field(default_factory=list)
    _writers: dict[int, str] = field(default_factory=dict)
    _unfinished: dict[tuple[str, int], datetime] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def rows(self, ticket_ids: Collection[int]) -> Mapping[int, Sequence[LogRow]]:
        """See `ActionStore.rows`."""
        found: dict[int, list[LogRow]] = {}
        with self._lock:
            for (ticket_id, _), entry in self._entries.items():
                if ticket_id in ticket_ids:
                    found.setdefault(ticket_id, []).append(self._judged(entry))
        for rows in found.values():
            rows.sort(key=lambda row: (row.executed_at, row.action_id))
        return found

    def claim(
        self,
        ticket_id: int,
        identity: ActionIdentity,
        *,
        pipeline: str,
        run_id: str,
        lease_seconds: float,
        again: bool = False,
    ) -> Claim | None:
        """See `ActionStore.claim`."""
        with self._lock:
            entry = self._entries.get((ticket_id, identity.action_id))
            if entry and not self._may_take(entry, again=again):
                return None
            failed_before = entry is not None and entry.row.status in {
                LogStatus.FAILED,
                LogStatus.IN_PROGRESS,
            }
            attempt = entry.row.attempts + 1 if entry and failed_before else 1
            previous = entry.row.status if entry else None
            claim = Claim(
                ticket_id, identity, str(uuid.uuid4()), attempt, pipeline, run_id, previous
            )
            self._entries[ticket_id, identity.action_id] = _Entry(
                LogRow(
                    ticket_id=ticket_id,
                    action_type=identity.action_type,
                    name=identity.name,
                    action_id=identity.action_id,
                    status=LogStatus.IN_PROGRESS,
                    executed_at=entry.row.executed_at if entry else self.clock(),
                    error_message=entry.row.error_message if entry else None,
                    attempts=attempt,
                    pipeline=pipeline,
                    run_id=run_id,
                    is_unsummarised=entry.row.is_unsummarised if entry else False,
                    has_lines=entry.row.has_lines if entry else False,
                    metadata=entry.row.metadata if entry else {},
                ),
                token=claim.token,
                lease_until=self.clock() + timedelta(seconds=lease_seconds),
                lines=entry.lines if entry else (),
            )
            self._note(claim, "claimed", None, {"attempt": attempt})
            return claim

    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        """See `ActionStore.renew`."""
        with self._lock:
            entry = self._held(claim)
            if entry.lease_until is None or entry.lease_until <= self.clock():
                raise StaleClaim(f"The claim on ticket {claim.ticket_id} ran out.")
            entry.lease_until = self.clock() + timedelta(seconds=lease_seconds)

    def confirm_intent(
        self,
        claim: Claim,
        effect: str,
        detail: Mapping[str, Any],
        *,
        intent_event: int,
        lease_seconds: float,
    ) -> int | None:
        """See `ActionStore.confirm_intent`."""
        with self._lock:
            self.renew(claim, lease_seconds=lease_seconds)
            last = self._last_event(claim, effect)
            if last is None or last.attempt_id != intent_event:
                return None
            if (self.clock() - last.at).total_seconds() <= postgres_store.FRESH_INTENT_SECONDS:
                return intent_event
            return self._note(claim, "intent", effect, detail).attempt_id

    def begin_effect(
        self,
        claim: Claim,
        effect: str,
        detail: Mapping[str, Any],
        *,
        lease_seconds: float,
        absent_event: int | None = None,
    ) -> EffectRecord:
        """See `ActionStore.begin_effect`."""
        with self._lock:
            self.renew(claim, lease_seconds=lease_seconds)
            last = self._last_event(claim, effect)
            state = EffectState.of(last.event) if last else None
            if last and state and last.attempt_id != absent_event:
                return self._record(state, last)
            if absent_event is not None:
                self._note(claim, "absent", effect, {"supersedes": absent_event})
            return self._record(EffectState.BEGUN, self._note(claim, "intent", effect, detail))

    def settle_effect(
        self, claim: Claim, effect: str, event: str, detail: Mapping[str, Any]
    ) -> None:
        """See `ActionStore.settle_effect`."""
        with self._lock:
            if event not in PRESENT_EVENTS:
                last = self._last_event(claim, effect)
                if last is None or self._writers.get(last.attempt_id) != claim.token:
                    return
            self._note(claim, event, effect, detail)

    def finish(
        self,
        claim: Claim,
        status: LogStatus,
        *,
        message: str | None = None,
        failure_kind: FailureKind | None = None,
        retry_in_seconds: float | None = None,
        summary_lines: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        summarised: Sequence[str] = (),
    ) -> None:
        """See `ActionStore.finish`."""
        with self._lock:
            entry = self._held(claim)
            pause = None if retry_in_seconds is None else timedelta(seconds=retry_in_seconds)
            entry.token, entry.lease_until = None, None
            entry.lines = tuple(summary_lines) or entry.lines
            entry.row = replace(
                entry.row,
                status=status,
                error_message=message,
                failure_kind=failure_kind,
                next_attempt_at=self.clock() + pause if pause is not None else None,
                executed_at=self.clock(),
                is_unsummarised=bool(summary_lines) or entry.row.is_unsummarised,
                has_lines=bool(entry.lines),
                metadata={**entry.row.metadata, **(metadata or {})},
            )
            for action_id in summarised:
                other = self._entries[claim.ticket_id, action_id]
                other.row = replace(other.row, is_unsummarised=False)
            self._note(claim, status.value, None, {"message": message} if message else {})

    def release(self, claim: Claim, *, message: str) -> None:
        """See `ActionStore.release`."""
        with self._lock:
            entry = self._held(claim)
            key = claim.ticket_id, claim.identity.action_id
            if claim.previous is None:
                del self._entries[key]
            else:
                died = claim.previous is LogStatus.IN_PROGRESS
                status = LogStatus.FAILED if died else claim.previous
                failed = status is LogStatus.FAILED
                entry.token, entry.lease_until = None, None
                entry.row = replace(
                    entry.row,
                    status=status,
                    failure_kind=FailureKind.RETRYABLE if failed else None,
                    attempts=max(entry.row.attempts - 1, 0),
                    next_attempt_at=None if status is LogStatus.COMPLETED else self.clock(),
                )
            self._note(claim, "released", None, {"message": message})

    def skip(
        self,
        ticket_id: int,
        identity: ActionIdentity,
        *,
        pipeline: str,
        run_id: str,
        message: str,
        first_pause_seconds: float,
        longest_pause_seconds: float,
    ) -> bool:
        """See `ActionStore.skip`."""
        with self._lock:
            entry = self._entries.get((ticket_id, identity.action_id))
            if entry and not self._may_take(entry, again=False):
                return False
            now = self.clock()
            was_skipped = entry is not None and entry.row.status is LogStatus.SKIPPED
            since = entry.row.executed_at if entry and was_skipped else now
            age = (now - since).total_seconds()
            pause = min(max(age, first_pause_seconds), longest_pause_seconds)
            self._entries[ticket_id, identity.action_id] = _Entry(
                LogRow(
                    ticket_id=ticket_id,
                    action_type=identity.action_type,
                    name=identity.name,
                    action_id=identity.action_id,
                    status=LogStatus.SKIPPED,
                    executed_at=since,
                    error_message=message,
                    next_attempt_at=now + timedelta(seconds=pause),
                    pipeline=pipeline,
                    run_id=run_id,
                )
            )
            if not was_skipped:
                self._append(
                    ticket_id, identity.action_id, run_id, "skipped", None, {"message": message}
                )
            return True

    def results(self, ticket_id: int, pipeline: str) -> Sequence[StoredResult]:
        """See `ActionStore.results`."""
        with self._lock:
            found = [
                StoredResult(
                    entry.row.action_id,
                    entry.row.name,
                    entry.lines,
                    entry.row.executed_at,
                    not entry.row.is_unsummarised,
                )
                for (ticket, _), entry in self._entries.items()
                if ticket == ticket_id
                and entry.lines
                and entry.row.status is LogStatus.COMPLETED
                and entry.row.pipeline == pipeline
            ]
        return sorted(found, key=lambda result: (result.executed_at, result.action_id))

    def open_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """See `ActionStore.open_tickets`."""
        with self._lock:
            for ticket_id in ticket_ids:
                self._unfinished.setdefault((pipeline, ticket_id), self.clock())

    def close_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """See `ActionStore.close_tickets`."""
        with self._lock:
            for ticket_id in ticket_ids:
                self._unfinished.pop((pipeline, ticket_id), None)

    def unfinished(self, pipeline: str, *, limit: int) -> Sequence[int]:
        """See `ActionStore.unfinished`."""
        with self._lock:
            since = {
                ticket: at
                for (name, ticket), at in self._unfinished.items()
                if name == pipeline and not self._goes_on_later(pipeline, ticket)
            }
            for (ticket, _), entry in self._entries.items():
                row = entry.row
                comes_back = row.failure_kind in {None, FailureKind.RETRYABLE}
                is_open = row.status is LogStatus.IN_PROGRESS or (
                    row.status is LogStatus.FAILED and comes_back
                )
                if row.pipeline == pipeline and is_open:
                    since[ticket] = min(since.get(ticket, row.executed_at), row.executed_at)
        return sorted(since, key=lambda ticket: (since[ticket], ticket))[:limit]

    def _goes_on_later(self, pipeline: str, ticket_id: int) -> bool:
        return any(
            row.status is LogStatus.SKIPPED
            and row.pipeline == pipeline
            and row.next_attempt_at is not None
            and row.next_attempt_at > self.clock()
            and (row.error_message or "").startswith(WAITS)
            for (ticket, _), entry in self._entries.items()
            if ticket == ticket_id
            for row in (entry.row,)
        )

    def effects(self, ticket_id: int) -> Mapping[str, EffectRecord]:
        """See `ActionStore.effects`."""
        last = {
            past.effect: past
            for past in self._attempts
            if past.ticket_id == ticket_id and past.effect
        }
        states = {effect: (EffectState.of(past.event), past) for effect, past in last.items()}
        return {
            effect: self._record(state, past) for effect, (state, past) in states.items() if state
        }

    def _mark_completed(
        self,
        ticket_id: int,
        identity: ActionIdentity,
        *,
        pipeline: str,
        metadata: Mapping[str, Any],
    ) -> bool:
        with self._lock:
            if (ticket_id, identity.action_id) in self._entries:
                return False
            self._entries[ticket_id, identity.action_id] = _Entry(
                LogRow(
                    ticket_id=ticket_id,
                    action_type=identity.action_type,
                    name=identity.name,
                    action_id=identity.action_id,
                    status=LogStatus.COMPLETED,
                    executed_at=self.clock(),
                    pipeline=pipeline,
                    metadata=dict(metadata),
                )
            )
            return True

    def mark_all_completed(
        self,
        ticket_ids: Collection[int],
        identities: Sequence[ActionIdentity],
        *,
        pipeline: str,
        metadata: Mapping[str, Any],
    ) -> int:
        """See `ActionStore.mark_all_completed`."""
        return sum(
            self._mark_completed(ticket_id, identity, pipeline=pipeline, metadata=metadata)
            for ticket_id in ticket_ids
            for identity in identities
        )

    def get_ticket_actions(self, ticket_id: int) -> Sequence[LogRow]:
        """See `ActionStore.get_ticket_actions`."""
        return self.rows([ticket_id]).get(ticket_id, ())

    def get_attempts(self, ticket_id: int) -> Sequence[Attempt]:
        """See `ActionStore.get_attempts`."""
        return [past for past in self._attempts if past.ticket_id == ticket_id]

    def get_action_stats(self) -> Sequence[ActionStats]:
        """See `ActionStore.get_action_stats`."""
        groups: dict[tuple[str, str, str], list[datetime]] = {}
        for entry in self._entries.values():
            key = (entry.row.action_type, entry.row.name, entry.row.status.value)
            groups.setdefault(key, []).append(entry.row.executed_at)
        return [
            ActionStats(*key, count=len(times), first_executed=min(times), last_executed=max(times))
            for key, times in sorted(groups.items())
        ]

    def get_failed(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> Sequence[LogRow]:
        """See `ActionStore.get_failed`."""
        failed = [
            self._judged(entry)
            for (ticket, action), entry in self._entries.items()
            if (
                entry.row.status is LogStatus.FAILED
                or (entry.row.status is LogStatus.IN_PROGRESS and self._judged(entry).is_due)
            )
            and ticket_id in {None, ticket}
            and action_id in {None, action}
        ]
        return sorted(failed, key=lambda row: row.executed_at, reverse=True)

    def clear_failed_actions(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> int:
        """See `ActionStore.clear_failed_actions`."""
        with self._lock:
            rows = self.get_failed(ticket_id, action_id)
            for row in rows:
                entry = self._entries[row.ticket_id, row.action_id]
                if row.failure_kind is FailureKind.UNCERTAIN:
                    self._free_effects(row)
                entry.token, entry.lease_until = None, None
                entry.row = replace(
                    row,
                    status=LogStatus.FAILED,
                    failure_kind=FailureKind.RETRYABLE,
                    next_attempt_at=None,
                    attempts=0,
                )
                self._append(row.ticket_id, row.action_id, None, "cleared", None, {})
            return len(rows)

    def retry_now(
        self,
        ticket_ids: Collection[int],
        action_ids: Collection[str],
        *,
        run_id: str,
        include_uncertain: bool,
    ) -> int:
        """See `ActionStore.retry_now`."""
        with self._lock:
            chosen = [
                entry
                for (ticket, action), entry in self._entries.items()
                if ticket in ticket_ids
                and action in action_ids
                and entry.row.status in {LogStatus.FAILED, LogStatus.SKIPPED}
                and not self._judged(entry).is_due
                and not (entry.row.status is LogStatus.SKIPPED and entry.row.is_done)
                and (include_uncertain or entry.row.failure_kind is not FailureKind.UNCERTAIN)
            ]
            for entry in chosen:
                row = entry.row
                if row.failure_kind is FailureKind.UNCERTAIN:
                    self._free_effects(row)
                kind = FailureKind.RETRYABLE if row.status is LogStatus.FAILED else None
                entry.row = replace(
                    row, failure_kind=kind, next_attempt_at=self.clock(), attempts=0
                )
                detail = {"by": "a person", "error": row.error_message}
                self._append(row.ticket_id, row.action_id, run_id, "asked_for", None, detail)
            return len(chosen)

    def _free_effects(self, row: LogRow) -> None:
        last = {
            past.effect: past
            for past in self._attempts
            if past.ticket_id == row.ticket_id and past.action_id == row.action_id and past.effect
        }
        for effect, past in last.items():
            if EffectState.of(past.event) is EffectState.OPEN:
                detail = {"by": "a person"}
                self._append(row.ticket_id, row.action_id, None, "absent", effect, detail)

    def _may_take(self, entry: _Entry, *, again: bool) -> bool:
        return self._judged(entry).is_due or (again and entry.row.status is LogStatus.COMPLETED)

    def _judged(self, entry: _Entry) -> LogRow:
        row, now = entry.row, self.clock()
        over = row.next_attempt_at is not None and row.next_attempt_at <= now
        due = {
            LogStatus.IN_PROGRESS: entry.lease_until is not None and entry.lease_until < now,
            LogStatus.FAILED: row.failure_kind in {None, FailureKind.RETRYABLE}
            and (over or row.next_attempt_at is None),
            LogStatus.SKIPPED: over,
            LogStatus.COMPLETED: False,
        }
        return replace(row, is_due=due[row.status])

    def _held(self, claim: Claim) -> _Entry:
        entry = self._entries.get((claim.ticket_id, claim.identity.action_id))
        if entry is None or entry.token != claim.token:
            raise StaleClaim(f"The claim on ticket {claim.ticket_id} was taken over.")
        return entry

    def _record(self, state: EffectState, past: Attempt) -> EffectRecord:
        age = (self.clock() - past.at).total_seconds()
        return EffectRecord(state, past.attempt_id, age, past.detail, past.action_id)

    def _note(
        self, claim: Claim, event: str, effect: str | None, detail: Mapping[str, Any]
    ) -> Attempt:
        made = self._append(
            claim.ticket_id, claim.identity.action_id, claim.run_id, event, effect, detail
        )
        self._writers[made.attempt_id] = claim.token
        return made

    def _last_event(self, claim: Claim, effect: str) -> Attempt | None:
        return next(
            (
                past
                for past in reversed(self._attempts)
                if past.ticket_id == claim.ticket_id and past.effect == effect
            ),
            None,
        )

    def _append(
        self,
        ticket_id: int,
        action_id: str,
        run_id: str | None,
        event: str,
        effect: str | None,
        detail: Mapping[str, Any],
    ) -> Attempt:
        made = Attempt(
            len(self._attempts) + 1,
            ticket_id,
            action_id,
            run_id,
            event,
            effect,
            dict(detail),
            self.clock(),
        )
        self._attempts.append(made)
        return made
