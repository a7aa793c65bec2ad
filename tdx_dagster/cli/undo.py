"""`undo` and `again`: take back what actions did on tickets, and let them run there again.

Belongs here: choosing, showing the plan, asking. Does not: what is taken back and how (`tickets.undo`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import person_name, prepare
from tdx_dagster.postgres.database import engine
from tdx_dagster.state.decisions import Decisions, DoneAction, Person, Selection
from tdx_dagster.tickets.once.outcomes import Outcome

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.option(
    "--ticket", "tickets", multiple=True, type=click.IntRange(1), help="On this one; repeatable."
)
@click.option("--run", "run_id", metavar="ID", help="What this Dagster run wrote.")
@click.option("--action", metavar="NAME", help="Of this action; goes with --since.")
@click.option("--since", type=click.DateTime(), help="Written since this time (UTC).")
@click.option("--note", default="", help="Post this as a private entry on each ticket.")
@click.option("--dry-run", is_flag=True, help="Show the plan and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@click.pass_context
def undo(
    ctx: click.Context,
    *,
    tickets: tuple[int, ...],
    run_id: str | None,
    action: str | None,
    since: datetime | None,
    note: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take back links and fields that are still as actions left them; show the plan first, and ask.

    Comments stay. What is taken back does not run on the ticket again until `again` says so.
    """
    from tdx_dagster.resources import ticket_tools  # noqa: PLC0415  imports Dagster
    from tdx_dagster.tickets.undo import TakingBack, is_open  # noqa: PLC0415  the same

    if not (tickets or run_id or (action and since)):
        raise click.UsageError("Give --ticket, --run, or --action with --since.")
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json goes with --yes or --dry-run.")
    decisions = Decisions(engine(prepare(needs_tdx=True).database))
    at = since.replace(tzinfo=UTC) if since else None
    chosen = decisions.done(Selection(tickets or None, run_id, action, at))
    back = TakingBack(ticket_tools(), decisions, Person(person_name()), note)
    outcomes = [back.plan(done) for done in chosen]
    if not as_json:
        _show("Would be taken back", chosen, outcomes)
    if chosen and not dry_run and (yes or click.confirm("Take this back?")):
        outcomes = [back.run(done) for done in chosen]
        if not as_json:
            _show("Taken back", chosen, outcomes)
    if as_json:
        print_json({"dry_run": dry_run, "actions": _as_json(chosen, outcomes)})
    ctx.exit(1 if any(map(is_open, outcomes)) else 0)


@click.command()
@click.option(
    "--ticket",
    "tickets",
    multiple=True,
    required=True,
    type=click.IntRange(1),
    help="On this one; repeatable.",
)
@click.option("--reason", default="", help="Why; recorded with your name.")
@JSON
def again(*, tickets: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Let actions that were taken back run again on tickets, by the next pass."""
    decisions = Decisions(engine(prepare().database))
    freed = decisions.again(tickets, None, Person(person_name(), reason), only_undone=True)
    if as_json:
        print_json({"again": freed})
    else:
        out.print(f"{freed} actions run again by the next pass.", highlight=False)


def _show(title: str, chosen: Sequence[DoneAction], outcomes: Sequence[Outcome]) -> None:
    table = Table("ticket", "action", "what, and why", title=title, box=SIMPLE_HEAD)
    for done, outcome in zip(chosen, outcomes, strict=True):
        table.add_row(str(done.ticket_id), escape(done.name), escape(outcome.message))
    out.print(table if chosen else "There is nothing to take back.")


def _as_json(chosen: Sequence[DoneAction], outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    return [
        {
            "ticket_id": done.ticket_id,
            "action_id": done.action_id,
            "result": outcome.result.value,
            "message": outcome.message,
        }
        for done, outcome in zip(chosen, outcomes, strict=True)
    ]
