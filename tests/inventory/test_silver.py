"""The typed inventory: one current row for each asset, keys folded, faults flagged."""

import json
import random
import string
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from tdx_dagster.inventory.bronze import ingest_assets, ingest_people, ingest_statuses
from tdx_dagster.inventory.rebuilds import BronzeEmpty
from tdx_dagster.inventory.silver import rebuild_computers
from tdx_dagster.postgres.database import engine
from tests.inventory.listed import OWNER, Listed, asset


def computers(database: Engine) -> list[dict[str, Any]]:
    with database.connect() as connection:
        found = connection.execute(text("SELECT * FROM silver.computers ORDER BY asset_id"))
        return [dict(row) for row in found.mappings()]


def row_of(database: Engine, asset_id: int) -> dict[str, Any]:
    """The row of one asset."""
    return next(row for row in computers(database) if row["asset_id"] == asset_id)


def computer(
    database: Engine, *assets: object, statuses: tuple[object, ...] = ()
) -> dict[str, Any]:
    """The first row made of some assets."""
    source = Listed(assets, statuses)
    ingest_assets(database, source)
    if statuses:
        ingest_statuses(database, source)
    rebuild_computers(database)
    return computers(database)[0]


def test_a_row_says_what_tdx_said_in_types(each_database_url: str) -> None:
    """On each server version: everything discovery and people read."""
    database = engine(each_database_url)
    source = Listed([asset(1001, " lib-pc-1 ", Tag="104233")])
    ingest_assets(database, source)
    ingest_people(database, source)
    result = rebuild_computers(database)
    assert (result.computers, result.active, result.written, result.flags) == (1, 1, 1, {})
    (row,) = computers(database)
    raw_id, ingested_at = row.pop("raw_id"), row.pop("ingested_at")
    assert raw_id is not None
    assert ingested_at.tzinfo is not None
    assert row | {"owner_uid": str(row["owner_uid"])} == {
        "asset_id": 1001,
        "app_id": 48,
        "name": "lib-pc-1",
        "serial_number": "5cd1001",
        "tag": "104233",
        "name_key": "LIB-PC-1",
        "serial_key": "5CD1001",
        "tag_key": "104233",
        "form_id": 2448,
        "form_name": "Computer",
        "status_id": 1,
        "status_name": "Active",
        "status_class": None,
        "is_active": True,
        "owner_uid": OWNER,
        "owner_name": "Ada Example",
        "owner_email": "ada@example.edu",
        "configuration_item_id": 70001,
        "external_id": None,
        "modified_at": datetime(2026, 11, 1, 8, tzinfo=UTC),
        "quality_flags": [],
    }
    database.dispose()


def test_e04_only_the_latest_version_of_an_asset_is_there(database: Engine) -> None:
    """A renamed machine was found under its old name."""
    ingest_assets(database, Listed([asset(1001, "OLD-PC1")]))
    row = computer(database, asset(1001, "NEW-PC1"))
    assert [row["name_key"] for row in computers(database)] == ["NEW-PC1"]
    assert row["asset_id"] == 1001


def test_e10_dates_of_year_one_are_unknown_and_reading_never_fails(database: Engine) -> None:
    """In another zone they are years that Python cannot show."""
    with database.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone = 'America/Detroit'"))
    database.dispose()
    row = computer(database, asset(1, ModifiedDate="0001-01-01T00:00:00"))
    assert row["modified_at"] is None


def test_dates_without_a_zone_are_those_of_the_tenant(database: Engine) -> None:
    """TDX sends both forms in one answer (case A50)."""
    detroit = ZoneInfo("America/Detroit")
    zoneless = asset(1, ModifiedDate="2026-11-01T08:00:00")
    ingest_assets(database, Listed([zoneless]), zone=detroit)
    store_foreign(database, ("asset", "2", zoneless | {"ID": 2}))
    rebuild_computers(database, zone=detroit)
    expected = datetime(2026, 11, 1, 13, tzinfo=UTC)
    assert [row["modified_at"] for row in computers(database)] == [expected, expected]


@pytest.mark.parametrize("filler", [None, "", "  ", "null", "None", "NaN", "Default string", "n/a"])
def test_e18_blanks_and_fillers_give_no_key(database: Engine, filler: str | None) -> None:
    """A missing serial must not equal another missing serial."""
    assert computer(database, asset(1, SerialNumber=filler))["serial_key"] is None


