"""The inventory in Dagster: assets, their checks, schedules, and what follows what.

Belongs here: keys, words, schemas and lineage that people see, and nothing that could be a plain
function: those are in `bronze`, `silver`, `freshness` and `checks`. Resources used: `tdx` with
`client()`, `database` with `engine()`.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.failures import failure
from tdx_dagster.inventory.bronze import (
    LoadResult,
    LoadRunning,
    Mode,
    ingest_assets,
    ingest_people,
    ingest_statuses,
)
from tdx_dagster.inventory.checks import (
    InventoryNames,
    Verdict,
    check_age,
    check_drop,
    check_not_empty,
    check_serials,
    check_stuck_tickets,
    check_unique_ids,
)
from tdx_dagster.inventory.freshness import inventory_age
from tdx_dagster.inventory.rebuilds import BronzeEmpty, RebuildResult
from tdx_dagster.inventory.records import PERSON, STATUS
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.inventory.source import TdxClient, TdxSource

ASSETS = dg.AssetKey(["bronze", "tdx_assets"])
PEOPLE = dg.AssetKey(["bronze", "tdx_people"])
STATUSES = dg.AssetKey(["bronze", "tdx_statuses"])
COMPUTERS = dg.AssetKey(["silver", "computers"])
BRONZE = (STATUSES, ASSETS, PEOPLE)

OWNERS = ["team:inventory"]
DATABASE = {"database"}
BOTH = {"tdx", "database"}

SHOWN_REJECTED = 20

FRESH = "is_fresh"
STUCK = "no_ticket_is_stuck"


def inventory_definitions(
    settings: InventorySettings | None = None, *, pipelines: Sequence[str] = ()
) -> dg.Definitions:
    """Everything of the inventory that Dagster knows; needs the resources `tdx` and `database`.

    Args:
        settings: Defaults where left out.
        pipelines: Ticket pipelines whose assets `tickets/<pipeline>` get a check for stuck tickets.
    """
    settings = settings or InventorySettings()
    checks = [*_checks(settings), *(_stuck_check(pipeline) for pipeline in pipelines)]
    filled = _watched(settings) if settings.is_external else _loaded(settings)
    made = dg.Definitions(
        assets=[_computers(settings)], asset_checks=checks, sensors=[_follows(settings)]
    )
    return dg.Definitions.merge(filled, made, _morning(settings, pipelines))


def _follows(settings: InventorySettings) -> dg.AutomationConditionSensorDefinition:
    """On from the start: it costs a query, and calls TDX never."""
    return dg.AutomationConditionSensorDefinition(
        "silver_follows_bronze",
        target=dg.AssetSelection.assets(COMPUTERS, *(BRONZE if settings.is_external else ())),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Rebuilds the computers when bronze has changed.",
    )


def _watched(settings: InventorySettings) -> dg.Definitions:
    return dg.Definitions(assets=[_observed(settings)])


def _loaded(settings: InventorySettings) -> dg.Definitions:
    jobs = {mode: _job(mode) for mode in Mode}
    return dg.Definitions(
        assets=[_statuses(settings), _assets(settings), _people(settings)],
        jobs=list(jobs.values()),
        schedules=[
            _schedule(jobs[Mode.FULL], settings.full_cron, settings),
            _schedule(jobs[Mode.INCREMENTAL], settings.incremental_cron, settings),
        ],
    )


_WORDS = {
    ASSETS: (
        "Assets as TDX sends them, one row for each changed version. A full load also marks what TDX "
        "no longer has; an incremental one asks for what changed since the last load began."
    ),
    PEOPLE: "People who own an asset, as TDX sends them, one row for each changed version.",
    STATUSES: "Statuses an asset may have; they say which assets are in service.",
}

_ELSEWHERE = " Filled by another job; only observed here."


def _common(settings: InventorySettings, key: dg.AssetKey) -> dict[str, Any]:
    """What a bronze asset says of itself, whoever fills it."""
    limits = settings.limits
    return {
        "group_name": "inventory",
        "owners": OWNERS,
        "kinds": {"teamdynamix", "postgres", "bronze"},
        "description": _WORDS[key] + (_ELSEWHERE if settings.is_external else ""),
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
    key: dg.AssetKey,
    load: Load,
    **more: Any,  # noqa: ANN401  for dg.asset
) -> dg.AssetsDefinition:
    """A bronze asset that we fill ourselves."""

    def load_from_tdx(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        database, tdx = context.resources.database.engine(), context.resources.tdx.client()
        try:
            result = load(context, database, tdx)
        except LoadRunning as error:
            raise failure(str(error)) from error
        return dg.MaterializeResult(metadata=load_metadata(result))

    common = _common(settings, key)
    decorated: dg.AssetsDefinition = dg.asset(
        key=key, required_resource_keys=BOTH, **common, **more
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
    return _load_asset(settings, ASSETS, load, config_schema={"mode": mode})


def _people(settings: InventorySettings) -> dg.AssetsDefinition:
    def load(context: dg.AssetExecutionContext, database: Engine, tdx: TdxClient) -> LoadResult:
        source, system = TdxSource(tdx), settings.source_system
        return ingest_people(database, source, source_system=system, log=context.log)

    return _load_asset(settings, PEOPLE, load, deps=[ASSETS])


def _statuses(settings: InventorySettings) -> dg.AssetsDefinition:
    def load(context: dg.AssetExecutionContext, database: Engine, tdx: TdxClient) -> LoadResult:
        source, system = TdxSource(tdx), settings.source_system
        return ingest_statuses(database, source, source_system=system, log=context.log)

    return _load_asset(settings, STATUSES, load)


def load_metadata(result: LoadResult) -> dict[str, Any]:
    """What people see of a load; numbers, so that the UI plots them."""
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
        shown["kept out"] = dg.MetadataValue.table(
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

    @dg.asset(
        key=COMPUTERS,
        deps=BRONZE,
        group_name="inventory",
        owners=OWNERS,
        kinds={"postgres", "pandas", "silver"},
        description=(
            "Computers as discovery asks for them: one row for each asset, typed, current, with keys "
            "folded for exact lookups and faults flagged. Rows are in silver.tdx_computers; the view "
            "silver.computers shows them where that name is free."
        ),
        metadata={
            "dagster/table_name": "silver.tdx_computers",
            "dagster/column_schema": SILVER_COLUMNS,
            "dagster/column_lineage": LINEAGE,
        },
        # Not `eager`: that waits for people and statuses, without which a row only says less. What changed
        # while a load went on is remembered, since nothing may follow it; what changed just now counts also
        # where a rebuild ended just now.
        automation_condition=(
            (changed | changed.since_last_handled())
            & ~dg.AutomationCondition.any_deps_in_progress()
            & ~dg.AutomationCondition.in_progress()
        ),
        required_resource_keys=DATABASE,
    )
    def computers(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from tdx_dagster.inventory.silver import rebuild_computers  # noqa: PLC0415  brings pandas

        try:
            result = rebuild_computers(
                context.resources.database.engine(),
                source_system=settings.source_system,
                entity_types=settings.entity_types,
                zone=ZoneInfo(settings.tdx_time_zone),
            )
        except BronzeEmpty as error:
            raise failure(str(error)) from error
        return dg.MaterializeResult(metadata=rebuild_metadata(result))

    return computers


def rebuild_metadata(result: RebuildResult) -> dict[str, Any]:
    """What people see of a rebuild; numbers, so that the UI plots them."""
    return {
        "dagster/row_count": result.computers,
        "dagster/column_lineage": LINEAGE,
        "active": result.active,
        "written": result.written,
        "removed": result.removed,
        "unusable": result.unusable,
        "repeated": result.repeated,
        **{f"flag: {flag}": count for flag, count in sorted(result.flags.items())},
    }


def _observed(settings: InventorySettings) -> dg.AssetsDefinition:
    """Bronze that somebody else's job fills: looked at, never written."""
    # Half an hour is soon enough for loads that people run nightly or hourly.
    often = dg.AutomationCondition.on_cron("*/30 * * * *")
    specs = [
        dg.AssetSpec(key, automation_condition=often, **_common(settings, key)) for key in BRONZE
    ]
    kinds = {
        ASSETS: settings.entity_types,
        PEOPLE: (PERSON.entity_type,),
        STATUSES: (STATUS.entity_type,),
    }

    def observed(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        for key, entity_types in kinds.items():
            age, _ = inventory_age(
                context.resources.database.engine(),
                source_system=settings.source_system,
                entity_types=entity_types,
            )
            yield _observation(key, age)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # the alternative observes nothing
        decorated: dg.AssetsDefinition = dg.multi_observable_source_asset(
            name="bronze_of_another_job", specs=specs, required_resource_keys=DATABASE
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


def _checks(settings: InventorySettings) -> Iterator[dg.AssetChecksDefinition]:
    names = InventoryNames(settings.source_system, settings.entity_types)
    yield _check(
        ASSETS,
        FRESH,
        "Assets were loaded within the last day, or are at least not distrusted.",
        lambda engine: check_age(engine, names, settings.limits),
    )
    yield _check(
        ASSETS,
        "ids_are_unique",
        "No asset is in bronze under two entity types.",
        lambda engine: check_unique_ids(engine, names),
    )
    yield _check(
        COMPUTERS,
        "is_not_empty",
        "There is at least one computer to be found.",
        check_not_empty,
    )
    yield _check(
        COMPUTERS,
        "did_not_shrink",
        f"At most {settings.most_dropped:.0%} of the active computers vanished with this rebuild.",
        lambda engine: check_drop(engine, names, settings.most_dropped),
    )
    yield _check(
        COMPUTERS,
        "has_serials",
        f"At most {settings.most_without_serial:.0%} of the active computers lack a serial number.",
        lambda engine: check_serials(engine, settings.most_without_serial),
    )


def _tickets_of(pipeline: str) -> dg.AssetKey:
    return dg.AssetKey(["tickets", pipeline])


def _stuck_check(pipeline: str) -> dg.AssetChecksDefinition:
    """It looks at all tickets of a pipeline, so the job of its sensor, which runs a few, leaves it out."""
    return _check(
        _tickets_of(pipeline),
        STUCK,
        "No ticket has a failed action that waits for a person for more than a day.",
        lambda engine: check_stuck_tickets(engine, pipeline),
    )


def _check(
    key: dg.AssetKey, name: str, description: str, look: Callable[[Engine], Verdict]
) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=description, required_resource_keys=DATABASE)
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        verdict = look(context.resources.database.engine())
        severity = dg.AssetCheckSeverity.ERROR if verdict.is_error else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=severity,
            description=verdict.text,
            metadata=dict(verdict.numbers),
        )

    return check


