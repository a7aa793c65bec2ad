"""The check for stuck tickets: it has a trigger of its own, and no run on tickets waits for it."""

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from tdx_dagster.assembly import morning_checks
from tdx_dagster.component import pipeline_definitions
from tdx_dagster.definitions import build_defs
from tdx_dagster.inventory.asset_checks import FRESH
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.inventory.columns import ASSETS
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.simulator import Simulator
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.checks import STUCK, check_stuck_tickets
from tdx_dagster.tickets.job import batch_io_manager

from .desk import Desk

TICKETS = dg.AssetKey(["tickets", "p"])
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Port:
    """Gives the database of the test."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def engine(self) -> Engine:
        """See `DatabaseProvider`."""
        return self._database


@pytest.fixture
def definitions(simulator: Simulator, database: Engine) -> dg.Definitions:
    """A pipeline and the inventory, as `build_defs` puts them together."""
    desk = Desk.over(simulator, database, AddAsset(), SummaryComment())
    resources = {
        "tdx_dagster_tools": desk.tools(),
        "tdx_dagster_polling": None,
        "tdx_dagster_client": None,
        "tdx_dagster_database": Port(database),
        "tdx_dagster_batch_io": batch_io_manager,
    }
    return dg.Definitions.merge(
        pipeline_definitions(desk.pipeline),
        inventory_definitions(),
        morning_checks(["p"], InventorySettings()),
        dg.Definitions(resources=resources, executor=dg.in_process_executor),
    )


def verdicts(result: dg.ExecuteInProcessResult) -> list[tuple[bool, str]]:
    """What the check for stuck tickets said."""
    found = result.get_asset_check_evaluations()
    return [(one.passed, one.severity.value) for one in found if one.check_name == STUCK]


def test_each_pipeline_of_the_project_has_the_check_and_the_morning_looks_at_it() -> None:
    """It was written long before anything ran it."""
    defs = build_defs()
    key = dg.AssetCheckKey(dg.AssetKey(["tickets", "compliance"]), STUCK)
    assert key in defs.resolve_asset_graph().asset_check_keys
    schedule = defs.resolve_schedule_def("morning_checks_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    job = defs.resolve_job_def(schedule.job_name)
    assert job.asset_layer.asset_graph.asset_check_keys == {
        key,
        dg.AssetCheckKey(ASSETS, FRESH),
    }


def test_each_run_on_tickets_evaluates_the_check(definitions: dg.Definitions) -> None:
    """Nobody opens a page that says "not evaluated"."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("p_tickets", ["31"])
        result = definitions.resolve_job_def("p").execute_in_process(
            instance=instance, partition_key="31", run_config=QUIET
        )
        assert result.success
        assert verdicts(result) == [(True, "WARN")]


def test_its_own_job_warns_of_a_ticket_that_waits_for_a_person(
    definitions: dg.Definitions, database: Engine
) -> None:
    """And is content once the failure was cleared."""
    job = definitions.resolve_job_def("morning_checks")
    waits = (
        "INSERT INTO meta.daemon_action_log "
        "(ticket_id, action_type, action_id, status, executed_at, pipeline) "
        "VALUES (31, 'comment', 'a', 'failed', now() - interval '2 days', 'p')"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        before = job.execute_in_process(instance=instance, run_config=QUIET)
        with database.begin() as connection:
            connection.execute(text(waits))
        after = job.execute_in_process(instance=instance, run_config=QUIET)
        with database.begin() as connection:
            connection.execute(text("UPDATE meta.daemon_action_log SET status = 'skipped'"))
        cleared = job.execute_in_process(instance=instance, run_config=QUIET)
    assert verdicts(before) == [(True, "WARN")]
    assert verdicts(after) == [(False, "WARN")]
    assert verdicts(cleared) == [(True, "WARN")]


def test_tickets_can_still_be_materialised_by_hand_one_or_many(definitions: dg.Definitions) -> None:
    """From the UI, which takes the asset with all its checks, through Dagster's own job."""
    job = definitions.resolve_implicit_global_asset_job_def()
    tags = {
        "dagster/asset_partition_range_start": "31",
        "dagster/asset_partition_range_end": "33",
    }
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("p_tickets", ["31", "32", "33"])
        many = job.execute_in_process(
            instance=instance, asset_selection=[TICKETS], tags=tags, run_config=QUIET
        )
        one = job.execute_in_process(
            instance=instance, asset_selection=[TICKETS], partition_key="32", run_config=QUIET
        )
        done = instance.get_materialized_partitions(TICKETS)
    assert many.success
    assert one.success
    assert done == {"31", "32", "33"}


def test_tickets_that_failed_long_ago_stay_in_sight(database: Engine) -> None:
    """Nobody else tells of what stopped retrying."""
    rows = (
        "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, status, executed_at, pipeline) "
        "VALUES (31, 'comment', 'a', 'failed', now() - interval '2 days', 'compliance'),"
        "(31, 'comment', 'b', 'failed', now() - interval '2 days', 'compliance'),"
        "(32, 'comment', 'a', 'failed', now(), 'compliance'),"
        "(33, 'comment', 'a', 'completed', now() - interval '2 days', 'compliance')"
    )
    with database.begin() as connection:
        connection.execute(text(rows))
    verdict = check_stuck_tickets(database, "compliance")
    assert (verdict.passed, verdict.is_error) == (False, False)
    assert verdict.numbers == {"person": 0, "abandoned": 0, "old": 1, "waiting": 1}
    assert "for example 31" in verdict.text
    assert check_stuck_tickets(database, "another").passed
    assert not check_stuck_tickets(database).passed
