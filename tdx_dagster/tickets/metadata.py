"""What people read about a ticket after a run: the state from the action log, and a table of the whole run.

Belongs here: choosing and wording what is shown. No text that a person wrote goes in but the ticket's title:
metadata is visible to everybody who may open the UI.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from tdx_dagster.state.records import PRESENT_EVENTS, FailureKind, LogRow, LogStatus
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.actions.last_word import LEFT_OFF
from tdx_dagster.tickets.batch import Batch, TicketRun
from tdx_dagster.tickets.markdown import moment, one_line, table
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tdx_dagster.tickets.services import RunServices

# Keys of the log's metadata and of the effects' details.
DETAILS, ATTACHED, TEXT = "details", "attached", "comments"

# Key of the line by which dry runs are gathered into one table.
WOULD_DO = "would do"
# The key of the metadata of a dry run that has the table of all it would write.
PLANNED = "run: would be written"
PLANNED_HEAD = ("ticket", "action", "would be written")

REMEDIES = {
    FailureKind.RETRYABLE: "nothing: it comes back by itself; materialise the ticket to try it now",
    FailureKind.PERMANENT: "remove the cause, then materialise the ticket",
    FailureKind.UNCERTAIN: (
        "look at the ticket in TDX; where nothing was written, materialise it with `allow_uncertain: true`"
    ),
}


def ticket_metadata(ticket: TicketRun, batch: Batch, services: RunServices) -> dict[str, Any]:
    """Give the metadata of one ticket's materialisation or observation."""
    shown: dict[str, Any] = {
        "ticket": dg.MetadataValue.url(services.tdx.ticket_link(ticket.id)),
    }
    if title := ticket.view.known_title:
        shown["title"] = title
    if problems := _problems(ticket):
        shown["to do"] = dg.MetadataValue.md(problems)
    shown["actions"] = dg.MetadataValue.md(_actions(ticket, batch))
    shown["computers attached"] = dg.MetadataValue.md(_computers(ticket, services))
    if left_off := _left_off(ticket):
        shown["computers left off"] = dg.MetadataValue.md(left_off)
    if batch.is_dry_run:
        planned = [effect for outcome in ticket.outcomes for effect in outcome.planned]
        shown["dry run"] = True
        shown[WOULD_DO] = would_do(ticket)
        shown["would be written"] = dg.MetadataValue.md(
            _blocks([(effect.name, effect.detail) for effect in planned]) or "nothing"
        )
    elif posted := _posted(ticket, services):
        shown["posted"] = dg.MetadataValue.md(posted)
    return shown


def would_do(ticket: TicketRun) -> str:
    """Give what a dry run would have done on a ticket, in one line."""
    said = [f"{one.action_name}: {one_line(_would(one))}" for one in ticket.outcomes]
    return "; ".join(said) or f"nothing ({_stands(ticket.due)})"


def _would(outcome: Outcome) -> str:
    if outcome.result is Result.FAILED:
        return f"fails: {outcome.message}"
    return "; ".join(outcome.summary_lines) or outcome.message


def run_totals(batch: Batch, services: RunServices) -> dict[str, Any]:
    """Give what the whole run took."""
    seconds = (datetime.now(UTC) - batch.started_at).total_seconds()
    return {
        "run: tickets": len(batch.tickets),
        "run: tickets failed": len(batch.failed),
        "run: seconds": round(seconds, 2),
        "run: TDX calls": sum(services.tdx.calls.values()),
        "run: calls by method": dg.MetadataValue.json(dict(sorted(services.tdx.calls.items()))),
    }


def planned_table(batch: Batch, services: RunServices) -> dg.MarkdownMetadataValue:
    """Give one table of all that a dry run would write, with the tickets on which it would fail."""
    rows = [row for ticket in batch.tickets for row in _planned(ticket, services)]
    return dg.MetadataValue.md(table(PLANNED_HEAD, rows))


def _planned(ticket: TicketRun, services: RunServices) -> Iterator[Sequence[str]]:
    link = f"[{ticket.id}]({services.tdx.ticket_link(ticket.id)})"
    for outcome in ticket.outcomes:
        for effect in outcome.planned:
            text = str(effect.detail.get(TEXT) or _facts(effect.detail))
            seen_by = _seen_by(effect.detail)
            yield link, outcome.action_name, f"{seen_by}: {text}" if seen_by else text
        if not outcome.planned:
            said = f"nothing ({outcome.result.value}: {outcome.message})"
            yield link, outcome.action_name, said
    if not ticket.outcomes:
        yield link, "", f"nothing ({_stands(ticket.due)})"


def whole_run_table(batch: Batch) -> dg.MarkdownMetadataValue:
    """Give one table over all tickets of a run, failures first."""
    rows = [
        (ticket.id, outcome)
        for ticket in sorted(batch.tickets, key=lambda one: (not one.failure, one.id))
        for outcome in ticket.outcomes
    ]
    cells = [(ticket_id, *_said(outcome)) for ticket_id, outcome in rows]
    return dg.MetadataValue.md(table(("ticket", "action", "outcome", "what happened"), cells))


