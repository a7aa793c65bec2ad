"""Runs over an inventory that was not loaded for too long, and with statuses that TDX does not have."""

from sqlalchemy import Engine, text

from tdx_dagster.cli.check import Verdict, check_statuses
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.bronze import ingest_assets
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.inventory.silver import rebuild_computers
from tdx_dagster.inventory.source import TdxSource
from tdx_dagster.simulator import Simulator
from tdx_dagster.state.records import FailureKind
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.once.outcomes import Result
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.services import RunServices

from .desk import Desk, client


class PostgresDesk(Desk):
    """A desk whose inventory is the one in the database, as in a run."""

    engine: Engine

    def tools(self) -> RunServices:
        """See `Desk.tools`."""
        made = super().tools()
        made.inventory = RememberingInventory(
            PostgresInventory(self.engine), made.tdx.asset_statuses
        )
        return made


def loaded(simulator: Simulator, database: Engine, action: AddAsset, *, days: int) -> PostgresDesk:
    """A desk with an inventory that was loaded so long ago."""
    ingest_assets(database, TdxSource(client(simulator)))
    rebuild_computers(database)
    with database.begin() as connection:
        for table, column in (
            ("meta.ingestion_runs", "completed_at"),
            ("bronze.raw_entities", "ingested_at"),
        ):
            change = f"UPDATE {table} SET {column} = {column} - make_interval(days => {days})"  # noqa: S608
            connection.execute(text(change))
    desk = PostgresDesk.over(simulator, database, action)
    desk.engine = database
    assert isinstance(desk, PostgresDesk)
    return desk


def test_a_run_over_an_old_inventory_asks_tdx_about_each_hit_and_says_so_once(
    simulator: Simulator, database: Engine
) -> None:
    """The name of ticket 31 went to another machine; Ann of ticket 32 has got a second one."""
    desk = loaded(simulator, database, AddAsset(), days=8)
    assets = simulator.state.assets
    assets[1002]["Name"], assets[1003]["Name"] = "OLD-GID08", "PSYC-GID08"
    assets[1003]["OwningCustomerID"] = assets[1001]["OwningCustomerID"]
    messages = {one.ticket_id: one.message for one in desk.outcomes(31, 32)}
    assert "Added 1 asset: PSYC-GID08" in messages[31]
    assert "user has 2 assets (expected exactly 1)" in messages[32]
    (warning,) = desk.warnings
    assert "too old to be trusted" in warning


def test_a_run_over_a_fresh_inventory_says_nothing(simulator: Simulator, database: Engine) -> None:
    """It costs no further call."""
    desk = loaded(simulator, database, AddAsset(), days=0)
    (outcome,) = desk.outcomes(31)
    assert "Added 1 asset: PSYC-GID08" in outcome.message
    assert desk.warnings == []


def test_a_status_that_tdx_does_not_have_is_told_once_a_run(
    simulator: Simulator, database: Engine
) -> None:
    """Otherwise nothing would ever be found, and nothing would look wrong."""
    desk = loaded(simulator, database, AddAsset(active_status_names=("Actve",)), days=0)
    outcomes = desk.outcomes(31, 33)
    assert all("do not count" in one.message for one in outcomes)
    (warning,) = desk.warnings
    assert "no asset status 'Actve'" in warning
    assert "Did you mean 'Active'?" in warning


def test_e20_without_an_inventory_other_actions_go_on_and_nothing_is_searched_for(
    simulator: Simulator, database: Engine
) -> None:
    """The account may not read silver: the computer waits, the comment does not."""
    comment = Comment(comment_text="We are on it", is_private=True)
    desk = loaded(simulator, database, AddAsset(continue_on_failure=True), days=0)
    desk.pipeline = Pipeline("p", (*desk.pipeline.actions, comment))
    simulator.calls.reset()
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE silver.tdx_computers RENAME TO away"))
    add, said = desk.outcomes(31)
    assert (add.result, add.kind) == (Result.FAILED, FailureKind.RETRYABLE)
    assert "could not be asked" in add.message
    assert said.result is Result.COMPLETED
    assert simulator.calls.count("POST", "/{app}/assets/search") == 0


def test_check_names_the_statuses_that_count_and_doubts_those_that_tdx_does_not_have(
    simulator: Simulator,
) -> None:
    """Before the first run, not after a week of nothing found."""
    tdx = client(simulator)
    well = check_statuses(tdx, Pipeline("p", (AddAsset(),)))
    assert (well.verdict, well.text) == (Verdict.OK, "Active")
    wrong = check_statuses(tdx, Pipeline("p", (AddAsset(active_status_names=("Actve",)),)))
    assert wrong.verdict is Verdict.WARNING
    assert "Did you mean 'Active'?" in wrong.text
