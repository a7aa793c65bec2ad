"""Observe mode: everything is shown, nothing is written; then each action is done once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from tdx_dagster.simulator import Simulator
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.observe import GATHERED
from tdx_dagster.tickets.pipeline import Mode
from tdx_dagster.tickets.run_config import run_config
from tests.tenant import small_tenant

from .desk import Desk
from .test_dagster import ASSET, QUIET, SensorServices, definitions, materialised, observed

LINE = (AddAsset(), Comment(comment_text="We are looking into it."), SummaryComment())


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The tenant of the chaos suite: tickets 31 to 34, the last with nothing to attach."""
    state = small_tenant()
    state.add_ticket(ID=34, Title="Hello", RequestorUid=None)
    with Simulator(state) as running:
        yield running


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[[Mode], Desk]:
    """Makes desks over one simulator and one database, by mode."""

    def make(mode: Mode) -> Desk:
        made = Desk.over(simulator, database, *LINE)
        return replace(made, pipeline=replace(made.pipeline, mode=mode, tickets_per_run=2))

    return make


def tick(desk: Desk, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    """Let the sensor answer."""
    made = definitions(desk)
    name = desk.pipeline.sensor_name
    sensor = made.resolve_sensor_def(name)
    with dg.build_sensor_context(
        instance=instance,
        resources={"tdx_dagster_polling": SensorServices(desk)},
        sensor_name=name,
        cursor=cursor,
    ) as context:
        return sensor(context)


def carry_out(answer: Any, desk: Desk, instance: dg.DagsterInstance) -> None:
    """Launch what a sensor asks for, as Dagster does."""
    made = definitions(desk)
    name = made.resolve_sensor_def(desk.pipeline.sensor_name).job_name
    for request in answer.dynamic_partitions_requests:
        instance.add_dynamic_partitions("p_tickets", list(request.partition_keys))
    for request in answer.run_requests:
        done = made.resolve_job_def(name).execute_in_process(
            instance=instance,
            run_config=request.run_config | QUIET,
            partition_key=request.partition_key,
            tags=request.tags,
        )
        assert done.success


def rows(database: Engine) -> int:
    """Count what our tables hold of tickets."""
    count = text(
        "SELECT (SELECT count(*) FROM meta.daemon_action_log) + (SELECT count(*) FROM meta.action_attempt)"
        " + (SELECT count(*) FROM meta.unfinished_ticket) + (SELECT count(*) FROM meta.tdx_environment)"
    )
    with database.connect() as connection:
        return int(connection.execute(count).scalar_one())


def writes(simulator: Simulator) -> list[str]:
    """Give the calls that change something in TDX."""
    changing = ("PUT", "PATCH", "DELETE", "POST /{app}/tickets/")
    return [call.name for call in simulator.calls if call.name.startswith(changing)]


def test_observing_writes_nothing_and_then_acting_does_each_action_once(
    desk: Callable[[Mode], Desk],
    instance: dg.DagsterInstance,
    simulator: Simulator,
    database: Engine,
) -> None:
    """Each due ticket is observed once, in one table; the next tick launches nothing."""
    observing = desk(Mode.OBSERVE)
    answer = tick(observing, instance)
    assert len(answer.run_requests) == 2
    carry_out(answer, observing, instance)
    again = tick(observing, instance, answer.cursor)
    assert "4 of 4 tickets are due, and all of those have been observed" in again.skip_message
    shown = observed(instance)
    assert set(shown) == {"31", "32", "33", "34", "None"}
    table = str(shown["None"][GATHERED].value)
    assert [line.split("]")[0] for line in table.splitlines()[2:]] == [
        f"| [{ticket}" for ticket in (31, 32, 33, 34)
    ]
    assert "add_asset: Added 1 asset: PSYC-GID08" in table
    assert materialised(instance) == {}
    assert writes(simulator) == []
    assert rows(database) == 0

    acting = desk(Mode.ACT)
    carry_out(tick(acting, instance, answer.cursor), acting, instance)
    assert set(materialised(instance)) == {"31", "32", "33", "34"}
    assert writes(simulator)
    for ticket in (31, 32, 33, 34):
        bodies = [entry["Body"] for entry in simulator.state.feed_of_ticket(ticket)]
        assert bodies.count("We are looking into it.") == 1
    simulator.calls.reset()
    assert "Nothing is due" in tick(acting, instance).skip_message
    assert writes(simulator) == []


def test_no_config_lets_a_run_write_while_its_pipeline_observes(
    desk: Callable[[Mode], Desk],
    instance: dg.DagsterInstance,
    simulator: Simulator,
    database: Engine,
) -> None:
    """Materialising a ticket by hand is a dry run as well, with the job that acts."""
    observing = desk(Mode.OBSERVE)
    instance.add_dynamic_partitions("p_tickets", ["31"])
    done = (
        definitions(observing)
        .resolve_job_def("p")
        .execute_in_process(
            instance=instance,
            run_config=run_config(observing.pipeline, dry_run=False) | QUIET,
            partition_key="31",
        )
    )
    assert done.success
    assert writes(simulator) == []
    assert rows(database) == 0
    assert instance.fetch_observations(ASSET, limit=5).records


def test_a_ticket_is_observed_again_once_another_action_is_due_on_it(
    desk: Callable[[Mode], Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """Of the cursor only tickets that are due stay; one that nobody can read observes anew."""
    observing = desk(Mode.OBSERVE)
    cursor = tick(observing, instance).cursor
    changed = replace(
        observing, pipeline=replace(observing.pipeline, actions=(Comment(comment_text="Hello"),))
    )
    assert len(tick(changed, instance, cursor).run_requests) == 2
    simulator.state.add_ticket(ID=35, Title="New")
    [request] = tick(observing, instance, cursor).run_requests
    assert request.partition_key == "35"
    assert len(tick(observing, instance, "[no cursor").run_requests) == 3
