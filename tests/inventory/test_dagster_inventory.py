"""The inventory in Dagster, against a TDX that answers over HTTP: lineage, checks, what follows what."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from tdx_dagster.assembly import morning_checks
from tdx_dagster.inventory.assets import TDX_SEARCH, inventory_definitions
from tdx_dagster.inventory.columns import ASSETS, BRONZE, COMPUTERS, PEOPLE, STATUSES
from tdx_dagster.inventory.load_result import Mode
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.simulator.sample.blank import blank_state
from tdx_dagster.simulator.server import Simulator
from tdx_dagster.simulator.tenant.constants import (
    ASSET_APP_ID,
    BEID,
    TICKET_APP_ID,
    WEB_SERVICES_KEY,
)
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.sign_in import Credentials

ANN = "a1b2c3d4-0000-4000-8000-000000000001"
LONG_AGO = "2020-01-01T08:00:00Z"


@dataclass
class Port:
    """Stands in for both resources: gives what it was made with."""

    tdx: Tdx
    database: Engine

    def client(self) -> Tdx:
        return self.tdx

    def engine(self) -> Engine:
        return self.database


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A TDX with two computers of one person."""
    state = blank_state()
    state.add_person(UID=ANN, FullName="Ann Example", PrimaryEmail="ann@example.edu")
    for number, name in ((1001, "LIB-PC-1"), (1002, "LIB-PC-2")):
        state.add_asset(
            ID=number,
            Name=name,
            SerialNumber=f"5CD{number}",
            StatusID=501,
            OwningCustomerID=ANN,
            ModifiedDate=LONG_AGO,
        )
    with Simulator(state) as running:
        yield running


@pytest.fixture
def port(simulator: Simulator, database: Engine) -> Port:
    """The resources of a run."""
    connection = Connection(
        base_url=simulator.url,
        ticket_app_id=TICKET_APP_ID,
        asset_app_id=ASSET_APP_ID,
        credentials=Credentials(beid=BEID, web_services_key=WEB_SERVICES_KEY),
    )
    return Port(Tdx.create(connection), database)


def definitions(port: Port, settings: InventorySettings | None = None) -> dg.Definitions:
    resource = dg.ResourceDefinition.hardcoded_resource(port)
    return dg.Definitions.merge(
        inventory_definitions(settings),
        morning_checks([], settings or InventorySettings()),
        dg.Definitions(
            resources={"tdx_dagster_client": resource, "tdx_dagster_database": resource}
        ),
    )


def materialised(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, object]:
    """Metadata of an asset's materialisation in a run."""
    (event,) = result.asset_materializations_for_node(key.to_python_identifier())
    return {name: value.value for name, value in event.metadata.items()}


