"""What people see of the inventory's tables in Dagster: asset keys, column schemas and column lineage.

Belongs here: values alone. Does not: how the tables are filled (`assets`), when (`automation`).
"""

from dataclasses import dataclass, field

import dagster as dg

from tdx_dagster.inventory.settings import ASSET_NAMES, InventorySettings
from tdx_dagster.named_tdx import key_path


@dataclass(frozen=True, slots=True)
class InventoryKeys:
    """The asset keys of the inventory.

    Args:
        assets: Assets in bronze.
        people: Their owners in bronze.
        statuses: Statuses of assets in bronze.
        computers: Silver.
    """

    assets: dg.AssetKey = field(default=dg.AssetKey(["bronze", "tdx_assets"]))
    people: dg.AssetKey = field(default=dg.AssetKey(["bronze", "tdx_people"]))
    statuses: dg.AssetKey = field(default=dg.AssetKey(["bronze", "tdx_statuses"]))
    computers: dg.AssetKey = field(default=dg.AssetKey(["silver", "computers"]))

    @classmethod
    def of(cls, settings: InventorySettings) -> "InventoryKeys":
        """Give the keys that the settings name; the rest are the usual ones, below the environment's name."""
        usual = {
            name: key_path([*getattr(USUAL_KEYS, name).path], settings.tdx) for name in ASSET_NAMES
        }
        named = {name: key.split("/") for name, key in settings.asset_keys.items()}
        return cls(**{name: dg.AssetKey(path) for name, path in (usual | named).items()})

    @property
    def bronze(self) -> tuple[dg.AssetKey, ...]:
        """Give those of bronze, each once: another job may have one asset for several kinds."""
        return tuple(dict.fromkeys((self.statuses, self.assets, self.people)))


USUAL_KEYS = InventoryKeys()
ASSETS, PEOPLE, STATUSES = USUAL_KEYS.assets, USUAL_KEYS.people, USUAL_KEYS.statuses
COMPUTERS = USUAL_KEYS.computers
BRONZE = USUAL_KEYS.bronze


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
    "status_class": ("statuses",),
    "is_active": ("assets", "statuses"),
    "owner_email": ("assets", "people"),
    "quality_flags": ("assets", "statuses", "people"),
}
_SAME = {"raw_id", "ingested_at"}


def column_lineage(keys: InventoryKeys) -> dg.TableColumnLineage:
    """Say from which columns of bronze each column of silver is made."""
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(
                    asset_key=key,
                    column_name=name if name in _SAME else "raw_data",
                )
                for key in dict.fromkeys(
                    getattr(keys, source) for source in _ALSO_FROM.get(name, ("assets",))
                )
            ]
            for name in _FROM_ASSETS
        }
    )
