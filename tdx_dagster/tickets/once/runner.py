"""Running an action on a ticket once: claim, perform, record.

Belongs here: the life of a claim, and what each error means for the row (comes back, stops, waits for a
person). Does not: the steps of a single write (`hands`), deciding which tickets to run (`tickets.plan`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from threading import Event, Thread
from typing import Any

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.state.records import (
    Claim,
    FailureKind,
    LogStatus,
    StaleClaim,
    StoreUnavailable,
    UnsummarisedResult,
)
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxError, TdxRefused, TdxRetryLater, TdxSettingError
from tdx_dagster.tdx.models import StatusClass
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, TdxWrites, Writer
from tdx_dagster.tickets.actions.outcome import GiveUp, Performed, RetryLater, Uncertain
from tdx_dagster.tickets.once.writer import DryRunWriter, LiveWriter, Times
from tdx_dagster.tickets.ticket_view import TicketView

CLOSED = frozenset({StatusClass.COMPLETED, StatusClass.CANCELLED})

# A closed ticket still in the report is looked at again after an hour, for one call: it may be reopened.
CLOSED_PAUSE_SECONDS = 3600.0
LONGEST_PAUSE_SECONDS = 24 * 3600.0

# An action that takes longer than this on one ticket hangs, and its lease is not renewed any more.
LONGEST_WORK_SECONDS = 3600.0
RENEWALS_PER_LEASE = 3


class Result(StrEnum):
    """How an action went on a ticket in this run."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    WOULD_RUN = "would run"


@dataclass(frozen=True)
class Outcome:
    """How an action went on a ticket.

    Args:
        stops_ticket: Later actions of this ticket are not run in this run.
        planned: What a rehearsal would have written.
    """

    ticket_id: int
    action_name: str
    action_id: str
    result: Result
    message: str
    kind: FailureKind | None = None
    summary_lines: Sequence[str] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    stops_ticket: bool = False
    planned: Sequence[Effect] = ()


