"""Definitions from pipelines and an inventory in plain Python, for projects without a `defs` folder.

Belongs here: putting parts together with the resources they need, and the morning checks, one job for all
pipelines. Does not: reading `defs` folders (`component`), making a part.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from tdx_dagster.component import pipeline_definitions, suppress_preview_warnings
from tdx_dagster.dagster_internals import component_tree_of
from tdx_dagster.inventory.asset_checks import FRESH
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.operations.assets import operations_definitions
from tdx_dagster.quality.assets import quality_definitions
from tdx_dagster.resources import DEFAULT_RESOURCES
from tdx_dagster.tickets.checks import stuck_check, stuck_key
from tdx_dagster.tickets.job import OWNER_TAG
from tdx_dagster.tickets.pipeline import Pipeline


def definitions_for(
    pipelines: Sequence[Pipeline],
    inventory: InventorySettings | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Make the definitions of pipelines and, where it is given, of the inventory.

    Args:
        pipelines: Ticket pipelines.
        inventory: How the inventory is filled; without it `silver/computers` is an external asset.
        resources: Replace resources by key; the keys begin with `tdx_dagster_`.
    """
    with suppress_preview_warnings():
        parts = [pipeline_definitions(pipeline) for pipeline in pipelines]
        parts.append(operations_definitions(pipelines, inventory or InventorySettings.load()))
        if inventory is not None:
            names = tuple(pipeline.name for pipeline in pipelines)
            parts += [inventory_definitions(inventory), morning_checks(names, inventory)]
            parts.append(quality_definitions(inventory))
        made = dg.Definitions.merge(*parts, dg.Definitions(resources=DEFAULT_RESOURCES))
        return with_resources(made, resources or {})


def with_resources(made: dg.Definitions, resources: Mapping[str, Any]) -> dg.Definitions:
    """Give definitions with resources replaced by key."""
    return dg.Definitions(
        assets=made.assets,
        asset_checks=made.asset_checks,
        jobs=made.jobs,
        schedules=made.schedules,
        sensors=made.sensors,
        resources={**(made.resources or {}), **resources},
        executor=made.executor,
        loggers=made.loggers,
        metadata=made.metadata,
        component_tree=component_tree_of(made),
    )


def morning_checks(pipelines: Sequence[str], settings: InventorySettings) -> dg.Definitions:
    """Make the daily job of the checks for what does not happen, which no load and no ticket run shows.

    Args:
        pipelines: Ticket pipelines, each of which gets a check for stuck tickets.
        settings: Of the inventory: its keys, and the time zone of the schedule.
    """
    stuck = [stuck_key(pipeline) for pipeline in pipelines]
    job = dg.define_asset_job(
        "morning_checks",
        selection=dg.AssetSelection.checks(
            dg.AssetCheckKey(InventoryKeys.of(settings).assets, FRESH), *stuck
        ),
        executor_def=dg.in_process_executor,
        tags=OWNER_TAG,
        description="Checks for loads that did not run, and for tickets that wait for a person.",
    )
    schedule = dg.ScheduleDefinition(
        name="morning_checks_schedule",
        job=job,
        cron_schedule="37 6 * * *",
        execution_timezone=settings.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{job.description} On from the start: it costs a query and no TDX call.",
    )
    return dg.Definitions(
        asset_checks=[stuck_check(pipeline) for pipeline in pipelines],
        jobs=[job],
        schedules=[schedule],
    )
