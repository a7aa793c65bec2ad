"""`update_ticket`: only what differs, in one call, and never over a person's value."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import IN_PROCESS, LAB_ATTRIBUTE_ID, ON_HOLD, WAITING
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tests.tenant import BOB

from .desk import Desk, client

PATCH = "/{app}/tickets/{id}"
LOW, MEDIUM, HIGH = 851, 852, 853
DESK, DESKTOP = 861, 862


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database; ticket 31 has a priority and a group."""
    simulator.state.tickets[31] |= {"PriorityID": LOW, "ResponsibleGroupID": DESK, "TypeID": 801}
    simulator.state.tickets[32] |= {"PriorityID": LOW, "TypeID": 801}
    return lambda *actions: Desk.over(simulator, database, *actions)


def ticket(simulator: Simulator, number: int = 31) -> dict[str, Any]:
    """The ticket as TDX holds it."""
    held: dict[str, Any] = simulator.state.tickets[number]
    return held


def patches(simulator: Simulator) -> list[Any]:
    """The bodies of all patches that TDX got."""
    return [json.loads(one.body) for one in simulator.calls.matching("PATCH", PATCH)]


def only(outcomes: list[Outcome]) -> Outcome:
    """The one outcome."""
    (outcome,) = outcomes
    return outcome


def test_fields_are_set_by_name_or_id_in_one_call_and_only_those_that_differ(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    action = UpdateTicket(
        responsible_group="desktop support",
        responsible_person="bob obob",
        priority=LOW,
        impact="Affects Department",
        status="in process",
        attributes={"Lab": "Room 5"},
    )
    outcome = only(desk(action).outcomes(31))
    assert ", ".join(outcome.summary_lines).startswith(
        "Changed ticket responsible person to Bob Obob, responsible group to Desktop Support, "
        "impact to Affects Department, status to In Process, Lab to Room 5"
    )
    held = ticket(simulator)
    assert (held["ResponsibleGroupID"], held["ResponsibleUid"]) == (DESKTOP, BOB)
    assert (held["StatusID"], held["Attributes"][LAB_ATTRIBUTE_ID]) == (IN_PROCESS, "9002")
    (patch,) = patches(simulator)
    assert "/PriorityID" not in {one["path"] for one in patch}


def test_a_ticket_that_has_the_values_costs_no_call_of_its_own(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    outcome = only(desk(UpdateTicket(priority=LOW)).outcomes(31))
    assert (outcome.result, outcome.message) == (Result.COMPLETED, "Nothing to change")
    assert simulator.calls.count("GET", PATCH) == 1
    assert patches(simulator) == []


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"drop": "before"}, {"status": 503}])
def test_the_patch_is_written_once_whatever_became_of_its_answer(
    desk: Callable[..., Desk], simulator: Simulator, fault: dict[str, Any]
) -> None:
    working = desk(UpdateTicket(priority="High", tags=("robot",)))
    simulator.faults.add("PATCH", PATCH, on=1, **fault)
    outcomes = [*working.outcomes(31), *working.outcomes(31)]
    assert outcomes[-1].result is Result.COMPLETED
    assert list(outcomes[-1].summary_lines) == [
        "Changed ticket priority to High",
        "Tagged the ticket robot",
    ]
    changed = [
        one for one in simulator.state.feed_of_ticket(31) if "Changed Priority" in one["Body"]
    ]
    assert len(changed) == 1
    assert ticket(simulator)["Tags"] == ["robot"]


