"""The inventory's assets in Dagster: bronze as we load or observe it, and silver.

Belongs here: what an asset does and what it shows of a run. Does not: keys and columns (`columns`), triggers
(`automation`), checks (`asset_checks`), nor anything that could be a plain function. Resources used:
`tdx_dagster_client` with `client()`, `tdx_dagster_database` with `engine()`.
"""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.environment import SettingsError
from tdx_dagster.failures import failure_of
from tdx_dagster.inventory.asset_checks import inventory_checks
from tdx_dagster.inventory.automation import follow_bronze, load_jobs
from tdx_dagster.inventory.bronze import (
    LoadRunning,
    ingest_assets,
    ingest_people,
    ingest_statuses,
)
from tdx_dagster.inventory.columns import (
    BRONZE_COLUMNS,
    SILVER_COLUMNS,
    InventoryKeys,
    column_lineage,
)
from tdx_dagster.inventory.load_result import SHOWN_REJECTED, LoadResult, Mode
from tdx_dagster.inventory.observation import observed_bronze
from tdx_dagster.inventory.ownership import ForeignBronze
from tdx_dagster.inventory.rebuilds import BronzeEmpty, RebuildResult
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.inventory.source import TdxClient, TdxSource
from tdx_dagster.named_tdx import key_path, resource_key, suffixed
from tdx_dagster.state.records import StoreUnavailable

TDX_SEARCH = dg.AssetKey(["tdx", "asset_search"])

OWNERS = ["team:inventory"]


def inventory_definitions(settings: InventorySettings | None = None) -> dg.Definitions:
    """Make all definitions of the inventory; they need the resources of this module's heading.

    Args:
        settings: Defaults where left out.
    """
    settings = settings or InventorySettings()
    filled = _external(settings) if settings.is_external else _loaded(settings)
    silver = dg.Definitions(
        assets=[_computers(settings)],
        asset_checks=list(inventory_checks(settings)),
        sensors=[follow_bronze(settings)],
    )
    return dg.Definitions.merge(filled, silver)


def _loaded(settings: InventorySettings) -> dg.Definitions:
    assets = [_statuses(settings), _assets(settings), _people(settings)]
    return dg.Definitions.merge(
        dg.Definitions(assets=[_tdx_search(settings), *assets]), load_jobs(settings)
    )


def _tdx_search(settings: InventorySettings) -> dg.AssetSpec:
    """Make the node of what the inventory loads: TDX makes it, nothing here does."""
    return dg.AssetSpec(
        _search_key(settings),
        group_name=suffixed("teamdynamix", settings.tdx),
        owners=OWNERS,
        kinds={"teamdynamix"},
        description="TDX's search for assets, and its lists of people and statuses: what the inventory loads.",
    )


def _search_key(settings: InventorySettings) -> dg.AssetKey:
    return dg.AssetKey(key_path([*TDX_SEARCH.path], settings.tdx))


def _external(settings: InventorySettings) -> dg.Definitions:
    if settings.is_observed:
        return dg.Definitions(
            assets=[observed_bronze(settings, lambda when: _bronze_specs(settings, when))]
        )
    if settings.asset_keys_in_project:
        return dg.Definitions()
    # Another code location makes these very assets: what it reports is what silver follows.
    return dg.Definitions(assets=_bronze_specs(settings))


def _bronze_specs(
    settings: InventorySettings,
    condition: Any = None,  # noqa: ANN401  conditions of assets and of checks share a type
) -> list[dg.AssetSpec]:
    keys = InventoryKeys.of(settings)
    names = {getattr(keys, name): name for name in reversed(_DESCRIPTIONS)}
    return [
        dg.AssetSpec(key, automation_condition=condition, **_common(settings, names[key]))
        for key in keys.bronze
    ]


_DESCRIPTIONS = {
    "assets": (
        "Assets as TDX sends them, one row for each changed version. A full load also marks what TDX "
        "no longer has; an incremental one asks for what changed since the last load began."
    ),
    "people": "People who own an asset, as TDX sends them, one row for each changed version.",
    "statuses": "Statuses an asset may have; they say which assets are in service.",
}

_ELSEWHERE = " Filled by another job."


def _common(settings: InventorySettings, name: str) -> dict[str, Any]:
    """Give what a bronze asset shows."""
    limits = settings.limits
    return {
        "group_name": suffixed(settings.group, settings.tdx),
        "owners": OWNERS,
        "kinds": {"teamdynamix", "postgres", "bronze"},
        "description": _DESCRIPTIONS[name] + (_ELSEWHERE if settings.is_external else ""),
        "metadata": {
            "dagster/table_name": "bronze.raw_entities",
            "dagster/column_schema": BRONZE_COLUMNS,
        },
        "freshness_policy": dg.FreshnessPolicy.time_window(
            fail_window=limits.distrusted, warn_window=limits.stale
        ),
    }


Load = Callable[[dg.AssetExecutionContext, Engine, TdxClient], LoadResult]


