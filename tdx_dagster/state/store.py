"""The store's interface: the few questions and facts that acting exactly once rests on.

An implementation must make `claim`, `begin_effect`, `settle_effect` and `finish` atomic and use one clock for
all holders.
PostgreSQL's is `PostgresStore`, the twin for tests `MemoryStore`; one contract test serves both.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from tdx_dagster.state.records import (
    ActionIdentity,
    ActionStats,
    Attempt,
    Claim,
    EffectRecord,
    FailureKind,
    LogRow,
    LogStatus,
    UnsummarisedResult,
)


class ActionStore(Protocol):
    """What was done to which ticket. Every method raises `StoreUnavailable` when it cannot answer."""

    def rows(self, ticket_ids: Collection[int]) -> Mapping[int, Sequence[LogRow]]:
        """Give the log of these tickets in one query; tickets without a row are missing."""

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
        """Take the action on this ticket, or give None where somebody has done it or holds it.

        Args:
            ticket_id: The ticket.
            identity: The action.
            pipeline: The pipeline on whose behalf.
            run_id: The Dagster run, for the history.
            lease_seconds: Database seconds until others may take over.
            again: A completed row may be taken too (a summary with something new to tell).
        """

    def renew(
        self,
        claim: Claim,
        *,
        lease_seconds: float,
        intent: tuple[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Give a live claim a new lease.

        Args:
            claim: Who asks.
            lease_seconds: New lease.
            intent: Name and detail of an effect that this claim has begun and is about to write only now.

        Raises:
            StaleClaim: The claim is no longer ours, or its lease ran out.
        """

    def begin_effect(
        self,
        claim: Claim,
        effect: str,
        detail: Mapping[str, Any],
        *,
        lease_seconds: float,
        absent_event: int | None = None,
    ) -> EffectRecord:
        """Check and renew the claim, then store the intent to write unless one is open or done.

        Args:
            claim: Who asks.
            effect: Name of the effect, unique on the ticket.
            detail: What will be written, enough to recognise it later.
            lease_seconds: New lease.
            absent_event: The open event that looking has proved absent; it is superseded.

        Raises:
            StaleClaim: The claim is no longer ours.
        """

    def settle_effect(
        self, claim: Claim, effect: str, event: str, detail: Mapping[str, Any]
    ) -> None:
        """Store how an effect went: `done`, `reconciled`, `not_done` or `unclear`.

        That it is there is a fact whoever says so. That it is not, or that nobody knows, is only stored
        while the last event of the effect is this claim's own: a holder that was overtaken knows less
        than the one that came after.
        """

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
        told: Sequence[str] = (),
    ) -> None:
        """Give the claim back with its result, and mark the results that a summary has told.

        Raises:
            StaleClaim: The claim is no longer ours; nothing is stored.
        """

    def unsummarised(self, ticket_id: int, pipeline: str) -> Sequence[UnsummarisedResult]:
        """Give the results of this pipeline on a ticket that no summary has told, oldest first."""

    def effects(self, ticket_id: int) -> Mapping[str, EffectRecord]:
        """Give the last state of every effect ever begun on a ticket, by name.

        An effect that was refused or proved absent is missing.
        """

    def has_executed(self, ticket_id: int, action_id: str) -> bool:
        """Tell whether an action is done with on a ticket: completed, or skipped for good."""

    def mark_completed(
        self,
        ticket_id: int,
        identity: ActionIdentity,
        *,
        pipeline: str,
        metadata: Mapping[str, Any],
    ) -> bool:
        """Record an action as completed without doing it; False where there is a row already."""

    def mark_all_completed(
        self,
        ticket_ids: Collection[int],
        identities: Sequence[ActionIdentity],
        *,
        pipeline: str,
        metadata: Mapping[str, Any],
    ) -> int:
        """Record actions as completed on many tickets in one transaction; gives how many had no row."""

    def get_ticket_actions(self, ticket_id: int) -> Sequence[LogRow]:
        """Give the log of one ticket, oldest first."""

    def get_attempts(self, ticket_id: int) -> Sequence[Attempt]:
        """Give every attempt on one ticket, oldest first."""

    def get_action_stats(self) -> Sequence[ActionStats]:
        """Count rows by type, name and status."""

    def get_failed(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> Sequence[LogRow]:
        """Give failed rows, newest first, of one ticket or of all, of one action or of all."""

    def clear_failed_actions(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> int:
        """Make failed actions due at once with a fresh count of attempts; gives how many.

        Nothing is deleted: the clearing is itself an event in the attempts.
        """
