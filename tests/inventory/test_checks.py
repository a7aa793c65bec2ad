"""Verdicts on the inventory: which fault is an error, which a warning, and what people are told."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tdx_dagster.inventory.bronze import ingest_assets
from tdx_dagster.inventory.checks import (
    InventoryNames,
    check_age,
    check_drop,
    check_not_empty,
    check_serials,
    check_unique_ids,
)
from tdx_dagster.inventory.freshness import AgeLimits, Freshness, inventory_age
from tdx_dagster.inventory.records import ASSET_TYPES
from tdx_dagster.inventory.silver import rebuild_computers
from tests.inventory.listed import Listed, asset

NAMES = InventoryNames("tdx", ASSET_TYPES)


def run(database: Engine, statement: str) -> None:
    with database.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0, Freshness.FRESH),
        (25.9, Freshness.FRESH),
        (26, Freshness.STALE),
        (167.9, Freshness.STALE),
        (168, Freshness.DISTRUSTED),
        (None, Freshness.DISTRUSTED),
    ],
)
def test_age_is_judged_in_two_steps(hours: float | None, expected: Freshness) -> None:
    """A late night is worth a look; after a week nothing found is trusted unasked."""
    age = None if hours is None else timedelta(hours=hours)
    assert AgeLimits().judge(age) is expected


def test_an_inventory_never_loaded_is_an_error(database: Engine) -> None:
    """The first thing to do on a new installation."""
    verdict = check_age(database, NAMES, AgeLimits())
    assert (verdict.passed, verdict.is_error) == (False, True)
    assert "tdx-dagster ingest" in verdict.text


def test_a_load_that_changed_nothing_still_makes_the_inventory_fresh(database: Engine) -> None:
    """Most nights nothing changes, and that is no fault."""
    ingest_assets(database, Listed([asset(1)]))
    run(database, "UPDATE meta.ingestion_runs SET completed_at = now() - interval '9 days'")
    run(database, "UPDATE bronze.raw_entities SET ingested_at = now() - interval '9 days'")
    verdict = check_age(database, NAMES, AgeLimits())
    assert (verdict.passed, verdict.is_error) == (False, True)
    ingest_assets(database, Listed([asset(1)]))
    assert check_age(database, NAMES, AgeLimits()).passed


def test_age_is_read_from_the_rows_where_nobody_records_runs(database: Engine) -> None:
    """Other people's loads may write bronze alone."""
    run(
        database,
        "INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, ingested_at) "
        "VALUES ('computer', 'tdx', '1', '{}', now() - interval '30 hours')",
    )
    age, computers = inventory_age(database)
    assert age is not None
    assert timedelta(hours=29.9) < age < timedelta(hours=30.1)
    assert computers == 0
    verdict = check_age(database, NAMES, AgeLimits())
    assert (verdict.passed, verdict.is_error) == (False, False)


def test_e05_an_empty_inventory_is_an_error(database: Engine) -> None:
    """All lookups would go to the rate-limited API, and nothing else would look wrong."""
    verdict = check_not_empty(database)
    assert (verdict.passed, verdict.is_error) == (False, True)
    ingest_assets(database, Listed([asset(1)]))
    rebuild_computers(database)
    assert check_not_empty(database).passed


def test_one_asset_under_two_entity_types_is_a_warning(database: Engine) -> None:
    """Two loads contradict each other; the last one counts meanwhile."""
    ingest_assets(database, Listed([asset(1), asset(2)]))
    assert check_unique_ids(database, NAMES).passed
    run(
        database,
        "INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data) "
        "VALUES ('computer', 'tdx', '2', '{}')",
    )
    verdict = check_unique_ids(database, NAMES)
    assert (verdict.passed, verdict.is_error, verdict.numbers) == (False, False, {"assets": 1})
    assert "asset 2" in verdict.text


def test_a_fifth_of_the_active_computers_may_vanish_and_no_more(database: Engine) -> None:
    """A lost permission looks like a hundred retired computers."""

    def rebuilt(active: int) -> None:
        statuses = ["Active"] * active + ["Retired"] * (100 - active)
        assets = [asset(n + 1, StatusName=name) for n, name in enumerate(statuses)]
        ingest_assets(database, Listed(assets))
        rebuild_computers(database)

    rebuilt(100)
    assert check_drop(database, NAMES, 0.2).passed
    rebuilt(80)
    assert check_drop(database, NAMES, 0.2).passed
    rebuilt(63)
    verdict = check_drop(database, NAMES, 0.2)
    assert (verdict.passed, verdict.is_error) == (False, True)
    assert verdict.text == "63 active computers, 80 before."


def test_many_active_computers_without_a_serial_are_a_warning(database: Engine) -> None:
    """They are found by name alone; fillers count as none."""
    assets = [
        asset(1),
        asset(2, SerialNumber=None),
        asset(3, SerialNumber="Default string"),
        asset(4, SerialNumber=None, StatusName="Retired"),
    ]
    ingest_assets(database, Listed(assets))
    rebuild_computers(database)
    verdict = check_serials(database, 0.1)
    assert (verdict.passed, verdict.is_error) == (False, False)
    assert verdict.numbers == {"without": 2, "active": 3, "share": 0.6667}
    assert check_serials(database, 0.7).passed
