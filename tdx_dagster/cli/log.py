"""`stats`, `history` and `failed`: what the action log says was done, and what failed.

None of them asks TDX; `failed --clear` writes to the action log, as an event of its own.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import prepare, select_sample
from tdx_dagster.state.records import Attempt, LogRow, LogStatus

if TYPE_CHECKING:
    from tdx_dagster.state.postgres_store import PostgresStore

# A page of a terminal; a night without TDX leaves thousands.
PAGE = 50
REASONS = 20

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


SAMPLE = click.option(
    "--sample", is_flag=True, help="Of the sample that `tdx-dagster dev` serves from this folder."
)


def _store(*, sample: bool) -> "PostgresStore":
    from tdx_dagster.postgres.database import engine  # noqa: PLC0415  only where a database is asked
    from tdx_dagster.state.postgres_store import PostgresStore  # noqa: PLC0415  the same

    if sample:
        select_sample()
    return PostgresStore(engine(prepare().database))


@click.command()
@SAMPLE
@JSON
def stats(*, sample: bool, as_json: bool) -> None:
    """Count what was done, by action and outcome."""
    rows = _store(sample=sample).get_action_stats()
    if as_json:
        print_json({"actions": [asdict(row) for row in rows]})
        return
    table = Table("type", "name", "outcome", "tickets", "first", "last", box=SIMPLE_HEAD)
    for row in rows:
        first, last = (f"{time:%Y-%m-%d %H:%M}" for time in (row.first_executed, row.last_executed))
        table.add_row(row.action_type, row.name, row.status, str(row.count), first, last)
    out.print(table if rows else "The action log is empty.")


@click.command()
@click.argument("ticket", type=click.IntRange(1))
@SAMPLE
@JSON
def history(*, ticket: int, sample: bool, as_json: bool) -> None:
    """Show everything that was done to a ticket, and every attempt."""
    store = _store(sample=sample)
    rows, attempts = store.get_ticket_actions(ticket), store.get_attempts(ticket)
    if as_json:
        print_json(
            {
                "ticket_id": ticket,
                "actions": [asdict(row) for row in rows],
                "attempts": [asdict(past) for past in attempts],
            }
        )
        return
    if not rows:
        out.print(f"Nothing was done to ticket {ticket}.", highlight=False)
        return
    out.print(_log_table(rows, f"Ticket {ticket}"), _attempt_table(attempts))


@click.command()
@click.option("--clear", is_flag=True, help="Let them run again at once, with a fresh count.")
@click.option("--ticket", type=click.IntRange(1), help="Only this one's.")
@click.option("--action", "action_id", metavar="ID", help="Only this action, by its whole id.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"Show so many of the newest; left out: {PAGE} in the table, all with --json.",
)
@SAMPLE
@JSON
def failed(
    *,
    clear: bool,
    ticket: int | None,
    action_id: str | None,
    limit: int | None,
    sample: bool,
    as_json: bool,
) -> None:
    """List failed actions, the newest first, and count them by reason; with --clear, let them run again."""
    store = _store(sample=sample)
    rows = store.get_failed(ticket, action_id)
    cleared = store.clear_failed_actions(ticket, action_id) if clear else 0
    if as_json:
        shown = [asdict(row) for row in rows[:limit]]
        print_json({"failed": shown, "in_all": len(rows), "cleared": cleared})
        return
    if rows:
        _show_failed(rows, limit or PAGE)
    else:
        out.print("Nothing has failed.")
    if clear:
        out.print(f"{cleared} will be tried again by the next pass.", highlight=False)


def _show_failed(rows: Sequence[LogRow], limit: int) -> None:
    out.print(_log_table(rows[:limit], "Failed"))
    if len(rows) > limit:
        out.print(f"{limit} of {len(rows)} are shown; --limit shows more.", highlight=False)
    reasons = Counter((row.name, _state(row), _reason(row)) for row in rows)
    table = Table("how many", "action", "reason", title="By reason", box=SIMPLE_HEAD)
    for (name, state, reason), count in reasons.most_common(REASONS):
        table.add_row(str(count), name, f"{state}\n{escape(reason)}")
    out.print(table)


def _reason(row: LogRow) -> str:
    """Give the message without what differs from ticket to ticket, its numbers."""
    return re.sub(r"\d+", "N", _message(row)).partition("\n")[0]


def _message(row: LogRow) -> str:
    return row.error_message or str(row.metadata.get("message", ""))


def _state(row: LogRow) -> str:
    if row.status is LogStatus.IN_PROGRESS:
        return "in progress, its lease ran out" if row.is_due else "in progress"
    return row.status.value + (f" ({row.failure_kind.value})" if row.failure_kind else "")


def _log_table(rows: Sequence[LogRow], title: str) -> Table:
    table = Table("ticket", "action", "outcome, and why", title=title, box=SIMPLE_HEAD)
    for row in rows:
        why = "\n".join([_message(row), *_evidence(row)])
        tries = f", {row.attempts} attempts" if row.attempts > 1 else ""
        again = (
            f"; next try {row.next_attempt_at:%Y-%m-%d %H:%M} UTC" if row.next_attempt_at else ""
        )
        table.add_row(
            str(row.ticket_id),
            f"{row.name}\n[dim]{escape(row.action_id)}[/]",
            f"{_state(row)} {row.executed_at:%Y-%m-%d %H:%M:%S}{tries}{again}\n{escape(why)}",
        )
    return table


def _evidence(row: LogRow) -> list[str]:
    """Say for each computer why it was attached, or why not."""
    details = row.metadata.get("details") or {}
    marks = {"attached": "+", "already": "=", "not_attached": "-", "left_over": "-"}
    return [
        f"{mark} {one['name']}: {one['why']}" + (f"; {one['because']}" if "because" in one else "")
        for kind, mark in marks.items()
        for one in details.get(kind, ())
    ]


def _attempt_table(attempts: Sequence[Attempt]) -> Table:
    table = Table("when", "event", "what", title="Every attempt", box=SIMPLE_HEAD)
    for past in attempts:
        detail = ", ".join(f"{key}: {value}" for key, value in past.detail.items())
        what = past.effect or past.action_id
        table.add_row(
            f"{past.at:%m-%d %H:%M:%S}",
            past.event,
            escape(what) + (f"\n[dim]{escape(detail)}[/]" if detail else ""),
        )
    return table
