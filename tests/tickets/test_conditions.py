"""Actions with conditions and templates on tickets: left out, met later, and the same after a failure."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.state.records import LogStatus
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.actions.outcome import Performed, RetryLater
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.once.outcomes import Result
from tdx_dagster.tickets.plan import plan_ticket

from .desk import Desk
from .test_true import FEED, comments, lapse

FOUND = Comment(
    name="found",
    comment_text="Hello {{ requestor.first_name }}, this is about {{ computers[0].name }}.",
    when="assets_found",
)
ASK = Comment(
    name="ask",
    comment_text="Hello {{ requestor.name }}, what is the name of your computer?",
    when="not assets_found and not people_wrote",
)


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions: Desk.over(simulator, database, *actions)


def due(working: Desk, ticket: int) -> dict[str, Due]:
    """Where each action stands on a ticket."""
    rows = working.store.rows([ticket]).get(ticket, ())
    return dict(plan_ticket(working.pipeline, ticket, rows).due)


def test_the_one_or_the_other_comment_is_posted_and_the_other_is_not_recorded_as_done(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    working = desk(AddAsset(skip_if_requestor_asset_exists=False), FOUND, ASK, SummaryComment())
    outcomes = {one.action_name: one for one in working.outcomes(31)}
    assert outcomes["found"].result is Result.COMPLETED
    assert outcomes["ask"].message == "left out: when not assets_found and not people_wrote"
    assert "Hello Ann, this is about PSYC-GID08." in comments(simulator)
    assert due(working, 31)["ask"] is Due.LEFT_OUT
    assert due(working, 31)["summary_comment"] is Due.DONE


def test_a_condition_that_is_met_later_lets_the_action_run_then(
    desk: Callable[..., Desk], simulator: Simulator, database: Engine
) -> None:
    working = desk(Comment(comment_text="Thank you.", when="requestor_wrote"))
    assert working.outcomes(32)[0].result is Result.SKIPPED
    assert working.outcomes(32) == [], "its pause is not over"
    simulator.technician("ann").comment(32, "It is the grey one.", private=False)
    lapse(database)
    assert due(working, 32) == {"comment": Due.RETRY}
    assert [one.result for one in working.outcomes(32)] == [Result.COMPLETED]
    assert comments(simulator, 32).count("Thank you.") == 1
    assert working.outcomes(32) == []


def test_an_action_that_is_left_out_holds_up_no_later_one_and_ends_the_ticket(
    desk: Callable[..., Desk],
) -> None:
    working = desk(
        Comment(name="never", comment_text="No.", when="ticket.id == 0"),
        Comment(comment_text="Yes."),
    )
    results = [one.result for one in working.outcomes(31)]
    assert results == [Result.SKIPPED, Result.COMPLETED]
    assert working.store.unfinished("p", limit=5) == []


def test_a_dry_run_says_what_is_left_out_by_what_earlier_actions_would_do(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    before = len(comments(simulator))
    outcomes = desk(AddAsset(), FOUND, ASK).outcomes(31, dry_run=True)
    assert [one.result for one in outcomes] == [
        Result.WOULD_RUN,
        Result.WOULD_RUN,
        Result.SKIPPED,
    ]
    assert outcomes[1].planned[0].detail["comments"] == "Hello Ann, this is about PSYC-GID08."
    assert len(comments(simulator)) == before


def test_what_was_filled_in_is_recognised_although_it_would_be_filled_in_otherwise_now(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The intent holds the text that was sent."""
    working = desk(Comment(comment_text="Your ticket {{ ticket.title }} has come to our desk."))
    simulator.faults.add("POST", FEED, on=1, drop="after")
    simulator.faults.add("GET", FEED, on=1, status=403)
    assert working.outcomes(31)[0].result is Result.FAILED
    simulator.state.tickets[31]["Title"] = "Something else entirely, in other words"
    assert working.outcomes(31)[0].result is Result.COMPLETED
    assert sum("has come to our desk" in text for text in comments(simulator)) == 1