@pytest.mark.parametrize(
    ("status_id", "name", "is_active", "status_class"),
    [
        (1, "In Storage", False, "in service"),
        (2, "Active", False, "out of service"),
        (3, "Active", False, "in service"),
        (9, "Active", True, None),
        (9, "Retired", False, None),
        (None, " ACTIVE ", True, None),
    ],
)
def test_active_means_the_status_named_active_unless_the_list_says_that_it_is_not_in_use(
    database: Engine, status_id: int | None, name: str, is_active: bool, status_class: str | None
) -> None:
    """A machine in storage is in service, but nobody's computer; the list may lack statuses."""
    statuses = (
        {"ID": 1, "Name": "In Storage", "IsActive": True, "IsOutOfService": False},
        {"ID": 2, "Name": "Active", "IsActive": True, "IsOutOfService": True},
        {"ID": 3, "Name": "Active", "IsActive": False, "IsOutOfService": False},
    )
    row = computer(database, asset(1, StatusID=status_id, StatusName=name), statuses=statuses)
    assert (row["is_active"], row["status_class"]) == (is_active, status_class)
    assert ("unknown status" in row["quality_flags"]) == (status_class is None)


def test_what_is_wrong_with_a_row_is_written_on_it(database: Engine) -> None:
    """People correct their inventory in TDX; this says where."""
    ingest_assets(
        database,
        Listed(
            [
                asset(1, "SAME", SerialNumber="Default string"),
                asset(2, "same", SerialNumber=None, OwningCustomerID=None),
                asset(3, None, SerialNumber="SÉRIE"),
                asset(4, "SAME", StatusName="Retired"),
            ]
        ),
    )
    result = rebuild_computers(database)
    flags = {row["asset_id"]: row["quality_flags"] for row in computers(database)}
    assert flags == {
        1: ["filler", "shared name"],
        2: ["no serial", "shared name", "no owner"],
        3: ["no name", "not ascii"],
        4: ["shared name"],
    }
    assert result.flags["shared name"] == 3


def test_an_asset_that_is_gone_stays_but_is_not_active(database: Engine) -> None:
    """Its history is still looked up by people; no ticket may get it."""
    ingest_assets(database, Listed([asset(1), asset(2)]))
    ingest_assets(database, Listed([asset(1)]))
    rebuild_computers(database)
    gone = computers(database)[1]
    assert (gone["is_active"], gone["quality_flags"]) == (False, ["gone"])


def test_only_rows_that_changed_are_written(database: Engine) -> None:
    """Readers and backups are glad of it."""
    assets = [asset(number) for number in range(1, 51)]
    ingest_assets(database, Listed(assets))
    assert rebuild_computers(database).written == 50
    ingest_assets(database, Listed([asset(1, "RENAMED"), *assets[1:]]))
    assert rebuild_computers(database).written == 1
    assert rebuild_computers(database).written == 0


def store_foreign(database: Engine, *rows: tuple[str, str, object]) -> None:
    """Rows as somebody else's load writes them."""
    with database.begin() as connection:
        for entity_type, external_id, raw in rows:
            connection.execute(
                text(
                    "INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data) "
                    "VALUES (:type, 'tdx', :id, CAST(:raw AS jsonb))"
                ),
                {"type": entity_type, "id": external_id, "raw": json.dumps(raw)},
            )


def test_rows_of_other_loads_are_read_under_both_names(database: Engine) -> None:
    """Half of the public code writes `asset`, the other half reads `computer` (case E05)."""
    store_foreign(
        database,
        ("asset", "1001", asset(1001, "FROM-ASSET")),
        ("computer", "1002", asset(1002, "FROM-COMPUTER")),
        ("laptop", "1003", asset(1003)),
    )
    rebuild_computers(database)
    assert [row["name"] for row in computers(database)] == ["FROM-ASSET", "FROM-COMPUTER"]


def test_hostile_rows_of_other_loads_harm_only_themselves(database: Engine) -> None:
    """Nobody cleaned what they stored."""
    store_foreign(
        database,
        ("asset", "1", asset(1, "GOOD-PC1")),
        ("asset", "2", [1, 2]),
        ("asset", "three", {"ID": "three"}),
        (
            "asset",
            "4",
            {"ID": {"a": 1}, "StatusID": 2**40, "OwningCustomerID": "me", "ModifiedDate": "x"},
        ),
        ("asset", "5", asset("5.0", {"nested": True}, FormID="2448", StatusID=1.0)),
    )
    result = rebuild_computers(database)
    found = {row["asset_id"]: row for row in computers(database)}
    assert sorted(found) == [1, 2, 5]
    assert result.unusable == 2
    assert (found[5]["form_id"], found[5]["status_id"]) == (2448, 1)
    assert found[2]["name"] is None


def test_of_one_asset_under_two_names_the_last_stored_counts(database: Engine) -> None:
    """Two loads of other people may both know it."""
    store_foreign(database, ("asset", "7", asset(7, "FIRST")))
    store_foreign(database, ("computer", "7", asset(7, "SECOND")))
    store_foreign(database, ("computer", "007", asset(7, "THIRD")))
    rebuild_computers(database)
    assert [row["name"] for row in computers(database)] == ["THIRD"]


