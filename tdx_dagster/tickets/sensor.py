"""The sensor of a pipeline: polls its report, asks the plan, answers Dagster.

Belongs here: glue. One TDX call and a fixed number of queries a tick, whatever the size of the report; no
sleeping, no effect besides the answer (cases C04, C26). What is due is decided in `plan`, by the log.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import dagster as dg

from tdx_dagster.dagster_internals import is_switched_off
from tdx_dagster.environment import log_command
from tdx_dagster.failures import failure_of
from tdx_dagster.state.records import LogRow, LogStatus, StoreUnavailable
from tdx_dagster.tdx.errors import TdxError, TdxRetryLater
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.batch import MOST_UNFINISHED
from tdx_dagster.tickets.job import OWNER_TAG, report_of
from tdx_dagster.tickets.launch import new_partitions, ranges_of, run_request
from tdx_dagster.tickets.observe import observe
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import Plan, TicketPlan, plan_tickets, tickets_to_plan
from tdx_dagster.tickets.report import NO_TICKETS, ReportTickets, read_tickets
from tdx_dagster.tickets.runs import (
    RunLiveness,
    key_of,
    keys_in_tags,
    order_back_to,
    range_ends,
    tags_in_flight,
)
from tdx_dagster.tickets.services import NotConfigured, SensorServices
from tdx_dagster.tickets.site import Site, described, tags_of_site

Log = Mapping[int, Sequence[LogRow]]

# A warning names so many tickets.
MOST_NAMED = 10

# What a ticket with nothing due is counted as: the first of these that one of its actions has.
SHOWN_STATES = (Due.BLOCKED, Due.WAITING, Due.CLOSED, Due.LEFT_OUT, Due.SCHEDULED)

# How `dagster dev` names the home it makes where DAGSTER_HOME is not set.
TEMPORARY_HOME = ".tmp_dagster_home_"
_homes_warned_of: set[Path] = set()


def build_sensor(
    pipeline: Pipeline,
    job: dg.JobDefinition,
    status: dg.DefaultSensorStatus,
    seconds: int,
    site: Site | None = None,
) -> dg.SensorDefinition:
    """Make the sensor of a pipeline.

    Args:
        pipeline: The pipeline.
        job: What it launches.
        status: Whether it runs without being switched on.
        seconds: Least time between two ticks.
        site: The TDX, for people to see.
    """

    @dg.sensor(
        name=pipeline.sensor_name,
        job=job,
        minimum_interval_seconds=seconds,
        default_status=status,
        tags=OWNER_TAG | tags_of_site(site),
        description=(
            f"Polls TDX report {report_of(pipeline, site)} of {pipeline.name} and launches the tickets that "
            f"are due. {described(site)}"
        ),
        required_resource_keys={pipeline.resource("polling")},
    )
    def report_sensor(
        context: dg.SensorEvaluationContext,
        **_: SensorServices,  # who calls the sensor as a function hands resources over by their keys
    ) -> dg.SensorResult | dg.SkipReason:
        services: SensorServices = getattr(context.resources, pipeline.resource("polling"))
        try:
            return _answer(context, pipeline, _read_report(pipeline, services), services)
        except NotConfigured as error:
            return dg.SkipReason(str(error))
        except (TdxError, StoreUnavailable) as error:
            raise failure_of(error) from None

    return report_sensor


@dataclass(frozen=True)
class _Polled:
    """What a tick knows of the report.

    Args:
        report: Its tickets; none where it could not be read.
        error: Why it could not be read.
    """

    report: ReportTickets
    error: TdxError | None = None


def _read_report(pipeline: Pipeline, services: SensorServices) -> _Polled:
    """Read the report; tickets that a run has begun are planned although it fails."""
    try:
        return _Polled(read_tickets(services.report(pipeline.report_id), pipeline.ticket_column))
    except TdxError as error:
        return _Polled(NO_TICKETS, error)


def _answer(
    context: dg.SensorEvaluationContext,
    pipeline: Pipeline,
    polled: _Polled,
    services: SensorServices,
) -> dg.SensorResult | dg.SkipReason:
    report, store = polled.report, services.store()
    tickets = tickets_to_plan(
        report.ticket_ids, store.unfinished(pipeline.name, limit=MOST_UNFINISHED)
    )
    log = store.rows(tickets)
    plan = plan_tickets(pipeline, tickets, log)
    _warn(context, report)
    if running := services.older_daemon(pipeline.taken_over_at):
        context.log.warning(running)
    _warn_of_temporary_home(context)
    if pipeline.observes:
        return _unread(polled.error) if polled.error else observe(context, pipeline, plan)
    in_order: Sequence[str] = ()
    # Most ticks find nothing due; Dagster is asked by the others only.
    if plan.due:
        plan, in_order = _with_dagster_state(context.instance, pipeline, plan, RunLiveness.of(log))
    if plan.pending:
        if polled.error:
            context.log.warning(f"{polled.error} Tickets that a run has begun go on without it.")
        # Dagster looks itself only once the first run has been launched.
        if is_switched_off(context, pipeline.sensor_name):
            return dg.SkipReason(
                f"The sensor is switched off, so nothing is launched; {len(plan.pending)} tickets are due."
            )
        return _launch(pipeline, plan, in_order)
    if polled.error:
        return _unread(polled.error)
    _warn_of_people_needed(context, plan)
    return dg.SkipReason(_nothing(report, plan, log))


def _unread(error: TdxError) -> dg.SkipReason:
    """Fail the tick where nothing could be launched without the report, unless it may be read later."""
    if not isinstance(error, TdxRetryLater):
        raise error
    return dg.SkipReason(str(error))


def _with_dagster_state(
    instance: dg.DagsterInstance, pipeline: Pipeline, plan: Plan, liveness: RunLiveness
) -> tuple[Plan, Sequence[str]]:
    """Give the plan with the partitions and runs that Dagster has, and the order of the partitions it needs."""
    runs = tags_in_flight(instance, pipeline, liveness)
    needed = {key_of(ticket) for ticket in plan.due}.union(*map(range_ends, runs))
    in_order = order_back_to(instance, pipeline.partitions_name, needed)
    queued = {key for tags in runs for key in keys_in_tags(tags, in_order)}
    known = plan.with_dagster_state(
        partitions={int(key) for key in in_order if key.isdigit()},
        queued={int(key) for key in queued if key.isdigit()},
    )
    return known, in_order


def _launch(pipeline: Pipeline, plan: Plan, in_order: Sequence[str]) -> dg.SensorResult:
    runs = ranges_of(pipeline, plan.pending, in_order)
    new = [key_of(ticket) for ticket in plan.new_partitions]
    return dg.SensorResult(
        run_requests=[run_request(pipeline, keys) for keys in runs],
        dynamic_partitions_requests=new_partitions(pipeline, new),
    )


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


def _warn_of_people_needed(context: dg.SensorEvaluationContext, plan: Plan) -> None:
    needed = [ticket.ticket_id for ticket in plan.tickets if Due.BLOCKED in ticket.due.values()]
    if needed:
        shown = ", ".join(map(str, needed[:MOST_NAMED]))
        context.log.warning(
            f"{len(needed)} tickets need a person: {shown}. {log_command('failed')} says why; "
            "materialise a ticket to try it now."
        )


def _nothing(report: ReportTickets, plan: Plan, log: Log) -> str:
    states = "; ".join([", ".join(_states(plan, log)), *_in_flight(plan)]) or "it is empty"
    return f"Nothing is due on the {len(report.ticket_ids)} tickets of the report: {states}."


def _states(plan: Plan, log: Log) -> Iterator[str]:
    """Count the tickets with nothing due by what they wait for, each once."""
    by_state: dict[Due, list[TicketPlan]] = {state: [] for state in SHOWN_STATES}
    for ticket in plan.tickets:
        state = next((one for one in SHOWN_STATES if one in ticket.due.values()), None)
        if state:
            by_state[state].append(ticket)
    people, waiting, closed, left_out, scheduled = by_state.values()
    done = len(plan.tickets) - sum(map(len, by_state.values())) - len(plan.in_flight)
    if done:
        yield f"{done} done"
    if waiting:
        verb = "waits" if len(waiting) == 1 else "wait"
        yield f"{len(waiting)} {verb}{_until(waiting, log)}"
    if people:
        yield f"{len(people)} {'needs' if len(people) == 1 else 'need'} a person"
    if closed:
        yield f"{len(closed)} closed"
    if left_out:
        yield f"{len(left_out)} with an action left out until its condition is met"
    if scheduled:
        yield f"{len(scheduled)} with an action that goes on at a stated time"


def _in_flight(plan: Plan) -> Sequence[str]:
    return [f"{len(plan.in_flight)} in runs already"] if plan.in_flight else []


def _until(waiting: Sequence[TicketPlan], log: Log) -> str:
    """Say when the first of them comes back; one that a run holds has no time."""
    times = [
        row.next_attempt_at
        for ticket in waiting
        for row in log.get(ticket.ticket_id, ())
        if row.status is LogStatus.FAILED and row.next_attempt_at
    ]
    return f" until {min(times).astimezone(UTC):%H:%M} UTC" if times else ""
