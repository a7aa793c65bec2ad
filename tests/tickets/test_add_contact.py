"""`add_contact`: people become contacts once, and nobody whom a person has removed."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.add_contact import AddContact
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tests.tenant import ANN, BOB

from .desk import Desk, client

CONTACT = "/{app}/tickets/{id}/contacts/{uid}"


@pytest.fixture
def run(simulator: Simulator, database: Engine) -> Callable[..., Outcome]:
    """Runs the action on ticket 31, of which Ann is the requestor."""
    for uid, mail in ((ANN, "ann@example.edu"), (BOB, "bob@example.edu")):
        simulator.state.people[uid]["PrimaryEmail"] = mail

    def once(*people: str, **how: Any) -> Outcome:
        (outcome,) = Desk.over(simulator, database, AddContact(people=people, **how)).outcomes(31)
        return outcome

    return once


def lines(simulator: Simulator) -> list[str]:
    """The lines of TDX about contacts on ticket 31."""
    return [one["Body"] for one in simulator.state.feed_of_ticket(31) if "contact" in one["Body"]]


def test_people_become_contacts_by_address_name_or_template_and_the_requestor_does_not(
    run: Callable[..., Outcome], simulator: Simulator, database: Engine
) -> None:
    action = AddContact(
        people=("bob@example.edu", "Bob Obob", "{{ requestor.email }}", "{{ requestor.uid[:0] }}")
    )
    (shown,) = Desk.over(simulator, database, action).outcomes(31, dry_run=True)
    assert [one.detail["name"] for one in shown.planned] == ["Bob Obob"]
    assert simulator.state.contacts == {}
    done = run(*action.people)
    assert list(done.summary_lines) == ["Added Bob Obob as contact"]
    assert done.evidence["already"] == ["Ann Onimo"]
    assert simulator.state.contacts == {31: [BOB]}
    assert run("Bob Obob").message == "Bob Obob there already"


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"drop": "before"}, {"status": 503}])
def test_a_contact_is_added_once_whatever_became_of_the_answer(
    run: Callable[..., Outcome], simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.faults.add("POST", CONTACT, on=1, **fault)
    outcome = run("Bob Obob")
    if outcome.result is Result.FAILED:
        outcome = run("Bob Obob")
    assert list(outcome.summary_lines) == ["Added Bob Obob as contact"]
    assert len(lines(simulator)) == 1


def test_a_contact_that_a_person_has_removed_is_not_added_again(
    run: Callable[..., Outcome], simulator: Simulator
) -> None:
    """By any action, version or setting: the log knows that the robot had added him."""
    run("Bob Obob")
    tess = simulator.technician("tess.technician")
    tess.call("DELETE", f"/46/tickets/31/contacts/{BOB}")
    again = run("bob@example.edu")
    assert list(again.summary_lines) == ["Bob Obob left off: removed from the contacts by a person"]
    assert simulator.state.contacts[31] == []
    assert len(lines(simulator)) == 1


def test_so_is_one_whom_a_person_had_added(
    run: Callable[..., Outcome], simulator: Simulator
) -> None:
    tess = simulator.technician("tess.technician")
    tess.call("POST", f"/46/tickets/31/contacts/{BOB}")
    tess.call("DELETE", f"/46/tickets/31/contacts/{BOB}")
    assert run("Bob Obob").evidence["left_off"] == ["Bob Obob"]
    assert simulator.state.contacts[31] == []


def test_somebody_whom_tdx_does_not_have_is_told_with_the_nearest_name(
    run: Callable[..., Outcome], simulator: Simulator
) -> None:
    with pytest.raises(TdxSettingError, match="The action 'add_contact': people: TDX has no 'Bob'"):
        AddContact(people=("Bob",)).check(client(simulator))
    assert "TDX has no 'nobody'" in run("{{ 'nobody' }}").message
