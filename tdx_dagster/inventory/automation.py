"""When the inventory is loaded and rebuilt: jobs, schedules, and the sensor that follows bronze.

Belongs here: triggers. Does not: what they trigger (`assets`).
"""

from typing import Any

import dagster as dg

from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.load_result import Mode
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import suffixed


def follow_bronze(settings: InventorySettings) -> dg.AutomationConditionSensorDefinition:
    """Make the sensor that rebuilds silver; on from the start, since it costs a query and no TDX call."""
    keys = InventoryKeys.of(settings)
    return dg.AutomationConditionSensorDefinition(
        suffixed("silver_follows_bronze", settings.tdx),
        target=dg.AssetSelection.assets(
            keys.computers, *(keys.bronze if settings.is_observed else ())
        ),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Rebuilds the computers when bronze has changed.",
    )


def load_jobs(settings: InventorySettings) -> dg.Definitions:
    """Make the jobs that load bronze, and their schedules."""
    jobs = {mode: _job(mode, settings) for mode in Mode}
    return dg.Definitions(
        jobs=list(jobs.values()),
        schedules=[
            _schedule(jobs[Mode.FULL], settings.full_cron, settings),
            _schedule(jobs[Mode.INCREMENTAL], settings.incremental_cron, settings),
        ],
    )


def _job(mode: Mode, settings: InventorySettings) -> Any:  # noqa: ANN401  Dagster's unresolved job
    keys = InventoryKeys.of(settings)
    what = {
        Mode.FULL: "Loads all assets, their statuses and owners, and marks what is gone.",
        Mode.INCREMENTAL: "Loads assets that changed since the last load, statuses and owners.",
    }
    return dg.define_asset_job(
        suffixed(f"inventory_{mode.value}", settings.tdx),
        selection=[*keys.bronze],
        config={"ops": {keys.assets.to_python_identifier(): {"config": {"mode": mode.value}}}},
        tags={"tdx/owner": "inventory"},
        description=what[mode],
    )


def _schedule(job: Any, cron: str, settings: InventorySettings) -> dg.ScheduleDefinition:  # noqa: ANN401  as above
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=settings.time_zone,
        description=f"{job.description} Off until switched on, since it calls TDX.",
    )
