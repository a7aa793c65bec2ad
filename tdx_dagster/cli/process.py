"""`process`: makes one pass over a report now, in this process, through the same job as the sensor's runs.

Belongs here: running the job over the due tickets, and what a pass did, ticket by ticket. Does not:
reading and planning (`plan`), nor what is done to a ticket (`tickets`).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import dagster as dg
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tdx_dagster.cli.output import err, log_to_file, out, print_json
from tdx_dagster.cli.plan import (
    OBSERVES,
    PassRequest,
    PlannedPass,
    plan_pass,
    prepare_for,
    record_override,
)
from tdx_dagster.cli.runtime import (
    QUIET,
    WrongSetting,
    dagster_instance,
    failed_run,
)
from tdx_dagster.dagster_internals import job_of
from tdx_dagster.definitions import build_defs
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tdx_dagster.tickets.plan import TicketPlan, plan_ticket
from tdx_dagster.tickets.run_config import run_config
from tdx_dagster.tickets.run_tags import COMMAND_LINE, LAUNCHED_BY
from tdx_dagster.tickets.runs import KeyRange, key_of, order_back_to, ranges

STYLES = {
    Result.COMPLETED: "green",
    Result.FAILED: "red",
    Result.SKIPPED: "yellow",
    Result.WOULD_RUN: "cyan",
}
NO_COMPUTERS = (
    "The inventory knows no computer, so that TDX is searched for each identifier: run `tdx-dagster ingest` "
    "first, or look at the job that loads it."
)


@dataclass
class PassResult:
    """What one pass did.

    Args:
        planned: What was read and planned.
        chosen: The tickets that were due and within the limit.
        dry_run: Nothing was written.
        outcomes: Every outcome of every action, in the order they came.
        errors: Why tickets have no full set of outcomes: their run failed, or an action never ran on them.
        wrong_setting: The setting's fault that ended the pass; the runs after it were not begun.
    """

    planned: PlannedPass
    chosen: Sequence[int]
    dry_run: bool
    outcomes: list[Outcome] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    wrong_setting: str | None = None
    calls: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> set[int]:
        """Tickets on which something failed, or that were not worked through."""
        failed = {one.ticket_id for one in self.outcomes if one.result is Result.FAILED}
        return failed | set(self.errors)

    @property
    def skipped(self) -> set[int]:
        """Tickets on which every action was skipped."""
        acted = {one.ticket_id for one in self.outcomes if one.result is not Result.SKIPPED}
        return set(self.chosen) - acted - self.failed

    def as_json(self) -> dict[str, Any]:
        """Give the object that `process --json` prints."""
        return {
            "pipeline": self.planned.pipeline.name,
            "mode": self.planned.pipeline.mode.value,
            "report_id": self.planned.report_id,
            "dry_run": self.dry_run,
            "tickets": {
                "in_report": len(self.planned.report.ticket_ids),
                "pending": len(self.chosen),
                "completed": len(set(self.chosen) - self.failed - self.skipped),
                "failed": len(self.failed),
                "skipped": len(self.skipped),
                "rejected": len(self.planned.report.rejected),
            },
            "actions": self._counts(),
            "report_error": str(self.planned.report_error or "") or None,
            "failed_tickets": sorted(self.failed),
            "errors": {str(ticket): text for ticket, text in self.errors.items()},
            "calls": self.calls,
            "seconds": round(self.seconds, 2),
        }

    def _counts(self) -> dict[str, dict[str, int]]:
        words = ("completed", "failed", "skipped")
        counts = {action.label: dict.fromkeys(words, 0) for action in self.planned.pipeline.actions}
        for one in self.outcomes:
            word = "completed" if one.result is Result.WOULD_RUN else one.result.value
            counts[one.action_name][word] += 1
        return counts


@click.command()
@click.option("--pipeline", help="Its name; may be left out where there is one.")
@click.option("--report-id", type=click.IntRange(1), help="Instead of the pipeline's report.")
@click.option(
    "--ticket", "tickets", multiple=True, type=click.IntRange(1), help="Only this one; repeatable."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many tickets.")
@click.option("--dry-run", is_flag=True, help="Read everything, write nothing.")
@click.option(
    "--override",
    is_flag=True,
    help="Attach computers that people have removed from the tickets named with --ticket.",
)
@click.option("--reason", default="", help="Why; recorded with your name. Goes with --override.")
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
    override: bool,
    reason: str,
    log_file: Path | None,
    log_level: str,
    as_json: bool,
) -> None:
    """Make one pass over a report now, through the same job as the sensor's runs."""
    _check_override(tickets, reason.strip(), override=override, dry_run=dry_run)
    log_to_file(log_file, log_level)
    runtime = prepare_for(pipeline)
    request = PassRequest(
        pipeline, report_id, tickets, limit, dry_run, without_report=True, override=reason.strip()
    )
    with dagster_instance(runtime) as instance:
        made = run_with_progress(request, instance, label="dry run" if dry_run else "tickets")
    if as_json:
        print_json(made.as_json())
    else:
        _show(made)
    if made.wrong_setting:
        raise WrongSetting(made.wrong_setting)
    if made.failed:
        err.print(_failure(made), highlight=False, markup=False)
    if report_error := made.planned.report_error:
        err.print("Only tickets that an earlier run had begun were worked on.", highlight=False)
        raise report_error
    ctx.exit(1 if made.failed else 0)


