"""The tickets of one run on their way through the actions, in plain Python.

Belongs here: loading a batch, running one action over it with each ticket on its own, and what people are
shown of a ticket afterwards. Does not: Dagster (`asset`), a single action's claim and writes (`once`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tdx_dagster.discovery.passages import OwnPosts, opening_passages
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.state.records import StoreUnavailable, UnsummarisedResult
from tdx_dagster.tdx.errors import TdxError, TdxSettingError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.once.runner import ActionRunner, Outcome, Result, outcome_of
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import Due, plan_ticket
from tdx_dagster.tickets.ticket_view import TicketView

# Tickets of a batch worked on at the same time: TDX answers in some 100 ms, so waiting is most of the work,
# and each worker may hold a database connection.
PARALLEL_TICKETS = 4

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
    """

    view: TicketView
    due: Mapping[str, Due]
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""

    @property
    def id(self) -> int:
        """The ticket id."""
        return self.view.id

    @property
    def failure(self) -> Outcome | None:
        """The first failure, or None."""
        return next((one for one in self.outcomes if one.result is Result.FAILED), None)

    @property
    def is_pending(self) -> bool:
        """Whether there was anything to do."""
        return any(due.runs for due in self.due.values())


@dataclass
class Batch:
    """The tickets of one run."""

    tickets: list[TicketRun]
    is_rehearsal: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def failed(self) -> list[TicketRun]:
        """Tickets with a failure."""
        return [ticket for ticket in self.tickets if ticket.failure]

    @property
    def is_lost(self) -> bool:
        """Whether every ticket has failed and nothing is left to do."""
        return bool(self.tickets) and all(
            ticket.failure and ticket.stopped for ticket in self.tickets
        )


def load_batch(
    once: ActionRunner,
    pipeline: Pipeline,
    ticket_ids: Sequence[int],
    new_view: Callable[[int], TicketView],
    *,
    dry_run: bool,
) -> Batch:
    """Plan the tickets of a run with one question to the log, and read those with something to do.

    Raises:
        StoreUnavailable: The log cannot be asked; nothing is done.
        TdxSettingError: TDX cannot be used at all; no ticket is at fault.
    """
    log = once.store.rows(ticket_ids)
    tickets = [
        TicketRun(new_view(ticket_id), plan_ticket(pipeline, ticket_id, log.get(ticket_id, ())).due)
        for ticket_id in ticket_ids
    ]
    pending = [ticket for ticket in tickets if ticket.is_pending]
    read = [view for view in _each(pending, _read) if view is not None]
    if pending and all(ticket.view.is_missing for ticket in pending):
        # Perhaps it is not the tickets that are gone: a wrong app id would condemn them all.
        pending[0].view.tdx.ticket_statuses()
    try:
        _look_up_together(once, pipeline, read)
    except InventoryUnavailable as error:
        # The action that needs it finds that out by itself; the others go on without.
        once.warn(str(error))
    return Batch(tickets, is_rehearsal=dry_run)


def _look_up_together(once: ActionRunner, pipeline: Pipeline, read: Sequence[TicketView]) -> None:
    """Ask the inventory for what all tickets name in one statement."""
    once.inventory.prefetch(
        [passage.text for view in read for passage in opening_passages(view.ticket, OwnPosts())],
        pipeline.identifier_settings(),
    )
    if read:
        _warn_of_inventory(once, pipeline)


def _warn_of_inventory(once: ActionRunner, pipeline: Pipeline) -> None:
    """Say once a run what makes discovery slower or narrower than people expect."""
    if once.inventory.is_empty():
        once.warn(
            "The inventory knows no computer: run `tdx-dagster ingest`. TDX is searched instead."
        )
    elif pipeline.active_statuses({}) and once.inventory.is_distrusted():
        once.warn(
            "The inventory is too old to be trusted (INVENTORY_DISTRUSTED_HOURS): TDX is asked about each "
            "computer found in it. Run `tdx-dagster ingest`, or look at the job that loads it."
        )
    for active in pipeline.active_statuses(once.inventory.statuses()):
        for doubt in active.doubts():
            once.warn(doubt)


def _read(ticket: TicketRun) -> TicketView | None:
    """Read the ticket early; an error shows again, and is recorded, when its first action asks for it."""
    try:
        _ = ticket.view.ticket
    except TdxSettingError:
        raise
    except TdxError:
        return None
    return ticket.view


def run_action(once: ActionRunner, action: Action, batch: Batch) -> Iterator[Outcome]:
    """Run one action over a batch, several tickets at a time, each on its own.

    An error on one ticket never touches another. Outcomes come as they are ready.
    """

    def one(ticket: TicketRun) -> Outcome | None:
        outcome = _run_one(once, action, ticket, is_rehearsal=batch.is_rehearsal)
        if outcome is not None:
            ticket.outcomes.append(outcome)
            if outcome.stops_ticket:
                ticket.stopped = outcome.message
        return outcome

    active = [ticket for ticket in batch.tickets if not ticket.stopped]
    yield from (outcome for outcome in _each(active, one) if outcome is not None)


def _run_one(
    once: ActionRunner, action: Action, ticket: TicketRun, *, is_rehearsal: bool
) -> Outcome | None:
    due = ticket.due[action.label]
    if not due.runs and not (action.is_summary and is_rehearsal and _planned_lines(ticket)):
        return None
    try:
        if is_rehearsal:
            return once.rehearse(action, ticket.view, _planned_lines(ticket))
        return once.run(action, ticket.view)
    except (StoreUnavailable, InventoryUnavailable) as error:
        return outcome_of(action, ticket.view, Result.FAILED, str(error), stops_ticket=True)


def _planned_lines(ticket: TicketRun) -> Sequence[UnsummarisedResult]:
    """Give what earlier actions of a rehearsal would leave for the summary."""
    return [
        UnsummarisedResult(
            one.action_id, one.action_name, tuple(one.summary_lines), datetime.now(UTC)
        )
        for one in ticket.outcomes
        if one.summary_lines
    ]


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
