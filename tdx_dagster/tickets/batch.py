"""The tickets of one run on their way through the actions, in plain Python.

Belongs here: loading a batch, running one action over it with each ticket on its own, and what people are
shown of a ticket afterwards. Does not: Dagster (`job`), a single action's claim and writes (`once`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.postgres.errors import is_setting_fault
from tdx_dagster.state.records import LogRow, StoreUnavailable
from tdx_dagster.tdx.errors import TdxError, TdxSettingError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.once.outcomes import Outcome, Result, outcome_of
from tdx_dagster.tickets.once.runner import ActionRunner
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import TicketPlan, plan_ticket
from tdx_dagster.tickets.ticket_view import TicketView

# Tickets of a batch worked on at the same time: TDX answers in some 100 ms, so waiting is most of the work,
# and each worker may hold a database connection.
PARALLEL_TICKETS = 4

# Tickets that runs have begun and none has ended are few; a pass looks through this many of the oldest.
MOST_UNFINISHED = 1_000

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass
class TicketRun:
    """One ticket in this run.

    Args:
        view: What is read of it.
        due: Where each action stood when the run began.
        outcomes: What came of the actions, in order.
        stopped: Why later actions are not run; empty while they are.
        after: The states of the actions after the run; None before `finish_batch` and in a dry run.
        rows: The log of the ticket, after the run once `finish_batch` has read it.
    """

    view: TicketView
    due: Mapping[str, Due]
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""
    after: TicketPlan | None = None
    rows: Sequence[LogRow] = ()

    @property
    def id(self) -> int:
        """The ticket id."""
        return self.view.id

    @property
    def failure(self) -> Outcome | None:
        """The first failure, or None."""
        return next((one for one in self.outcomes if one.result is Result.FAILED), None)

    @property
    def is_done(self) -> bool:
        """Whether nothing failed in this run and nothing is left to do after it."""
        return self.failure is None and (self.after is None or self.after.is_done)

    @property
    def is_pending(self) -> bool:
        """Whether there was anything to do."""
        return any(due.should_run for due in self.due.values())


@dataclass
class Batch:
    """The tickets of one run."""

    tickets: list[TicketRun]
    pipeline: Pipeline
    is_dry_run: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def failed(self) -> list[TicketRun]:
        """Tickets with a failure."""
        return [ticket for ticket in self.tickets if ticket.failure]


def load_batch(
    runner: ActionRunner,
    pipeline: Pipeline,
    ticket_ids: Sequence[int],
    new_view: Callable[[int], TicketView],
    *,
    dry_run: bool,
    judged: Callable[[Sequence[LogRow]], Sequence[LogRow]] = lambda rows: rows,
) -> Batch:
    """Plan the tickets of a run with one question to the log, and read those with something to do.

    Args:
        runner: Runs the actions.
        pipeline: What is done.
        ticket_ids: The tickets.
        new_view: Gives a ticket to read.
        dry_run: Whether nothing is written.
        judged: Gives the rows of a ticket as they are judged; what people are shown is the log.

    Raises:
        StoreUnavailable: The log cannot be asked; nothing is done.
        TdxSettingError: TDX cannot be used at all; no ticket is at fault.
    """
    log = runner.store.rows(ticket_ids)
    tickets = [
        TicketRun(
            new_view(ticket_id),
            plan_ticket(pipeline, ticket_id, judged(log.get(ticket_id, ()))).due,
            rows=log.get(ticket_id, ()),
        )
        for ticket_id in ticket_ids
    ]
    pending = [ticket for ticket in tickets if ticket.is_pending]
    if pending and not dry_run:
        runner.store.open_tickets(pipeline.name, [ticket.id for ticket in pending])
    read = [view for view in _each(pending, _read) if view is not None]
    if any(ticket.view.is_missing for ticket in pending):
        # Perhaps it is not the ticket that is gone: a wrong application would condemn them all.
        runner.tdx.check_ticket_app()
    if read:
        for action in pipeline.actions:
            action.prepare(read, runner.run_context())
    return Batch(tickets, pipeline, is_dry_run=dry_run)


def finish_batch(runner: ActionRunner, batch: Batch) -> None:
    """Give each ticket its state after the run, and close those on which nothing is left to do.

    Tickets that a run has ended but died before it could close are closed as well.

    Raises:
        StoreUnavailable: The log cannot be asked.
    """
    if batch.is_dry_run:
        return
    pipeline = batch.pipeline
    mine = [ticket.id for ticket in batch.tickets]
    begun = runner.store.unfinished(pipeline.name, limit=MOST_UNFINISHED)
    log = runner.store.rows({*mine, *begun})
    plans = {
        ticket_id: plan_ticket(pipeline, ticket_id, log.get(ticket_id, ()))
        for ticket_id in {*mine, *begun}
    }
    for ticket in batch.tickets:
        ticket.after = plans[ticket.id]
        ticket.rows = log.get(ticket.id, ())
    runner.store.close_tickets(
        pipeline.name, [ticket_id for ticket_id, plan in plans.items() if plan.is_ended]
    )


def _read(ticket: TicketRun) -> TicketView | None:
    """Read the ticket early; an error shows again, and is recorded, when its first action asks for it."""
    try:
        _ = ticket.view.ticket
    except TdxSettingError:
        raise
    except TdxError:
        return None
    return ticket.view


def run_action(runner: ActionRunner, action: Action, batch: Batch) -> Iterator[Outcome]:
    """Run one action over a batch, several tickets at a time, each on its own.

    An error on one ticket never touches another. Outcomes come as they are ready.
    """

    def one(ticket: TicketRun) -> Outcome | None:
        outcome = _run_one(runner, action, ticket, is_dry_run=batch.is_dry_run)
        if outcome is not None:
            ticket.outcomes.append(outcome)
            if outcome.stops_ticket:
                ticket.stopped = outcome.message
        return outcome

    active = [ticket for ticket in batch.tickets if not ticket.stopped]
    yield from (outcome for outcome in _each(active, one) if outcome is not None)


def _run_one(
    runner: ActionRunner, action: Action, ticket: TicketRun, *, is_dry_run: bool
) -> Outcome | None:
    if not ticket.due[action.label].should_run:
        return None
    try:
        if is_dry_run:
            return runner.dry_run(action, ticket.view, ticket.outcomes)
        return runner.run(action, ticket.view)
    except (StoreUnavailable, InventoryUnavailable) as error:
        if is_setting_fault(error):  # no ticket's fault, and the same on each
            raise
        return outcome_of(action, ticket.view, Result.FAILED, str(error), stops_ticket=True)


def _each(tickets: Sequence[Given], do: Callable[[Given], Made]) -> Iterator[Made]:
    """Apply `do` to each, a few at a time; the first error ends it."""
    if len(tickets) <= 1:
        yield from map(do, tickets)
        return
    with ThreadPoolExecutor(PARALLEL_TICKETS, thread_name_prefix="ticket") as pool:
        futures = [pool.submit(do, ticket) for ticket in tickets]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            with suppress(Exception):
                pool.shutdown(wait=False, cancel_futures=True)
            raise
