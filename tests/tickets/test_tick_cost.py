"""What a tick costs, in calls, queries and hashes: counted, since times say little on a busy machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from sqlalchemy import Engine, event, text

from tdx_dagster.simulator import Simulator
from tdx_dagster.state.records import ActionIdentity
from tdx_dagster.tickets import runs
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment

from .desk import Desk
from .test_dagster import SensorServices, definitions, tick

LINE = (Comment(comment_text="Seen."), AddAsset(), SummaryComment())
FINISHED = text(
    """
    INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, action_name, pipeline)
    SELECT ticket, :type, :id, :type, 'p' FROM unnest(CAST(:tickets AS bigint[])) AS ticket
    """
)


@pytest.fixture
def finish(simulator: Simulator, database: Engine) -> Callable[[range], None]:
    """Adds tickets to the report on which everything is done."""

    def add(tickets: range) -> None:
        for ticket in tickets:
            simulator.state.add_ticket(ID=ticket, Title="Done")
        with database.begin() as connection:
            for action in LINE:
                identity = action.identity()
                values = {"type": identity.action_type, "id": identity.action_id}
                connection.execute(FINISHED, values | {"tickets": list(tickets)})

    return add


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every question that is sent to any database, ours or Dagster's."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("SET "):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_an_idle_tick_over_1000_finished_tickets_is_one_call_and_three_queries(
    simulator: Simulator,
    database: Engine,
    instance: dg.DagsterInstance,
    finish: Callable[[range], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither grows with the report, and an action is hashed once, not once a ticket."""
    hashed: list[str] = []
    identity = Action.identity

    def counted(action: Action) -> ActionIdentity:
        hashed.append(action.label)
        return identity(action)

    finish(range(31, 34))
    finish(range(1001, 1998))
    desk = Desk.over(simulator, database, *LINE)
    sensor = definitions(desk).resolve_sensor_def(desk.pipeline.sensor_name)
    monkeypatch.setattr(Action, "identity", counted)
    resources = {"tdx_dagster_polling": SensorServices(desk)}
    with (
        dg.build_sensor_context(instance=instance, resources=resources) as context,
        statements() as sent,
    ):
        answer = sensor(context)
    assert isinstance(answer, dg.SkipReason)
    assert "Nothing is due on the 1000 tickets" in str(answer.skip_message)
    calls = [call.name for call in simulator.calls if "auth" not in call.path]
    assert calls == ["GET /reports/{id}"]
    assert len(sent) == 3
    assert all("meta.daemon_action_log" in statement for statement in sent)
    assert hashed == [action.label for action in LINE]


def test_a_tick_with_work_does_not_read_all_partitions(
    simulator: Simulator,
    database: Engine,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """New tickets and young ones are asked for by key, whatever the number of old partitions."""
    monkeypatch.setattr(runs, "NEWEST", 3)
    instance.add_dynamic_partitions("p_tickets", [str(key) for key in range(500, 600)])
    instance.add_dynamic_partitions("p_tickets", ["31", "32"])
    monkeypatch.setattr(dg.DagsterInstance, "get_dynamic_partitions", pytest.fail)
    answer = tick(Desk.over(simulator, database, *LINE), instance)
    [request] = answer.run_requests
    assert request.tags["dagster/asset_partition_range_end"] == "33"
    assert [list(added.partition_keys) for added in answer.dynamic_partitions_requests] == [["33"]]


def test_a_run_whose_range_begins_at_an_old_partition_still_says_what_it_has_in_hand(
    simulator: Simulator,
    database: Engine,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A backfill of last year's tickets: what lies between the ends of its range is not run twice."""
    monkeypatch.setattr(runs, "NEWEST", 3)
    instance.add_dynamic_partitions("p_tickets", ["500", "31", "32", "33"])
    desk = Desk.over(simulator, database, *LINE)
    instance.create_run_for_job(
        definitions(desk).resolve_job_def("p"),
        tags={
            "dagster/asset_partition_range_start": "500",
            "dagster/asset_partition_range_end": "33",
        },
        status=dg.DagsterRunStatus.STARTED,
    )
    assert "3 in runs already" in tick(desk, instance).skip_message
