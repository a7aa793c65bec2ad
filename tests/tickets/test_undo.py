"""What the robot did can be taken back: once, also after a kill at any step, and only what is as it left it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator, sample_state
from tdx_dagster.simulator.sample.blank import CLOSED, IN_PROCESS, NEW
from tdx_dagster.state.decisions import Decisions, Person, Selection
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tdx_dagster.tickets.undo import TakingBack

from .desk import Desk

ANN = Person("ann")
ON_IT = Comment(comment_text="On it.", new_status_id=IN_PROCESS)
LOW, HIGH = 851, 853
DETACH = "/{app}/tickets/{id}/assets/{asset}"
STEPS = ("begin_effect", "confirm_intent", "settle_effect", "finish")


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


def take_back(working: Desk, database: Engine, *tickets: int, **how: Any) -> list[Outcome]:
    """Undo everything on some tickets."""
    decisions = Decisions(database)
    undo = TakingBack(working.tools(), decisions, ANN, **how)
    return [undo.run(done) for done in decisions.done(Selection(ticket_ids=tickets))]


def lapse(database: Engine) -> None:
    """Let every lease run out and every pause be over."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE meta.daemon_action_log SET lease_until = lease_until - interval '1 day', "
            "next_attempt_at = next_attempt_at - interval '1 day'"
        )


def what_it_changes(simulator: Simulator, tickets: Sequence[int]) -> dict[int, Any]:
    """Give what TDX allows to take back, by ticket."""
    state = simulator.state
    return {one: (state.asset_ids_of(one), state.tickets[one]["StatusID"]) for one in tickets}


def dies_at(monkeypatch: pytest.MonkeyPatch, nth: int, *, is_before: bool) -> None:
    """Kill the process right before or after the nth step."""
    left = [nth]

    def patched(step: str) -> Callable[..., Any]:
        original = getattr(PostgresStore, step)

        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and is_before:
                raise Killed
            made = original(*given, **named)
            if left[0] == 0:
                raise Killed
            return made

        return call

    for step in STEPS:
        monkeypatch.setattr(PostgresStore, step, patched(step))