def _check_override(tickets: Sequence[int], reason: str, *, override: bool, dry_run: bool) -> None:
    if override != bool(reason):
        raise click.UsageError("--override and --reason TEXT go together: the reason is recorded.")
    if override and not tickets:
        raise click.UsageError("--override is for tickets named with --ticket.")
    if override and dry_run:
        raise click.UsageError("--override writes to the action log: leave out --dry-run.")


def run_with_progress(
    request: PassRequest, instance: dg.DagsterInstance, *, label: str
) -> PassResult:
    """Make a pass under a progress bar, which goes to standard error."""
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
                _log(outcome)

        made = run_pass(request, instance, progress=progress)
        bar.update(task, completed=len(made.chosen), total=len(made.chosen), last="")
    return made


def run_pass(
    request: PassRequest,
    instance: dg.DagsterInstance,
    *,
    progress: Callable[[int, int, Outcome | None], None] = lambda *_: None,
) -> PassResult:
    """Make one pass now.

    Args:
        request: What is asked for.
        instance: Where runs are recorded.
        progress: Called with the tickets done, the tickets in all, and the outcome just made.
    """
    began = time.monotonic()
    if request.override:
        record_override(request)
    planned = plan_pass(request)
    dry_run = request.dry_run or planned.pipeline.observes
    made = PassResult(planned, planned.plan.pending[: request.limit], dry_run)
    last_action = planned.pipeline.actions[-1].label
    done: set[int] = set()

    def take(outcome: Outcome) -> None:
        made.outcomes.append(outcome)
        if outcome.stops_ticket or outcome.action_name == last_action:
            done.add(outcome.ticket_id)
        progress(len(done), len(made.chosen), outcome)

    planned.services.progress = take
    progress(0, len(made.chosen), None)
    if made.chosen:
        _warn_of_empty_inventory(planned)
        _run_all(made, instance)
    calls = sorted(planned.services.tdx.calls.items())
    made.calls = {call: count for call, count in calls if "/auth" not in call}
    made.seconds = time.monotonic() - began
    return made


def _warn_of_empty_inventory(planned: PlannedPass) -> None:
    attaches = any(isinstance(action, AddAsset) for action in planned.pipeline.actions)
    if attaches and planned.services.inventory.is_empty():
        err.print(f"[yellow]warning:[/] {escape(NO_COMPUTERS)}", highlight=False)


def _run_all(made: PassResult, instance: dg.DagsterInstance) -> None:
    pipeline = made.planned.pipeline
    job = job_of(build_defs({pipeline.resource("tools"): made.planned.services}), pipeline.name)
    keys = [key_of(ticket) for ticket in made.chosen]
    known = order_back_to(instance, pipeline.partitions_name, keys)
    runs = ranges(keys, known, pipeline.tickets_per_run)
    instance.add_dynamic_partitions(
        pipeline.partitions_name, [key for key in keys if key not in set(known)]
    )
    for wanted in runs:
        if made.wrong_setting:
            made.errors.update(dict.fromkeys(map(int, wanted.keys), made.wrong_setting))
        else:
            _run(made, wanted, job, instance)


