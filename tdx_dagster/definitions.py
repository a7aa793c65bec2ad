"""Assemble the project's Dagster definitions: every asset, job, sensor, schedule and resource of the project.

`build_defs` takes overrides, so that tests, rehearsals and production differ by an argument. `defs` is what
Dagster loads; it needs no setting and no database to load.
"""

import gc
from collections.abc import Mapping
from typing import Any

import dagster as dg

from tdx_dagster.assembly import morning_checks, with_resources
from tdx_dagster.component import load_defs_folder, suppress_preview_warnings
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.operations.assets import operations_definitions
from tdx_dagster.project import selected_project
from tdx_dagster.quality.assets import quality_definitions
from tdx_dagster.resources import DEFAULT_RESOURCES
from tdx_dagster.settings import load_inventory_settings


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Make the definitions of the project.

    Args:
        resources: Replace those of `DEFAULT_RESOURCES` by key.

    Raises:
        SettingsError: INVENTORY_SOURCE or another setting of the inventory cannot be read.
    """
    # A run's ops pass live objects; one process a run.
    shared = dg.Definitions(resources=DEFAULT_RESOURCES, executor=dg.in_process_executor)
    with suppress_preview_warnings():
        folder = load_defs_folder()
        settings = load_inventory_settings()
        parts = [folder.build_defs(), shared]
        is_own = selected_project() is None
        if is_own and not folder.has_inventory:
            parts.append(inventory_definitions(settings))
        if folder.pipelines:
            parts.append(operations_definitions(tuple(folder.pipelines.values()), settings))
        if is_own or folder.has_inventory:
            parts.append(morning_checks(tuple(folder.pipelines), settings))
            parts.append(quality_definitions(settings))
        return with_resources(dg.Definitions.merge(*parts), resources or {})


defs = build_defs()

# All that is loaded by now stays for as long as the process. The garbage collector need not look through it
# again and again: a run of 20 tickets takes 4.2 s of processor time instead of 5.0 (benchmarks/README.md).
gc.freeze()