def _job(mode: Mode) -> Any:  # noqa: ANN401  Dagster's unresolved job
    what = {
        Mode.FULL: "Loads all assets, their statuses and owners, and marks what is gone.",
        Mode.INCREMENTAL: "Loads assets that changed since the last load, statuses and owners.",
    }
    return dg.define_asset_job(
        f"inventory_{mode.value}",
        selection=[*BRONZE],
        config={"ops": {"bronze__tdx_assets": {"config": {"mode": mode.value}}}},
        description=what[mode],
    )


def _morning(settings: InventorySettings, pipelines: Sequence[str]) -> dg.Definitions:
    """The checks for what does not happen, which no load and no run on tickets shows."""
    stuck = [dg.AssetCheckKey(_tickets_of(pipeline), STUCK) for pipeline in pipelines]
    job = dg.define_asset_job(
        "morning_checks",
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(ASSETS, FRESH), *stuck),
        executor_def=dg.in_process_executor,
        description="Looks for loads that did not come, and for tickets that wait for a person.",
    )
    schedule = dg.ScheduleDefinition(
        name="morning_checks_schedule",
        job=job,
        cron_schedule="37 6 * * *",
        execution_timezone=settings.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{job.description} On from the start: it costs a query, and calls TDX never.",
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _schedule(job: Any, cron: str, settings: InventorySettings) -> dg.ScheduleDefinition:  # noqa: ANN401  as above
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=settings.time_zone,
        description=f"{job.description} Off until switched on, since it calls TDX.",
    )


