"""A run takes the tickets it was asked for, whatever the order of partitions meanwhile (case F17)."""

from collections.abc import Callable

import dagster as dg
import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.runs import KeyRange, keys_in_tags, tickets_asked_for

from .desk import Desk
from .test_dagster import definitions, materialised


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions, **more: Desk.over(simulator, database, *actions, **more)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """An instance that dies with the test."""
    return dg.DagsterInstance.ephemeral()


@pytest.mark.parametrize(
    "order",
    [["31", "33", "32"], ["32", "33", "31"], ["31", "99", "98", "32", "33"]],
    ids=["its last key is not the last", "its first key is behind", "others stand between"],
)
def test_a_range_run_acts_on_its_own_tickets_and_no_others(
    desk: Callable[..., Desk], simulator: Simulator, instance: dg.DagsterInstance, order: list[str]
) -> None:
    """A range names two ends; what lies between them is not what was asked for."""
    working = desk(Comment(comment_text="Hello World"))
    instance.add_dynamic_partitions("p_tickets", order)
    first, last = sorted(("31", "33"), key=order.index)
    tags = KeyRange(("31", "33")).tags() | {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
    job = definitions(working).resolve_job_def("p")
    assert job.execute_in_process(instance=instance, tags=tags).success
    acted_on = {
        call.path.split("/")[-2]
        for call in simulator.calls.matching("POST", "/{app}/tickets/{id}/feed")
    }
    assert acted_on == {"31", "33"}
    assert set(materialised(instance)) == {"31", "33"}


def test_the_tickets_of_a_run_in_flight_are_those_it_was_asked_for() -> None:
    """Or the sensor would launch some twice and others never."""
    tags = KeyRange(("31", "33")).tags()
    assert tickets_asked_for(tags) == [31, 33]
    assert keys_in_tags(tags, ["31", "32", "33"]) == {"31", "33"}
