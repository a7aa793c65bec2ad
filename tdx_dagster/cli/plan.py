"""`plan`: reads a report and the action log, and says what a pass would do; nothing is written.

Belongs here: what is read before a pass, for every command that needs it, and the counts of `plan`.
Does not: acting on tickets (`process`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import Runtime, person_name, prepare
from tdx_dagster.component import load_defs_folder
from tdx_dagster.named_tdx import UNNAMED, select_tdx, selected_tdx
from tdx_dagster.postgres.database import engine
from tdx_dagster.resources import ticket_tools
from tdx_dagster.settings import SettingsError, load_settings
from tdx_dagster.state.decisions import Decisions, Person
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.batch import MOST_UNFINISHED
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import Plan, plan_tickets, tickets_to_plan
from tdx_dagster.tickets.report import NO_TICKETS, ReportTickets, read_tickets
from tdx_dagster.tickets.services import RunServices

DUE_WORDS = {
    Due.NEW: "new",
    Due.AGAIN: "again",
    Due.RETRY: "retry",
    Due.DONE: "done",
    Due.WAITING: "waiting",
    Due.BLOCKED: "blocked",
    Due.LEFT_OUT: "left out",
    Due.SCHEDULED: "scheduled",
}
OBSERVES = (
    "The pipeline is in observe mode: its runs are dry runs and write nothing. `mode: act` in its defs.yaml "
    "lets it act."
)
LEGEND = (
    "[dim]again: settings changed under the same version, or results that no summary holds. retry: failed "
    "before, due now.\nwaiting: failed or closed, not due yet, or in a run. blocked: until a person runs "
    "`tdx-dagster failed --clear`. left out: its condition (`when`) is not met. "
    "scheduled: goes on at a stated time.[/]"
)


@dataclass(frozen=True)
class PassRequest:
    """What a pass is asked for.

    Args:
        pipeline: Name; None where there is only one.
        report_id: Instead of the pipeline's.
        tickets: These and no others, whether in the report or not; empty means the report's.
        limit: At most so many tickets.
        dry_run: Write nothing.
        override: Why computers that people have removed from `tickets` may be attached; empty where not.
        without_report: Where the report cannot be read, go on with the tickets that runs have begun.
    """

    pipeline: str | None = None
    report_id: int | None = None
    tickets: Sequence[int] = ()
    limit: int | None = None
    dry_run: bool = False
    without_report: bool = False
    override: str = ""


@dataclass(frozen=True)
class PlannedPass:
    """What was read before anything is done: the report, the log, the plan.

    Args:
        report_error: Why the report could not be read; only tickets that runs have begun are planned then.
    """

    pipeline: Pipeline
    report_id: int | None
    report: ReportTickets
    plan: Plan
    services: RunServices
    report_error: TdxError | None = None


@click.command()
@click.option("--pipeline", help="Its name; may be left out where there is one.")
@click.option("--report-id", type=click.IntRange(1), help="Instead of the pipeline's report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(*, pipeline: str | None, report_id: int | None, as_json: bool) -> None:
    """Say what a pass would do, by action; nothing is written."""
    prepare_for(pipeline)
    planned = plan_pass(PassRequest(pipeline, report_id))
    if as_json:
        print_json(_as_json(planned))
    else:
        _show(planned)


def prepare_for(name: str | None) -> Runtime:
    """Do as `prepare` does, for the TDX environment of a pipeline.

    Args:
        name: Of the pipeline; None where there is only one.

    Raises:
        SettingsError: `--tdx` names another environment.
    """
    known = load_defs_folder().pipelines
    only = _in_environment(known)
    found = known.get(name) if name else next(iter(only.values())) if len(only) == 1 else None
    if found is not None:
        if selected_tdx() not in {UNNAMED, found.tdx}:
            raise SettingsError(
                f"--tdx {selected_tdx()}: the tickets of pipeline {found.name} are in the environment "
                f"{found.tdx or 'without a name'}; leave --tdx out."
            )
        select_tdx(found.tdx)
    return prepare(needs_tdx=True)


def _in_environment(pipelines: Mapping[str, Pipeline]) -> Mapping[str, Pipeline]:
    """Give those of the environment that `--tdx` names; all where it names none."""
    chosen = selected_tdx()
    return {name: one for name, one in pipelines.items() if not chosen or one.tdx == chosen}


def choose_pipeline(name: str | None) -> Pipeline:
    """Find a pipeline by name, or the only one.

    Raises:
        SettingsError: There is none of that name, or several to choose from.
    """
    folder = load_defs_folder()
    known = ", ".join(folder.pipelines) or "none"
    if name in folder.broken:
        raise SettingsError(folder.broken[name])
    if name is not None and name not in folder.pipelines:
        raise SettingsError(f"--pipeline: there is no pipeline {name!r}; there are: {known}.")
    if name is None and folder.broken:
        faults = " ".join(folder.broken.values())
        raise SettingsError(f"{faults} Name another with --pipeline; there are: {known}.")
    only = _in_environment(folder.pipelines)
    if name is None and len(only) != 1:
        raise SettingsError(f"Name a pipeline with --pipeline; there are: {known}.")
    return folder.pipelines[name] if name else next(iter(only.values()))


def record_override(request: PassRequest) -> None:
    """Record that computers which people have removed may be attached, so that the plan has the tickets."""
    pipeline = choose_pipeline(request.pipeline)
    attaching = [one.identity().action_id for one in pipeline.actions if isinstance(one, AddAsset)]
    if not attaching:
        raise SettingsError(f"--override: pipeline {pipeline.name} has no add_asset.")
    if pipeline.observes:
        raise SettingsError(
            f"--override: pipeline {pipeline.name} observes; `mode: act` lets it attach."
        )
    decisions, by = Decisions(engine(prepare().database)), Person(person_name(), request.override)
    decisions.override(request.tickets, attaching, by)


def plan_pass(request: PassRequest) -> PlannedPass:
    """Read the report (one call) and the log, and plan what is in either: a ticket may leave unfinished.

    Raises:
        TdxError: The report cannot be read, and there is nothing else to do or to be done without it.
    """
    pipeline = choose_pipeline(request.pipeline)
    services = ticket_tools()
    report_error = None
    if request.tickets:
        report_id = request.report_id or pipeline.report_id
        tickets: Sequence[int] = tuple(dict.fromkeys(request.tickets))
        report = ReportTickets(tuple(tickets), (), "--ticket", may_be_cut=False)
    else:
        report_id = load_settings().report_id(request.report_id or pipeline.report_id)
        unfinished = services.store.unfinished(pipeline.name, limit=MOST_UNFINISHED)
        try:
            report = read_tickets(services.tdx.report(report_id), pipeline.ticket_column)
        except TdxError as error:
            if not (unfinished and request.without_report):
                raise
            report, report_error = NO_TICKETS, error
        tickets = tickets_to_plan(report.ticket_ids, unfinished)
    made = plan_tickets(pipeline, tickets, services.store.rows(tickets))
    return PlannedPass(pipeline, report_id, report, made, services, report_error)


def looked_up(pipeline: Pipeline) -> Iterator[str]:
    """Say which values of a pipeline are looked up on each ticket, and where."""
    for action in pipeline.actions:
        for setting, lookup in action.lookups():
            yield f"{action.label}: {setting} is looked up in {lookup.place} by {lookup.by}"


def _as_json(planned: PlannedPass) -> dict[str, Any]:
    return {
        "pipeline": planned.pipeline.name,
        "mode": planned.pipeline.mode.value,
        "report_id": planned.report_id,
        "tickets": {
            "in_report": len(planned.report.ticket_ids),
            "pending": len(planned.plan.pending),
            "rejected": len(planned.report.rejected),
        },
        "actions": planned.plan.counts(),
        "lookups": list(looked_up(planned.pipeline)),
    }


def _show(planned: PlannedPass) -> None:
    title = f"{planned.pipeline.name}: a pass now"
    table = Table("action", *DUE_WORDS.values(), title=title, box=SIMPLE_HEAD)
    for name, by_due in planned.plan.counts().items():
        table.add_row(name, *(str(by_due[due.value]) for due in DUE_WORDS))
    out.print(table)
    for line in looked_up(planned.pipeline):
        out.print(line, highlight=False)
    pending, tickets = len(planned.plan.pending), len(planned.report.ticket_ids)
    out.print(f"{pending} of {tickets} tickets would be acted on.", highlight=False)
    if planned.pipeline.observes:
        out.print(OBSERVES, highlight=False)
    out.print(LEGEND, highlight=False)
