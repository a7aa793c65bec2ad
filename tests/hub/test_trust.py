"""Silver is trusted where it was made from what bronze has now; elsewhere it is made first, or TDX is asked."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.bronze import ingest_assets
from tdx_dagster.inventory.checks import InventoryNames, check_current
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.inventory.current import CurrentInventory
from tdx_dagster.inventory.freshness import is_silver_behind
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.inventory.schema import place_table, require_table
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.inventory.silver import rebuild_computers, rebuild_if_behind
from tdx_dagster.inventory.source import TdxSource
from tdx_dagster.postgres.errors import DatabaseSettingError
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.services import RunServices
from tests.hub.hub import load
from tests.tenant import ANN
from tests.tickets.desk import Desk, client

EXTERNAL = InventorySettings(source="external")


class HubDesk(Desk):
    """A desk whose runs ask the inventory in the database, as `process` does."""

    engine: Engine
    kind: Callable[[Engine, InventorySettings], PostgresInventory] = CurrentInventory

    def tools(self) -> RunServices:
        """See `Desk.tools`."""
        made = super().tools()
        inventory = type(self).kind(self.engine, EXTERNAL)
        made.inventory = RememberingInventory(inventory, made.tdx.asset_statuses)
        return made


class DistrustingDesk(HubDesk):
    """A desk that may not rebuild silver."""

    kind = PostgresInventory


def desk(kind: type[HubDesk], simulator: Simulator, engine: Engine) -> HubDesk:
    """Put a desk together."""
    made = kind.over(simulator, engine, AddAsset())
    assert isinstance(made, HubDesk)
    made.engine = engine
    return made


def migrated(hub: Engine) -> Engine:
    """The hub with our tables, which are empty."""
    migrate(hub.url.render_as_string(hide_password=False))
    return hub


@pytest.mark.parametrize("kind", [HubDesk, DistrustingDesk])
def test_a_bronze_that_no_silver_was_made_from_never_says_that_somebody_has_no_computer(
    hub: Engine, simulator: Simulator, kind: type[HubDesk]
) -> None:
    """Fourteen tickets ended for good with "user has 0 assets", without a word of the empty table."""
    (outcome,) = desk(kind, simulator, migrated(hub)).outcomes(32)
    assert "Added 1 asset: MAC-WARD04" in outcome.message


@pytest.mark.parametrize("kind", [HubDesk, DistrustingDesk])
def test_a_computer_bought_after_silver_was_made_counts(
    hub: Engine, simulator: Simulator, kind: type[HubDesk]
) -> None:
    """The only computer of somebody who has two would be a guess."""
    rebuild_computers(migrated(hub))
    bought = {**simulator.state.assets[1003], "OwningCustomerID": ANN}
    simulator.state.assets[1003] = bought
    load(hub, [bought], [])
    (outcome,) = desk(kind, simulator, hub).outcomes(32)
    assert "user has 2 assets (expected exactly 1)" in outcome.message


def test_a_run_rebuilds_silver_once_and_the_next_one_not_at_all(
    hub: Engine, simulator: Simulator
) -> None:
    """It heals where no Dagster daemon runs, and costs nothing where all is well."""
    made = desk(HubDesk, simulator, migrated(hub))
    made.outcomes(31)
    made.outcomes(33)
    with hub.connect() as connection:
        count = (
            "SELECT count(*) FROM meta.ingestion_runs WHERE entity_type = 'silver.tdx_computers'"
        )
        assert connection.execute(text(count)).scalar_one() == 1
    assert rebuild_if_behind(hub) is None


def test_silver_is_behind_from_a_load_to_the_next_rebuild(
    database: Engine, simulator: Simulator
) -> None:
    """Empty bronze is behind nothing; a load that stored nothing new counts as well."""
    source = TdxSource(client(simulator))
    seen = [is_silver_behind(database)]
    ingest_assets(database, source)
    seen.append(is_silver_behind(database))
    rebuild_computers(database)
    seen.append(is_silver_behind(database))
    ingest_assets(database, source)
    seen.append(is_silver_behind(database))
    assert seen == [False, True, False, True]


def test_silver_made_of_other_kinds_or_emptied_by_hand_is_behind(
    database: Engine, simulator: Simulator
) -> None:
    """A changed INVENTORY_ENTITY_TYPES and a TRUNCATE leave no trace in bronze."""
    ingest_assets(database, TdxSource(client(simulator)))
    rebuild_computers(database)
    assert is_silver_behind(database, entity_types=("asset", "laptop"))
    with database.begin() as connection:
        connection.execute(text("DELETE FROM silver.tdx_computers"))
    assert is_silver_behind(database)


def test_a_clock_of_another_job_that_is_ahead_does_not_rebuild_for_ever(hub: Engine) -> None:
    """What the rebuild has seen is compared, not what its own clock said."""
    with migrated(hub).begin() as connection:
        ahead = timedelta(hours=3)
        change = text("UPDATE bronze.raw_entities SET ingested_at = ingested_at + :ahead")
        connection.execute(change, {"ahead": ahead})
    rebuild_computers(hub)
    assert not is_silver_behind(hub)


def test_a_rebuild_by_an_older_version_is_judged_by_its_time(hub: Engine) -> None:
    """It did not record what it had seen."""
    rebuild_computers(migrated(hub))
    with hub.begin() as connection:
        connection.execute(
            text(
                "UPDATE meta.ingestion_runs SET metadata = metadata - 'newest' WHERE entity_type LIKE 'silver%'"
            )
        )
    assert not is_silver_behind(hub)
    with hub.begin() as connection:
        connection.execute(
            text(
                "UPDATE meta.ingestion_runs SET started_at = now() - interval '1 day' "
                "WHERE entity_type LIKE 'silver%'"
            )
        )
    assert is_silver_behind(hub)


def test_a_silver_that_cannot_be_rebuilt_is_distrusted_and_said_so(
    hub: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The role that runs tickets may be allowed to read it only."""
    with migrated(hub).begin() as connection:
        connection.execute(text("ALTER TABLE bronze.raw_entities RENAME COLUMN raw_id TO row_id"))
    inventory = CurrentInventory(hub, EXTERNAL)
    with caplog.at_level(logging.WARNING):
        assert inventory.is_distrusted()
    assert "could not be made from the newest rows of bronze" in caplog.text


