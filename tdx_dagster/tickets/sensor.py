"""The sensor of a pipeline: polls its report, asks the plan, answers Dagster.

Belongs here: glue. One TDX call and a fixed number of queries a tick, whatever the size of the report; no
sleeping, no effect besides the answer (cases C04, C26). What is due is decided in `plan`, by the log.
"""

import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from tdx_dagster.failures import failure
from tdx_dagster.state.records import LogRow, LogStatus, StoreUnavailable
from tdx_dagster.tdx.errors import TdxError, TdxRetryLater
from tdx_dagster.tickets.job import partitions_of, run_config
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import Plan, plan_tickets
from tdx_dagster.tickets.report import ReportTickets, read_tickets
from tdx_dagster.tickets.runs import (
    KeyRange,
    key_of,
    keys_in_tags,
    order_back_to,
    range_ends,
    ranges,
)
from tdx_dagster.tickets.services import NotConfigured, SensorServices

# Runs in hand at the same time are few by configuration; more than this are not looked through.
MOST_RUNS_IN_FLIGHT = 1000

# A run holds a claim nearly all the time. One that holds none so long after its start has died before its first
# claim, or waits so long for TDX that a second run does no harm.
SILENT_SECONDS = 600.0

# A tick asks for at most this many runs; the rest is asked for by the next.
MOST_RUNS_PER_TICK = 200

# How `dagster dev` names the home it makes where DAGSTER_HOME is not set.
TEMPORARY_HOME = ".tmp_dagster_home_"
_homes_warned_of: set[Path] = set()


@dataclass(frozen=True)
class RunLiveness:
    """What the log says of the runs that work on tickets; each renews the leases of what it has claimed.

    A worker on another machine may die without a word, and Dagster counts its run as started until somebody
    ends it.

    Args:
        living: Runs that hold a claim.
        dead: Runs that let a lease run out.
    """

    living: AbstractSet[str]
    dead: AbstractSet[str]

    @classmethod
    def of(cls, log: Mapping[int, Sequence[LogRow]]) -> "RunLiveness":
        """Read it from the rows of the report's tickets."""
        held = [row for rows in log.values() for row in rows if row.status is LogStatus.IN_PROGRESS]
        return cls(
            living={row.run_id for row in held if row.run_id and not row.is_due},
            dead={row.run_id for row in held if row.run_id and row.is_due},
        )

    def is_lost(self, run: dg.RunRecord) -> bool:
        """Whether nobody works on this run any more, whatever Dagster believes."""
        run_id, started = run.dagster_run.run_id, run.start_time
        if run_id in self.dead:
            return True
        is_old = started is not None and time.time() - started > SILENT_SECONDS
        return is_old and run_id not in self.living