def _load_asset(
    settings: InventorySettings,
    name: str,
    load: Load,
    **more: Any,  # noqa: ANN401  for dg.asset
) -> dg.AssetsDefinition:
    """Make a bronze asset that we fill ourselves."""
    database_key, tdx_key = (resource_key(what, settings.tdx) for what in ("database", "client"))

    def load_from_tdx(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        try:
            database, tdx = (
                getattr(context.resources, database_key).engine(),
                getattr(context.resources, tdx_key).client(),
            )
            result = load(context, database, tdx)
        except (LoadRunning, ForeignBronze, SettingsError, StoreUnavailable) as error:
            raise failure_of(error) from None
        return dg.MaterializeResult(metadata=load_metadata(result))

    common = _common(settings, name)
    decorated: dg.AssetsDefinition = dg.asset(
        key=getattr(InventoryKeys.of(settings), name),
        required_resource_keys={database_key, tdx_key},
        **common,
        **more,
    )(load_from_tdx)
    return decorated


def _assets(settings: InventorySettings) -> dg.AssetsDefinition:
    def load(context: dg.AssetExecutionContext, database: Engine, tdx: TdxClient) -> LoadResult:
        return ingest_assets(
            database,
            TdxSource(tdx),
            mode=Mode(context.op_execution_context.op_config["mode"]),
            source_system=settings.source_system,
            zone=tdx.zone,
            log=context.log,
        )

    mode = dg.Field(
        str,
        is_required=False,
        default_value=Mode.FULL.value,
        description="`full`, or `incremental` for what changed since the last load began.",
    )
    return _load_asset(
        settings, "assets", load, config_schema={"mode": mode}, deps=[_search_key(settings)]
    )


def _people(settings: InventorySettings) -> dg.AssetsDefinition:
    def load(context: dg.AssetExecutionContext, database: Engine, tdx: TdxClient) -> LoadResult:
        source, system = TdxSource(tdx), settings.source_system
        return ingest_people(database, source, source_system=system, log=context.log)

    return _load_asset(
        settings, "people", load, deps=[_search_key(settings), InventoryKeys.of(settings).assets]
    )


def _statuses(settings: InventorySettings) -> dg.AssetsDefinition:
    def load(context: dg.AssetExecutionContext, database: Engine, tdx: TdxClient) -> LoadResult:
        source, system = TdxSource(tdx), settings.source_system
        return ingest_statuses(database, source, source_system=system, log=context.log)

    return _load_asset(settings, "statuses", load, deps=[_search_key(settings)])


def load_metadata(result: LoadResult) -> dict[str, Any]:
    """Give what people see of a load; numbers, so that the UI plots them."""
    shown: dict[str, Any] = {
        "dagster/row_count": result.known,
        "mode": result.mode.value,
        "records": result.processed,
        "created": result.created,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "repeated": result.repeated,
        "rejected": len(result.rejected),
        "gone": result.gone,
        "run_id": result.run_id,
    }
    shown |= {f"repaired: {what}": count for what, count in result.repairs.items()}
    if result.since:
        shown["since"] = dg.MetadataValue.timestamp(result.since)
    if result.warning:
        shown["warning"] = result.warning
    if result.rejected:
        shown["rejected records"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {"position": one.position, "id": one.external_id or "", "reason": one.reason}
                )
                for one in result.rejected[:SHOWN_REJECTED]
            ]
        )
    return shown


def _computers(settings: InventorySettings) -> dg.AssetsDefinition:
    changed = dg.AutomationCondition.any_deps_updated()
    keys = InventoryKeys.of(settings)
    lineage, database = column_lineage(keys), resource_key("database", settings.tdx)

    @dg.asset(
        key=keys.computers,
        deps=keys.bronze,
        group_name=suffixed(settings.group, settings.tdx),
        owners=OWNERS,
        kinds={"postgres", "pandas", "silver"},
        description=(
            "Computers as discovery asks for them: one row for each asset, typed, current, with keys "
            "folded for exact lookups and faults flagged. Rows are in silver.tdx_computers; the view "
            "silver.computers shows them where that name is free."
        ),
        metadata={
            "dagster/table_name": f"{settings.schema_name}.tdx_computers",
            "dagster/column_schema": SILVER_COLUMNS,
            "dagster/column_lineage": lineage,
        },
        # Not `eager`: that waits for people and statuses, without which a row only says less. What changed
        # while a load went on is remembered, since nothing may follow it; what changed just now counts also
        # where a rebuild ended just now.
        automation_condition=(
            (changed | changed.since_last_handled())
            & ~dg.AutomationCondition.any_deps_in_progress()
            & ~dg.AutomationCondition.in_progress()
        ),
        required_resource_keys={database},
    )
    def computers(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from tdx_dagster.inventory.silver import rebuild_computers  # noqa: PLC0415  brings pandas

        try:
            result = rebuild_computers(
                getattr(context.resources, database).engine(),
                source_system=settings.source_system,
                entity_types=settings.entity_types,
                zone=ZoneInfo(settings.tdx_time_zone),
                schema=settings.schema_name,
            )
        except BronzeEmpty as error:
            raise failure_of(error) from None
        return dg.MaterializeResult(
            metadata={**rebuild_metadata(result), "dagster/column_lineage": lineage}
        )

    return computers


def rebuild_metadata(result: RebuildResult) -> dict[str, Any]:
    """Give what people see of a rebuild; numbers, so that the UI plots them."""
    return {
        "dagster/row_count": result.computers,
        "active": result.active,
        "written": result.written,
        "removed": result.removed,
        "unusable": result.unusable,
        "repeated": result.repeated,
        **{f"flag: {flag}": count for flag, count in sorted(result.flags.items())},
    }