def test_the_check_of_silver_says_what_to_do(hub: Engine) -> None:
    """A data engineer sees it in the asset's page."""
    names = InventoryNames("tdx", ("asset",))
    late = check_current(migrated(hub), names)
    rebuild_computers(hub, entity_types=("asset",))
    assert (late.passed, check_current(hub, names).passed) == (False, True)
    assert "materialise silver" in late.text


def test_our_table_lives_in_a_schema_of_ours_where_that_is_wanted(hub: Engine) -> None:
    """The owner of the hub may not want a table of ours in silver."""
    assert place_table(migrated(hub), "tdx_robot")
    assert not place_table(hub, "tdx_robot")
    with pytest.raises(
        DatabaseSettingError, match=r"INVENTORY_SCHEMA is 'silver'.*'tdx_robot'.*migrate"
    ):
        require_table(hub, "silver")
    with pytest.raises(
        InventoryUnavailable, match=r"run `tdx-dagster migrate`.*silver\.tdx_computers"
    ):
        PostgresInventory(hub, EXTERNAL).find({"MAC-WARD04"})
    require_table(hub, "tdx_robot")
    settings = InventorySettings(source="external", schema_name="tdx_robot")
    inventory = CurrentInventory(hub, settings)
    assert [one.asset_id for one in inventory.find({"MAC-WARD04"})["MAC-WARD04"]] == [1001]
    with hub.connect() as connection:
        tables = "SELECT schemaname FROM pg_tables WHERE tablename = 'tdx_computers'"
        assert connection.execute(text(tables)).scalars().all() == ["tdx_robot"]
        view = connection.execute(text("SELECT count(*) FROM tdx_robot.computers")).scalar_one()
    assert view == 3
