"""A person has the last word: what they removed stays off, what they changed stays as it is."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import ACTIVE_STATUS_ID, COMPUTER_FORM_ID, Simulator, sample_state
from tdx_dagster.simulator.sample.blank import IN_PROCESS, WAITING
from tdx_dagster.state.decisions import Decisions, Person
from tdx_dagster.state.records import OVERRIDE
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.last_word import Removals
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.once.outcomes import Result
from tdx_dagster.tickets.pipeline import Pipeline
from tests.state.memory import MemoryStore

from .desk import Desk

FEED = "/{app}/tickets/{id}/feed"
TICKET = "/{app}/tickets/{id}"
ROBOT = "admin.service"
LOW, HIGH, GROUP = 851, 853, 861
LATER = "2030-01-01T00:00:00Z"


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions, **more: Desk.over(simulator, database, *actions, **more)


class Links(Action):
    """An action of somebody's own that links one computer."""

    asset_id: int

    def perform(self, context: ActionContext) -> Performed:
        """Link it."""
        context.write.attach(self.asset_id, "PSYC-GID08")
        return Performed("linked")


# Removed is final


def test_an_action_of_ones_own_does_not_bring_a_removed_computer_back(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The writer refuses, so that no action need know of it; the result is a completed one."""
    desk(AddAsset()).run(31)
    simulator.technician("tess.tech").remove_asset(31, 1002)
    [outcome] = desk(Links(asset_id=1002)).outcomes(31)
    assert outcome.result is Result.COMPLETED
    assert "left off: Tess Tech removed it on" in outcome.message
    assert simulator.state.asset_ids_of(31) == []


def test_two_actions_of_a_pipeline_that_find_one_computer_say_the_truth(
    desk: Callable[..., Desk],
) -> None:
    """The first has linked it a moment ago: nobody has removed it."""
    outcomes = desk(AddAsset(), AddAsset(name="second", max_assets_to_add=5)).outcomes(31)
    assert "already on ticket: PSYC-GID08" in outcomes[1].message


def test_the_removal_of_another_computer_of_the_same_name_decides_nothing(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The asset's own feed names the ticket by its number."""
    twin = {"FormID": COMPUTER_FORM_ID, "StatusID": ACTIVE_STATUS_ID, "StatusName": "Active"}
    simulator.state.add_asset(ID=1009, Name="PSYC-GID08", SerialNumber="ZZ9TWIN", **twin)
    tess = simulator.technician("tess.tech", at=LATER)
    tess.add_asset(33, 1009)
    tess.remove_asset(33, 1009)
    desk(AddAsset()).run(33)
    assert simulator.state.asset_ids_of(33) == [1001, 1002]


def test_a_computer_that_was_renamed_after_its_removal_stays_off(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The ticket's feed has the old name."""
    tess = simulator.technician("tess.tech", at=LATER)
    simulator.state.assets[1001]["Name"] = "OLD-NAME"
    tess.add_asset(33, 1001)
    tess.remove_asset(33, 1001)
    simulator.state.assets[1001]["Name"] = "MAC-WARD04"
    [outcome] = desk(AddAsset()).outcomes(33)
    assert simulator.state.asset_ids_of(33) == [1002]
    assert "MAC-WARD04 (left off: Tess Tech removed it on 2030-01-01)" in outcome.message


@pytest.mark.parametrize("backwards", [False, True])
def test_lines_in_another_language_and_order_are_read_as_well(
    desk: Callable[..., Desk], simulator: Simulator, *, backwards: bool
) -> None:
    """Of a computer that is not linked, the newest line that names it is its removal."""
    tess = simulator.technician("tess.tech", at=LATER)
    tess.add_asset(31, 1002)
    tess.remove_asset(31, 1002)
    entries = list(simulator.state.feed.values())
    for entry in entries:
        is_assets = "this asset" in entry["System"]
        entry["System"] = (
            "Vorgang geändert (Nr. 31)" if is_assets else "Das Gerät „PSYC-GID08“ wurde geändert."
        )
        entry["Body"] = entry["System"]
    if backwards:
        simulator.state.feed = dict(reversed(simulator.state.feed.items()))
    [outcome] = desk(AddAsset()).outcomes(31)
    assert simulator.state.asset_ids_of(31) == []
    assert "left off: Tess Tech" in outcome.message


def test_a_removal_between_two_reads_of_one_run_counts(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links are read before the feed, so that what was removed in between stands in it."""
    tess = simulator.technician("tess.tech", at=LATER)
    tess.comment(32, "It is PSYC-GID08.", private=False)
    tess.add_asset(32, 1002)
    feed = Tdx.feed

    def removed_meanwhile(tdx: Tdx, ticket: int) -> Any:
        found = feed(tdx, ticket)
        monkeypatch.undo()
        tess.remove_asset(ticket, 1002)
        return found

    monkeypatch.setattr(Tdx, "feed", removed_meanwhile)
    desk(AddAsset()).run(32)
    assert simulator.state.asset_ids_of(32) == []


def test_what_the_robots_own_account_removed_without_a_record_is_no_persons_removal(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """It is how the robot takes back; who shares its account cannot be told from it."""
    shared = simulator.technician(ROBOT, at=LATER)
    shared.add_asset(31, 1002)
    shared.remove_asset(31, 1002)
    desk(AddAsset()).run(31)
    assert simulator.state.asset_ids_of(31) == [1002]


def test_a_removal_of_what_the_robot_attached_counts_whoever_made_it(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The log knows what the robot itself has taken back; this it did not."""
    desk(AddAsset()).run(31)
    simulator.technician(ROBOT).remove_asset(31, 1002)
    desk(AddAsset(max_assets_to_add=5)).run(31)
    assert simulator.state.asset_ids_of(31) == []


# Changed is final


def test_the_expected_status_is_read_right_before_the_post(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Whatever an action reads after its plan, the last read before the write is that of the ticket."""
    desk(Comment(comment_text="On it.", new_status_id=IN_PROCESS)).run(31)
    calls = [one.name for one in simulator.calls if "auth" not in one.name]
    assert calls[-2:] == [f"GET {TICKET}", f"POST {FEED}"]


def test_two_comments_of_a_pipeline_may_each_set_a_status(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """What the robot has set itself is the value it expects."""
    first = Comment(comment_text="On it.", new_status_id=IN_PROCESS)
    second = Comment(comment_text="Asked.", new_status_id=WAITING, name="second")
    outcomes = desk(first, second).outcomes(31)
    assert simulator.state.tickets[31]["StatusID"] == WAITING, outcomes


def test_what_is_said_of_a_changed_status_names_who_changed_it(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Not whoever has touched the ticket last; nothing is posted, and a dry run says the same."""
    desk(Comment(comment_text="On it.", new_status_id=IN_PROCESS)).run(31)
    simulator.technician("tess.tech").change_status(31, "On Hold", goes_off_hold=LATER)
    simulator.technician("otto.other").comment(31, "I saw it.")
    again = desk(Comment(comment_text="Again.", new_status_id=IN_PROCESS))
    wanted = "Status left alone: now On Hold, set by Tess Tech"
    assert [one.message for one in again.outcomes(31, dry_run=True)] == [wanted]
    [outcome] = again.outcomes(31)
    assert (outcome.result, outcome.message) == (Result.COMPLETED, wanted)
    assert outcome.summary_lines == [wanted]


def test_what_a_person_has_set_before_the_robot_came_is_theirs_unless_the_settings_name_it(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """TDX itself and the robot are no persons; nothing is posted where the status stays."""
    tess, robot = simulator.technician("tess.tech"), simulator.technician(ROBOT)
    tess.change_status(31, IN_PROCESS)
    tess.assign(31, "tess.tech")
    robot.change_status(32, IN_PROCESS)
    simulator.technician("System").edit(32, PriorityID=HIGH)
    asked = Comment(comment_text="Which computer?", new_status_id=WAITING)
    line = desk(asked, UpdateTicket(responsible_group=GROUP, priority=LOW))
    comment, fields = line.outcomes(31)
    assert comment.message == "Status left alone: now In Process, set by Tess Tech"
    assert fields.message.startswith("Changed ticket responsible group to Service Desk")
    assert "Which computer?" not in str(simulator.state.feed_of_ticket(31))
    line.run(32)
    moved = simulator.state.tickets[32]
    assert (moved["StatusID"], moved["PriorityID"]) == (WAITING, LOW)
    takes = UpdateTicket(responsible_person="Ann Onimo", name="takes")
    [outcome] = desk(takes).outcomes(31)
    assert outcome.message == "Responsible person left alone: now Tess Tech, set by Tess Tech"
    named = asked.model_copy(update={"from_status_ids": (IN_PROCESS,), "name": "named"})
    desk(named).run(31)
    assert simulator.state.tickets[31]["StatusID"] == WAITING


# Cost


def test_the_last_word_costs_at_most_a_fifth_of_a_call_a_ticket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted by the simulator on the tickets that the benchmarks use."""
    calls = []
    for is_asked in (True, False):
        if not is_asked:
            monkeypatch.setattr(Removals, "of", lambda *_: None)
        with Simulator(sample_state()) as running:
            work = Desk(running, MemoryStore(), Pipeline("p", (AddAsset(), SummaryComment())))
            work.run(*running.state.tickets)
            calls.append(sum(running.calls.by_name().values()))
    with_removals, without = calls
    assert without > 0
    assert with_removals - without <= 0.2 * len(sample_state().tickets)


# Overruled by a person


def test_a_person_may_overrule_a_removal_once(
    desk: Callable[..., Desk], simulator: Simulator, database: Engine
) -> None:
    """The computer comes back on that ticket, with who and why in the history; a later removal is final."""
    working = desk(AddAsset())
    working.run(31)
    tess = simulator.technician("tess.tech")
    tess.remove_asset(31, 1002)
    by = Person("ann", "removed by mistake", "run-7")
    action_id = AddAsset().identity().action_id
    Decisions(database).override([31], [action_id], by)
    [outcome] = working.outcomes(31)
    assert outcome.message.startswith("Added 1 asset: PSYC-GID08")
    assert simulator.state.asset_ids_of(31) == [1002]
    [past] = [past for past in working.store.get_attempts(31) if past.effect == OVERRIDE]
    assert (past.detail, past.run_id) == ({"by": "ann", "reason": by.reason}, "run-7")
    tess.remove_asset(31, 1002)
    desk(AddAsset(max_assets_to_add=5)).run(31)
    assert simulator.state.asset_ids_of(31) == []


def test_a_run_by_itself_overrules_nothing(
    desk: Callable[..., Desk], simulator: Simulator, database: Engine
) -> None:
    """Not on another ticket either."""
    tess = simulator.technician("tess.tech")
    desk(AddAsset()).run(31, 33)
    for ticket in (31, 33):
        tess.remove_asset(ticket, 1002)
    Decisions(database).override([31], [AddAsset().identity().action_id], Person("ann", "mine"))
    desk(AddAsset(max_assets_to_add=5)).run(31, 33)
    assert simulator.state.asset_ids_of(31) == [1002]
    assert simulator.state.asset_ids_of(33) == [1001]
