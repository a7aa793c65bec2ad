"""Assemble the project's Dagster definitions: every asset, job, sensor, schedule and resource of the project.

`build_defs` takes overrides, so that tests, rehearsals and production differ by an argument. `defs` is what
Dagster loads; it needs no setting and no database to load.
"""

import gc
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from tdx_dagster.component import load_defs_folder, suppress_preview_warnings
from tdx_dagster.inventory.asset_checks import FRESH
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.resources import DEFAULT_RESOURCES
from tdx_dagster.settings import load_inventory_settings
from tdx_dagster.tickets.checks import stuck_check, stuck_key


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Make the definitions of the project.

    Args:
        resources: Replace resources by key: `tdx`, `database`, `ticket_tools`, `polling`, `batch_io`.

    Raises:
        SettingsError: INVENTORY_SOURCE or another setting of the inventory cannot be read.
    """
    shared = dg.Definitions(
        resources={**DEFAULT_RESOURCES, **(resources or {})},
        # A run's ops hand each other live objects; one process a run.
        executor=dg.in_process_executor,
    )
    with suppress_preview_warnings():
        folder = load_defs_folder()
        settings = load_inventory_settings()
        return dg.Definitions.merge(
            folder.build_defs(),
            inventory_definitions(settings),
            morning_checks(tuple(folder.pipelines), settings),
            shared,
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


defs = build_defs()

# All that is loaded by now stays for as long as the process. The garbage collector need not look through it
# again and again: a run of 20 tickets takes 4.2 s of processor time instead of 5.0 (benchmarks/README.md).
gc.freeze()
