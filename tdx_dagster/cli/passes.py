"""One pass over a report, through the same job as the sensor's runs, in this process.

Belongs here: read, plan, add partitions, run in ranges, gather what came of it. Does not: printing
(`process`, `sample`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from tdx_dagster.component import load_pipelines
from tdx_dagster.definitions import build_defs
from tdx_dagster.resources import ticket_tools
from tdx_dagster.settings import SettingsError, load_settings
from tdx_dagster.tickets.job import run_config
from tdx_dagster.tickets.once.runner import Outcome, Result
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import Plan, plan_tickets
from tdx_dagster.tickets.report import ReportTickets, read_tickets
from tdx_dagster.tickets.runs import KeyRange, key_of, order_back_to, ranges
from tdx_dagster.tickets.services import RunServices

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Pass:
    """What one pass did.

    Args:
        outcomes: Every outcome of every action, in the order they came.
        errors: Runs that failed as a whole, by the tickets they had.
    """

    pipeline: Pipeline
    report_id: int | None
    report: ReportTickets
    plan: Plan
    dry_run: bool
    outcomes: list[Outcome] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    chosen: Sequence[int] = ()

    @property
    def failed(self) -> set[int]:
        """Tickets on which something failed."""
        failed = {one.ticket_id for one in self.outcomes if one.result is Result.FAILED}
        return failed | {int(key) for key in self.errors}

    @property
    def skipped(self) -> set[int]:
        """Tickets on which every action was skipped."""
        acted = {one.ticket_id for one in self.outcomes if one.result is not Result.SKIPPED}
        return set(self.chosen) - acted - self.failed

    def as_json(self) -> dict[str, Any]:
        """Give the object that `process --json` prints."""
        actions = {
            action.label: dict.fromkeys(("completed", "failed", "skipped"), 0)
            for action in self.pipeline.actions
        }
        for one in self.outcomes:
            word = "completed" if one.result is Result.WOULD_RUN else one.result.value
            actions[one.action_name][word] += 1
        return {
            "pipeline": self.pipeline.name,
            "report_id": self.report_id,
            "dry_run": self.dry_run,
            "tickets": {
                "in_report": len(self.report.ticket_ids),
                "pending": len(self.chosen),
                "completed": len(set(self.chosen) - self.failed - self.skipped),
                "failed": len(self.failed),
                "skipped": len(self.skipped),
                "rejected": len(self.report.rejected),
            },
            "actions": actions,
            "calls": self.calls,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class Wanted:
    """What a pass is asked for.

    Args:
        pipeline: Name; None where there is only one.
        report_id: Instead of the pipeline's.
        tickets: These and no others, whether in the report or not; empty means the report's.
        limit: At most so many tickets.
        dry_run: Write nothing.
    """

    pipeline: str | None = None
    report_id: int | None = None
    tickets: Sequence[int] = ()
    limit: int | None = None
    dry_run: bool = False


def choose_pipeline(name: str | None) -> Pipeline:
    """Find a pipeline by name, or the only one.

    Raises:
        SettingsError: There is none of that name, or several to choose from.
    """
    pipelines = load_pipelines()
    known = ", ".join(pipelines) or "none"
    if name is None:
        if len(pipelines) == 1:
            return next(iter(pipelines.values()))
        raise SettingsError(f"Name one with --pipeline; there are: {known}.")
    if name not in pipelines:
        raise SettingsError(f"There is no pipeline {name!r}; there are: {known}.")
    return pipelines[name]


@dataclass
class Preparation:
    """Everything read before anything is done: the report, the log, the plan."""

    pipeline: Pipeline
    report_id: int | None
    report: ReportTickets
    plan: Plan
    tools: RunServices


def prepare_pass(wanted: Wanted) -> Preparation:
    """Read the report (one call) and the log (one query), and plan."""
    pipeline = choose_pipeline(wanted.pipeline)
    tools = ticket_tools()
    if wanted.tickets:
        report_id = wanted.report_id or pipeline.report_id
        report = ReportTickets(
            tuple(dict.fromkeys(wanted.tickets)), (), "--ticket", may_be_cut=False
        )
    else:
        report_id = load_settings().report_id(wanted.report_id or pipeline.report_id)
        report = read_tickets(tools.tdx.report(report_id), pipeline.ticket_column)
    plan = plan_tickets(pipeline, report.ticket_ids, tools.store.rows(report.ticket_ids))
    return Preparation(pipeline, report_id, report, plan, tools)


def make_pass(
    wanted: Wanted,
    instance: dg.DagsterInstance,
    *,
    progress: Callable[[int, int, Outcome | None], None] = lambda *_: None,
) -> Pass:
    """Make one pass now.

    Args:
        wanted: What is asked for.
        instance: Where runs are recorded.
        progress: Told of tickets done, tickets in all, and the outcome just made.
    """
    began = time.monotonic()
    ready = prepare_pass(wanted)
    chosen = ready.plan.pending[: wanted.limit]
    made = Pass(
        ready.pipeline, ready.report_id, ready.report, ready.plan, wanted.dry_run, chosen=chosen
    )
    last_action = ready.pipeline.actions[-1].label
    done: set[int] = set()

    def tell(outcome: Outcome) -> None:
        made.outcomes.append(outcome)
        if outcome.stops_ticket or outcome.action_name == last_action:
            done.add(outcome.ticket_id)
        progress(len(done), len(chosen), outcome)

    ready.tools.progress = tell
    progress(0, len(chosen), None)
    if chosen:
        _run_all(made, ready.tools, instance)
    made.calls = {
        call: count for call, count in sorted(ready.tools.tdx.calls.items()) if "/auth" not in call
    }
    made.seconds = time.monotonic() - began
    return made


def _run_all(made: Pass, tools: RunServices, instance: dg.DagsterInstance) -> None:
    pipeline = made.pipeline
    job = build_defs({"ticket_tools": tools}).resolve_job_def(pipeline.name)
    keys = [key_of(ticket) for ticket in made.chosen]
    known = order_back_to(instance, pipeline.partitions_name, keys)
    runs = ranges(keys, known, pipeline.tickets_per_run)
    instance.add_dynamic_partitions(
        pipeline.partitions_name, [key for key in keys if key not in set(known)]
    )
    for wanted in runs:
        _run(made, wanted, job, instance)


def _run(made: Pass, wanted: KeyRange, job: dg.JobDefinition, instance: dg.DagsterInstance) -> None:
    before = len(made.outcomes)
    config = run_config(made.pipeline, dry_run=made.dry_run) | QUIET
    single = len(wanted.keys) == 1
    result = job.execute_in_process(
        instance=instance,
        run_config=config,
        partition_key=wanted.keys[0] if single else None,
        tags=None if single else wanted.tags(),
        raise_on_error=False,
    )
    if not result.success and len(made.outcomes) == before:
        error = why_it_failed(result)
        made.errors.update(dict.fromkeys(wanted.keys, error))


def why_it_failed(result: dg.ExecuteInProcessResult) -> str:
    """Give the sentence of the first step that failed."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error:
            error = event.step_failure_data.error
            data = event.step_failure_data.user_failure_data
            while error.cause:
                error = error.cause
            return (data.description if data and data.description else error.message).strip()
    return "the run failed before its first step; see the Dagster UI"
