"""`add_configuration_item`: labs and services are linked once, and none that a person has removed."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import ASSET_APP_ID, Simulator
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.add_configuration_item import AddConfigurationItem
from tdx_dagster.tickets.once.outcomes import Outcome, Result

from .desk import Desk, client

LINK = "/{app}/tickets/{id}/configurationItems/{item}"
LAB, OLD = 555, 556


@pytest.fixture
def run(simulator: Simulator, database: Engine) -> Callable[..., Outcome]:
    """Runs the action on ticket 31; there are an active lab and one that is not."""
    for number, name, is_active in ((LAB, "Lab 2410", True), (OLD, "Lab 0117", False)):
        simulator.state.items[number] = {
            "ID": number, "AppID": ASSET_APP_ID, "FormID": 0, "Name": name, "IsActive": is_active,
            "BackingItemID": number, "BackingItemType": 63, "Attributes": {},
        }  # fmt: skip

    def once(*items: int | str, dry_run: bool = False) -> Outcome:
        desk = Desk.over(simulator, database, AddConfigurationItem(items=items))
        (outcome,) = desk.outcomes(31, dry_run=dry_run)
        return outcome

    return once


def test_an_item_is_linked_once_whatever_became_of_the_answer(
    run: Callable[..., Outcome], simulator: Simulator
) -> None:
    assert [one.detail["name"] for one in run(LAB, dry_run=True).planned] == ["Lab 2410"]
    simulator.faults.add("POST", LINK, on=1, drop="after")
    done = run(LAB, "{{ ticket.id if false else '' }}")
    assert list(done.summary_lines) == ["Added Lab 2410 as configuration item"]
    assert simulator.state.links[31] == [LAB]
    assert simulator.calls.count("POST", LINK) == 1
    assert run(LAB).message == "Lab 2410 there already"


def test_an_item_that_a_person_has_removed_is_not_linked_again(
    run: Callable[..., Outcome], simulator: Simulator
) -> None:
    """Whoever had linked it: the robot by the log, a person by TDX's line."""
    tess = simulator.technician("tess.technician")
    tess.call("POST", f"/46/tickets/31/configurationItems/{LAB}")
    tess.call("DELETE", f"/46/tickets/31/configurationItems/{LAB}")
    left = ["Lab 2410 left off: removed from the configuration items by a person"]
    assert list(run(LAB).summary_lines) == left
    assert simulator.state.links[31] == []


def test_nor_is_one_of_the_robots_own(run: Callable[..., Outcome], simulator: Simulator) -> None:
    run(LAB)
    simulator.technician("tess.technician").call(
        "DELETE", f"/46/tickets/31/configurationItems/{LAB}"
    )
    for entry in simulator.state.feed_of_ticket(31):
        entry["Body"] = "Dieser Eintrag ist in einer anderen Sprache."
    assert run(str(LAB)).evidence["left_off"] == ["Lab 2410"]


@pytest.mark.parametrize(
    ("item", "said"),
    [(OLD, "Lab 0117 is not active"), (999, "404"), ("{{ 'Lab' }}", "'Lab' is no id")],
)
def test_what_is_no_active_item_is_not_linked(
    run: Callable[..., Outcome], simulator: Simulator, item: Any, said: str
) -> None:
    outcome = run(item)
    assert (outcome.result, simulator.calls.count("POST", LINK)) == (Result.FAILED, 0)
    assert said in outcome.message


def test_check_reads_the_items(run: Callable[..., Outcome], simulator: Simulator) -> None:
    assert run is not None
    assert (
        AddConfigurationItem(items=(LAB, "{{ ticket.id }}")).check(client(simulator)) == "Lab 2410"
    )
    with pytest.raises(TdxSettingError, match=r"add_configuration_item.*Lab 0117 is not active"):
        AddConfigurationItem(items=(OLD,)).check(client(simulator))