def run_job(
    defs: dg.Definitions, name: str, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(name).execute_in_process(instance=instance)


def rebuild(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, asset_selection=[COMPUTERS])


def test_a_full_load_and_a_rebuild_fill_the_inventory(port: Port) -> None:
    """The whole way from HTTP to the table that discovery asks, with numbers for the UI."""
    defs = definitions(port)
    with dg.DagsterInstance.ephemeral() as instance:
        loaded = run_job(defs, "inventory_full", instance)
        rebuilt = rebuild(defs, instance)
    assert materialised(loaded, ASSETS)["created"] == 2
    assert materialised(loaded, PEOPLE)["created"] == 1
    assert materialised(rebuilt, COMPUTERS)["dagster/row_count"] == 2
    with port.engine().connect() as connection:
        rows = connection.execute(text("SELECT name_key, owner_email FROM silver.computers"))
        assert sorted(map(tuple, rows)) == [
            ("LIB-PC-1", "ann@example.edu"),
            ("LIB-PC-2", "ann@example.edu"),
        ]
    assert all(check.passed for check in rebuilt.get_asset_check_evaluations())


def test_an_incremental_load_asks_for_what_changed_alone(port: Port, simulator: Simulator) -> None:
    """Also for what is new but was never modified (case E23)."""
    defs = definitions(port)
    with dg.DagsterInstance.ephemeral() as instance:
        run_job(defs, "inventory_full", instance)
        now = simulator.tenant.now()
        simulator.state.assets[1001] |= {"Name": "RENAMED", "ModifiedDate": now}
        simulator.state.add_asset(ID=1003, Name="NEW", StatusID=501, CreatedDate=now)
        loaded = materialised(run_job(defs, "inventory_incremental", instance), ASSETS)
    assert loaded["mode"] == Mode.INCREMENTAL.value
    assert (loaded["records"], loaded["created"], loaded["updated"]) == (2, 1, 1)
    # The plot of what is known must not drop to what was asked for.
    assert loaded["dagster/row_count"] == 3


def test_a_bad_record_of_tdx_is_shown_and_the_others_go_in(
    port: Port, simulator: Simulator
) -> None:
    """The client reads lists strictly elsewhere; here one bad asset must not hide all others."""
    simulator.state.assets[1002]["Name"] = "LAB\0PC"
    simulator.state.assets[1001]["ID"] = None
    with dg.DagsterInstance.ephemeral() as instance:
        loaded = materialised(run_job(definitions(port), "inventory_full", instance), ASSETS)
    assert (loaded["created"], loaded["rejected"]) == (1, 1)
    assert "ID None is no id" in str(loaded["warning"])


def test_lineage_runs_from_bronze_to_each_column_of_silver(port: Port) -> None:
    """Whoever wonders about a value finds where it comes from."""
    graph = definitions(port).resolve_asset_graph()
    assert graph.get(COMPUTERS).parent_keys == set(BRONZE)
    assert graph.get(PEOPLE).parent_keys == {ASSETS, TDX_SEARCH}
    node = graph.get(COMPUTERS)
    schema = node.metadata["dagster/column_schema"]
    lineage = node.metadata["dagster/column_lineage"].deps_by_column
    assert list(lineage) == [column.name for column in schema.columns]
    assert {dep.asset_key for dep in lineage["owner_email"]} == {ASSETS, PEOPLE}
    assert {dep.asset_key for dep in lineage["status_class"]} == {STATUSES}
    assert all(column.description for column in schema.columns)


def test_silver_columns_are_those_of_the_table(port: Port, database: Engine) -> None:
    """The schema shown is the schema there is."""
    node = definitions(port).resolve_asset_graph().get(COMPUTERS)
    shown = [column.name for column in node.metadata["dagster/column_schema"].columns]
    with database.connect() as connection:
        there = connection.execute(
            text(
                "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
                "AND attrelid = 'silver.tdx_computers'::regclass ORDER BY attnum"
            )
        ).scalars()
        assert shown == list(there)


def test_silver_follows_bronze_by_itself(port: Port) -> None:
    """Nobody has to remember the second half."""
    defs = definitions(port)
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(defs=defs, instance=instance)
        assert before.total_requested == 0
        run_job(defs, "inventory_full", instance)
        after = dg.evaluate_automation_conditions(
            defs=defs, instance=instance, cursor=before.cursor
        )
        assert after.get_requested_partitions(COMPUTERS) == {None}
        rebuild(defs, instance)
        again = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=after.cursor)
        assert again.total_requested == 0


def test_silver_follows_bronze_also_where_the_people_of_a_load_fail(port: Port) -> None:
    """Assets came while people were still being loaded; nothing comes after that."""
    defs = definitions(port)
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(defs=defs, instance=instance)
        job = defs.resolve_implicit_global_asset_job_def()
        going = instance.create_run_for_job(
            job.get_subset(asset_selection={PEOPLE}),
            status=dg.DagsterRunStatus.STARTED,
            asset_selection=frozenset({PEOPLE}),
        )
        job.execute_in_process(instance=instance, asset_selection=[ASSETS])
        during = dg.evaluate_automation_conditions(
            defs=defs, instance=instance, cursor=first.cursor
        )
        assert during.total_requested == 0
        instance.report_run_failed(going)
        after = dg.evaluate_automation_conditions(
            defs=defs, instance=instance, cursor=during.cursor
        )
        assert after.get_requested_partitions(COMPUTERS) == {None}