def _actions(ticket: TicketRun, batch: Batch) -> str:
    """Give the state of each action; what is in the log counts, whichever run has done it."""
    if batch.is_dry_run:
        said = table(("action", "outcome", "what happened"), map(_said, ticket.outcomes))
        return said if ticket.outcomes else f"Nothing to do ({_stands(ticket.due)})."
    due = ticket.after.due if ticket.after else ticket.due
    head = ("action", "state", "what happened", "since")
    return table(head, [_state(ticket, batch, name, now) for name, now in due.items()])


def _state(ticket: TicketRun, batch: Batch, name: str, due: Due) -> Sequence[str]:
    action_id = batch.pipeline.identified[name].action_id
    row = next((row for row in ticket.rows if row.action_id == action_id), None)
    if row is None:
        return name, due.value, "", ""
    said = row.error_message or str(row.metadata.get("message") or "")
    return name, row.status.value.replace("_", " "), said, moment(row.executed_at)


def _stands(due: Mapping[str, Due]) -> str:
    return "; ".join(f"{name}: {state.value}" for name, state in due.items())


def _computers(ticket: TicketRun, services: RunServices) -> str:
    """Give every computer that an action has attached, by the log and, in a dry run, by the run."""
    found = [row.metadata.get(DETAILS) or {} for row in ticket.rows]
    found += [outcome.evidence for outcome in ticket.outcomes]
    attached = {one["asset_id"]: one for each in found for one in each.get(ATTACHED) or ()}
    lines = [
        f"- [{one['name']}]({services.tdx.asset_link(asset_id)}): {one['why']}"
        for asset_id, one in attached.items()
    ]
    return "\n".join(lines) or "none"


def _left_off(ticket: TicketRun) -> str:
    """Give every computer that is not attached because a person removed it."""
    found = [row.metadata.get(DETAILS) or {} for row in ticket.rows]
    found += [outcome.evidence for outcome in ticket.outcomes]
    left = {
        f"- {one['name']}: {one['because']}"
        for each in found
        for one in each.get("not_attached") or ()
        if str(one.get("because", "")).startswith(LEFT_OFF)
    }
    return "\n".join(sorted(left))


def _problems(ticket: TicketRun) -> str:
    """Give what failed, why, what to do, since when, and the next attempt."""
    failed = [row for row in ticket.rows if row.status is LogStatus.FAILED]
    lines = [_problem(row) for row in failed]
    logged = {row.name for row in failed}
    lines += [
        f"- **{one.action_name}** failed: {one.message}"
        for one in ticket.outcomes
        if one is ticket.failure and one.action_name not in logged
    ]
    return "\n".join(lines)


def _problem(row: LogRow) -> str:
    kind = row.failure_kind or FailureKind.RETRYABLE
    at = row.next_attempt_at
    next_attempt = f"next attempt {moment(at)}" if at else "no attempt by itself"
    if kind is FailureKind.RETRYABLE and at is None:
        next_attempt = "next attempt with the next tick"
    return (
        f"- **{row.name}** failed ({kind.value}): {one_line(row.error_message or '')} "
        f"To do: {REMEDIES[kind]}. "
        f"Since {moment(row.executed_at)}, attempts: {row.attempts}, {next_attempt}."
    )


def _posted(ticket: TicketRun, services: RunServices) -> str:
    """Give the exact texts that are on the ticket, by the intents of the effects that are there."""
    if not ticket.rows:
        return ""
    texts: dict[str, Mapping[str, Any]] = {}
    present: dict[str, bool] = {}
    for past in services.store.get_attempts(ticket.id):
        if past.effect is None:
            continue
        present[past.effect] = past.event in PRESENT_EVENTS
        if past.detail.get(TEXT):
            texts[past.effect] = past.detail
    return _blocks([(name, detail) for name, detail in texts.items() if present[name]])


def _blocks(effects: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Give each text as it is, in a block that Markdown leaves alone."""
    return "\n\n".join(_block(name, detail) for name, detail in effects)


def _block(name: str, detail: Mapping[str, Any]) -> str:
    text = str(detail.get(TEXT) or "")
    if not text:
        return f"{name} ({_facts(detail)})"
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{name} ({_seen_by(detail)}):\n\n{fence}\n{text}\n{fence}"


def _facts(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in detail.items())


def _seen_by(detail: Mapping[str, Any]) -> str:
    """Say who sees an entry; an effect that is none has no word for it."""
    if "is_private" not in detail:
        return ""
    return "private" if detail["is_private"] else "public"


def _said(outcome: Outcome) -> Sequence[str]:
    return outcome.action_name, outcome.result.value, outcome.message
