"""The verdicts of `checks` as Dagster's asset checks.

Belongs here: names, descriptions and severity as the UI shows them. Does not: what is judged (`checks`).
"""

from collections.abc import Callable, Iterator

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.inventory.checks import (
    InventoryNames,
    Verdict,
    check_age,
    check_current,
    check_drop,
    check_not_empty,
    check_serials,
    check_unique_ids,
)
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import UNNAMED, resource_key

FRESH = "is_fresh"


def inventory_checks(settings: InventorySettings) -> Iterator[dg.AssetChecksDefinition]:
    """Make the checks of the inventory's assets."""
    schema, keys, tdx = settings.schema_name, InventoryKeys.of(settings), settings.tdx
    names = InventoryNames(settings.source_system, settings.entity_types, schema)
    yield build_check(
        keys.assets,
        FRESH,
        "Assets were loaded within the last day, or are at least not distrusted.",
        lambda engine: check_age(engine, names, settings.limits),
        tdx,
    )
    yield build_check(
        keys.assets,
        "ids_are_unique",
        "No asset is in bronze under two entity types.",
        lambda engine: check_unique_ids(engine, names),
        tdx,
    )
    yield build_check(
        keys.computers,
        "is_not_empty",
        "There is at least one computer to be found.",
        lambda engine: check_not_empty(engine, schema),
        tdx,
    )
    yield build_check(
        keys.computers,
        "follows_bronze",
        "Computers were made from the newest rows of bronze.",
        lambda engine: check_current(engine, names),
        tdx,
    )
    yield build_check(
        keys.computers,
        "did_not_shrink",
        f"At most {settings.most_dropped:.0%} of the active computers vanished with this rebuild.",
        lambda engine: check_drop(engine, names, settings.most_dropped),
        tdx,
    )
    yield build_check(
        keys.computers,
        "has_serials",
        f"At most {settings.most_without_serial:.0%} of the active computers lack a serial number.",
        lambda engine: check_serials(engine, settings.most_without_serial, schema),
        tdx,
    )


def build_check(
    key: dg.AssetKey,
    name: str,
    description: str,
    look: Callable[[Engine], Verdict],
    tdx: str = UNNAMED,
) -> dg.AssetChecksDefinition:
    """Make an asset check of a function that gives a verdict over the database.

    Args:
        key: The asset.
        name: Of the check.
        description: For the UI.
        look: Gives the verdict.
        tdx: Name of the environment whose database it is over.
    """
    database = resource_key("database", tdx)

    @dg.asset_check(
        asset=key,
        name=name,
        description=description,
        required_resource_keys={database},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        verdict = look(getattr(context.resources, database).engine())
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=severity_of(verdict),
            description=verdict.text,
            metadata=dict(verdict.numbers),
        )

    return check


def severity_of(verdict: Verdict) -> dg.AssetCheckSeverity:
    """Give how bad a verdict that has not passed is, in Dagster's words."""
    return dg.AssetCheckSeverity.ERROR if verdict.is_error else dg.AssetCheckSeverity.WARN
