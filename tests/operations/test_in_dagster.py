"""The group `operations` in Dagster: one job makes its pages, and a sensor does so after runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from tdx_dagster.component import pipeline_definitions
from tdx_dagster.definitions import build_defs
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.operations.assets import GROUP, JOB, operations_definitions
from tdx_dagster.simulator import Simulator
from tdx_dagster.testing import Desk, client
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import GiveUp, Performed
from tdx_dagster.tickets.checks import NOBODY_NEEDED
from tdx_dagster.tickets.job import batch_io_manager

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
PAGES = {
    "activity",
    "waiting_for_a_person",
    "no_computer_found",
    "dry_run",
    "tdx_budget",
    "connection",
}


class Refuses(Action):
    """Gives up."""

    def perform(self, context: ActionContext) -> Performed:
        """Give up."""
        del context
        raise GiveUp("no owner")


class Providers:
    """Gives the database and the client of a desk."""

    def __init__(self, database: Engine, simulator: Simulator) -> None:
        self._database = database
        self._simulator = simulator

    def engine(self) -> Engine:
        return self._database

    def non_waiting_client(self) -> Any:
        return client(self._simulator)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        made.add_dynamic_partitions("p_tickets", ["31"])
        yield made


def definitions(simulator: Simulator, database: Engine, *actions: Action) -> dg.Definitions:
    desk = Desk.over(simulator, database, *actions)
    providers = Providers(database, simulator)
    resources = {
        "tdx_dagster_tools": desk.tools(),
        "tdx_dagster_polling": None,
        "tdx_dagster_client": providers,
        "tdx_dagster_database": providers,
        "tdx_dagster_batch_io": batch_io_manager,
    }
    return dg.Definitions.merge(
        pipeline_definitions(desk.pipeline),
        operations_definitions([desk.pipeline], InventorySettings()),
        dg.Definitions(
            assets=[dg.AssetSpec(["silver", "computers"])],
            resources=resources,
            executor=dg.in_process_executor,
        ),
    )


def run(defs: dg.Definitions, job: str, instance: dg.DagsterInstance, **how: Any) -> Any:
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, raise_on_error=False, run_config=QUIET, **how
    )


def pages(instance: dg.DagsterInstance, name: str) -> dict[str, Any]:
    """What the newest making of a page shows."""
    found = instance.fetch_materializations(dg.AssetKey([GROUP, name]), limit=1).records
    assert found[0].asset_materialization
    return {key: value.value for key, value in found[0].asset_materialization.metadata.items()}


def test_the_project_has_the_group_makes_it_each_hour_and_says_of_everything_what_and_whose_it_is() -> (
    None
):
    defs = build_defs()
    graph = defs.resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    assert {dg.AssetKey([GROUP, name]) for name in PAGES} <= keys
    nodes = [graph.get(key) for key in keys]
    assert not [one.key for one in nodes if not (one.owners and one.description and one.kinds)]
    jobs = [one for one in defs.resolve_all_job_defs() if not one.name.startswith("__")]
    assert not [one.name for one in jobs if not (one.description and "tdx/owner" in one.tags)]
    schedule = defs.resolve_schedule_def("operations_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "7 * * * *"


def test_the_job_makes_all_pages_and_evaluates_the_check(
    simulator: Simulator, database: Engine, instance: dg.DagsterInstance
) -> None:
    defs = definitions(simulator, database, AddAsset())
    assert run(defs, "p", instance, partition_key="31").success
    result = run(defs, JOB, instance)
    assert result.success
    assert [one.passed for one in result.get_asset_check_evaluations()] == [True]
    assert pages(instance, "activity")["today: computers attached"] == 1
    assert pages(instance, "activity")["picture"].startswith(
        "![the last days](data:image/png;base64,"
    )
    assert "not set" in pages(instance, "connection")["page"]


def test_a_run_with_a_ticket_that_needs_a_person_turns_the_check_red_at_once(
    simulator: Simulator, database: Engine, instance: dg.DagsterInstance
) -> None:
    defs = definitions(simulator, database, Refuses())
    assert not run(defs, "p", instance, partition_key="31").success
    key = dg.AssetCheckKey(dg.AssetKey([GROUP, "waiting_for_a_person"]), NOBODY_NEEDED)
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert [one.status.value for one in history] == ["FAILED"]


def test_one_table_shows_all_that_the_last_dry_run_would_write(
    simulator: Simulator, database: Engine, instance: dg.DagsterInstance
) -> None:
    defs = definitions(simulator, database, AddAsset(), Comment(comment_text="We | care."))
    run(defs, JOB, instance)
    assert "No dry run yet" in pages(instance, "dry_run")["page"]
    assert run(defs, "p_rehearsal", instance, partition_key="31").success
    run(defs, JOB, instance)
    said = pages(instance, "dry_run")
    assert said["rows"] == 2
    assert "asset_id: 1002" in said["page"]
    assert "We \\| care." in said["page"]
    assert "/TDNext/Apps/" in said["page"]


def test_the_pages_are_made_after_runs_and_not_again_while_nothing_is_done(
    simulator: Simulator, database: Engine, instance: dg.DagsterInstance
) -> None:
    defs = definitions(simulator, database, AddAsset())
    sensor = defs.resolve_sensor_def("operations_follow_runs")

    def tick(cursor: str | None) -> dg.SensorResult:
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            resources={"tdx_dagster_database": Providers(database, simulator)},
        )
        return sensor.evaluate_tick(context)

    run(defs, "p", instance, partition_key="31")
    first = tick(None)
    assert len(first.run_requests or ()) == 1
    second = tick(first.cursor)
    assert not second.run_requests
    assert second.skip_message == "Nothing was done since the pages were made."
    run(defs, "p_rehearsal", instance, partition_key="31")
    third = tick(first.cursor)
    assert len(third.run_requests or ()) == 1