def test_undo_of_twenty_tickets_killed_at_each_step_ends_where_it_began(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each link goes once, each status is set back once, and the action stays away."""
    with Simulator(sample_state()) as simulator:
        tickets = list(simulator.state.tickets)[:20]
        before = what_it_changes(simulator, tickets)
        working = Desk.over(simulator, database, AddAsset(), ON_IT)
        working.run(*tickets)
        done = what_it_changes(simulator, tickets)
        assert done != before
        simulator.calls.reset()
        kills = 0
        for number, ticket in enumerate(tickets):
            with monkeypatch.context() as patch:
                dies_at(patch, 1 + number % 5, is_before=number < 10)
                try:
                    take_back(working, database, ticket)
                except Killed:
                    kills += 1
        assert kills >= len(tickets) // 2
        lapse(database)
        outcomes = take_back(working, database, *tickets)
        assert [one.message for one in outcomes if one.result is Result.FAILED] == []
        assert what_it_changes(simulator, tickets) == before
        links = sum(len(set(done[one][0]) - set(before[one][0])) for one in tickets)
        assert simulator.calls.count("DELETE", DETACH) == links
        changed = sum(done[one][1] != before[one][1] for one in tickets)
        assert simulator.calls.count("PATCH", "/{app}/tickets/{id}") == changed
        Desk.over(simulator, database, AddAsset(max_assets_to_add=5), ON_IT).run(*tickets)
        assert what_it_changes(simulator, tickets) == before


def test_after_again_the_action_runs_and_can_be_taken_back_again(
    simulator: Simulator, database: Engine
) -> None:
    """The robot's own undo is no person's removal."""
    working = Desk.over(simulator, database, AddAsset())
    working.run(31)
    for _ in range(2):
        take_back(working, database, 31)
        assert simulator.state.asset_ids_of(31) == []
        assert working.outcomes(31) == []
        assert Decisions(database).again([31], None, ANN, only_undone=True) == 1
        working.run(31)
        assert simulator.state.asset_ids_of(31) == [1002]


def test_what_a_person_changed_since_is_left_alone(simulator: Simulator, database: Engine) -> None:
    """A link that a person made anew is theirs, and so is a status; the entry is named as staying."""
    working = Desk.over(simulator, database, AddAsset(), ON_IT)
    working.run(31)
    tess = simulator.technician("tess.tech", at="2030-01-01T00:00:00Z")
    tess.remove_asset(31, 1002)
    tess.add_asset(31, 1002)
    tess.change_status(31, NEW)
    status, links = take_back(working, database, 31, note="Taken back on request.")
    assert simulator.state.asset_ids_of(31) == [1002]
    assert "Left alone: PSYC-GID08: its link was changed by Tess Tech" in links.message
    assert "Left alone: status is now New" in status.message
    assert "Cannot be taken back: the entry" in status.message
    notes = [one for one in simulator.state.feed_of_ticket(31) if "on request" in one["Body"]]
    assert [one["IsPrivate"] for one in notes] == [True, True]


def test_a_value_that_a_person_has_set_is_theirs_even_if_the_robot_had_set_the_same(
    simulator: Simulator, database: Engine
) -> None:
    """TDX's newest line about the field says whose it is; a note does not reopen what they closed."""
    working = Desk.over(simulator, database, UpdateTicket(priority=HIGH), ON_IT)
    working.run(31, 32)
    tess = simulator.technician("tess.tech", at="2030-01-01T00:00:00Z")
    for priority in (LOW, HIGH):
        tess.edit(31, PriorityID=priority)
    tess.change_status(32, CLOSED)
    said = [one.message for one in take_back(working, database, 31, 32, note="Taken back.")]
    assert simulator.state.tickets[31]["PriorityID"] == HIGH
    assert "Left alone: priority is now High, set by Tess Tech" in said[1]
    assert simulator.state.tickets[32]["StatusID"] == CLOSED
    assert "no note, the ticket is Closed" in said[2]


def test_a_change_whose_outcome_is_open_is_looked_for_and_taken_back(
    simulator: Simulator, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died after its write and before it could record it."""
    simulator.state.tickets[31]["PriorityID"] = LOW
    working = Desk.over(simulator, database, ON_IT, UpdateTicket(priority=HIGH))
    for _ in range(2):
        with monkeypatch.context() as patch:
            dies_at(patch, 3, is_before=True)
            with pytest.raises(Killed):
                working.run(31)
        lapse(database)
        working = Desk.over(simulator, database, UpdateTicket(priority=HIGH))
    before = simulator.state.tickets[31]
    assert (before["StatusID"], before["PriorityID"]) == (IN_PROCESS, HIGH)
    take_back(working, database, 31)
    after = simulator.state.tickets[31]
    assert (after["StatusID"], after["PriorityID"]) == (NEW, LOW)


def test_after_again_words_are_not_repeated_and_fields_are_set_again(
    simulator: Simulator, database: Engine
) -> None:
    """What is on the ticket stays there once; what was taken back is brought about anew."""
    simulator.state.tickets[31]["PriorityID"] = LOW
    working = Desk.over(simulator, database, ON_IT, UpdateTicket(priority=HIGH))
    working.run(31)
    for _ in range(2):
        take_back(working, database, 31)
        ticket = simulator.state.tickets[31]
        assert (ticket["StatusID"], ticket["PriorityID"]) == (NEW, LOW)
        assert Decisions(database).again([31], None, ANN, only_undone=True) == 2
        comment, fields = working.outcomes(31)
        assert comment.message.startswith("The comment is on the ticket already, status set to")
        assert fields.message == "Changed ticket priority to High"
        ticket = simulator.state.tickets[31]
        assert (ticket["StatusID"], ticket["PriorityID"]) == (IN_PROCESS, HIGH)
    words = [one for one in simulator.state.feed_of_ticket(31) if "On it." in one["Body"]]
    assert len(words) == 1


def test_the_plan_of_an_undo_writes_nothing(simulator: Simulator, database: Engine) -> None:
    """It says what would be taken back; fields that update_ticket set are among it."""
    working = Desk.over(simulator, database, AddAsset(), UpdateTicket(status=IN_PROCESS))
    working.run(31)
    decisions = Decisions(database)
    undo = TakingBack(working.tools(), decisions, ANN)
    before = what_it_changes(simulator, [31])
    plans = [undo.plan(done).message for done in decisions.done(Selection(ticket_ids=[31]))]
    assert plans == ["Taken back: status restored to New", "Taken back: PSYC-GID08 detached"]
    assert what_it_changes(simulator, [31]) == before
