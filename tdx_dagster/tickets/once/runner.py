"""Running an action on a ticket once: claim, perform, record.

Belongs here: the life of a claim, and what each error means for the row (comes back, stops, waits for a
person). Does not: the steps of a single write (`writer`), deciding which tickets to run (`tickets.plan`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Thread

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.environment import log_command
from tdx_dagster.state.records import (
    WAITS,
    Claim,
    EffectState,
    FailureKind,
    LogStatus,
    StaleClaim,
    StoreUnavailable,
)
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxError, TdxRetryLater, TdxSettingError
from tdx_dagster.tdx.models import StatusClass
from tdx_dagster.tickets.actions.action import Action, perform
from tdx_dagster.tickets.actions.context import ActionContext, RunContext
from tdx_dagster.tickets.actions.due import LEFT_OUT
from tdx_dagster.tickets.actions.effects import TdxWrites, Writer
from tdx_dagster.tickets.actions.last_word import Removals
from tdx_dagster.tickets.actions.outcome import RetryLater, Uncertain, Waits
from tdx_dagster.tickets.actions.results import Results, Values, stored_results
from tdx_dagster.tickets.actions.templates import BadTemplate
from tdx_dagster.tickets.once.failures import OUR_ERRORS, NeverEnded, explain, judge
from tdx_dagster.tickets.once.outcomes import (
    Outcome,
    Result,
    outcome_of,
    planned_result,
    result_of,
    with_line,
)
from tdx_dagster.tickets.once.writer import DryRunWriter, LiveWriter, TicketIsClosed, Times
from tdx_dagster.tickets.takeover import may_have_been_worked_on
from tdx_dagster.tickets.ticket_view import TicketView

CLOSED = frozenset({StatusClass.COMPLETED, StatusClass.CANCELLED})

# A closed ticket may be reopened while it is in the report: it is read again after an hour, then less and less
# often, for one call each time.
CLOSED_PAUSE_SECONDS = 3600.0
LONGEST_CLOSED_PAUSE_SECONDS = 24 * 3600.0

# A condition that is not met is evaluated again after five minutes, then less and less often.
CONDITION_PAUSE_SECONDS = 300.0
LONGEST_CONDITION_PAUSE_SECONDS = 4 * 3600.0

# An action that takes longer than this on one ticket hangs, and its lease is not renewed any more.
LONGEST_ACTION_SECONDS = 3600.0
RENEWALS_PER_LEASE = 3


@dataclass(frozen=True)
class ActionRunner:
    """Runs actions of one pipeline in one run.

    Args:
        store: The action log.
        tdx: Reads and writes.
        inventory: Computers we know.
        pipeline: Name of the pipeline.
        run_id: The Dagster run, for the history.
        times: How long facts are relied on.
        taken_over_at: When the older daemon was stopped, where the pipeline says so.
        act_on_closed: Tickets that are completed or cancelled are acted on too (case A40).
        posted_texts: What the pipeline's actions write on tickets.
        warn: Takes sentences for the run's log.
        now: Gives the time for what actions do at a stated time; leases and pauses go by the log's.
    """

    store: ActionStore
    tdx: TdxWrites
    inventory: RememberingInventory
    pipeline: str
    run_id: str
    times: Times = field(default_factory=Times)
    act_on_closed: bool = False
    taken_over_at: datetime | None = None
    posted_texts: Sequence[str] = ()
    warn: Callable[[str], None] = field(default=lambda _: None)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self, action: Action, ticket: TicketView) -> Outcome:
        """Do the action on the ticket, unless it is done, held by another run, or not due.

        Raises:
            TdxSettingError: No ticket is at fault; the claim is given back as if it had not been taken.
        """
        try:
            closed = self._closed(ticket)
        except TdxSettingError:
            raise
        except TdxError:
            closed = ""  # shows again, and is recorded, once the action is claimed
        if closed and not self._has_open_effect(action, ticket):
            return self._skip(action, ticket, closed)
        if left_out := self._left_out(action, ticket):
            return self._leave_out(action, ticket, left_out)
        claim = self.store.claim(
            ticket.id,
            action.identity(),
            pipeline=self.pipeline,
            run_id=self.run_id,
            lease_seconds=self.times.lease,
            again=action.has_more(self._context(ticket, self._dry_writer(action, ticket))),
        )
        if claim is None:
            return self._not_claimed(action, ticket)
        try:
            return self._perform(action, ticket, claim)
        except StaleClaim as error:
            return outcome_of(action, ticket, Result.SKIPPED, str(error), stops_ticket=True)

    def dry_run(self, action: Action, ticket: TicketView, earlier: Sequence[Outcome]) -> Outcome:
        """Say what the action would write, writing nothing anywhere (case D18).

        Args:
            action: The action.
            ticket: The ticket.
            earlier: What earlier actions of this dry run would do.
        """
        writer = self._dry_writer(action, ticket)
        try:
            if closed := self._closed(ticket):
                return outcome_of(action, ticket, Result.SKIPPED, closed, stops_ticket=True)
            context = self._context(ticket, writer, earlier)
            if action.when and not context.holds(action.when):
                return outcome_of(action, ticket, Result.SKIPPED, f"{LEFT_OUT}{action.when}")
            performed = with_line(action, context, perform(action, context))
        except TdxSettingError:
            raise
        except Waits as waits:
            said = f"{WAITS}{waits}"
            result = Result.WOULD_RUN if writer.planned else Result.SKIPPED
            done = outcome_of(action, ticket, result, said)
            return replace(done, planned=tuple(writer.planned))
        except OUR_ERRORS as error:
            return outcome_of(
                action,
                ticket,
                Result.FAILED,
                str(error),
                stops_ticket=not action.continue_on_failure,
            )
        done = outcome_of(action, ticket, Result.WOULD_RUN, performed.message, performed)
        return replace(done, planned=tuple(writer.planned), values=context.values.written)

    def run_context(self) -> RunContext:
        """Give what actions prepare a run with."""
        return RunContext(self.inventory, self.warn)

    def _context(
        self, ticket: TicketView, writer: Writer, earlier: Sequence[Outcome] = ()
    ) -> ActionContext:
        planned = [planned_result(one) for one in earlier if one.summary_lines]
        results = Results(
            lambda: [
                *stored_results(self.store.get_ticket_actions(ticket.id), self.pipeline),
                *(result_of(one) for one in earlier if one.result is Result.WOULD_RUN),
            ]
        )
        return ActionContext(
            ticket=ticket,
            write=writer,
            inventory=self.inventory,
            pipeline=self.pipeline,
            with_lines=lambda: [*self.store.results(ticket.id, self.pipeline), *planned],
            rows=lambda: self.store.get_ticket_actions(ticket.id),
            results=results,
            values=Values(results),
            posted_texts=self.posted_texts,
            warn=self.warn,
            now=self.now,
        )

    def _dry_writer(self, action: Action, ticket: TicketView) -> DryRunWriter:
        known = lambda: self.store.effects(ticket.id)  # noqa: E731  the writer asks when it needs to
        removals, action_id = Removals(ticket, known), action.identity().action_id
        return DryRunWriter(self.tdx, ticket.id, action_id, known, removals=removals)

    def _closed(self, ticket: TicketView) -> str:
        """Say that the ticket is closed; empty where it is not, or is acted on all the same."""
        read = ticket.ticket
        if self.act_on_closed or read.status_class not in CLOSED:
            return ""
        return f"the ticket is {read.status_name or read.status_class.name.lower()}"

    def _has_open_effect(self, action: Action, ticket: TicketView) -> bool:
        action_id = action.identity().action_id
        return any(
            effect.state is EffectState.OPEN and effect.action_id == action_id
            for effect in self.store.effects(ticket.id).values()
        )

    def _skip(self, action: Action, ticket: TicketView, closed: str) -> Outcome:
        self.store.skip(
            ticket.id,
            action.identity(),
            pipeline=self.pipeline,
            run_id=self.run_id,
            message=closed,
            first_pause_seconds=CLOSED_PAUSE_SECONDS,
            longest_pause_seconds=LONGEST_CLOSED_PAUSE_SECONDS,
        )
        return outcome_of(action, ticket, Result.SKIPPED, closed, stops_ticket=True)

    def _left_out(self, action: Action, ticket: TicketView) -> str:
        """Say that the action's condition is not met; empty where it is, or where an effect has to be settled.

        What prevents an answer shows again, and is recorded, once the action is claimed.
        """
        if not action.when or self._has_open_effect(action, ticket):
            return ""
        try:
            context = self._context(ticket, self._dry_writer(action, ticket))
            return "" if context.holds(action.when) else f"{LEFT_OUT}{action.when}"
        except TdxSettingError:
            raise
        except (TdxError, BadTemplate):
            return ""

    def _leave_out(self, action: Action, ticket: TicketView, why: str) -> Outcome:
        is_stored = self.store.skip(
            ticket.id,
            action.identity(),
            pipeline=self.pipeline,
            run_id=self.run_id,
            message=why,
            first_pause_seconds=CONDITION_PAUSE_SECONDS,
            longest_pause_seconds=LONGEST_CONDITION_PAUSE_SECONDS,
        )
        if not is_stored:
            return self._not_claimed(action, ticket)
        return outcome_of(action, ticket, Result.SKIPPED, why)

    def _not_claimed(self, action: Action, ticket: TicketView) -> Outcome:
        """Say why; what has not ended stops the later actions, which may rest on it."""
        action_id = action.identity().action_id
        rows = self.store.get_ticket_actions(ticket.id)
        own = next((row for row in rows if row.action_id == action_id), None)
        if own is not None and own.is_done:
            return outcome_of(action, ticket, Result.SKIPPED, "done already")
        held = own is None or own.status is LogStatus.IN_PROGRESS
        return outcome_of(
            action,
            ticket,
            Result.SKIPPED,
            "held by another run" if held else "failed before, and not due yet",
            stops_ticket=not action.continue_on_failure,
        )

    def _perform(self, action: Action, ticket: TicketView, claim: Claim) -> Outcome:
        if claim.attempt > self.times.max_attempts:
            return self._fail(action, ticket, claim, NeverEnded(claim.attempt - 1))
        writer = LiveWriter(
            self.tdx, ticket.id, claim.identity.action_id, self.store, claim, self.times
        )
        writer.removals = Removals(ticket, writer.effects)
        try:
            writer.closed = self._closed(ticket)
            writer.looks_first = may_have_been_worked_on(
                self.store.get_ticket_actions(ticket.id),
                ticket.ticket.created_at,
                self.taken_over_at,
            )
            context = self._context(ticket, writer)
            # What prevented an answer before the claim is raised here.
            is_asked = action.when and not self._has_open_effect(action, ticket)
            if is_asked and not context.holds(action.when):
                return self._end_left_out(action, ticket, claim)
            with self._renewed(claim):
                performed = with_line(action, context, perform(action, context))
            self._check_settled(action, ticket)
        except (StaleClaim, StoreUnavailable):
            raise
        except TicketIsClosed as error:
            return self._end_closed(action, ticket, claim, str(error))
        except TdxSettingError as error:
            self.store.release(claim, message=str(error))
            raise
        except Waits as waits:
            return self._end_waiting(action, ticket, claim, waits)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a custom action may raise anything
            return self._fail(action, ticket, claim, error)
        self.store.finish(
            claim,
            LogStatus.COMPLETED,
            summary_lines=[line for line in performed.summary_lines if line.strip()],
            metadata={
                "details": dict(performed.evidence),
                "config": action.hashed_settings(),
                "message": performed.message,
                **({"values": context.values.written} if context.values.written else {}),
            },
            summarised=performed.summarised,
        )
        return outcome_of(action, ticket, Result.COMPLETED, performed.message, performed)

    def _check_settled(self, action: Action, ticket: TicketView) -> None:
        """Refuse to complete a row over an open effect of its own.

        Raises:
            Uncertain: There is one, and the action did not come back to it.
        """
        if self._has_open_effect(action, ticket):
            raise Uncertain(
                "An earlier write of this action is not settled and the action did not come back to it. "
                f"Look at the ticket; {log_command('failed --clear')} lets it run again."
            )

    @contextmanager
    def _renewed(self, claim: Claim) -> Iterator[None]:
        """Renew the claim's lease in a thread while the action runs, at most LONGEST_ACTION_SECONDS.

        A thread of this process does it: when the process is suspended or dies, the lease runs out.
        """
        ended = Event()

        def keep() -> None:
            for _ in range(int(LONGEST_ACTION_SECONDS / self.times.lease * RENEWALS_PER_LEASE)):
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

    def _end_left_out(self, action: Action, ticket: TicketView, claim: Claim) -> Outcome:
        why = f"{LEFT_OUT}{action.when}"
        self.store.finish(
            claim, LogStatus.SKIPPED, message=why, retry_in_seconds=CONDITION_PAUSE_SECONDS
        )
        return outcome_of(action, ticket, Result.SKIPPED, why)

    def _end_closed(self, action: Action, ticket: TicketView, claim: Claim, why: str) -> Outcome:
        self.store.finish(
            claim, LogStatus.SKIPPED, message=why, retry_in_seconds=CLOSED_PAUSE_SECONDS
        )
        return outcome_of(action, ticket, Result.SKIPPED, why, stops_ticket=True)

    def _end_waiting(
        self, action: Action, ticket: TicketView, claim: Claim, waits: Waits
    ) -> Outcome:
        why, pause = f"{WAITS}{waits}", (waits.until - self.now()).total_seconds()
        self.store.finish(claim, LogStatus.SKIPPED, message=why, retry_in_seconds=max(pause, 0.0))
        return outcome_of(action, ticket, Result.SKIPPED, why)

    def _fail(
        self, action: Action, ticket: TicketView, claim: Claim, error: BaseException
    ) -> Outcome:
        kind, wait = judge(error, claim.attempt, self.times)
        message = explain(error)
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
