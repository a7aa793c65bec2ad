"""How actions went on tickets, and what later actions and the summary are given of it.

Belongs here: the record of one outcome, and a summary line by template. Does not: running actions (`runner`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from tdx_dagster.state.records import FailureKind, StoredResult
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.results import ActionResult
from tdx_dagster.tickets.actions.templates import BadTemplate
from tdx_dagster.tickets.ticket_view import TicketView


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
        planned: What a dry run would have written.
        values: What the action has stored for later ones in a dry run.
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
    values: Mapping[str, Any] = field(default_factory=dict)


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


def with_line(action: Action, context: ActionContext, performed: Performed) -> Performed:
    """Put the line of the settings in the summary; one that cannot be filled in leaves what is done done."""
    if action.summary_line is None or not (performed.summary_lines or action.summary_line):
        return performed
    result = ActionResult(
        action.label,
        is_done=True,
        message=performed.message,
        evidence=performed.evidence,
        values=context.values.written,
    )
    try:
        line = context.render(action.summary_line, result=result)
    except (BadTemplate, TdxError) as error:
        context.warn(f"The summary line of {action.label} on ticket {context.ticket.id}: {error}")
        return performed
    return replace(performed, summary_lines=[line] if line.strip() else [])


def planned_result(outcome: Outcome) -> StoredResult:
    """Give what an action of a dry run would leave for the summary."""
    return StoredResult(
        outcome.action_id, outcome.action_name, tuple(outcome.summary_lines), datetime.now(UTC)
    )


def result_of(outcome: Outcome) -> ActionResult:
    """Give what an action of a dry run would do, for the later ones."""
    return ActionResult(
        outcome.action_name,
        is_done=True,
        message=outcome.message,
        evidence=outcome.evidence,
        values=outcome.values,
    )