def test_a_wrong_entity_type_does_not_empty_the_inventory(database: Engine) -> None:
    """A slip in a setting would send every lookup to the rate-limited API."""
    ingest_assets(database, Listed([asset(1)]))
    rebuild_computers(database)
    with pytest.raises(BronzeEmpty, match="no laptop of source 'tdx'"):
        rebuild_computers(database, entity_types=("laptop",))
    assert len(computers(database)) == 1


def test_readers_see_the_old_inventory_until_the_new_one_is_whole(database: Engine) -> None:
    """A ticket looked up in between must not find half of it."""
    ingest_assets(database, Listed([asset(1, "OLD-PC1")]))
    rebuild_computers(database)
    ingest_assets(database, Listed([asset(1, "NEW-PC1")]))
    with database.connect() as reader:
        reader.execute(text("SELECT 1 FROM silver.computers"))
        rebuild_computers(database)
        names = reader.execute(text("SELECT name FROM silver.computers")).scalars().all()
    assert names == ["NEW-PC1"]


def test_what_tdx_says_now_counts_also_where_its_date_went_back(database: Engine) -> None:
    """Somebody restored a record, or a clock was set: the last load is the truth."""
    ingest_assets(database, Listed([asset(1, "NEW", ModifiedDate="2026-11-02T08:00:00Z")]))
    row = computer(database, asset(1, "OLD", ModifiedDate="2026-10-01T08:00:00Z"))
    assert row["name"] == "OLD"


def test_an_asset_that_was_deleted_and_came_back_is_active_again(database: Engine) -> None:
    """Although not a letter of it has changed."""
    ingest_assets(database, Listed([asset(1), asset(2)]))
    ingest_assets(database, Listed([asset(2)]))
    rebuild_computers(database)
    assert not row_of(database, 1)["is_active"]
    ingest_assets(database, Listed([asset(1), asset(2)]))
    rebuild_computers(database)
    assert row_of(database, 1)["is_active"]
    assert "gone" not in row_of(database, 1)["quality_flags"]


@pytest.mark.parametrize("wall", ["2026-03-08T02:30:00", "2026-11-01T01:30:00"])
def test_hours_that_do_not_exist_or_exist_twice_are_read(database: Engine, wall: str) -> None:
    """The nights on which clocks change."""
    zone = ZoneInfo("America/New_York")
    ingest_assets(database, Listed([asset(1, ModifiedDate=wall)]), zone=zone)
    rebuild_computers(database, zone=zone)
    assert row_of(database, 1)["modified_at"].utcoffset() is not None


def test_a_person_without_a_computer_and_a_computer_without_a_person_are_rows_of_their_own(
    database: Engine,
) -> None:
    """Neither stops the other."""
    ingest_assets(database, Listed([asset(1, OwningCustomerID=None), asset(2)]))
    ingest_people(database, Listed())
    ingest_assets(database, Listed([asset(1, OwningCustomerID=None)]))
    rebuild_computers(database)
    assert row_of(database, 1)["owner_uid"] is None
    assert row_of(database, 2)["owner_email"] == "ada@example.edu"


# No compression makes it fit into an index.
LONG = "".join(random.Random(1).choices(string.ascii_uppercase + string.digits, k=10_000))


@pytest.mark.parametrize(
    "hostile",
    [
        {"Name": LONG, "SerialNumber": LONG, "Tag": LONG, "ExternalID": LONG},
        {"Name": "LIB\rPC", "SerialNumber": 'a"b\n\\N,\t', "Tag": "\\."},
        {"Name": ["LIB-PC"], "SerialNumber": {"a": 1}, "Tag": True},
        {"StatusID": 2**40, "FormID": "x", "AppID": [1], "ConfigurationItemID": 2**70},
        {"ModifiedDate": "9999-12-31T23:59:59-14:00", "OwningCustomerID": "nobody"},
        {"ModifiedDate": "2026-13-45", "StatusName": "Act\0ive"},
    ],
)
def test_f30_a_hostile_asset_harms_only_its_own_row(
    database: Engine, hostile: dict[str, Any]
) -> None:
    """One of them stopped the rebuild, and with it every change of the whole inventory."""
    ingest_assets(database, Listed([asset(1, **hostile), asset(2)]))
    assert rebuild_computers(database).computers == 2
    assert row_of(database, 2)["name_key"] == "LIB-PC-1"


def test_a_value_too_long_for_an_identifier_is_kept_and_found_by_nobody(database: Engine) -> None:
    """A person sees what TDX has."""
    row = computer(database, asset(1, LONG))
    assert (row["name"], row["name_key"]) == (LONG, None)
    assert "filler" in row["quality_flags"]