def build_sensor(
    pipeline: Pipeline, job: dg.JobDefinition, status: dg.DefaultSensorStatus, seconds: int
) -> dg.SensorDefinition:
    """Make the sensor of a pipeline.

    Args:
        pipeline: The pipeline.
        job: What it launches.
        status: Whether it runs without being switched on.
        seconds: Least time between two ticks.
    """

    @dg.sensor(
        name=pipeline.sensor_name,
        job=job,
        minimum_interval_seconds=seconds,
        default_status=status,
        description=f"Polls the report of {pipeline.name} and launches the tickets that are due.",
    )
    def report_sensor(
        context: dg.SensorEvaluationContext, polling: dg.ResourceParam[SensorServices]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            report = read_tickets(polling.report(pipeline.report_id), pipeline.ticket_column)
            return _answer(context, pipeline, report, polling)
        except (NotConfigured, TdxRetryLater) as error:
            return dg.SkipReason(str(error))
        except (TdxError, StoreUnavailable) as error:
            raise failure(str(error)) from error

    return report_sensor


def _answer(
    context: dg.SensorEvaluationContext,
    pipeline: Pipeline,
    report: ReportTickets,
    polling: SensorServices,
) -> dg.SensorResult | dg.SkipReason:
    log = polling.store().rows(report.ticket_ids)
    plan = plan_tickets(pipeline, report.ticket_ids, log)
    _warn(context, report)
    _warn_of_temporary_home(context)
    in_order: Sequence[str] = ()
    # Most ticks find nothing due; Dagster is asked by the others only.
    if plan.due:
        plan, in_order = _beside_dagster(context.instance, pipeline, plan, RunLiveness.of(log))
    if not plan.pending:
        return dg.SkipReason(_nothing(report, plan))
    return _launch(pipeline, plan, in_order)


def _beside_dagster(
    instance: dg.DagsterInstance, pipeline: Pipeline, plan: Plan, pulse: RunLiveness
) -> tuple[Plan, Sequence[str]]:
    """Give the plan beside the partitions and runs there are, and the order of the partitions it needs."""
    runs = tags_in_flight(instance, pipeline, pulse)
    needed = {key_of(ticket) for ticket in plan.due}.union(*map(range_ends, runs))
    in_order = order_back_to(instance, pipeline.partitions_name, needed)
    in_hand = {key for tags in runs for key in keys_in_tags(tags, in_order)}
    known = plan.beside(
        partitions={int(key) for key in in_order if key.isdigit()},
        in_hand={int(key) for key in in_hand if key.isdigit()},
    )
    return known, in_order


def _launch(pipeline: Pipeline, plan: Plan, in_order: Sequence[str]) -> dg.SensorResult:
    wanted = [key_of(ticket) for ticket in plan.pending]
    runs = ranges(wanted, in_order, pipeline.tickets_per_run)[:MOST_RUNS_PER_TICK]
    new = [key_of(ticket) for ticket in plan.new_partitions]
    return dg.SensorResult(
        run_requests=[run_request(pipeline, keys) for keys in runs],
        dynamic_partitions_requests=[partitions_of(pipeline).build_add_request(new)] if new else [],
    )


def run_request(pipeline: Pipeline, keys: KeyRange) -> dg.RunRequest:
    """Ask for one run over a range of tickets; one ticket is asked for by its key."""
    config = run_config(pipeline, dry_run=False)
    # No run key: a key that any run ever had is skipped for good (case C01). The log decides.
    if len(keys.keys) == 1:
        return dg.RunRequest(partition_key=keys.keys[0], run_config=config)
    return dg.RunRequest(tags=keys.tags(), run_config=config)


def tags_in_flight(
    instance: dg.DagsterInstance, pipeline: Pipeline, pulse: RunLiveness
) -> Sequence[Mapping[str, str]]:
    """Give the tags of queued and running runs of this pipeline, which say what they have in hand."""
    asset = dg.AssetKey(list(pipeline.asset_key))
    records = instance.get_run_records(
        dg.RunsFilter(statuses=UNFINISHED), limit=MOST_RUNS_IN_FLIGHT
    )
    runs = [record.dagster_run for record in records if not pulse.is_lost(record)]
    return [
        run.tags
        for run in runs
        if run.job_name == pipeline.name or asset in (run.asset_selection or ())
    ]


UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _warn(context: dg.SensorEvaluationContext, report: ReportTickets) -> None:
    if report.rejected:
        shown = ", ".join(report.rejected[:5])
        context.log.warning(f"{len(report.rejected)} rows have no usable ticket id: {shown}")
    if report.may_be_cut:
        context.log.warning(
            "The report has as many rows as its maximum; tickets may be missing. Raise it in TDX."
        )


def _warn_of_temporary_home(context: dg.SensorEvaluationContext) -> None:
    """Tell people, once a process, that Dagster forgets its history and switches at its end (case C17)."""
    home = Path(context.instance.root_directory)
    if home.name.startswith(TEMPORARY_HOME) and home not in _homes_warned_of:
        _homes_warned_of.add(home)
        context.log.warning(
            "Dagster runs in a temporary folder: its runs, partitions and switched-on sensors are gone when "
            "it ends. What was done to tickets is kept in the database. Set DAGSTER_HOME to keep the rest: "
            'eval "$(tdx-dagster env)".'
        )


def _nothing(report: ReportTickets, plan: Plan) -> str:
    tickets = len(report.ticket_ids)
    in_hand = f", {len(plan.in_flight)} in runs already" if plan.in_flight else ""
    return f"Nothing is due on the {tickets} tickets of the report{in_hand}."