def test_a_load_while_another_runs_fails_once_and_for_good(port: Port) -> None:
    """Trying again at once would only fail again."""
    with port.engine().connect() as connection:
        key = "tdx-dagster: load tdx asset"
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:key, 0))"), {"key": key})
        with dg.DagsterInstance.ephemeral() as instance:
            job = definitions(port).resolve_job_def("inventory_full")
            result = job.execute_in_process(instance=instance, raise_on_error=False)
    (failed,) = [e for e in result.all_node_events if e.is_step_failure]
    assert "Another load of tdx asset is running" in str(
        failed.step_failure_data.error_display_string
    )


EXTERNAL = InventorySettings(source="external", entity_types=("computer",))


THEIRS = '{"ID": 7, "Name": "THEIRS", "StatusName": "Active"}'


def store_foreign(database: Engine, age: timedelta = timedelta(0)) -> None:
    """What somebody else's job leaves in bronze."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO bronze.raw_entities "
                "(entity_type, source_system, external_id, raw_data, ingested_at) VALUES "
                "('computer', 'tdx', '7', CAST(:raw AS jsonb), clock_timestamp() - CAST(:age AS interval))"
            ),
            {"age": age, "raw": THEIRS},
        )


def test_with_an_external_source_we_load_nothing_and_lineage_stays(port: Port) -> None:
    """The same keys, so that dashboards and dependants need not change."""
    defs = definitions(port, EXTERNAL)
    graph = defs.resolve_asset_graph()
    assert graph.get(COMPUTERS).parent_keys == set(BRONZE)
    assert not any(graph.get(key).is_materializable for key in BRONZE)
    assert all(graph.get(key).is_observable for key in BRONZE)
    assert not [job.name for job in defs.resolve_all_job_defs() if job.name.startswith("inventory")]


def test_with_an_external_source_their_rows_serve_and_are_observed(port: Port) -> None:
    """Freshness is read from the table, since nobody tells Dagster of their loads."""
    store_foreign(port.engine(), age=timedelta(hours=30))
    defs = definitions(port, EXTERNAL)
    with dg.DagsterInstance.ephemeral() as instance:
        rebuilt = rebuild(defs, instance)
        job = defs.resolve_implicit_global_asset_job_def()
        seen = job.execute_in_process(instance=instance, asset_selection=[*BRONZE])
    assert materialised(rebuilt, COMPUTERS)["active"] == 1
    observed = {
        event.asset_key: event.asset_observation_data.asset_observation
        for event in seen.all_events
        if event.is_asset_observation
    }
    hours = observed[ASSETS].metadata["age_hours"].value
    assert 29.9 < float(str(hours)) < 30.1
    assert observed[STATUSES].tags["dagster/data_version"] == "never loaded"


def test_with_an_external_source_silver_follows_an_observed_change(port: Port) -> None:
    """Their load is all it takes."""
    defs = definitions(port, EXTERNAL)
    job = defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        store_foreign(port.engine(), age=timedelta(hours=3))
        job.execute_in_process(instance=instance, asset_selection=[*BRONZE])
        first = dg.evaluate_automation_conditions(defs=defs, instance=instance)
        rebuild(defs, instance)
        store_foreign(port.engine())
        job.execute_in_process(instance=instance, asset_selection=[*BRONZE])
        second = dg.evaluate_automation_conditions(
            defs=defs, instance=instance, cursor=first.cursor
        )
        assert second.get_requested_partitions(COMPUTERS) == {None}


def test_a_load_that_does_not_come_shows_in_the_morning(port: Port, database: Engine) -> None:
    """No load is there to run the check with it."""
    defs = definitions(port)
    with dg.DagsterInstance.ephemeral() as instance:
        run_job(defs, "inventory_full", instance)
        good = run_job(defs, "morning_checks", instance)
        with database.begin() as connection:
            for table, column in (
                ("meta.ingestion_runs", "completed_at"),
                ("bronze.raw_entities", "ingested_at"),
            ):
                connection.execute(
                    text(f"UPDATE {table} SET {column} = {column} - INTERVAL '30 hours'")  # noqa: S608
                )
        late = run_job(defs, "morning_checks", instance)
    (before,) = good.get_asset_check_evaluations()
    (after,) = late.get_asset_check_evaluations()
    assert (before.check_name, before.passed) == ("is_fresh", True)
    assert (after.passed, after.severity) == (False, dg.AssetCheckSeverity.WARN)
