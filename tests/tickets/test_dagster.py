"""What a run and a tick look like in Dagster, on real instances with the real asset, job and sensor."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from tdx_dagster.component import pipeline_definitions
from tdx_dagster.simulator import REPORT_ID, Simulator
from tdx_dagster.state.older_daemon import writing_after_takeover
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxRateLimited
from tdx_dagster.tdx.models import Report
from tdx_dagster.tickets import runs
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.follow_up import FollowUp
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.job import batch_io_manager
from tdx_dagster.tickets.run_config import run_config
from tdx_dagster.tickets.run_tags import LAUNCHED_BY, SENSOR
from tdx_dagster.tickets.services import NotConfigured

from .desk import Desk, client

ASSET = dg.AssetKey(["tickets", "p"])
LINE = (AddAsset(), SummaryComment())
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class SensorServices:
    """The sensor's side of a desk."""

    def __init__(self, desk: Desk, error: Exception | None = None) -> None:
        self.tdx = client(desk.simulator, max_wait_seconds=0.0)
        self._store = desk.store
        self._engine = desk.store._engine
        self._error = error

    def report(self, report_id: int | None) -> Report:
        """Read the report."""
        if self._error:
            raise self._error
        return self.tdx.report(report_id or REPORT_ID)

    def store(self) -> ActionStore:
        """The log."""
        return self._store

    def older_daemon(self, taken_over_at: datetime | None) -> str | None:
        """Whether another program writes it."""
        return writing_after_takeover(self._engine, taken_over_at)


class Port:
    """Gives the database of a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def engine(self) -> Engine:
        """See `DatabaseProvider`."""
        assert isinstance(self._desk.store, PostgresStore)
        return self._desk.store._engine


class OnlyOn(Action):
    """Fails on ticket 32."""

    def perform(self, context: ActionContext) -> Performed:
        """Fail or not."""
        if context.ticket.id == 32:
            raise RuntimeError("no luck")
        return Performed("fine")


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions: Desk.over(simulator, database, *actions)


def definitions(desk: Desk, error: Exception | None = None) -> dg.Definitions:
    return dg.Definitions.merge(
        pipeline_definitions(desk.pipeline),
        dg.Definitions(
            assets=[dg.AssetSpec(["silver", "computers"])],
            resources={
                "tdx_dagster_tools": desk.tools(),
                "tdx_dagster_polling": SensorServices(desk, error),
                "tdx_dagster_batch_io": batch_io_manager,
                "tdx_dagster_database": Port(desk),
            },
            executor=dg.in_process_executor,
        ),
    )


def run(
    desk: Desk,
    instance: dg.DagsterInstance,
    *keys: str,
    dry_run: bool = False,
    launched_by: str = SENSOR,
) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("p_tickets", list(keys))
    tags = {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
        LAUNCHED_BY: launched_by,
    }
    return (
        definitions(desk)
        .resolve_job_def("p")
        .execute_in_process(
            instance=instance,
            run_config=run_config(desk.pipeline, dry_run=dry_run) | QUIET,
            tags=tags,
            raise_on_error=False,
        )
    )


def materialised(instance: dg.DagsterInstance) -> dict[str, dict[str, Any]]:
    records = instance.fetch_materializations(ASSET, limit=100).records
    found = [record.asset_materialization for record in records]
    return {str(one.partition): dict(one.metadata) for one in found if one}


def observed(instance: dg.DagsterInstance) -> dict[str, dict[str, Any]]:
    """The newest observation of each ticket; that of the run is under "None"."""
    records = instance.fetch_observations(ASSET, limit=100).records[::-1]
    found = [record.asset_observation for record in records]
    return {str(one.partition): dict(one.metadata) for one in found if one}


def tick(desk: Desk, instance: dg.DagsterInstance, error: Exception | None = None) -> Any:
    made = definitions(desk, error)
    name = desk.pipeline.sensor_name
    sensor = made.resolve_sensor_def(name)
    with dg.build_sensor_context(
        instance=instance,
        resources={"tdx_dagster_polling": SensorServices(desk, error)},
        sensor_name=name,
    ) as context:
        return sensor(context)


def test_a_run_over_a_range_materialises_each_ticket_with_what_people_want_to_read(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """The link, what was done and why, and what it cost."""
    assert run(desk(*LINE), instance, "31", "32").success
    shown = materialised(instance)
    assert set(shown) == {"31", "32"}
    assert shown["31"]["ticket"].value.endswith("/TDNext/Apps/46/Tickets/TicketDet?TicketID=31")
    assert "| add_asset | completed | Added 1 asset: PSYC-GID08" in shown["31"]["actions"].value
    assert "psyc-gid08 in title is its name" in shown["31"]["computers attached"].value
    assert shown["31"]["title"].value


def test_a_dry_run_observes_what_would_be_written_and_materialises_nothing(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """One switch reaches every op."""
    assert run(desk(*LINE), instance, "31", dry_run=True).success
    assert materialised(instance) == {}
    planned = str(observed(instance)["31"]["would be written"].value)
    # As text, with its lines.
    assert "```\n🤖 Automated Actions Summary\n\n1. Added 1 asset: PSYC-GID08" in planned
    assert simulator.calls.matching("POST", "/{app}/tickets/{id}/feed") == []


def test_c29_one_bad_ticket_of_a_batch_turns_the_run_red_and_the_others_are_materialised(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """With one run for many tickets, one must not take the others down."""
    result = run(desk(OnlyOn()), instance, "31", "32", "33")
    assert not result.success
    assert set(materialised(instance)) == {"31", "33"}
    assert [event.step_key for event in result.all_events if event.is_step_failure] == [
        "tickets__p.OnlyOn"
    ]


def test_a_run_of_one_ticket_turns_red_where_it_broke(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """The op that failed is the one to look at."""
    result = run(desk(OnlyOn(), SummaryComment()), instance, "32")
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["tickets__p.OnlyOn"]


def test_c18_nothing_of_a_ticket_is_written_to_disk(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator, tmp_path: Path
) -> None:
    """Texts of people do not lie about in pickle files."""
    simulator.state.tickets[31]["Description"] = "a private matter"
    assert run(desk(*LINE), instance, "31").success
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if b"private matter" in file.read_bytes()] == []


def test_settings_of_an_action_can_be_overridden_for_one_run(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """The launchpad shows them with the pipeline's values as defaults."""
    instance.add_dynamic_partitions("p_tickets", ["31"])
    config = run_config(desk().pipeline, dry_run=False)
    config["ops"]["tickets__p"]["config"]["comment"] = {"comment_text": "Tuesday only"}
    made = definitions(desk(Comment(comment_text="Every day"))).resolve_job_def("p")
    assert made.execute_in_process(
        instance=instance, partition_key="31", run_config=config | QUIET
    ).success
    assert [entry["Body"] for entry in simulator.state.feed_of_ticket(31)] == ["Tuesday only"]


