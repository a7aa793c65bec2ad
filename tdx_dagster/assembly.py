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
from tdx_dagster.named_tdx import UNNAMED, suffixed
from tdx_dagster.operations.assets import operations_definitions
from tdx_dagster.quality.assets import quality_definitions
from tdx_dagster.resources import resources_for
from tdx_dagster.settings import declare_inventory, load_inventory_settings
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
    names = {pipeline.tdx for pipeline in pipelines} | ({inventory.tdx} if inventory else set())
    with suppress_preview_warnings():
        parts = []
        if inventory is not None:
            declare_inventory(inventory.tdx, inventory.model_dump())
            parts.append(inventory_definitions(inventory))
        parts += [pipeline_definitions(pipeline) for pipeline in pipelines]
        for name in sorted(names | {UNNAMED}):
            is_filled = inventory is not None and inventory.tdx == name
            settings = inventory if inventory and is_filled else load_inventory_settings(name)
            parts += surroundings(pipelines, settings, has_inventory=is_filled)
        made = dg.Definitions.merge(*parts, dg.Definitions(resources=resources_for(names)))
        return with_resources(made, resources or {})


def surroundings(
    pipelines: Sequence[Pipeline], settings: InventorySettings, *, has_inventory: bool
) -> list[dg.Definitions]:
    """Make what stands around the pipelines of an environment: its pages, and what judges an inventory.

    Args:
        pipelines: All pipelines.
        settings: The inventory of the environment.
        has_inventory: Whether it is one of the definitions.
    """
    own = [one for one in pipelines if one.tdx == settings.tdx]
    # Sensors are Dagster's, whatever environment they are for: the alerts without a name tell of them all.
    parts = [operations_definitions(own, settings, watched=pipelines)]
    if has_inventory:
        names = tuple(pipeline.name for pipeline in own)
        parts += [morning_checks(names, settings), quality_definitions(settings)]
    return parts


def with_resources(made: dg.Definitions, resources: Mapping[str, Any]) -> dg.Definitions:
    """Give definitions with resources replaced by key, as for a project that has its own place for secrets."""
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
        suffixed("morning_checks", settings.tdx),
        selection=dg.AssetSelection.checks(
            dg.AssetCheckKey(InventoryKeys.of(settings).assets, FRESH), *stuck
        ),
        executor_def=dg.in_process_executor,
        tags=OWNER_TAG,
        description="Checks for loads that did not run, and for tickets that wait for a person.",
    )
    schedule = dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule="37 6 * * *",
        execution_timezone=settings.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{job.description} On from the start: it costs a query and no TDX call.",
    )
    return dg.Definitions(
        asset_checks=[stuck_check(pipeline, settings.tdx) for pipeline in pipelines],
        jobs=[job],
        schedules=[schedule],
    )