def _run(
    made: PassResult, wanted: KeyRange, job: dg.JobDefinition, instance: dg.DagsterInstance
) -> None:
    single = len(wanted.keys) == 1
    result = job.execute_in_process(
        instance=instance,
        run_config=run_config(made.planned.pipeline, dry_run=made.dry_run) | QUIET,
        partition_key=wanted.keys[0] if single else None,
        tags={LAUNCHED_BY: COMMAND_LINE} | ({} if single else wanted.tags()),
        raise_on_error=False,
    )
    tickets = [int(key) for key in wanted.keys]
    failed = None if result.success else failed_run(result)
    error = failed.message if failed else ""
    if isinstance(failed, WrongSetting):
        made.wrong_setting = error
    made.errors.update(_incomplete(made, tickets, error))
    if error and not made.failed.intersection(tickets):
        # Nothing says which of them it was: none of them may count as done.
        made.errors.update(dict.fromkeys(tickets, error))


def _incomplete(made: PassResult, tickets: Sequence[int], error: str) -> dict[int, str]:
    """Say of each ticket with a due action that never ran why that is; another run may have done it."""
    open_plans = [plan for plan in made.planned.plan.tickets if plan.ticket_id in set(tickets)]
    missing = {plan.ticket_id: names for plan in open_plans if (names := _not_run(made, plan))}
    if missing and not made.dry_run:
        log = made.planned.services.store.rows(missing)
        for ticket in list(missing):
            now = plan_ticket(made.planned.pipeline, ticket, log.get(ticket, ()))
            if not any(now.due[name].should_run for name in missing[ticket]) and not error:
                del missing[ticket]
    return {
        ticket: error or f"{', '.join(names)} did not run, although due"
        for ticket, names in missing.items()
    }


def _not_run(made: PassResult, plan: TicketPlan) -> list[str]:
    ended = [one for one in made.outcomes if one.ticket_id == plan.ticket_id]
    if any(one.stops_ticket for one in ended):
        return []
    ran = {one.action_name for one in ended}
    return [name for name, due in plan.due.items() if due.should_run and name not in ran]


def _show(made: PassResult) -> None:
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
    out.print(_sums(made), highlight=False)
    for row in made.planned.report.rejected[:5]:
        out.print(f"  rejected ticket id: {row}", markup=False)


def _sums(made: PassResult) -> str:
    sums = made.as_json()["tickets"]
    rejected = f", {sums['rejected']} rows rejected" if sums["rejected"] else ""
    dry = " Nothing was written: this was a dry run." if made.dry_run else ""
    if made.planned.pipeline.observes:
        dry = f" Nothing was written. {OBSERVES}"
    return (
        f"{sums['in_report']} tickets in the report, {sums['pending']} due: "
        f"[green]{sums['completed']} done[/], [red]{sums['failed']} failed[/], "
        f"[yellow]{sums['skipped']} skipped[/]{rejected}; "
        f"{sum(made.calls.values())} TDX calls in {made.seconds:.1f} s.{dry}"
    )


def _failure(made: PassResult) -> str:
    tickets = sorted(made.failed)
    shown = ", ".join(map(str, tickets[:20])) + (" and more" if len(tickets) > 20 else "")  # noqa: PLR2004  a line
    return (
        f"{len(tickets)} of {len(made.chosen)} tickets failed: {shown}. See `tdx-dagster failed`, or "
        f"`tdx-dagster history {tickets[0]}`."
    )


def outcome_table(made: PassResult) -> Table:
    """Give the outcomes as a table, one row a ticket."""
    table = Table("ticket", "what was done, and why", box=SIMPLE_HEAD)
    lines: dict[int, list[str]] = {}
    for one in made.outcomes:
        lines.setdefault(one.ticket_id, []).append(_line(one))
    for ticket, error in made.errors.items():
        lines.setdefault(ticket, []).append(f"[red]failed[/] {escape(error)}")
    for ticket, said in sorted(lines.items()):
        table.add_row(str(ticket), "\n".join(said))
    return table


def _line(outcome: Outcome) -> str:
    style = STYLES[outcome.result]
    words = escape("; ".join(outcome.summary_lines) or outcome.message)
    return f"[{style}]{outcome.result.value}[/] {words} [dim]({outcome.action_name})[/]"


def _log(outcome: Outcome) -> None:
    level = logging.ERROR if outcome.result is Result.FAILED else logging.INFO
    said = (outcome.ticket_id, outcome.action_name, outcome.result.value, outcome.message)
    logging.getLogger("tdx_dagster.process").log(level, "ticket %s: %s: %s: %s", *said)
