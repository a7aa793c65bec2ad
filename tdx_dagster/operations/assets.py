"""The asset group `operations` in Dagster: six pages, the job that makes them, and what triggers it.

Belongs here: assets, job, schedule and sensor. Does not: what a page says. Resources used:
`tdx_dagster_database` with `engine()`, `tdx_dagster_client` with `non_waiting_client()`.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.failures import NO_RUN_RETRIES, failure_of
from tdx_dagster.inventory.asset_checks import severity_of
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import UNNAMED, key_path, resource_key, suffixed
from tdx_dagster.operations.activity import activity_page
from tdx_dagster.operations.alert_sensor import build_alert_sensor
from tdx_dagster.operations.page import SQL, Page
from tdx_dagster.operations.people import no_computer_page, waiting_page
from tdx_dagster.operations.runs import dry_run_page, is_under_way, last_dry_run, sensor_lags
from tdx_dagster.operations.tdx_side import budget_page, connection_page
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.settings import SettingsError, find_site
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.checks import NOBODY_NEEDED, WAITING, check_people_needed, waiting_key
from tdx_dagster.tickets.job import OWNER_TAG, OWNERS
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.run_in_dagster import rehearsal_job
from tdx_dagster.tickets.site import Site

GROUP = "operations"
JOB = "operations"

# At most so often after runs; in between, the hour's making suffices.
FOLLOW_SECONDS = 120


@dataclass(frozen=True)
class _Making:
    """What the maker of a page is given."""

    context: dg.AssetExecutionContext
    engine: Engine
    site: Site | None
    pipelines: Sequence[Pipeline]
    settings: InventorySettings


_PAGES: dict[str, tuple[str, Callable[[_Making], Page]]] = {
    "activity": (
        "What was done on each of the last days: tickets, outcomes, computers attached, failures.",
        lambda of: activity_page(of.engine, ZoneInfo(of.settings.tdx_time_zone)),
    ),
    "waiting_for_a_person": (
        "Actions that no run does by itself any more, why, and what to do about each.",
        lambda of: waiting_page(of.engine, of.site),
    ),
    "no_computer_found": (
        "Tickets of the last days on which no computer was found, grouped by reason.",
        lambda of: no_computer_page(of.engine, of.site),
    ),
    "dry_run": (
        "One table of all that the last dry run would write.",
        lambda of: dry_run_page(of.context.instance),
    ),
    "tdx_budget": (
        "Calls by method against TDX's limits, waits, answers 429, and how late the sensors are.",
        lambda of: budget_page(
            of.engine, sensor_lags(of.context.instance, of.pipelines, datetime.now(UTC))
        ),
    ),
    "connection": (
        "To which TDX this leads, as whom, with which versions, and how old the inventory is.",
        lambda of: connection_page(of.engine, of.site, _account(of), of.pipelines, of.settings),
    ),
}


def operations_definitions(
    pipelines: Sequence[Pipeline],
    settings: InventorySettings,
    watched: Sequence[Pipeline] | None = None,
) -> dg.Definitions:
    """Make the group: its assets, the hourly job, and the sensor that makes the pages after runs.

    Args:
        pipelines: What the pages are about.
        settings: How the inventory is named.
        watched: Whose sensors may fall silent; left out: the same.
    """
    assets = [_page_asset(name, pipelines, settings) for name in _PAGES]
    job = dg.define_asset_job(
        suffixed(JOB, settings.tdx),
        selection=dg.AssetSelection.groups(suffixed(GROUP, settings.tdx)),
        executor_def=dg.in_process_executor,
        tags=NO_RUN_RETRIES | OWNER_TAG,
        description="Makes the pages of the group operations. It reads; it writes nothing to TDX.",
    )
    schedule = dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule="7 * * * *",
        execution_timezone=settings.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Makes the pages of operations each hour. On from the start: one TDX call an hour.",
    )
    sensors = [
        _follow_runs(job, pipelines, settings.tdx),
        build_alert_sensor(pipelines if watched is None else watched, settings.tdx),
    ]
    return dg.Definitions(assets=assets, jobs=[job], schedules=[schedule], sensors=sensors)


def _page_asset(
    name: str, pipelines: Sequence[Pipeline], settings: InventorySettings
) -> dg.AssetsDefinition:
    description, make = _PAGES[name]
    tdx, is_waiting = settings.tdx, name == WAITING
    database, client = (resource_key(what, tdx) for what in ("database", "client"))

    @dg.asset(
        key=key_path([GROUP, name], tdx),
        group_name=suffixed(GROUP, tdx),
        owners=OWNERS,
        kinds={"postgres", "table"},
        description=description,
        check_specs=[_waiting_spec(tdx)] if is_waiting else [],
        required_resource_keys={database, client},
    )
    def page(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants the bare class
        try:
            engine = getattr(context.resources, database).engine()
            made = make(_Making(context, engine, find_site(tdx), pipelines, settings))
            checks = [waiting_result(engine, tdx)] if is_waiting else []
        except (SettingsError, DatabaseError, StoreUnavailable) as error:
            raise failure_of(error) from None
        return dg.MaterializeResult(metadata=page_metadata(made), check_results=checks)

    return page


def page_metadata(page: Page) -> dict[str, Any]:
    """Give a page as metadata: numbers as numbers, so that the UI plots them."""
    shown: dict[str, Any] = {"page": dg.MetadataValue.md(page.text)}
    if page.picture:
        data = base64.b64encode(page.picture).decode()
        shown["picture"] = dg.MetadataValue.md(f"![the last days](data:image/png;base64,{data})")
    return shown | dict(page.numbers)


def _waiting_spec(tdx: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        NOBODY_NEEDED,
        asset=waiting_key(tdx),
        description="No ticket waits for a person. Each run on tickets evaluates it as well.",
    )


def waiting_result(engine: Engine, tdx: str = UNNAMED) -> dg.AssetCheckResult:
    """Evaluate the check over all pipelines."""
    verdict = check_people_needed(engine, tdx)
    return dg.AssetCheckResult(
        passed=verdict.passed,
        asset_key=waiting_key(tdx),
        check_name=NOBODY_NEEDED,
        severity=severity_of(verdict),
        description=verdict.text,
        metadata=dict(verdict.numbers),
    )


def _account(of: _Making) -> str:
    """Give who is signed in, in one call that does not wait; else why that is not known."""
    try:
        tdx = getattr(of.context.resources, resource_key("client", of.settings.tdx))
        account = tdx.non_waiting_client().account()
    except (TdxError, SettingsError, DatabaseError, StoreUnavailable) as error:
        return f"not known: {error}"
    return f"{account.full_name} ({account.user_name})"


def _follow_runs(job: Any, pipelines: Sequence[Pipeline], tdx: str) -> dg.SensorDefinition:  # noqa: ANN401  unresolved
    """Make the sensor that makes the pages once runs on tickets have ended, or a dry run has."""
    jobs = [name for one in pipelines for name in (one.name, rehearsal_job(one))]
    database = resource_key("database", tdx)

    @dg.sensor(
        name=suffixed("operations_follow_runs", tdx),
        job=job,
        minimum_interval_seconds=FOLLOW_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the pages of operations after runs on tickets. It costs a query and no TDX call.",
        required_resource_keys={database},
    )
    def follow(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            with getattr(context.resources, database).engine().connect() as connection:
                event = connection.execute(SQL["newest_event"]).scalar_one()
        except (SettingsError, DatabaseError) as error:
            return dg.SkipReason(str(error))
        dry_run = last_dry_run(context.instance)
        seen = f"{event} {dry_run.run_id if dry_run else ''}"
        if seen == context.cursor:
            return dg.SkipReason("Nothing was done since the pages were made.")
        if is_under_way(context.instance, [*jobs, job.name]):
            return dg.SkipReason("Runs are under way; the pages are made after them.")
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=seen)

    return follow