@dataclass(frozen=True)
class ActionRunner:
    """Runs actions of one pipeline in one run.

    Args:
        store: The action log.
        tdx: Reads and writes.
        inventory: Computers we know.
        pipeline: Name of the pipeline.
        run_id: The Dagster run, for the history.
        times: How long things are believed.
        act_on_closed: Tickets that are completed or cancelled are acted on too (case A40).
        posted_texts: What the pipeline's actions write on tickets.
        warn: Takes sentences for the run's log.
    """

    store: ActionStore
    tdx: TdxWrites
    inventory: RememberingInventory
    pipeline: str
    run_id: str
    times: Times = field(default_factory=Times)
    act_on_closed: bool = False
    posted_texts: Sequence[str] = ()
    warn: Callable[[str], None] = field(default=lambda _: None)

    def run(self, action: Action, ticket: TicketView) -> Outcome:
        """Do the action on the ticket, unless it is done, held by another run, or not due."""
        identity = action.identity()
        again = action.is_summary and bool(self.store.unsummarised(ticket.id, self.pipeline))
        claim = self.store.claim(
            ticket.id,
            identity,
            pipeline=self.pipeline,
            run_id=self.run_id,
            lease_seconds=self.times.lease,
            again=again,
        )
        if claim is None:
            return outcome_of(
                action, ticket, Result.SKIPPED, "done already, held by another run, or not due"
            )
        try:
            return self._perform(action, ticket, claim)
        except StaleClaim as error:
            return outcome_of(action, ticket, Result.SKIPPED, str(error), stops_ticket=True)

    def rehearse(
        self, action: Action, ticket: TicketView, earlier: Sequence[UnsummarisedResult]
    ) -> Outcome:
        """Say what the action would write, writing nothing anywhere (case D18).

        Args:
            action: The action.
            ticket: The ticket.
            earlier: Results of earlier actions of this rehearsal, for a summary.
        """
        writer = DryRunWriter(
            self.tdx, ticket.id, action.identity().action_id, lambda: self.store.effects(ticket.id)
        )
        try:
            if closed := self._closed(ticket):
                return outcome_of(action, ticket, Result.SKIPPED, closed, stops_ticket=True)
            performed = action.perform(self._context(ticket, writer, earlier))
        except (TdxError, RetryLater, GiveUp, Uncertain, InventoryUnavailable) as error:
            return outcome_of(
                action,
                ticket,
                Result.FAILED,
                str(error),
                stops_ticket=not action.continue_on_failure,
            )
        done = outcome_of(action, ticket, Result.WOULD_RUN, performed.message, performed)
        return replace(done, planned=tuple(writer.planned))

    def _context(
        self, ticket: TicketView, writer: Writer, earlier: Sequence[UnsummarisedResult] = ()
    ) -> ActionContext:
        return ActionContext(
            ticket=ticket,
            write=writer,
            inventory=self.inventory,
            pipeline=self.pipeline,
            unsummarised=lambda: [*self.store.unsummarised(ticket.id, self.pipeline), *earlier],
            posted_texts=self.posted_texts,
            warn=self.warn,
        )

    def _closed(self, ticket: TicketView) -> str | None:
        if self.act_on_closed or ticket.ticket.status_class not in CLOSED:
            return None
        return (
            f"the ticket is {ticket.ticket.status_name or ticket.ticket.status_class.name.lower()}"
        )

    def _perform(self, action: Action, ticket: TicketView, claim: Claim) -> Outcome:
        writer = LiveWriter(
            self.tdx, ticket.id, claim.identity.action_id, self.store, claim, self.times
        )
        try:
            if closed := self._closed(ticket):
                return self._skip(action, ticket, claim, closed)
            with self._renewed(claim):
                performed = action.perform(self._context(ticket, writer))
        except (StaleClaim, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  a custom action may raise anything; the row must say so
            return self._fail(action, ticket, claim, error)
        self.store.finish(
            claim,
            LogStatus.COMPLETED,
            summary_lines=[line for line in performed.summary_lines if line.strip()],
            metadata={
                "details": dict(performed.evidence),
                "config": action.hashed_settings(),
                "message": performed.message,
            },
            told=performed.told,
        )
        return outcome_of(action, ticket, Result.COMPLETED, performed.message, performed)

    @contextmanager
    def _renewed(self, claim: Claim) -> Iterator[None]:
        """Keep the lease alive while the action reads, waits for its turn and thinks.

        A thread of this process does it: when the process is suspended or dies, so does the lease. After
        the longest time that work may take, the lease is left to run out: somebody else may try.
        """
        ended = Event()

        def keep() -> None:
            for _ in range(int(LONGEST_WORK_SECONDS / self.times.lease * RENEWALS_PER_LEASE)):
                if ended.wait(self.times.lease / RENEWALS_PER_LEASE):
                    return
                # What went wrong shows again, and is acted on, at the next write.
                with suppress(StaleClaim, StoreUnavailable):
                    self.store.renew(claim, lease_seconds=self.times.lease)

        keeper = Thread(target=keep, name=f"lease of ticket {claim.ticket_id}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _skip(self, action: Action, ticket: TicketView, claim: Claim, reason: str) -> Outcome:
        self.store.finish(
            claim,
            LogStatus.SKIPPED,
            message=reason,
            retry_in_seconds=CLOSED_PAUSE_SECONDS,
        )
        return outcome_of(action, ticket, Result.SKIPPED, reason, stops_ticket=True)

    def _fail(self, action: Action, ticket: TicketView, claim: Claim, error: Exception) -> Outcome:
        kind, wait = self._judge(error, claim.attempt)
        message = _explain(error)
        if kind is FailureKind.PERMANENT and isinstance(error, (RetryLater, TdxRetryLater)):
            message = f"Given up after {claim.attempt} attempts: {message}"
        self.store.finish(
            claim,
            LogStatus.FAILED,
            message=message,
            failure_kind=kind,
            retry_in_seconds=wait,
            metadata={"config": action.hashed_settings()},
        )
        return replace(
            outcome_of(action, ticket, Result.FAILED, message),
            kind=kind,
            stops_ticket=not action.continue_on_failure,
        )

    def _judge(self, error: Exception, attempt: int) -> tuple[FailureKind, float | None]:
        if isinstance(error, Uncertain):
            return FailureKind.UNCERTAIN, None
        if isinstance(error, TdxSettingError):
            # No fault of the ticket: it waits for the setting to be mended, however often it is tried.
            return FailureKind.RETRYABLE, self.times.retry_pause
        if isinstance(error, (GiveUp, TdxRefused)) or attempt >= self.times.max_attempts:
            return FailureKind.PERMANENT, None
        pause = min(self.times.retry_pause * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
        wait = getattr(error, "wait_seconds", None) or 0.0
        return FailureKind.RETRYABLE, max(pause, wait)


def outcome_of(
    action: Action,
    ticket: TicketView,
    result: Result,
    message: str,
    performed: Performed | None = None,
    *,
    stops_ticket: bool = False,
) -> Outcome:
    """Give the outcome of an action on a ticket."""
    return Outcome(
        ticket_id=ticket.id,
        action_name=action.label,
        action_id=action.identity().action_id,
        result=result,
        message=message,
        summary_lines=performed.summary_lines if performed else (),
        evidence=performed.evidence if performed else {},
        stops_ticket=stops_ticket,
    )


def _explain(error: Exception) -> str:
    ours = (TdxError, RetryLater, GiveUp, Uncertain, InventoryUnavailable)
    return str(error) if isinstance(error, ours) else f"{type(error).__name__}: {error}"
