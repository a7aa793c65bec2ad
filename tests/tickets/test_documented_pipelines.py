"""The pipelines of docs/conditions.md and docs/moving-from-the-daemon.md run as they stand."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import IN_PROCESS, WAITING
from tdx_dagster.tickets.actions.facts import (
    NAMES,
    AttachedComputerFacts,
    ComputerFacts,
    RequestorFacts,
    TicketFacts,
)
from tdx_dagster.tickets.actions.registry import read_actions

from .desk import Desk
from .test_true import comments

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "conditions.md").read_text(encoding="utf-8")
DAEMON = (DOCS / "moving-from-the-daemon.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```yaml\n# (\w+): [^\n]*\n(.*?)```", re.DOTALL)
PIPELINES = dict(BLOCK.findall(PAGE + DAEMON))


@pytest.fixture
def documented(simulator: Simulator, database: Engine) -> Callable[[str], Desk]:
    """Makes a desk of a pipeline on the page."""

    def make(name: str) -> Desk:
        entries = yaml.safe_load(PIPELINES[name])["actions"]
        return Desk.over(simulator, database, *read_actions(entries, f"{name}.yaml"))

    return make


def test_the_requestor_is_told_of_the_computer_or_asked_for_it(
    documented: Callable[[str], Desk], simulator: Simulator
) -> None:
    simulator.state.add_ticket(ID=34, Title="Something is broken", RequestorUid=None)
    documented("found_or_ask").run(31, 34)
    told, asked = "\n".join(comments(simulator, 31)), "\n".join(comments(simulator, 34))
    assert "this ticket is about PSYC-GID08." in told
    assert "Told the requestor which computers were found" in told
    assert "what is the name of your computer" in asked
    assert "Asked for the name of the computer" in asked
    assert "what is the name" not in told


def test_the_reminder_goes_to_who_has_not_answered_and_once(
    documented: Callable[[str], Desk], simulator: Simulator
) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=5)).isoformat()
    for number in (31, 32, 33):
        simulator.state.tickets[number] |= {"StatusID": WAITING, "CreatedDate": long_ago}
    simulator.state.tickets[33]["CreatedDate"] = datetime.now(UTC).isoformat()
    simulator.technician("ann").comment(32, "It works again.", private=False)
    for _ in range(2):
        documented("remind").run(31, 32, 33)
    reminded = {
        number: sum("do you still need help" in text for text in comments(simulator, number))
        for number in (31, 32, 33)
    }
    assert reminded == {31: 1, 32: 0, 33: 0}


def test_tickets_are_routed_by_their_title(
    documented: Callable[[str], Desk], simulator: Simulator
) -> None:
    documented("route").run(31, 32)
    groups = [simulator.state.tickets[number]["ResponsibleGroupID"] for number in (31, 32)]
    assert groups == [862, 861]
    assert (
        "Routed: Changed ticket responsible group to Desktop Support, status to In Process"
        in (comments(simulator)[-1])
    )


def test_tickets_are_routed_by_the_department_of_their_computer(
    documented: Callable[[str], Desk], simulator: Simulator, database: Engine
) -> None:
    """One department has a row and a priority, the other neither; without a computer it is the default."""
    simulator.state.add_ticket(ID=34, Title="Something is broken", RequestorUid=None)
    for asset, department in ((1001, 202), (1002, 201)):
        simulator.state.assets[asset]["OwningDepartmentID"] = department
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE silver.routing (department text, desk text)")
        connection.exec_driver_sql(
            "INSERT INTO silver.routing VALUES (' CHEMISTRY', 'Desktop Support')"
        )
    documented("route_by_department").run(31, 32, 34)
    held = simulator.state.tickets
    assert [held[one]["ResponsibleGroupID"] for one in (31, 32, 34)] == [862, 861, 861]
    assert [held[one]["PriorityID"] for one in (31, 32)] == [853, 0]
    assert "Priority left alone: the map has none for" in comments(simulator, 32)[-1]


def test_the_examples_of_the_older_daemon_do_what_they_did(
    documented: Callable[[str], Desk], simulator: Simulator
) -> None:
    """The comment has its id; the computer is attached and told of; three steps leave one summary."""
    [hello] = documented("one_comment").outcomes(31)
    assert hello.action_id == "comment:054200481667:v1"
    documented("find_and_tell").run(31)
    assert 1002 in simulator.state.asset_ids_of(31)
    assert "Added 1 asset: PSYC-GID08" in comments(simulator)[-1]
    long_ago = (datetime.now(UTC) - timedelta(days=5)).isoformat()
    simulator.state.tickets[32]["CreatedDate"] = long_ago
    documented("several_steps").run(32)
    first, reminder, *_, summary = comments(simulator, 32)
    assert (first, reminder) == ("We have received your request.", "We have not forgotten you.")
    assert "1. Changed ticket status to In Process" in summary
    assert simulator.state.tickets[32]["StatusID"] == IN_PROCESS


def test_the_page_names_all_that_can_be_named() -> None:
    for name in NAMES:
        assert f"`{name}" in PAGE, name
    for record in (TicketFacts, RequestorFacts, ComputerFacts, AttachedComputerFacts):
        for field in record.__dataclass_fields__:
            assert f"`{field}" in PAGE, field