def test_what_a_person_changed_after_a_lost_answer_stays_and_is_reported(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The patch is known by the field that still has its value; the other one is not written again."""
    working = desk(UpdateTicket(priority="High", responsible_group="Desktop Support"))
    simulator.faults.add("PATCH", PATCH, on=1, drop="after")
    simulator.faults.add("GET", PATCH, on=3, status=403)
    assert only(working.outcomes(31)).result is Result.FAILED
    simulator.technician("tess.technician").edit(31, PriorityID=MEDIUM)
    outcome = only(working.outcomes(31))
    assert list(outcome.summary_lines) == [
        "Changed ticket responsible group to Desktop Support",
        "Set priority to High; the ticket shows Medium",
    ]
    assert ticket(simulator)["PriorityID"] == MEDIUM
    assert len(patches(simulator)) == 1


def test_what_a_person_changed_back_after_a_lost_answer_is_not_set_again(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The ticket looks as if nothing had been written; TDX's own line says that it was."""
    working = desk(UpdateTicket(priority="High"))
    simulator.faults.add("PATCH", PATCH, on=1, drop="after")
    simulator.faults.add("GET", PATCH, on=3, status=403)
    working.outcomes(31)
    simulator.technician("tess.technician").edit(31, PriorityID=LOW)
    outcome = only(working.outcomes(31))
    assert list(outcome.summary_lines) == ["Set priority to High; the ticket shows Low"]
    assert ticket(simulator)["PriorityID"] == LOW


def test_a_field_that_a_person_changed_while_the_run_was_at_work_is_left_alone(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The other field is set all the same."""

    class Interfered(UpdateTicket):
        def check_person(self) -> None:
            simulator.technician("tess.technician").edit(31, PriorityID=MEDIUM)

        def perform(self, context: Any) -> Any:
            self.check_person()
            return super().perform(context)

    outcome = only(
        desk(Interfered(priority="High", responsible_group="Desktop Support")).outcomes(31)
    )
    assert list(outcome.summary_lines) == [
        "Changed ticket responsible group to Desktop Support",
        "Priority left alone: now Medium, set by Tess Technician",
    ]
    assert outcome.result is Result.COMPLETED
    assert ticket(simulator)["PriorityID"] == MEDIUM


def between_plan_and_write(monkeypatch: pytest.MonkeyPatch, *people: Callable[[], object]) -> None:
    """Let a person act each time a patch is planned and not sent yet, one after the other."""
    begin, waiting = PostgresStore.begin_effect, list(people)

    def begin_effect(*given: Any, **named: Any) -> Any:
        if waiting:
            waiting.pop(0)()
        return begin(*given, **named)

    monkeypatch.setattr(PostgresStore, "begin_effect", begin_effect)


def test_fields_that_people_change_between_the_plan_and_the_write_leave_the_patch(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other; what is left of the patch is written, in one call."""
    tess = simulator.technician("tess.technician")
    between_plan_and_write(
        monkeypatch,
        lambda: tess.edit(31, PriorityID=MEDIUM),
        lambda: tess.change_status(31, WAITING),
    )
    wanted = UpdateTicket(priority="High", status="In Process", responsible_group="Desktop Support")
    outcome = only(desk(wanted).outcomes(31))
    assert list(outcome.summary_lines) == [
        "Changed ticket responsible group to Desktop Support",
        "Priority left alone: now Medium, set by Tess Technician",
        "Status left alone: now Waiting for Customer, set by Tess Technician",
    ]
    held = ticket(simulator)
    assert (held["PriorityID"], held["StatusID"]) == (MEDIUM, WAITING)
    assert len(patches(simulator)) == 1


def test_nothing_is_sent_where_people_have_changed_all_of_it_meanwhile(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who sets what is wanted leaves nothing to say."""
    tess = simulator.technician("tess.technician")
    between_plan_and_write(monkeypatch, lambda: tess.edit(31, PriorityID=HIGH))
    outcome = only(desk(UpdateTicket(priority="High")).outcomes(31))
    assert (outcome.result, outcome.message) == (Result.COMPLETED, "Nothing to change")
    assert patches(simulator) == []


def test_what_the_answer_to_a_patch_shows_of_a_person_is_not_overwritten_by_a_later_action(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TDX answers with the whole ticket, and so with what a person has changed in other fields."""
    tess = simulator.technician("tess.technician")
    between_plan_and_write(monkeypatch, lambda: tess.change_status(31, WAITING))
    working = desk(UpdateTicket(priority="High"), UpdateTicket(name="second", status="In Process"))
    assert [one.message for one in working.outcomes(31)] == [
        "Changed ticket priority to High",
        "Status left alone: now Waiting for Customer, set by Tess Technician",
    ]
    assert ticket(simulator)["StatusID"] == WAITING


def test_a_field_that_a_person_changed_after_the_robot_is_left_alone_by_other_settings(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    desk(UpdateTicket(priority="High")).outcomes(31)
    simulator.technician("tess.technician").edit(31, PriorityID=MEDIUM)
    outcome = only(desk(UpdateTicket(priority="Low")).outcomes(31))
    assert list(outcome.summary_lines) == [
        "Priority left alone: now Medium, set by Tess Technician"
    ]


def test_the_status_that_a_comment_has_set_may_be_changed_further(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    working = desk(
        Comment(comment_text="On it.", new_status_id=IN_PROCESS),
        UpdateTicket(status="On Hold", off_hold_days=3),
    )
    assert working.outcomes(31)[-1].message == "Changed ticket status to On Hold"
    assert ticket(simulator)["StatusID"] == ON_HOLD
    assert ticket(simulator)["GoesOffHoldDate"]


@pytest.mark.parametrize(
    ("expected", "is_set"),
    [((None,), False), ((LOW,), True), (("low", "medium"), True), ((MEDIUM,), False)],
)
def test_a_field_is_changed_only_from_the_values_expected(
    desk: Callable[..., Desk], simulator: Simulator, expected: Any, *, is_set: bool
) -> None:
    working = desk(UpdateTicket(priority="High", expected={"priority": expected}))
    outcome = only(working.outcomes(31))
    assert ticket(simulator)["PriorityID"] == (HIGH if is_set else LOW)
    said = "Changed ticket priority to High" if is_set else "Priority left alone: now Low"
    assert outcome.message == said


def test_a_field_is_cleared(desk: Callable[..., Desk], simulator: Simulator) -> None:
    """Assigned to a group alone."""
    simulator.state.tickets[31]["ResponsibleUid"] = BOB
    action = UpdateTicket(responsible_group=DESKTOP, clear=("responsible_person",))
    assert "responsible person to none" in only(desk(action).outcomes(31)).message
    assert ticket(simulator)["ResponsibleUid"] is None


def test_a_name_that_tdx_does_not_have_is_a_fault_of_the_settings_and_of_no_ticket(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    working = desk(UpdateTicket(name="route", priority="Hihg"))
    with pytest.raises(TdxSettingError, match=r"action 'route': .*'Hihg'\. Did you mean 'High'"):
        working.outcomes(31)
    assert patches(simulator) == []
    assert working.store.get_failed() == []


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"responsible_group": "Dekstop Support"}, "Did you mean 'Desktop Support'"),
        ({"responsible_person": "nobody@example.edu"}, "responsible_person: TDX has no"),
        ({"attributes": {"Labb": "Room 5"}}, "Did you mean 'Lab'"),
        ({"attributes": {"Lab": "Room 9"}}, "attributes: Lab: TDX has no 'Room 9'"),
        ({"priority": 9999}, "priority: TDX has no 9999"),
        ({"status": ON_HOLD}, "'On Hold' needs a date"),
    ],
)
def test_check_names_the_value_and_the_nearest_one(
    simulator: Simulator, settings: dict[str, Any], fault: str
) -> None:
    with pytest.raises(TdxSettingError, match="The action 'route': ") as raised:
        UpdateTicket(name="route", **settings).check(client(simulator))
    assert fault in str(raised.value)


def test_check_says_what_it_has_found(simulator: Simulator) -> None:
    assert UpdateTicket(priority=HIGH, tags=("robot",)).check(client(simulator)) == "High, robot"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "it changes nothing"),
        ({"location": 301, "clear": ["location"]}, "location is both set and cleared"),
        ({"priority": 1, "off_hold_days": 2}, "an off-hold date goes with a status"),
        ({"priority": 1, "expected": {"prority": [1]}}, "expected names prority"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        UpdateTicket(**settings)


def test_the_order_in_which_attributes_are_written_makes_no_other_identity() -> None:
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    ids = {UpdateTicket(attributes=given).identity().action_id for given in (one, other)}
    assert len(ids) == 1


def test_a_dry_run_says_what_would_be_set(desk: Callable[..., Desk], simulator: Simulator) -> None:
    (outcome,) = desk(UpdateTicket(priority="High")).outcomes(31, dry_run=True)
    assert outcome.message == "Changed ticket priority to High"
    assert outcome.result is Result.WOULD_RUN
    assert patches(simulator) == []


def test_lists_are_read_once_a_run(desk: Callable[..., Desk], simulator: Simulator) -> None:
    desk(UpdateTicket(priority="High")).run(31, 32)
    assert simulator.calls.count("GET", "/{app}/tickets/priorities") == 1