def _column(name: str, kind: str, description: str, *, required: bool = False) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=not required)
    return dg.TableColumn(name, kind, description=description, constraints=constraints)


BRONZE_COLUMNS = dg.TableSchema(
    columns=[
        _column("raw_id", "uuid", "Names the row.", required=True),
        _column("entity_type", "varchar(50)", "Kind of record: asset, user, …", required=True),
        _column("source_system", "varchar(50)", "Where it comes from.", required=True),
        _column("external_id", "varchar(255)", "Its id there.", required=True),
        _column(
            "raw_data", "jsonb", "The record as it came, less what JSONB refuses.", required=True
        ),
        _column("ingested_at", "timestamptz", "When this version was stored."),
        _column("ingestion_run_id", "uuid", "The load, in meta.ingestion_runs."),
        _column("entity_hash", "varchar(64)", "Names the entity, for joins."),
        _column("ingestion_metadata", "jsonb", "Sum over the content; whether it is gone."),
    ]
)

_FROM_ASSETS = {
    "asset_id": ("bigint", "TDX id of the asset."),
    "app_id": ("integer", "Asset application."),
    "name": ("text", "Name as people write it."),
    "serial_number": ("text", "Serial number as people write it."),
    "tag": ("text", "Service tag."),
    "name_key": ("text", "Name folded for lookups; empty for fillers and blanks."),
    "serial_key": ("text", "Serial number folded for lookups."),
    "tag_key": ("text", "Tag folded for lookups."),
    "form_id": ("integer", "Form of the asset."),
    "form_name": ("text", "Its name."),
    "status_id": ("integer", "Status of the asset."),
    "status_name": ("text", "Its name."),
    "status_class": ("text", "in service or out of service, as the list of statuses says."),
    "is_active": ("boolean", "Whether tickets may get it."),
    "owner_uid": ("uuid", "The person who owns it."),
    "owner_name": ("text", "Their name."),
    "owner_email": ("text", "Their e-mail address."),
    "configuration_item_id": ("bigint", "The configuration item behind it."),
    "external_id": ("text", "Its id in another system."),
    "modified_at": ("timestamptz", "When it was last changed in TDX."),
    "quality_flags": ("text[]", "What is wrong with the row."),
    "raw_id": ("uuid", "The version in bronze."),
    "ingested_at": ("timestamptz", "When that was stored."),
}

SILVER_COLUMNS = dg.TableSchema(
    columns=[
        _column(name, kind, words, required=name in {"asset_id", "is_active", "quality_flags"})
        for name, (kind, words) in _FROM_ASSETS.items()
    ]
)

_ALSO_FROM = {
    "status_class": (STATUSES,),
    "is_active": (ASSETS, STATUSES),
    "owner_email": (ASSETS, PEOPLE),
    "quality_flags": (ASSETS, STATUSES, PEOPLE),
}
_SAME = {"raw_id", "ingested_at"}

LINEAGE = dg.TableColumnLineage(
    {
        name: [
            dg.TableColumnDep(asset_key=key, column_name=name if name in _SAME else "raw_data")
            for key in _ALSO_FROM.get(name, (ASSETS,))
        ]
        for name in _FROM_ASSETS
    }
)
