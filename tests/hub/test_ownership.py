"""Loading beside another loader is refused, names the setting, and changes nothing."""

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from tdx_dagster.cli import cli
from tdx_dagster.cli.check import Verdict, run_checks
from tdx_dagster.inventory.bronze import ingest_assets, ingest_people, ingest_statuses
from tdx_dagster.inventory.ownership import ForeignBronze
from tdx_dagster.inventory.source import TdxSource
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator
from tests.hub.hub import Snapshot
from tests.tickets.desk import client


def url_of(engine: Engine) -> str:
    """The address of a test's database."""
    return engine.url.render_as_string(hide_password=False)


@pytest.mark.parametrize("load", [ingest_assets, ingest_people, ingest_statuses])
def test_no_load_writes_a_bronze_that_another_loader_fills(
    hub: Engine, simulator: Simulator, load: object
) -> None:
    """Versions without attributes on top of richer ones would cost the hub its MAC addresses."""
    migrate(url_of(hub))
    before = Snapshot.take(hub)
    with pytest.raises(ForeignBronze, match="INVENTORY_SOURCE=external"):
        load(hub, TdxSource(client(simulator)))  # type: ignore[operator]
    assert Snapshot.take(hub) == before


def test_the_run_of_another_loader_is_enough(database: Engine, simulator: Simulator) -> None:
    """Its next load would begin where ours ended."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO meta.ingestion_runs (source_system, entity_type) VALUES ('tdx', 'user')"
            )
        )
    with pytest.raises(ForeignBronze, match="runs of another loader: user"):
        ingest_assets(database, TdxSource(client(simulator)))


def test_rows_of_another_source_are_nobodys_business(
    database: Engine, simulator: Simulator
) -> None:
    """A directory's computers stand in the same table."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data) "
                "VALUES ('computer', 'active_directory', 'S-1', '{}')"
            )
        )
    assert ingest_assets(database, TdxSource(client(simulator))).created == 3
    assert ingest_assets(database, TdxSource(client(simulator))).unchanged == 3


def test_ingest_ends_with_2_and_check_says_so(
    hub: Engine, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People learn it from the command they are led to, before anything is written."""
    migrate(url_of(hub))
    for name, value in {
        "DATABASE_URL": url_of(hub),
        "DAGSTER_DATABASE_URL": url_of(hub),
        "TDX_BASE_URL": simulator.url,
        "TDX_TICKET_APP_ID": "1",
        "TDX_ASSET_APP_ID": "2",
        "TDX_API_TOKEN": "unused",
    }.items():
        monkeypatch.setenv(name, value)
    before = Snapshot.take(hub)
    ended = CliRunner().invoke(cli, ["ingest"])
    assert ended.exit_code == 2
    assert "INVENTORY_SOURCE=external" in ended.output
    assert Snapshot.take(hub) == before
    (found,) = (one for one in run_checks() if one.about == "inventory")
    assert found.verdict is Verdict.WRONG
    assert "INVENTORY_SOURCE=external" in found.text
