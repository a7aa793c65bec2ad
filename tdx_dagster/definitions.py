"""Assemble the project's Dagster definitions: every asset, job, sensor, schedule and resource of the project.

`build_defs` takes overrides, so that tests, rehearsals and production differ by an argument. `defs` is what
Dagster loads; it needs no setting and no database to load.
"""

import gc
from collections.abc import Mapping
from typing import Any

import dagster as dg

from tdx_dagster.assembly import surroundings, with_resources
from tdx_dagster.component import load_defs_folder, suppress_preview_warnings
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.project import selected_project
from tdx_dagster.resources import resources_for
from tdx_dagster.settings import load_inventory_settings


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Make the definitions of the project.

    Args:
        resources: Replace those of `resources_for` by key.

    Raises:
        SettingsError: INVENTORY_SOURCE or another setting of the inventory cannot be read.
    """
    # A run's ops pass live objects; one process a run.
    with suppress_preview_warnings():
        folder = load_defs_folder()
        carried = resources_for(folder.environments)
        parts = [
            folder.build_defs(),
            dg.Definitions(resources=carried, executor=dg.in_process_executor),
        ]
        pipelines, is_own = tuple(folder.pipelines.values()), selected_project() is None
        for name in folder.environments:
            settings = load_inventory_settings(name)
            if is_own and name not in folder.inventories:
                parts.append(inventory_definitions(settings))
            has_inventory = is_own or name in folder.inventories
            if pipelines or has_inventory:
                parts += surroundings(pipelines, settings, has_inventory=has_inventory)
        return with_resources(dg.Definitions.merge(*parts), resources or {})


defs = build_defs()

# All that is loaded by now stays for as long as the process. The garbage collector need not look through it
# again and again: a run of 20 tickets takes 4.2 s of processor time instead of 5.0 (benchmarks/README.md).
gc.freeze()
