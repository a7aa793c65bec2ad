"""An inventory that somebody else's job fills: set in the environment or in .env, it serves all the same."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from tdx_dagster.cli.ingest import load_inventory
from tdx_dagster.definitions import build_defs
from tdx_dagster.discovery.discover import DiscoverySettings, Enquiry, Reason, discover
from tdx_dagster.inventory.columns import ASSETS, BRONZE, COMPUTERS
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.quality.settings import QualitySettings
from tdx_dagster.settings import (
    InventorySettings,
    SensorSettings,
    Settings,
    SettingsError,
    load_inventory_settings,
)
from tests.inventory.records import ticket

OLD_TABLES = Path(__file__).parents[1] / "postgres" / "old_tables.sql"

# What a job of somebody else's writes: its own name for the source, no run, no sum.
THEIR_LOAD = """
INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data)
SELECT 'computer', 'hub', CAST(n AS text), jsonb_build_object(
    'ID', n, 'Name', 'HUB-PC-' || n, 'SerialNumber', '7K2QX' || n, 'FormID', 2448, 'StatusID', 38,
    'StatusName', CASE n WHEN 2002 THEN 'Retired' ELSE 'Active' END)
FROM generate_series(2001, 2003) AS n
"""


@pytest.fixture
def hub(bare_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """The database of an older installation, filled by another job, with settings that say so in .env."""
    made = make_engine(bare_url)
    with made.begin() as connection:
        connection.exec_driver_sql(OLD_TABLES.read_text())
    migrate(bare_url)
    monkeypatch.chdir(tmp_path)
    settings = f"DATABASE_URL={bare_url}\nINVENTORY_SOURCE=external\nINVENTORY_SOURCE_SYSTEM=hub\n"
    Path(".env").write_text(settings + "INVENTORY_ENTITY_TYPES=asset, computer\n")
    yield made
    made.dispose()


def test_the_inventory_of_another_job_serves_discovery_with_lineage_and_freshness(
    hub: Engine,
) -> None:
    """The whole way: their rows, our definitions, an observation, silver, and a ticket's computer."""
    with hub.begin() as connection:
        connection.exec_driver_sql(THEIR_LOAD)
    graph = build_defs().resolve_asset_graph()
    assert graph.get(COMPUTERS).parent_keys == set(BRONZE)
    report = dg.AssetKey(["tdx", "compliance_report"])
    assert graph.get(dg.AssetKey(["tickets", "compliance"])).parent_keys == {COMPUTERS, report}
    assert not any(graph.get(key).is_materializable for key in BRONZE)
    assert all(graph.get(key).is_observable for key in BRONZE)
    with dg.DagsterInstance.ephemeral() as instance:
        assert load_inventory(instance) == {"silver computers": 3}
        (seen,) = instance.fetch_observations(ASSETS, limit=1).records
        fresh = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(ASSETS, "is_fresh"), limit=1
        )
    observed = seen.asset_observation
    assert observed is not None
    assert float(str(observed.metadata["age_hours"].value)) < 0.1
    assert [check.status.value for check in fresh] == ["SUCCEEDED"]
    found = discover(
        Enquiry(ticket(title="hub-pc-2001 and 7k2qx2003, not HUB-PC-2002")),
        PostgresInventory(hub),
        None,
        DiscoverySettings(),
    )
    assert [match.computer.asset_id for match in found.matches] == [2001, 2003]
    assert found.reason is Reason.NAMED_IN_TICKET


def test_rows_that_are_newer_than_the_last_run_anybody_noted_count(hub: Engine) -> None:
    """Another job need not write runs; ours, from before the change, must not make it look old."""
    with hub.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO meta.ingestion_runs (source_system, entity_type, status, completed_at) "
                "VALUES ('hub', 'asset', 'completed', now() - INTERVAL '30 days')"
            )
        )
        connection.exec_driver_sql(THEIR_LOAD)
    with dg.DagsterInstance.ephemeral() as instance:
        load_inventory(instance)
        (seen,) = instance.fetch_observations(ASSETS, limit=1).records
    assert seen.asset_observation
    assert float(str(seen.asset_observation.metadata["age_hours"].value)) < 0.1


def test_settings_of_the_inventory_are_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What Python can set, people can set in a file."""
    for name, value in {
        "SOURCE": "external",
        "ENTITY_TYPES": " computer , laptop,",
        "STALE_HOURS": "2",
        "DISTRUSTED_HOURS": "48",
        "MOST_DROPPED": "0.5",
        "FULL_CRON": "5 4 * * *",
        "TIME_ZONE": "America/New_York",
    }.items():
        monkeypatch.setenv(f"INVENTORY_{name}", value)
    settings = load_inventory_settings()
    assert (settings.is_external, settings.entity_types) == (True, ("computer", "laptop"))
    assert settings.limits.stale.total_seconds() == 2 * 3600
    assert settings.limits.distrusted.days == 2
    assert (settings.most_dropped, settings.full_cron) == (0.5, "5 4 * * *")
    assert (settings.source_system, settings.time_zone) == ("tdx", "America/New_York")
    assert settings.tdx_time_zone == "UTC"


def test_schedules_and_dates_are_in_the_zone_of_the_tenant(
    hub: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A date of another job's rows has no zone, and 3 at night is not 3 in Greenwich."""
    monkeypatch.setenv("TDX_TIME_ZONE", "America/New_York")
    assert load_inventory_settings().time_zone == "America/New_York"
    with hub.begin() as connection:
        connection.exec_driver_sql(THEIR_LOAD)
        connection.exec_driver_sql(
            "UPDATE bronze.raw_entities SET raw_data = raw_data || "
            "'{\"ModifiedDate\": \"2026-11-01T08:00:00\"}' WHERE source_system = 'hub'"
        )
    with dg.DagsterInstance.ephemeral() as instance:
        load_inventory(instance)
    with hub.connect() as connection:
        dates = connection.execute(text("SELECT DISTINCT modified_at FROM silver.tdx_computers"))
        assert dates.scalar_one().isoformat() == "2026-11-01T13:00:00+00:00"


def test_every_setting_is_in_the_example_and_in_the_documentation() -> None:
    """Nobody finds a setting that is nowhere."""
    root = Path(__file__).parents[2]
    texts = [(root / name).read_text() for name in (".env.example", "docs/using.md")]
    settings = (Settings, SensorSettings, InventorySettings, QualitySettings)
    for name in (name for each in settings for name in each.variables()):
        assert all(name in text for text in texts), name


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("INVENTORY_SOURCE", "externl", "INVENTORY_SOURCE: .*did you mean external"),
        (
            "INVENTORY_SUORCE",
            "external",
            "INVENTORY_SUORCE in the environment .*mean INVENTORY_SOURCE",
        ),
        ("INVENTORY_ENTITY_TYPES", ",", "INVENTORY_ENTITY_TYPES: name at least one"),
        ("INVENTORY_STALE_HOURS", "soon", "INVENTORY_STALE_HOURS: input should be a valid number"),
        ("INVENTORY_STALE_HOURS", "500", "INVENTORY_DISTRUSTED_HOURS is less than"),
        ("INVENTORY_FULL_CRON", "nightly", "INVENTORY_FULL_CRON: five fields"),
        ("INVENTORY_TIME_ZONE", "Mars", "INVENTORY_TIME_ZONE: a time zone"),
        ("INVENTORY_MOST_DROPPED", "20", "INVENTORY_MOST_DROPPED: input should be less"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """A misspelt name must not quietly start loads of our own beside theirs."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words):
        load_inventory_settings()
