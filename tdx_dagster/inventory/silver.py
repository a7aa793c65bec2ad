"""Make `silver.tdx_computers` from the latest versions in bronze: typed rows, one for each asset.

Belongs here: plain functions over pandas frames that decide what a row says, and the exchange of
the whole table in one transaction. Does not: how records come into bronze, or how discovery asks.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from sqlalchemy import Connection, Engine

from tdx_dagster.inventory.freshness import bronze_state, is_behind
from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.inventory.lookup import read_statuses
from tdx_dagster.inventory.rebuilds import REBUILD, BronzeEmpty, RebuildResult
from tdx_dagster.inventory.records import ASSET_TYPES, PERSON, SOURCE_SYSTEM
from tdx_dagster.inventory.schema import DEFAULT_SCHEMA, in_schema
from tdx_dagster.inventory.statuses import ActiveStatuses, Listed
from tdx_dagster.postgres.database import copy_in
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.postgres.sessions import PATIENT
from tdx_dagster.tdx.parse import parse_date, parse_guid, parse_id, parse_text

SQL = Queries(Path(__file__).with_name("silver.sql"))

FLAGS = (
    *("gone", "no name", "no serial", "filler", "not ascii", "shared name", "shared serial"),
    *("unknown status", "no owner", "unknown owner"),
)
"""What may be wrong with a row, as words in `quality_flags`."""

COLUMNS = (
    *("asset_id", "app_id", "name", "serial_number", "tag", "name_key", "serial_key", "tag_key"),
    *("form_id", "form_name", "status_id", "status_name", "status_class", "is_active"),
    *("owner_uid", "owner_name", "owner_email", "configuration_item_id", "external_id"),
    *("modified_at", "quality_flags", "raw_id", "ingested_at"),
)

T = TypeVar("T")


def rebuild_computers(
    engine: Engine,
    *,
    source_system: str = SOURCE_SYSTEM,
    entity_types: tuple[str, ...] = ASSET_TYPES,
    zone: tzinfo = UTC,
    schema: str = DEFAULT_SCHEMA,
) -> RebuildResult:
    """Rebuild the table; readers see the old rows until the new ones are committed.

    Args:
        engine: The database.
        source_system: Name of the source in bronze.
        entity_types: Names of assets in bronze.
        zone: Of dates without one.
        schema: Where the table is.

    Raises:
        BronzeEmpty: There is nothing to make it of, but there was.
    """
    with engine.begin() as connection:
        connection.exec_driver_sql(PATIENT)
        connection.execute(in_schema(SQL, "one_rebuild", schema))
        return _rebuild(connection, source_system, entity_types, zone, schema)


def rebuild_if_behind(
    engine: Engine,
    *,
    source_system: str = SOURCE_SYSTEM,
    entity_types: tuple[str, ...] = ASSET_TYPES,
    zone: tzinfo = UTC,
    schema: str = DEFAULT_SCHEMA,
) -> RebuildResult | None:
    """Do what `rebuild_computers` does, unless somebody else has just done it: then None."""
    with engine.begin() as connection:
        connection.exec_driver_sql(PATIENT)
        connection.execute(in_schema(SQL, "one_rebuild", schema))
        if not is_behind(connection, source_system, entity_types, schema):
            return None
        return _rebuild(connection, source_system, entity_types, zone, schema)


def _rebuild(
    connection: Connection,
    source_system: str,
    entity_types: tuple[str, ...],
    zone: tzinfo,
    schema: str,
) -> RebuildResult:
    types = {"source_system": source_system, "entity_types": list(entity_types)}
    # Before the rows are read: what is stored between is then newer than what this says.
    made_from = bronze_state(connection, source_system, entity_types)
    assets = _read_assets(connection, types)
    statuses = read_statuses(connection, source_system)
    emails = read_emails(connection, source_system)
    computers = make_computers(assets, statuses, emails, zone)
    if computers.empty and connection.execute(in_schema(SQL, "count", schema)).scalar_one():
        raise BronzeEmpty(
            f"Bronze has no {' or '.join(entity_types)} of source {source_system!r}: is that what "
            "your loads call them (INVENTORY_ENTITY_TYPES, INVENTORY_SOURCE_SYSTEM)? The inventory "
            "is left as it was."
        )
    written, removed = _exchange(connection, computers, schema)
    result = _result(assets, computers, written, removed)
    about = {
        "mode": "full",
        "loader": "tdx-dagster",
        "active": result.active,
        "entity_types": sorted(entity_types),
        **made_from.recorded(),
    }
    values = {
        "source_system": source_system,
        "entity_type": REBUILD,
        "rows": written,
        "processed": len(computers),
        "metadata": json.dumps(about),
    }
    connection.execute(SQL["record"], values)
    connection.execute(in_schema(SQL, "analyze", schema))
    return result


def _read_assets(connection: Connection, types: Mapping[str, Any]) -> pd.DataFrame:
    try:
        return pd.read_sql_query(SQL["latest_assets"], connection, params=types)
    except pd.errors.DatabaseError as error:
        # pandas hides the driver's error behind one of its own, which nobody here knows.
        raise error.__cause__ or error from None


def _result(
    assets: pd.DataFrame, computers: pd.DataFrame, written: int, removed: int
) -> RebuildResult:
    unusable = sum(_asset_ids(assets).isna())
    return RebuildResult(
        computers=len(computers),
        active=sum(computers["is_active"]),
        written=written,
        removed=removed,
        unusable=unusable,
        repeated=len(assets) - unusable - len(computers),
        flags=dict(Counter(flag for flags in computers["quality_flags"] for flag in flags)),
    )


def read_emails(connection: Connection, source_system: str) -> dict[str, str]:
    """E-mail addresses of the people in bronze, by UID."""
    values = {"source_system": source_system, "entity_type": PERSON.entity_type}
    rows = connection.execute(SQL["latest_people"], values)
    return {row.uid: row.email or "" for row in rows if row.uid}


def make_computers(
    assets: pd.DataFrame, statuses: Listed, emails: Mapping[str, str], zone: tzinfo
) -> pd.DataFrame:
    """Give one typed row for each asset.

    Args:
        assets: Latest versions with TDX's own field names, all values text or missing, and
            `external_id`, `raw_id`, `ingested_at`, `is_gone`.
        statuses: The statuses that were fetched, by id.
        emails: E-mail addresses of known people, by UID.
        zone: Of dates without one.

    Returns:
        The columns of `COLUMNS`, missing values as None, ordered by asset id. Of one id under two
        names the version that was stored last.
    """
    rows = pd.DataFrame(index=assets.index)
    rows["asset_id"] = _asset_ids(assets)
    for column, field in (("app_id", "AppID"), ("form_id", "FormID"), ("status_id", "StatusID")):
        rows[column] = _column(assets[field], _parse_integer)
    rows["configuration_item_id"] = _column(assets["ConfigurationItemID"], parse_id)
    for column, field in _TEXTS.items():
        rows[column] = _column(assets[field], _parse_filled_text)
    for key, column in (("name_key", "name"), ("serial_key", "serial_number"), ("tag_key", "tag")):
        rows[key] = _column(rows[column], fold_key)
    rows["owner_uid"] = _column(assets["OwningCustomerID"], parse_guid)
    rows["owner_email"] = _column(rows["owner_uid"], lambda uid: emails.get(uid) or None)
    rows["modified_at"] = _column(
        assets["modified_at"].fillna(assets["ModifiedDate"]), lambda text: parse_date(text, zone)
    )
    known = [statuses.get(status) for status in rows["status_id"]]
    rows["status_class"] = _series(rows, (one.status_class if one else None for one in known))
    # By the name Active, as everywhere: a machine in storage or repair is in service too.
    active = ActiveStatuses(listed=statuses)
    rows["is_active"] = _series(
        rows,
        (
            not is_gone and active.counts(status_id, name or "")
            for status_id, name, is_gone in zip(
                rows["status_id"], rows["status_name"], assets["is_gone"], strict=True
            )
        ),
    )
    rows["raw_id"], rows["ingested_at"] = assets["raw_id"], assets["ingested_at"]
    rows = _one_each(rows)
    rows["quality_flags"] = _flags(rows, assets.loc[rows.index, "is_gone"], statuses, emails)
    return rows[list(COLUMNS)]


_TEXTS = {
    "name": "Name",
    "serial_number": "SerialNumber",
    "tag": "Tag",
    "form_name": "FormName",
    "status_name": "StatusName",
    "owner_name": "OwningCustomerName",
    "external_id": "ExternalID",
}


def _asset_ids(assets: pd.DataFrame) -> "pd.Series[Any]":
    return _column(assets["ID"].fillna(assets["external_id"]), parse_id)


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    usable = rows[rows["asset_id"].notna()].sort_values("ingested_at", kind="stable")
    return usable.drop_duplicates("asset_id", keep="last").sort_values("asset_id")


def _flags(
    rows: pd.DataFrame,
    is_gone: "pd.Series[bool]",
    statuses: Listed,
    emails: Mapping[str, str],
) -> "pd.Series[Any]":
    active = rows[rows["is_active"].astype(bool)]
    names, serials = Counter(active["name_key"]), Counter(active["serial_key"])

    def found(row: Any, gone: bool) -> list[str]:  # noqa: ANN401  a row of the frame
        wrong = {
            "gone": gone,
            "no name": row.name_ is None,
            "no serial": row.serial_number is None,
            "filler": any(
                value and not key and value.isascii()
                for value, key in ((row.name_, row.name_key), (row.serial_number, row.serial_key))
            ),
            "not ascii": any(
                v and not v.isascii() for v in (row.name_, row.serial_number, row.tag)
            ),
            "shared name": bool(row.name_key) and names[row.name_key] > 1,
            "shared serial": bool(row.serial_key) and serials[row.serial_key] > 1,
            "unknown status": bool(statuses) and row.status_id not in statuses,
            "no owner": row.owner_uid is None,
            "unknown owner": bool(emails) and bool(row.owner_uid) and row.owner_uid not in emails,
        }
        return [flag for flag in FLAGS if wrong[flag]]

    # A column called name would hide a row's own name.
    listed = rows.rename(columns={"name": "name_"}).itertuples(index=False)
    return _series(
        rows, (found(row, bool(gone)) for row, gone in zip(listed, is_gone, strict=True))
    )


def _column(values: "pd.Series[Any]", reader: Callable[[Any], T | None]) -> "pd.Series[Any]":
    """Give a column of values read one by one; what is missing or unreadable is None."""
    read = (_or_none(reader, value) if isinstance(value, str) else None for value in values)
    return pd.Series(list(read), index=values.index, dtype=object)


def _series(rows: pd.DataFrame, values: Iterable[object]) -> "pd.Series[Any]":
    return pd.Series(list(values), index=rows.index, dtype=object)


def _or_none(reader: Callable[[Any], T | None], value: object) -> T | None:
    try:
        return reader(value)
    except ValueError:
        return None


def _parse_integer(value: str) -> int | None:
    """Give an id that fits PostgreSQL's integer; larger ones are no id of TDX."""
    number = parse_id(value)
    return number if number is not None and number < 2**31 else None


def _parse_filled_text(value: str) -> str | None:
    return parse_text(value).strip() or None


def _exchange(connection: Connection, computers: pd.DataFrame, schema: str) -> tuple[int, int]:
    """Put the rows in the place of the old ones; gives numbers of rows written and removed."""
    connection.execute(in_schema(SQL, "make_staging", schema))
    shown = computers.assign(
        quality_flags=computers["quality_flags"].map(
            lambda flags: "{" + ",".join(f'"{flag}"' for flag in flags) + "}"
        )
    )
    # With its line ends in it, a value that holds one of their characters is quoted.
    lines = io.StringIO(shown.to_csv(header=False, index=False, lineterminator="\r\n"), newline="")
    copy_in(connection, f"COPY rebuilt ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)", lines)
    connection.execute(SQL["index_staging"])
    removed = connection.execute(in_schema(SQL, "remove", schema)).rowcount
    written = connection.execute(in_schema(SQL, "merge", schema)).rowcount
    return written, removed
