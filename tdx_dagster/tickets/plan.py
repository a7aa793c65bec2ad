"""What is due on which ticket: pure functions of the report, the log and the runs in flight.

Belongs here: re-execution (same id never again; another configuration again; another version only where
no earlier one completed, DESIGN 4) and the choice of tickets to run. Nothing here reads or writes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tdx_dagster.state.records import FailureKind, LogRow, LogStatus
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.pipeline import Pipeline


class Due(StrEnum):
    """Where an action stands on a ticket."""

    NEW = "new"
    AGAIN = "again"
    RETRY = "retry"
    DONE = "done"
    WAITING = "waiting"
    BLOCKED = "blocked"

    @property
    def runs(self) -> bool:
        """Whether a pass would act."""
        return self in {Due.NEW, Due.AGAIN, Due.RETRY}


@dataclass(frozen=True, slots=True)
class TicketPlan:
    """What a pass would do on one ticket, by action name in order."""

    ticket_id: int
    due: Mapping[str, Due]

    @property
    def is_pending(self) -> bool:
        """Whether a pass would act on it."""
        return any(due.runs for due in self.due.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass would do.

    Args:
        tickets: One plan a ticket of the report, in its order.
        partitions: Tickets that have a partition, as far as they matter here.
        in_hand: Tickets that a run has in hand already.
    """

    tickets: Sequence[TicketPlan]
    partitions: Collection[int] = ()
    in_hand: Collection[int] = ()

    @property
    def due(self) -> Sequence[int]:
        """Tickets with something to do."""
        return [ticket.ticket_id for ticket in self.tickets if ticket.is_pending]

    @property
    def pending(self) -> Sequence[int]:
        """Tickets to run now."""
        return [ticket_id for ticket_id in self.due if ticket_id not in self.in_hand]

    @property
    def new_partitions(self) -> Sequence[int]:
        """Due tickets that have no partition yet and need one."""
        return [ticket_id for ticket_id in self.due if ticket_id not in self.partitions]

    @property
    def in_flight(self) -> Sequence[int]:
        """Due tickets that a run has in hand already."""
        return [ticket_id for ticket_id in self.due if ticket_id in self.in_hand]

    def beside(self, *, partitions: Collection[int], in_hand: Collection[int]) -> "Plan":
        """Give the plan beside what Dagster has already."""
        return replace(self, partitions=partitions, in_hand=in_hand)

    def counts(self) -> dict[str, dict[str, int]]:
        """Count tickets by action and where it stands."""
        counts: dict[str, dict[str, int]] = {}
        for ticket in self.tickets:
            for name, due in ticket.due.items():
                by_due = counts.setdefault(name, dict.fromkeys(map(str, Due), 0))
                by_due[due.value] += 1
        return counts


def plan_tickets(
    pipeline: Pipeline,
    ticket_ids: Sequence[int],
    log: Mapping[int, Sequence[LogRow]],
) -> Plan:
    """Decide which tickets to run.

    Args:
        pipeline: The pipeline.
        ticket_ids: Tickets of the report.
        log: Their rows of the action log.
    """
    return Plan(
        [plan_ticket(pipeline, ticket_id, log.get(ticket_id, ())) for ticket_id in ticket_ids]
    )


def plan_ticket(pipeline: Pipeline, ticket_id: int, rows: Sequence[LogRow]) -> TicketPlan:
    """Say where each action of the pipeline stands on one ticket.

    An action that waits or is blocked stops the later ones, as it does in a run.
    """
    due: dict[str, Due] = {}
    stopped: Due | None = None
    for action in pipeline.actions:
        if stopped:
            due[action.label] = stopped
            continue
        due[action.label] = _stand(action, pipeline, rows, due)
        if due[action.label] in {Due.WAITING, Due.BLOCKED} and not action.continue_on_failure:
            stopped = due[action.label]
    return TicketPlan(ticket_id, due)


def _stand(
    action: Action, pipeline: Pipeline, rows: Sequence[LogRow], earlier: Mapping[str, Due]
) -> Due:
    action_id = pipeline.action_ids[action.label]
    own = next((row for row in rows if row.action_id == action_id), None)
    if own is not None and own.status in {LogStatus.FAILED, LogStatus.IN_PROGRESS}:
        return _unfinished(own)
    if action.is_summary:
        return _summary(action, pipeline, own, rows, earlier)
    if own is not None:
        if own.status is LogStatus.SKIPPED and own.next_attempt_at is not None:
            return _unfinished(own)
        return Due.DONE
    return _unseen(action, rows)


def _unfinished(row: LogRow) -> Due:
    if row.is_due:
        return Due.RETRY
    if row.failure_kind in {FailureKind.PERMANENT, FailureKind.UNCERTAIN}:
        return Due.BLOCKED
    return Due.WAITING


def _unseen(action: Action, rows: Sequence[LogRow]) -> Due:
    """Judge an action without a row of its own by the rows of its other versions and settings."""
    done_before = [
        row
        for row in rows
        if row.action_type == action.type_name()
        and row.name == action.label
        and row.status in {LogStatus.COMPLETED, LogStatus.SKIPPED}
        and row.next_attempt_at is None
    ]
    if any(row.version != action.version for row in done_before):
        return Due.DONE
    return Due.AGAIN if done_before else Due.NEW


def _summary(
    action: Action,
    pipeline: Pipeline,
    own: LogRow | None,
    rows: Sequence[LogRow],
    earlier: Mapping[str, Due],
) -> Due:
    """A summary is due where there is something to tell, or will be once the others have run."""
    if own is not None and own.status is LogStatus.SKIPPED and not own.is_due:
        return Due.WAITING if own.next_attempt_at else Due.DONE
    unsummarised = any(row.is_unsummarised and row.pipeline == pipeline.name for row in rows)
    if unsummarised or any(due.runs for due in earlier.values()):
        return Due.NEW if own is None else Due.AGAIN
    posts_empty = not getattr(action, "skip_if_empty", True)
    return _unseen(action, rows) if own is None and posts_empty else Due.DONE
