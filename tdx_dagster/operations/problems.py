"""What alerts are sent for: failed ticks and runs, red checks, silent sensors, tickets for a person.

Belongs here: finding them in Dagster's records and the action log, in bounded questions. Does not: what was
sent already (`alerts`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.dagster_internals import (
    Instigator,
    InstigatorTick,
    events_of_run,
    instigators,
    latest_checks,
    location_of_run,
    runs_of,
    ticks_of,
)
from tdx_dagster.failures import failure_sentence
from tdx_dagster.named_tdx import UNNAMED
from tdx_dagster.operations.alerts import SQL, Problem
from tdx_dagster.operations.runs import ENDED, sensor_lags
from tdx_dagster.state.records import FailureKind
from tdx_dagster.tickets.checks import NOBODY_NEEDED, STUCK
from tdx_dagster.tickets.metadata import REMEDIES
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.site import Site

MOST_TICKETS = 10_000
MOST_FAILED_RUNS = 200

SILENT_INTERVALS = 3
# A run of the same job that succeeds right after one that failed ends no problem: the next may fail again.
REMEMBERED = timedelta(hours=1)

# Their tickets are problems of their own.
TOLD_BY_TICKET = frozenset({NOBODY_NEEDED, STUCK})


@dataclass(frozen=True)
class Watch:
    """What is looked at.

    Args:
        instance: Dagster's.
        engine: The database.
        pipelines: Whose sensors may fall silent.
        checks: The checks of this code location.
        location: Its name; None where all that the instance has counts.
        site: For links; None where settings name none.
        now: The moment.
        since: Since when somebody watches without a break: before that, silence proves nothing.
        tdx: Name of the environment that `engine` is of.
    """

    instance: dg.DagsterInstance
    engine: Engine
    pipelines: Sequence[Pipeline]
    checks: Collection[dg.AssetCheckKey]
    location: str | None
    site: Site | None
    now: datetime
    since: datetime
    tdx: str = UNNAMED

    @property
    def source(self) -> str:
        """Name of the code location, which its problems are stored under."""
        return self.location or "here"


def find_problems(watch: Watch) -> Sequence[Problem]:
    """Give all problems that are there now."""
    # What Dagster knows is of all environments alike, and told once.
    of_dagster = (_failed_ticks, _silent_sensors, _failed_runs, _red_checks)
    parts = (_people_needed,) if watch.tdx else (*of_dagster, _people_needed)
    return list(chain.from_iterable(part(watch) for part in parts))


def _failed_ticks(watch: Watch) -> Iterator[Problem]:
    for state in instigators(watch.instance):
        if not state.is_running or not _is_here(state, watch.location):
            continue
        tick = _last_ended_tick(watch.instance, state)
        if tick and tick.is_failure:
            said = tick.error.message.strip() if tick.error else "no error was stored"
            yield Problem(f"tick:{state.name}", f"The last tick of {state.name} failed: {said}")


def _is_here(state: Instigator, location: str | None) -> bool:
    return location is None or state.location == location


def _last_ended_tick(instance: dg.DagsterInstance, state: Instigator) -> InstigatorTick | None:
    # The newest may be under way.
    ticks = ticks_of(instance, state, 2)
    return next((tick for tick in ticks if tick.is_completed), None)


def _silent_sensors(watch: Watch) -> Iterator[Problem]:
    watched = (watch.now - watch.since).total_seconds()
    for lag in sensor_lags(watch.instance, watch.pipelines, watch.now):
        silent = watched if lag.age_seconds is None else min(lag.age_seconds, watched)
        if lag.is_on and silent > SILENT_INTERVALS * lag.interval_seconds:
            yield Problem(
                f"silent:{lag.name}",
                f"The sensor {lag.name} has not run for {SILENT_INTERVALS} intervals of "
                f"{lag.interval_seconds} s: see that Dagster's daemon runs and that its code location loads.",
            )


def _failed_runs(watch: Watch) -> Iterator[Problem]:
    """Give one problem for each job whose last run failed, or a run of which failed a short time ago."""
    failed = runs_of(
        watch.instance,
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=watch.now - REMEMBERED),
        MOST_FAILED_RUNS,
    )
    newest = {run.job_name: run for run in reversed(failed) if _is_run_here(run, watch.location)}
    for job in {*newest, *_known_failing(watch)}:
        run = newest.get(job) or _last_ended_run(watch, job)
        if run and run.status is dg.DagsterRunStatus.FAILURE:
            yield Problem(f"run:{job}", f"Run {run.run_id[:8]} of {job} failed: {_why(watch, run)}")


def _known_failing(watch: Watch) -> Iterator[str]:
    with watch.engine.connect() as connection:
        for (problem,) in connection.execute(SQL["failing_jobs"], {"source": watch.source}):
            yield problem.removeprefix("run:")


def _is_run_here(run: dg.DagsterRun, location: str | None) -> bool:
    return location is None or location_of_run(run) in {None, location}


def _last_ended_run(watch: Watch, job: str) -> dg.DagsterRun | None:
    found = runs_of(watch.instance, dg.RunsFilter(job_name=job, statuses=ENDED), 1)
    return next(iter(found), None)


def _why(watch: Watch, run: dg.DagsterRun) -> str:
    failed = events_of_run(watch.instance, run.run_id, dg.DagsterEventType.STEP_FAILURE, 1)
    events = [entry.dagster_event for entry in failed]
    return next((failure_sentence(event) for event in events if event), "it did not reach a step")


def _red_checks(watch: Watch) -> Iterator[Problem]:
    keys = [key for key in watch.checks if key.name not in TOLD_BY_TICKET]
    for key, said in latest_checks(watch.instance, keys).items():
        if not said.passed and said.severity is dg.AssetCheckSeverity.ERROR:
            yield Problem(
                f"check:{key.to_user_string()}",
                f"The check {key.to_user_string()} is red: {said.description or ''}",
            )


def _people_needed(watch: Watch) -> Iterator[Problem]:
    with watch.engine.connect() as connection:
        rows = connection.execute(SQL["people_needed"], {"limit": MOST_TICKETS}).all()
    for row in rows:
        kind = FailureKind(row.failure_kind)
        yield Problem(
            f"ticket:{row.pipeline}:{row.ticket_id}:{row.action}",
            f"Ticket {row.ticket_id} needs a person ({row.pipeline}, {row.action}): "
            f"{row.error_message or ''} To do: {REMEDIES[kind]}.{_address(watch, row.ticket_id)}",
        )


def _address(watch: Watch, ticket_id: int) -> str:
    return f" {watch.site.ticket_address(ticket_id)}" if watch.site else ""
