"""The asset `quality/discovery`, its check, its job and its schedule.

Belongs here: Dagster. Does not: what is read (`collect`), judged (`judge`) or shown (`report`). Resources used:
`tdx_dagster_client` with `client()`, `tdx_dagster_database` with `engine()`.
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from tdx_dagster.environment import SettingsError
from tdx_dagster.failures import failure
from tdx_dagster.inventory.asset_checks import build_check
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import key_path, resource_key, suffixed
from tdx_dagster.quality.collect import Collected, Collector
from tdx_dagster.quality.rates import check_precision
from tdx_dagster.quality.report import SILENCE, QualityReport, faults_table, rates_table
from tdx_dagster.quality.settings import QualitySettings
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.job import OWNER_TAG, OWNERS

QUALITY = dg.AssetKey(["quality", "discovery"])
PRECISION = "precision_holds"

DAYTIME = (
    "TDX was not called: these are office hours (TDX_QUALITY_OFFICE_HOURS). Set in_office_hours in the "
    "launchpad to read now."
)


class QualityConfig(dg.Config):
    """What a run may be asked for."""

    most_tickets: int = Field(
        2000, ge=0, description="At most so many tickets are read, a call each."
    )
    in_office_hours: bool = Field(default=False, description="Read from TDX in office hours too.")


def quality_definitions(
    inventory: InventorySettings, settings: QualitySettings | None = None
) -> dg.Definitions:
    """Make the asset with its check, job and schedule; they need the resources of this module's heading.

    Args:
        inventory: Its keys, and the time zone of the schedule.
        settings: Read from the environment where left out.
    """
    settings = settings or QualitySettings.load()
    asset = _asset(inventory, settings)
    job = dg.define_asset_job(
        suffixed("quality_discovery", inventory.tdx),
        selection=[quality_key(inventory)],
        executor_def=dg.in_process_executor,
        tags=OWNER_TAG,
        description="Reads what people did on tickets they are done with, and judges discovery by it.",
    )
    schedule = dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=settings.cron,
        execution_timezone=inventory.time_zone,
        description=f"{job.description} Off until switched on, since it calls TDX.",
    )
    return dg.Definitions(
        assets=[asset],
        asset_checks=[_check(inventory, settings.min_precision)],
        jobs=[job],
        schedules=[schedule],
    )


def quality_key(inventory: InventorySettings) -> dg.AssetKey:
    """Name the asset of an environment."""
    return dg.AssetKey(key_path([*QUALITY.path], inventory.tdx))


def _asset(inventory: InventorySettings, settings: QualitySettings) -> dg.AssetsDefinition:
    database_key, tdx_key = (resource_key(what, inventory.tdx) for what in ("database", "client"))

    @dg.asset(
        key=quality_key(inventory),
        deps=[InventoryKeys.of(inventory).computers],
        group_name=suffixed("quality", inventory.tdx),
        owners=OWNERS,
        kinds={"teamdynamix", "postgres"},
        description=(
            "How often discovery is right, by what people did afterwards: computers they kept, removed, "
            f"replaced or added on tickets they are done with. {SILENCE}"
        ),
        metadata={"dagster/table_name": "meta.discovery_verdict"},
        required_resource_keys={database_key, tdx_key},
    )
    def discovery(
        context: dg.AssetExecutionContext, config: QualityConfig
    ) -> dg.MaterializeResult[Any]:
        zone = ZoneInfo(inventory.time_zone)

        def may_go_on() -> bool:
            return config.in_office_hours or not settings.is_office_hour(datetime.now(zone))

        try:
            engine = getattr(context.resources, database_key).engine()
            tdx = getattr(context.resources, tdx_key).client()
            store = QualityStore(engine)
            collector = Collector(tdx, store, PostgresInventory(engine, inventory), may_go_on)
            done = (
                collector.collect(datetime.now(UTC), config.most_tickets)
                if may_go_on()
                else Collected(stopped=DAYTIME)
            )
        except (TdxError, InventoryUnavailable, SettingsError, StoreUnavailable) as error:
            raise failure(
                f"{error} What was judged before is stored; the next run goes on."
            ) from error
        return dg.MaterializeResult(
            metadata=_metadata(QualityReport.read(store, datetime.now(UTC)), done, tdx)
        )

    return discovery


def _metadata(shown: QualityReport, done: Collected, tdx: Any) -> dict[str, Any]:  # noqa: ANN401  the client
    markdown = dg.MetadataValue.md
    return {
        **shown.numbers(),
        "tickets read in this run": done.judged + done.gone,
        "last quarter": markdown(rates_table(shown.quarter)),
        "all times": markdown(rates_table(shown.always)),
        "judged by people who were asked": markdown(
            f"{rates_table(shown.sampled)}\n\n{shown.none_found}"
        ),
        "removed and missed": markdown(faults_table(shown.faults, tdx)),
        "note": SILENCE,
        **({"stopped": done.stopped} if done.stopped else {}),
    }


def _check(inventory: InventorySettings, min_precision: float) -> dg.AssetChecksDefinition:
    return build_check(
        quality_key(inventory),
        PRECISION,
        f"The precision of no kind of evidence is surely below {min_precision:.1%}, and none has worsened.",
        lambda engine: check_precision(
            QualityStore(engine).verdicts(), datetime.now(UTC), min_precision
        ),
        inventory.tdx,
    )
