"""`process`: one pass now, with a progress bar, and what it did."""

import logging
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tdx_dagster.cli.passes import Pass, Wanted, make_pass
from tdx_dagster.cli.runtime import dagster_instance, err, out, prepare, print_json
from tdx_dagster.tickets.once.runner import Outcome, Result

STYLES = {
    Result.COMPLETED: "green",
    Result.FAILED: "red",
    Result.SKIPPED: "yellow",
    Result.WOULD_RUN: "cyan",
}


@click.command()
@click.option("--pipeline", help="Its name; may be left out where there is one.")
@click.option("--report-id", type=click.IntRange(1), help="Instead of the pipeline's report.")
@click.option(
    "--ticket", "tickets", multiple=True, type=click.IntRange(1), help="Only this one; repeatable."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many tickets.")
@click.option("--dry-run", is_flag=True, help="Read everything, write nothing.")
@click.option("--log", "log_file", type=click.Path(path_type=Path), help="Also log to this file.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_context
def process(
    ctx: click.Context,
    *,
    pipeline: str | None,
    report_id: int | None,
    tickets: tuple[int, ...],
    limit: int | None,
    dry_run: bool,
    log_file: Path | None,
    log_level: str,
    as_json: bool,
) -> None:
    """Make one pass over a report now, through the same job as the sensor's runs."""
    _set_up_log(log_file, log_level)
    runtime = prepare()
    wanted = Wanted(pipeline, report_id, tickets, limit, dry_run)
    with dagster_instance(runtime) as instance:
        made = run_with_progress(wanted, instance, label="dry run" if dry_run else "tickets")
    if as_json:
        print_json(made.as_json())
    else:
        show(made)
    ctx.exit(1 if made.failed else 0)


def run_with_progress(wanted: Wanted, instance: object, *, label: str) -> Pass:
    """Make a pass under a progress bar, which goes to standard error."""
    log = logging.getLogger("tdx_dagster.process")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
        console=err,
    )
    with bar:
        task = bar.add_task(label, total=None, last="")

        def progress(done: int, total: int, outcome: Outcome | None) -> None:
            last = f"{outcome.ticket_id} {outcome.action_name}" if outcome else ""
            bar.update(task, completed=done, total=total, last=last)
            if outcome:
                level = logging.ERROR if outcome.result is Result.FAILED else logging.INFO
                text = "ticket %s: %s: %s: %s"
                log.log(
                    level,
                    text,
                    outcome.ticket_id,
                    outcome.action_name,
                    outcome.result.value,
                    outcome.message,
                )

        made = make_pass(wanted, instance, progress=progress)  # type: ignore[arg-type]
        bar.update(task, completed=len(made.chosen), total=len(made.chosen), last="")
    return made


def show(made: Pass) -> None:
    """Print what a pass did, ticket by ticket, and its sums."""
    if made.outcomes or made.errors:
        out.print(outcome_table(made))
    if made.dry_run:
        for one in made.outcomes:
            for effect in one.planned:
                out.print(
                    f"[cyan]would write[/] on {one.ticket_id}: {effect.name}", highlight=False
                )
                out.print(f"  {dict(effect.detail)}", markup=False, highlight=False)
    sums = made.as_json()["tickets"]
    out.print(
        f"{sums['in_report']} tickets in the report, {sums['pending']} due: "
        f"[green]{sums['completed']} done[/], [red]{sums['failed']} failed[/], "
        f"[yellow]{sums['skipped']} skipped[/]"
        + (f", {sums['rejected']} rows rejected" if sums["rejected"] else "")
        + f"; {sum(made.calls.values())} TDX calls in {made.seconds:.1f} s."
        + (" Nothing was written: this was a dry run." if made.dry_run else ""),
        highlight=False,
    )
    for row in made.report.rejected[:5]:
        out.print(f"  rejected ticket id: {row}", markup=False)


def outcome_table(made: Pass) -> Table:
    """Give the outcomes as a table, one row a ticket."""
    table = Table("ticket", "what was done, and why", box=SIMPLE_HEAD)
    by_ticket: dict[int, list[Outcome]] = {}
    for one in made.outcomes:
        by_ticket.setdefault(one.ticket_id, []).append(one)
    for ticket_id, outcomes in sorted(by_ticket.items()):
        table.add_row(str(ticket_id), "\n".join(map(_line, outcomes)))
    for key, error in made.errors.items():
        table.add_row(key, f"[red]failed[/] {escape(error)}")
    return table


def _line(outcome: Outcome) -> str:
    style = STYLES[outcome.result]
    words = escape("; ".join(outcome.summary_lines) or outcome.message)
    return f"[{style}]{outcome.result.value}[/] {words} [dim]({outcome.action_name})[/]"


def _set_up_log(file: Path | None, level: str) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("tdx_dagster")
    logger.addHandler(handler)
    logger.setLevel(level.upper())
