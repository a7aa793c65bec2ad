"""What people see of the inventory's tables in Dagster: asset keys, column schemas and column lineage.

Belongs here: values alone. Does not: how the tables are filled (`assets`), when (`automation`).
"""

import dagster as dg

ASSETS = dg.AssetKey(["bronze", "tdx_assets"])
PEOPLE = dg.AssetKey(["bronze", "tdx_people"])
STATUSES = dg.AssetKey(["bronze", "tdx_statuses"])
COMPUTERS = dg.AssetKey(["silver", "computers"])
BRONZE = (STATUSES, ASSETS, PEOPLE)


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
