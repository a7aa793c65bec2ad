"""What operations asks Dagster: the last dry run, when sensors ran, and whether runs are under way.

Belongs here: bounded questions to the Dagster instance. Does not: the action log (`page.SQL`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from tdx_dagster.dagster_internals import (
    Instigator,
    events_of_run,
    instigators,
    runs_of,
    ticks_of,
)
from tdx_dagster.operations.page import MOST_ROWS, Page
from tdx_dagster.operations.tdx_side import SensorLag
from tdx_dagster.settings import load_sensor_settings
from tdx_dagster.tickets.metadata import PLANNED
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.run_tags import REHEARSAL

BACKFILL = "dagster/backfill"
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

# A dry run of a whole report is a backfill of many runs.
MOST_RUNS = 50
EVENTS_OF_A_RUN = 1000


def last_dry_run(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """Give the newest dry run that has ended."""
    wanted = dg.RunsFilter(tags={REHEARSAL: "true"}, statuses=ENDED)
    return next(iter(runs_of(instance, wanted, 1)), None)


def dry_run_page(instance: dg.DagsterInstance) -> Page:
    """Give one table of all that the last dry run would do; a backfill counts as one dry run."""
    last = last_dry_run(instance)
    if last is None:
        return Page(
            "No dry run yet. Launch one of the jobs that end in `_rehearsal` for the tickets to try."
        )
    runs = [last]
    if backfill := last.tags.get(BACKFILL):
        wanted = dg.RunsFilter(tags={REHEARSAL: "true", BACKFILL: backfill}, statuses=ENDED)
        runs = runs_of(instance, wanted, MOST_RUNS)
    tables = [text for run in runs for text in _tables_of(instance, run.run_id)]
    head = tables[0].splitlines()[:2] if tables else []
    rows = [row for text in tables for row in text.splitlines()[2:]]
    more = f"\n\n{MOST_ROWS} of {len(rows)} rows are shown." if len(rows) > MOST_ROWS else ""
    said = "\n".join([*head, *rows[:MOST_ROWS]]) or "It ended before it had read a ticket."
    what = (
        f"backfill {backfill}, {len(runs)} runs"
        if backfill
        else f"run [{last.run_id[:8]}](/runs/{last.run_id})"
    )
    return Page(
        f"The last dry run: {last.job_name}, {what}. Nothing of this was written.\n\n{said}{more}",
        {"rows": len(rows)},
    )


def _tables_of(instance: dg.DagsterInstance, run_id: str) -> Sequence[str]:
    found = events_of_run(instance, run_id, dg.DagsterEventType.ASSET_OBSERVATION, EVENTS_OF_A_RUN)
    seen = [entry.asset_observation for entry in found]
    shown = [one.metadata[PLANNED].value for one in seen if one and PLANNED in one.metadata]
    return [str(text) for text in shown]


def sensor_lags(
    instance: dg.DagsterInstance, pipelines: Sequence[Pipeline], now: datetime
) -> Sequence[SensorLag]:
    """Say for each pipeline's sensor when it last ran; one that Dagster never started is not listed."""
    forced = load_sensor_settings().tdx_poll_seconds
    intervals = {one.sensor_name: forced or one.interval_seconds for one in pipelines}
    states = [state for state in instigators(instance) if state.name in intervals]
    return [_lag(instance, state, intervals, now) for state in states]


def _lag(
    instance: dg.DagsterInstance,
    state: Instigator,
    intervals: Mapping[str, int],
    now: datetime,
) -> SensorLag:
    ticks = ticks_of(instance, state, 1)
    age = now.timestamp() - ticks[0].timestamp if ticks else None
    return SensorLag(state.name, intervals[state.name], age, state.is_running)


def is_under_way(instance: dg.DagsterInstance, jobs: Sequence[str]) -> bool:
    """Tell whether one of these jobs has a run that has not ended."""
    return any(
        runs_of(instance, dg.RunsFilter(job_name=job, statuses=UNDER_WAY), 1) for job in jobs
    )
