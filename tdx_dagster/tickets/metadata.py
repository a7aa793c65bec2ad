"""What people read about a ticket after a run: metadata of its partition, and a table of the whole run.

Belongs here: choosing and wording what is shown. No text of a ticket goes in: metadata is visible to
everybody who may open the UI.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from tdx_dagster.tickets.batch import Batch, TicketRun
from tdx_dagster.tickets.once.runner import Outcome
from tdx_dagster.tickets.services import RunServices


def ticket_metadata(ticket: TicketRun, batch: Batch, tools: RunServices) -> dict[str, Any]:
    """Give the metadata of one ticket's materialisation or, in a rehearsal, observation."""
    seconds = (datetime.now(UTC) - batch.started_at).total_seconds()
    shown: dict[str, Any] = {
        "ticket": dg.MetadataValue.url(tools.tdx.ticket_link(ticket.id)),
        "actions": dg.MetadataValue.md(_actions_table(ticket)),
        "computers attached": dg.MetadataValue.md(_computers(ticket, tools)),
        "run: tickets": len(batch.tickets),
        "run: seconds": round(seconds, 2),
        "run: TDX calls": sum(tools.tdx.calls.values()),
        "run: calls by method": dg.MetadataValue.json(dict(sorted(tools.tdx.calls.items()))),
    }
    planned = [effect for outcome in ticket.outcomes for effect in outcome.planned]
    if batch.is_dry_run:
        shown["dry run"] = True
        shown["would be written"] = dg.MetadataValue.json(
            [{"effect": effect.name, **effect.detail} for effect in planned]
        )
    return shown


def whole_run_table(batch: Batch) -> dg.MarkdownMetadataValue:
    """Give one table over all tickets of a run, failures first."""
    rows = [
        (ticket.id, outcome)
        for ticket in sorted(batch.tickets, key=lambda one: (not one.failure, one.id))
        for outcome in ticket.outcomes
    ]
    lines = [f"| {ticket_id} | {_cells(outcome)} |" for ticket_id, outcome in rows]
    head = ["| ticket | action | outcome | what happened |", "| --- | --- | --- | --- |"]
    return dg.MetadataValue.md("\n".join([*head, *lines]))


def _actions_table(ticket: TicketRun) -> str:
    if not ticket.outcomes:
        stands = "; ".join(f"{name}: {due.value}" for name, due in ticket.due.items())
        return f"Nothing to do ({stands})."
    lines = [f"| {_cells(outcome)} |" for outcome in ticket.outcomes]
    return "\n".join(["| action | outcome | what happened |", "| --- | --- | --- |", *lines])


def _cells(outcome: Outcome) -> str:
    cells = (outcome.action_name, outcome.result.value, outcome.message)
    return " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells)


def _computers(ticket: TicketRun, tools: RunServices) -> str:
    attached: Sequence[dict[str, Any]] = [
        computer for outcome in ticket.outcomes for computer in outcome.evidence.get("attached", ())
    ]
    if not attached:
        return "none"
    return "\n".join(
        f"- [{one['name']}]({tools.tdx.asset_link(one['asset_id'])}): {one['why']}"
        for one in attached
    )
