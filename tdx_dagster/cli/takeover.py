"""`takeover`: what the older daemon's log holds, the pipeline that goes on from it, and what would run again.

It reads the log and writes at most the file of a pipeline.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.settings import load_settings
from tdx_dagster.state.older_daemon import (
    OldLog,
    Tickets,
    double_tickets,
    partial_tickets,
    read_log,
    writing_now,
)
from tdx_dagster.tickets.takeover import (
    Match,
    current,
    match,
    pipeline_yaml,
    summary_line,
    why_again,
)


@click.command()
@click.option("--write", "name", metavar="NAME", help="Write the pipeline to defs/NAME/defs.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def takeover(ctx: click.Context, *, name: str | None, as_json: bool) -> None:
    """Show the older daemon's log, find the settings that give its ids, and say what would run again.

    Ends with 1 while the older daemon is still writing.
    """
    engine = make_engine(prepare().database)
    running, log = writing_now(engine), read_log(engine)
    matches = [match(old) for old in log.actions]
    now = [one for one in current(matches) if one.action is not None]
    ids = [one.old.action_id for one in now]
    tickets = [partial_tickets(engine, ids), *double_tickets(engine, ids)]
    written = pipeline_yaml(
        [one.action for one in now if one.action],
        load_settings().daemon_report_id,
        datetime.now(UTC),
    )
    again = _again(log)
    if name:
        if running:
            raise click.ClickException(f"{running} Then write the pipeline.")
        _write(name, written)
    if as_json:
        print_json(_as_json(running, log, matches, tickets, written, again))
    else:
        _show(running, log, matches, tickets, written, again)
    ctx.exit(1 if running else 0)


def _again(log: OldLog) -> dict[str, str]:
    """Say what each action of today's pipelines would do again."""
    from tdx_dagster.component import load_pipelines  # noqa: PLC0415  imports Dagster

    return {
        f"{pipeline.name}: {action.label}": why
        for pipeline in load_pipelines().values()
        for action in pipeline.actions
        if action.type_name() != "summary_comment" and (why := why_again(action, log.actions))
    }


def _write(name: str, written: str) -> None:
    from tdx_dagster.component import defs_module  # noqa: PLC0415  imports Dagster

    [folder] = defs_module().__path__
    path = Path(folder) / name / "defs.yaml"
    if path.exists():
        raise click.ClickException(f"{path} is there already: choose another NAME, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written, encoding="utf-8")


def _as_json(
    running: str | None,
    log: OldLog,
    matches: Sequence[Match],
    tickets: Sequence[Tickets],
    written: str,
    again: dict[str, str],
) -> dict[str, Any]:
    partial, *doubles = tickets
    return {
        "running": running,
        "actions": [
            {
                "action_id": one.old.action_id,
                "completed": one.old.completed,
                "failed": one.old.failed,
                "matched": one.action is not None,
                "why": one.why,
            }
            for one in matches
        ],
        "partial": partial.count,
        "doubles": {one.what: one.count for one in doubles},
        "lost_summaries": [
            {"ticket_id": one.ticket_id, "text": summary_line(one)} for one in log.lost_summaries
        ],
        "would_run_again": again,
        "pipeline": written,
    }


def _show(
    running: str | None,
    log: OldLog,
    matches: Sequence[Match],
    tickets: Sequence[Tickets],
    written: str,
    again: dict[str, str],
) -> None:
    out.print(_actions_table(matches) if matches else "The older daemon left no rows.")
    for text in _findings(log, tickets, again):
        out.print(escape(text), highlight=False)
    if any(one.action for one in matches):
        out.print(
            "\nThe pipeline that goes on from here (--write NAME stores it):", highlight=False
        )
        out.print(escape(written), highlight=False)
    said = running or "Nobody else writes the log at this moment."
    out.print(escape(said), style="red" if running else "green", highlight=False)


def _actions_table(matches: Sequence[Match]) -> Table:
    table = Table("action id", "completed", "failed", "last row", "here", box=SIMPLE_HEAD)
    now = current(matches)
    for one in matches:
        old = one.old
        last = f"{old.last:%Y-%m-%d %H:%M}" if old.last else "unknown"
        earlier = "" if one in now else ", of an earlier configuration: not in the pipeline"
        here = f"the same id{earlier}" if one.action else one.why
        table.add_row(
            escape(old.action_id), str(old.completed), str(old.failed), last, escape(here)
        )
    return table


def _findings(log: OldLog, tickets: Sequence[Tickets], again: dict[str, str]) -> list[str]:
    partial, *doubles = tickets
    failed = sum(one.failed for one in log.actions)
    said = [f"{failed:,} failed rows: looked for on the ticket before they are done again."]
    if partial.count:
        said.append(
            f"{partial.count:,} tickets lack a row of some action (for example {partial.example}): the daemon "
            "may have been stopped between an effect and its row."
        )
    said += [
        f"{one.count:,} tickets have {one.what} completed under several ids (for example {one.example})."
        for one in doubles
    ]
    said += [f"Would run again, {name}: {why}" for name, why in again.items()]
    if log.lost_summaries:
        said.append(
            f"{len(log.lost_summaries):,} results are in no summary that the log has as posted, and will not "
            "be posted later. A post that failed may stand on the ticket all the same: look there, and where "
            "somebody has to know of one that does not, write it by hand:"
        )
        said += [f"  {one.ticket_id}: {summary_line(one)}" for one in log.lost_summaries]
    return said
