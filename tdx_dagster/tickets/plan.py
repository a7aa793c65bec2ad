"""What is due on which ticket: pure functions of the report, the log and the runs in flight.

Belongs here: the choice of tickets to run, and what stops the later actions of a ticket. Does not: the rule of
re-execution (`actions.due`). What the log is asked stands in `state/action_log.sql`
(`rows`, `unfinished`). Nothing here reads or writes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tdx_dagster.state.records import FailureKind, LogRow, LogStatus
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.due import Due, TicketLog, unfinished
from tdx_dagster.tickets.pipeline import Pipeline

STOPPING = frozenset({Due.WAITING, Due.BLOCKED, Due.CLOSED})


@dataclass(frozen=True, slots=True)
class TicketPlan:
    """What a pass would do on one ticket, by action name in order."""

    ticket_id: int
    due: Mapping[str, Due]

    @property
    def is_pending(self) -> bool:
        """Whether a pass would act on it."""
        return any(due.should_run for due in self.due.values())

    @property
    def is_ended(self) -> bool:
        """Whether no pass will act on it by itself."""
        return self._is_quiet and Due.SCHEDULED not in self.due.values()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do now: neither by a pass nor by a person."""
        return self._is_quiet and Due.BLOCKED not in self.due.values()

    @property
    def _is_quiet(self) -> bool:
        return not self.is_pending and Due.WAITING not in self.due.values()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass would do.

    Args:
        tickets: One plan a ticket of the report, in its order.
        partitions: Tickets that have a partition, as far as they matter here.
        queued: Tickets that a queued or running run takes already.
    """

    tickets: Sequence[TicketPlan]
    partitions: Collection[int] = ()
    queued: Collection[int] = ()

    @property
    def due(self) -> Sequence[int]:
        """Tickets with something to do."""
        return [ticket.ticket_id for ticket in self.tickets if ticket.is_pending]

    @property
    def pending(self) -> Sequence[int]:
        """Tickets to run now."""
        return [ticket_id for ticket_id in self.due if ticket_id not in self.queued]

    @property
    def new_partitions(self) -> Sequence[int]:
        """Due tickets that have no partition yet and need one."""
        return [ticket_id for ticket_id in self.due if ticket_id not in self.partitions]

    @property
    def in_flight(self) -> Sequence[int]:
        """Due tickets that a queued or running run takes already."""
        return [ticket_id for ticket_id in self.due if ticket_id in self.queued]

    def with_dagster_state(self, *, partitions: Collection[int], queued: Collection[int]) -> "Plan":
        """Give the plan with the partitions and runs that Dagster has already."""
        return replace(self, partitions=partitions, queued=queued)

    def counts(self) -> dict[str, dict[str, int]]:
        """Count tickets by action and where it stands."""
        counts: dict[str, dict[str, int]] = {}
        for ticket in self.tickets:
            for name, due in ticket.due.items():
                by_due = counts.setdefault(name, dict.fromkeys(map(str, Due), 0))
                by_due[due.value] += 1
        return counts


def tickets_to_plan(in_report: Sequence[int], unfinished: Sequence[int]) -> Sequence[int]:
    """Give the tickets of the report, then those that a run has begun and that have left it."""
    return list(dict.fromkeys([*in_report, *unfinished]))


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
    """Give the state of each action of the pipeline on one ticket.

    An action that waits or is blocked stops the later ones, as it does in a run.
    """
    due: dict[str, Due] = {}
    stopped: Due | None = None
    for action in pipeline.actions:
        if stopped:
            due[action.label] = stopped
            continue
        state = due[action.label] = _state_of(action, pipeline, rows, due)
        if state in STOPPING and not action.continue_on_failure:
            stopped = state
    return TicketPlan(ticket_id, due)


def as_asked_for(
    rows: Sequence[LogRow], action_ids: Collection[str], *, include_uncertain: bool
) -> Sequence[LogRow]:
    """Give the rows of a ticket as they are judged once a person has launched it: see `ActionStore.retry_now`.

    Args:
        rows: The log of the ticket.
        action_ids: The actions of the pipeline.
        include_uncertain: Whether the person says that what may have been written is not there.
    """

    def is_asked_for(row: LogRow) -> bool:
        is_uncertain = row.failure_kind is FailureKind.UNCERTAIN
        is_waiting = row.status is LogStatus.FAILED or (
            row.status is LogStatus.SKIPPED and row.next_attempt_at is not None
        )
        return (
            row.action_id in action_ids and is_waiting and (include_uncertain or not is_uncertain)
        )

    return [replace(row, is_due=True) if is_asked_for(row) else row for row in rows]


def _state_of(
    action: Action, pipeline: Pipeline, rows: Sequence[LogRow], earlier: Mapping[str, Due]
) -> Due:
    me = pipeline.identified[action.label]
    others = [other for label, other in pipeline.identified.items() if label != action.label]
    log = TicketLog(rows, pipeline.name, me, others, dict(earlier))
    own = log.own
    if own is not None and own.status in {LogStatus.FAILED, LogStatus.IN_PROGRESS}:
        return unfinished(own)
    return action.is_due(log)
