"""Bronze that another job fills, as Dagster sees it: observed every half hour, never written.

Belongs here: the observation, and reporting another job's load as a materialisation. Does not: assets that
we fill (`assets`).
"""

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from tdx_dagster.dagster_internals import report_load
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.freshness import inventory_age
from tdx_dagster.inventory.records import PERSON, STATUS
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import resource_key, suffixed

Specs = Callable[[Any], list[dg.AssetSpec]]


def observed_bronze(settings: InventorySettings, bronze_specs: Specs) -> dg.AssetsDefinition:
    """Make the observation of a bronze that another job fills.

    Args:
        settings: Of the inventory.
        bronze_specs: Gives the specs of its assets with an automation condition.
    """
    # Half an hour is soon enough for loads that people run nightly or hourly.
    often = dg.AutomationCondition.on_cron("*/30 * * * *")
    specs = bronze_specs(often)
    keys, database = InventoryKeys.of(settings), resource_key("database", settings.tdx)
    kinds = {
        keys.assets: settings.entity_types,
        keys.people: (PERSON.entity_type,),
        keys.statuses: (STATUS.entity_type,),
    }

    def observed(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        for key, entity_types in kinds.items():
            age, _ = inventory_age(
                getattr(context.resources, database).engine(),
                source_system=settings.source_system,
                entity_types=entity_types,
            )
            if age is not None:
                _report_load(context.instance, key, datetime.now(UTC) - age)
            yield _observation(key, age)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # the alternative observes nothing
        decorated: dg.AssetsDefinition = dg.multi_observable_source_asset(
            name=suffixed("bronze_of_another_job", settings.tdx),
            specs=specs,
            required_resource_keys={database},
        )(observed)
    return decorated


def _observation(key: dg.AssetKey, age: timedelta | None) -> dg.ObserveResult:
    if age is None:
        return dg.ObserveResult(asset_key=key, data_version=dg.DataVersion("never loaded"))
    loaded = datetime.now(UTC) - age
    return dg.ObserveResult(
        asset_key=key,
        # To the minute, since the age is taken anew each time.
        data_version=dg.DataVersion(loaded.strftime("%Y-%m-%dT%H:%M")),
        metadata={
            "dagster/last_updated_timestamp": dg.MetadataValue.timestamp(loaded),
            "age_hours": round(age / timedelta(hours=1), 2),
        },
    )


def _report_load(instance: dg.DagsterInstance, key: dg.AssetKey, loaded: datetime) -> None:
    """Report another job's load as a materialisation: Dagster's freshness counts nothing else."""
    last = instance.get_latest_materialization_event(key)
    # A second of slack, since the age is taken anew each time.
    if last is not None and loaded.timestamp() < last.timestamp + 1:
        return
    report_load(instance, key, loaded)