def test_an_open_effect_is_settled_although_the_condition_is_not_met_any_more(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    working = desk(Comment(comment_text="We are on it.", when="not people_wrote"))
    simulator.faults.add("POST", FEED, on=1, drop="after")
    simulator.faults.add("GET", FEED, on=2, status=403)
    assert working.outcomes(31)[0].result is Result.FAILED
    simulator.technician("tess.technician").comment(31, "Mine.")
    assert working.outcomes(31)[0].result is Result.COMPLETED
    assert comments(simulator).count("We are on it.") == 1


def test_a_condition_that_cannot_be_evaluated_is_a_failure_that_says_why(
    desk: Callable[..., Desk],
) -> None:
    (outcome,) = desk(Comment(comment_text="Hi", when="values.colour == 'red'")).outcomes(31)
    assert outcome.result is Result.FAILED
    assert outcome.message.startswith("when: \"values.colour == 'red'\" cannot be evaluated")


def test_a_condition_whose_answer_came_late_and_is_no_leaves_the_action_out(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The first read failed and the second did not: an answer that came at all is heeded."""
    asked = Comment(comment_text="You wrote.", when="people_wrote")
    simulator.faults.add("GET", FEED, status=400, on=(1,))
    working = desk(asked)
    [outcome] = working.outcomes(31)
    assert (outcome.result, outcome.message) == (Result.SKIPPED, "left out: when people_wrote")
    assert comments(simulator) == []
    assert due(working, 31)["comment"] is Due.LEFT_OUT


def test_the_line_of_an_action_in_the_summary_is_that_of_its_settings(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    working = desk(
        Comment(
            comment_text="Hi", summary_line="Greeted {{ requestor.name }}: {{ result.message }}"
        ),
        UpdateTicket(status="In Process", summary_line=""),
        SummaryComment(comment_prefix="Summary of {{ ticket.id }}"),
    )
    working.outcomes(31)
    note = comments(simulator)[-1]
    assert "Summary of 31" in note
    assert "1. Greeted Ann Onimo: Comment posted" in note
    assert "2." not in note


class Count(Action):
    """Set a value, and fail as often as the test wants."""

    action_type: ClassVar[str] = "count"
    failures: ClassVar[list[str]] = []

    def perform(self, context: ActionContext) -> Performed:
        context.values["count"] = context.values.get("count", 0) + 1
        if self.failures:
            raise RetryLater(self.failures.pop())
        return Performed("Counted", evidence={"at": "desk"})


def test_what_an_earlier_run_did_and_handed_on_is_there_after_a_failure(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The second action failed; in the next run the first is done already and is not run again."""
    template = "{{ values.count }} {{ results.count.message }} at the {{ results.count.at }}."
    working = desk(Count(), Comment(comment_text=template))
    simulator.faults.add("POST", FEED, on=1, status=503)
    assert [one.result for one in working.outcomes(31)] == [Result.COMPLETED, Result.FAILED]
    assert [one.result for one in working.outcomes(31)] == [Result.COMPLETED]
    assert "1 Counted at the desk." in comments(simulator)


def test_a_value_of_an_attempt_that_failed_is_not_handed_on(desk: Callable[..., Desk]) -> None:
    working = desk(Count())
    Count.failures[:] = ["not yet"]
    working.outcomes(31)
    working.outcomes(31)
    (row,) = working.store.get_ticket_actions(31)
    assert (row.status, row.metadata["values"]) == (LogStatus.COMPLETED, {"count": 1})


def test_a_value_that_cannot_be_stored_is_refused_where_it_is_set(
    desk: Callable[..., Desk],
) -> None:
    class Odd(Count):
        def perform(self, context: Any) -> Any:
            context.values["odd"] = object()

    (outcome,) = desk(Odd()).outcomes(31)
    assert "not JSON serializable" in outcome.message


def test_a_field_is_set_to_what_a_template_gives(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    priority = "{{ 'High' if 'slow' in ticket.title else '' }}"
    working = desk(UpdateTicket(priority=priority))
    assert working.outcomes(31)[0].message == "Changed ticket priority to High"
    assert working.outcomes(32)[0].message == "Nothing to change"
    assert simulator.state.tickets[31]["PriorityID"] == 853


def test_a_value_of_a_template_that_tdx_does_not_have_is_a_failure_of_that_ticket_alone(
    desk: Callable[..., Desk],
) -> None:
    (outcome,) = desk(UpdateTicket(priority="{{ ticket.title }}")).outcomes(31)
    assert outcome.result is Result.FAILED
    assert "TDX has no 'psyc-gid08 is slow'" in outcome.message
