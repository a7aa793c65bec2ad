"""The store's interface: the few questions and facts that acting exactly once rests on.

An implementation makes `claim`, `begin_effect`, `confirm_intent`, `settle_effect` and `finish` atomic and uses
one clock for all holders. PostgreSQL's is `PostgresStore`; the contract test holds it to a twin in memory.
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
    StoredResult,
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
            again: A completed row may be taken too (a summary with new results to post).
        """

    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        """Give a live claim a new lease.

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

    def confirm_intent(
        self,
        claim: Claim,
        effect: str,
        detail: Mapping[str, Any],
        *,
        intent_event: int,
        lease_seconds: float,
    ) -> int | None:
        """Check, under the lock of the effect, that its last event is still this claim's own intent.

        The claim gets a new lease, and an intent that has aged is stored anew: its age says since when the
        write may be under way.

        Args:
            claim: Who is about to write.
            effect: The effect.
            detail: What will be written.
            intent_event: The event that `begin_effect` or the last confirmation gave.
            lease_seconds: New lease.

        Returns:
            The event that now stands for the intent; None where another holder wrote the last event, so that
            nothing may be written.

        Raises:
            StaleClaim: The claim is no longer ours, or its lease ran out.
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
        summarised: Sequence[str] = (),
    ) -> None:
        """Give the claim back with its result, and mark the results that a summary has posted.

        Raises:
            StaleClaim: The claim is no longer ours; nothing is stored.
        """

    def release(self, claim: Claim, *, message: str) -> None:
        """Give the claim back as if it had not been taken: nothing of the ticket is at fault.

        Args:
            claim: Who gives it back.
            message: Why, for the history.

        Raises:
            StaleClaim: The claim is no longer ours; nothing is stored.
        """

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
        """Record that an action is not done while its ticket is as it is; False where it may not be claimed.

        Only the first skip is an event of the history. The pause until the next one is as long as the row has
        been skipped already, within the two bounds.
        """

    def results(self, ticket_id: int, pipeline: str) -> Sequence[StoredResult]:
        """Give the results of this pipeline on a ticket that have lines for a summary, oldest first."""

    def open_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """Record that a run has begun with tickets; each stays unfinished until it is closed."""

    def close_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """Record that nothing is left to do on tickets."""

    def unfinished(self, pipeline: str, *, limit: int) -> Sequence[int]:
        """Give tickets that a run of this pipeline has begun and none has ended, oldest first.

        Among them are tickets with a failure that comes back or a claim that nobody has ended. A ticket of
        which a skipped row goes on at a stated time (`WAITS`) is left out until then.
        """

    def effects(self, ticket_id: int) -> Mapping[str, EffectRecord]:
        """Give the last state of every effect ever begun on a ticket, by name.

        An effect that was refused or proved absent is missing.
        """

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
        """Give failed rows, newest first, of one ticket or of all, of one action or of all.

        A claim that nobody has ended, its lease over, counts as failed.
        """

    def clear_failed_actions(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> int:
        """Make failed actions due at once with a fresh count of attempts; gives how many.

        Nothing is deleted: the clearing is itself an event in the attempts.
        """

    def retry_now(
        self,
        ticket_ids: Collection[int],
        action_ids: Collection[str],
        *,
        run_id: str,
        include_uncertain: bool,
    ) -> int:
        """Make actions that wait or were given up due at once, because a person asks; gives how many.

        What is due, done or held by a live claim stays as it is. Each change is the event `asked_for`.

        Args:
            ticket_ids: The tickets the person has launched.
            action_ids: The actions of the pipeline.
            run_id: The Dagster run, for the history.
            include_uncertain: The person says that what nobody can look for is not there.
        """