def test_a_tick_adds_partitions_and_launches_ranges_and_the_next_launches_nothing(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """One TDX call a tick."""
    working = desk(*LINE)
    answer = tick(working, instance)
    assert [list(added.partition_keys) for added in answer.dynamic_partitions_requests] == [
        ["31", "32", "33"]
    ]
    [request] = answer.run_requests
    assert request.tags["dagster/asset_partition_range_start"] == "31"
    assert request.run_key is None
    assert run(working, instance, "31", "32", "33").success
    simulator.calls.reset()
    assert "Nothing is due on the 3 tickets" in str(tick(desk(*LINE), instance).skip_message)
    assert [call.name for call in simulator.calls if "auth" not in call.path] == [
        "GET /reports/{id}"
    ]


def test_a_run_of_tickets_that_go_on_later_is_green_and_the_next_tick_says_so(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    ladder = FollowUp.model_validate(
        {
            "calendar": {"time_zone": "America/Detroit"},
            "steps": [{"after_days": 3, "comment_text": "Still there?"}],
        }
    )
    assert run(desk(ladder), instance, "31", "32", "33").success
    assert str(tick(desk(ladder), instance).skip_message) == (
        "Nothing is due on the 3 tickets of the report: 3 with an action that goes on at a stated time."
    )


def test_c01_a_ticket_that_failed_retryably_is_launched_again_and_then_no_more(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """A run key would have blocked it for good."""
    simulator.faults.add("POST", "/46/tickets/31/feed", on=1, drop="before")
    working = desk(*LINE)
    run(working, instance, "31", "32", "33")
    [request] = tick(desk(*LINE), instance).run_requests
    assert request.partition_key == "31"
    assert run(desk(*LINE), instance, "31").success
    assert isinstance(tick(desk(*LINE), instance), dg.SkipReason)


def test_tickets_that_a_run_has_in_hand_are_not_launched_again(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """A slow run is not joined by another at every tick."""
    instance.add_dynamic_partitions("p_tickets", ["31", "32", "33"])
    instance.create_run_for_job(
        definitions(desk(*LINE)).resolve_job_def("p"),
        tags={"dagster/partition": "32"},
        status=dg.DagsterRunStatus.STARTED,
    )
    requests = tick(desk(*LINE), instance).run_requests
    assert [request.partition_key for request in requests] == ["31", "33"]


def test_c12_tickets_of_a_run_whose_lease_ran_out_are_launched_though_dagster_believes_it_lives(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """A worker on another machine that died without a word must not hold its tickets for ever."""
    working = desk(*LINE)
    instance.add_dynamic_partitions("p_tickets", ["31", "32", "33"])
    started = instance.create_run_for_job(
        definitions(working).resolve_job_def("p"),
        tags={
            "dagster/asset_partition_range_start": "31",
            "dagster/asset_partition_range_end": "33",
        },
        status=dg.DagsterRunStatus.STARTED,
    )
    assert isinstance(tick(desk(*LINE), instance), dg.SkipReason)
    dead = {"pipeline": "p", "run_id": started.run_id, "lease_seconds": -1.0}
    assert working.store.claim(32, AddAsset().identity(), **dead) is not None
    [request] = tick(desk(*LINE), instance).run_requests
    assert request.tags["dagster/asset_partition_range_end"] == "33"


def test_c12_tickets_of_a_run_that_died_before_its_first_claim_are_launched_after_a_while(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves no lease that could run out; one that holds a claim is left alone however old it is."""
    working = desk(*LINE)
    instance.add_dynamic_partitions("p_tickets", ["31", "32", "33"])
    tags = {
        "dagster/asset_partition_range_start": "31",
        "dagster/asset_partition_range_end": "33",
    }
    job = definitions(working).resolve_job_def("p")
    run_id = instance.create_run_for_job(job, tags=tags).run_id
    start = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "p")
    instance.report_dagster_event(start, run_id)
    assert isinstance(tick(desk(*LINE), instance), dg.SkipReason)
    monkeypatch.setattr(runs, "SILENT_SECONDS", -1.0)
    [request] = tick(desk(*LINE), instance).run_requests
    assert request.tags["dagster/asset_partition_range_end"] == "33"
    claim = {"pipeline": "p", "run_id": run_id, "lease_seconds": 300.0}
    assert working.store.claim(32, AddAsset().identity(), **claim) is not None
    assert isinstance(tick(desk(*LINE), instance), dg.SkipReason)


def test_c07_a_run_whose_partition_is_gone_writes_nothing_and_the_others_are_worked_on(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """Somebody deletes a partition while its run is queued."""
    working = desk(*LINE)
    instance.add_dynamic_partitions("p_tickets", ["31", "32"])
    job = definitions(working).resolve_job_def("p")
    instance.delete_dynamic_partition("p_tickets", "31")
    gone = job.execute_in_process(
        instance=instance,
        run_config=run_config(working.pipeline, dry_run=False) | QUIET,
        tags={"dagster/partition": "31"},
        raise_on_error=False,
    )
    assert simulator.calls.matching("POST", "/{app}/tickets/{id}/feed") == []
    assert not gone.success or not simulator.state.asset_ids_of(31)
    assert run(desk(*LINE), instance, "32").success
    assert len(simulator.calls.matching("POST", "/{app}/tickets/{id}/feed")) == 1


def test_d23_the_partition_31_is_the_ticket_31_that_the_older_daemon_has_done(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    simulator: Simulator,
    database: Engine,
) -> None:
    """Keys are text, the log has numbers."""
    hello = Comment(comment_text="Hello World")
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, status) "
            "VALUES (31, 'comment', 'comment:054200481667:v1', 'completed')"
        )
    working = desk(hello)
    assert run(working, instance, "31").success
    assert not simulator.state.feed_of_ticket(31)
    # TDX's own ids end at 2^31; one beyond is asked for as it is, and refused by TDX with a clear word.
    assert not run(working, instance, "3000000000").success
    [row] = working.store.get_ticket_actions(3_000_000_000)
    assert "/tickets/3000000000 answered 404" in str(row.error_message)


def test_c03_a_ticket_listed_twice_is_launched_once(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """Older releases of Dagster start both runs."""
    working = desk(*LINE)
    polling = SensorServices(working)
    twice = polling.report(None)
    polling.report = lambda _: Report(  # type: ignore[method-assign]
        twice.id, twice.name, 0, twice.columns, ({"TicketID": 31}, {"TicketID": "31"})
    )
    sensor = definitions(working).resolve_sensor_def("p_report")
    with dg.build_sensor_context(
        instance=instance, resources={"tdx_dagster_polling": polling}
    ) as context:
        answer = sensor(context)
    assert [request.partition_key for request in answer.run_requests] == ["31"]


@pytest.mark.parametrize("fault", [{"status": 500}, {"web_page": True}, {"drop": "before"}])
def test_a22_c26_a_report_that_cannot_be_read_changes_nothing(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    simulator: Simulator,
    fault: dict[str, Any],
) -> None:
    """A time-out must not look like an empty queue."""
    simulator.faults.add("GET", "/reports/{id}", on=1, **fault)
    answer = tick(desk(*LINE), instance)
    assert isinstance(answer, dg.SkipReason)
    assert instance.get_dynamic_partitions("p_tickets") == []
    assert len(tick(desk(*LINE), instance).run_requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        TdxRateLimited("429 on GET /reports/{id}", wait_seconds=55.0),
        NotConfigured("Missing settings: TDX_WEB_SERVICES_KEY"),
    ],
)
def test_c04_c24_a_tick_that_is_limited_or_not_set_up_skips_with_the_reason(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, error: Exception
) -> None:
    """No sleeping in a tick, no traceback for a missing variable."""
    answer = tick(desk(*LINE), instance, error)
    assert answer.skip_message == str(error)


def test_a_report_without_the_column_fails_the_tick_with_the_columns_seen(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """People see it red in the UI, with the fix."""
    working = desk(*LINE)
    object.__setattr__(working.pipeline, "ticket_column", "Nr")
    with pytest.raises(dg.Failure, match=r"columns seen.*ticket_column"):
        tick(working, instance)
