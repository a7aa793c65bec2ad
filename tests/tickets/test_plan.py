"""What is due: pure decisions over the log, and the promises about versions (case D14)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tdx_dagster.state.records import FailureKind, LogRow, LogStatus
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import plan_ticket, plan_tickets

NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)


def pipeline(*actions: Action) -> Pipeline:
    return Pipeline("p", actions)


def row(
    action: Action,
    status: LogStatus = LogStatus.COMPLETED,
    ticket: int = 31,
    **more: Any,
) -> LogRow:
    identity = action.identity()
    return LogRow(
        ticket, identity.action_type, identity.name, identity.action_id, status, NOW, **more
    )


def stands(line: Pipeline, rows: Sequence[LogRow]) -> list[Due]:
    return list(plan_ticket(line, 31, rows).due.values())


def test_a_ticket_without_a_row_is_new_and_a_done_one_is_done() -> None:
    """The common cases."""
    action = Comment(comment_text="x")
    assert stands(pipeline(action), []) == [Due.NEW]
    assert stands(pipeline(action), [row(action)]) == [Due.DONE]


def test_another_configuration_of_the_same_version_runs_again() -> None:
    """A changed text is meant to be said."""
    old, new = Comment(comment_text="x"), Comment(comment_text="y")
    assert stands(pipeline(new), [row(old)]) == [Due.AGAIN]


def test_another_version_spares_tickets_that_an_earlier_one_has_done() -> None:
    """A raised version must not comment on 300 old tickets."""
    old, new = Comment(comment_text="x"), Comment(comment_text="y", version="v2")
    assert stands(pipeline(new), [row(old)]) == [Due.DONE]
    assert stands(pipeline(new), [row(old, LogStatus.FAILED, is_due=True)]) == [Due.NEW]


def test_this_action_means_type_and_name() -> None:
    """Two comments in a pipeline do not speak for each other."""
    hello = Comment(comment_text="x", name="hello")
    bye = Comment(comment_text="y", name="bye")
    assert stands(pipeline(hello, bye), [row(hello)]) == [Due.DONE, Due.NEW]


def test_d14_versions_and_settings_over_300_done_and_5_new_tickets() -> None:
    """The numbers that `plan` shows before anything happens."""
    done = Comment(comment_text="x")
    log = {ticket: [row(done, ticket=ticket)] for ticket in range(1, 301)}
    tickets = list(range(1, 306))
    raised = Comment(comment_text="x", version="v2")
    changed = Comment(comment_text="x", is_private=True)
    assert len(plan_tickets(pipeline(raised), tickets, log).pending) == 5
    assert len(plan_tickets(pipeline(changed), tickets, log).pending) == 305
    assert plan_tickets(pipeline(changed), tickets, log).counts()["comment"]["again"] == 300


def test_a_failure_waits_comes_back_or_blocks_and_later_actions_stop_with_it() -> None:
    """A ticket on which the first action failed gets no summary of nothing."""
    first, then = AddAsset(), SummaryComment()
    line = pipeline(first, then)
    failed = LogStatus.FAILED
    assert stands(line, [row(first, failed, is_due=True)]) == [Due.RETRY, Due.NEW]
    assert stands(line, [row(first, failed)]) == [Due.WAITING, Due.WAITING]
    blocked = row(first, failed, failure_kind=FailureKind.PERMANENT)
    assert stands(line, [blocked]) == [Due.BLOCKED, Due.BLOCKED]


def test_continue_on_failure_lets_later_actions_run() -> None:
    """Where people say so, one action does not hold up the next."""
    first, then = AddAsset(continue_on_failure=True), Comment(comment_text="x")
    blocked = row(first, LogStatus.FAILED, failure_kind=FailureKind.PERMANENT)
    assert stands(pipeline(first, then), [blocked]) == [Due.BLOCKED, Due.NEW]


def test_an_action_held_by_a_living_run_waits_and_one_of_a_dead_run_is_taken_over() -> None:
    """A lease that ran out is somebody's crash."""
    action = Comment(comment_text="x")
    assert stands(pipeline(action), [row(action, LogStatus.IN_PROGRESS)]) == [Due.WAITING]
    dead = row(action, LogStatus.IN_PROGRESS, is_due=True)
    assert stands(pipeline(action), [dead]) == [Due.RETRY]


def test_a_skip_of_the_older_daemon_is_for_good_and_ours_is_for_a_while() -> None:
    """Its 'skipped' meant done; ours means that the ticket was closed."""
    action = Comment(comment_text="x")
    assert stands(pipeline(action), [row(action, LogStatus.SKIPPED)]) == [Due.DONE]
    later = NOW + timedelta(hours=1)
    waiting = row(action, LogStatus.SKIPPED, next_attempt_at=later)
    assert stands(pipeline(action), [waiting]) == [Due.CLOSED]
    due = row(action, LogStatus.SKIPPED, next_attempt_at=later, is_due=True)
    assert stands(pipeline(action), [due]) == [Due.RETRY]


def test_a_summary_is_due_where_something_is_untold_or_about_to_be_done() -> None:
    """Never per poll, never lost."""
    first, then = AddAsset(), SummaryComment()
    line = pipeline(first, then)
    told, unsummarised = row(first, pipeline="p"), row(first, pipeline="p", is_unsummarised=True)
    assert stands(line, []) == [Due.NEW, Due.NEW]
    assert stands(line, [told]) == [Due.DONE, Due.DONE]
    assert stands(line, [unsummarised]) == [Due.DONE, Due.NEW]
    assert stands(line, [unsummarised, row(then)]) == [Due.DONE, Due.AGAIN]
    assert stands(line, [row(first, pipeline="other", is_unsummarised=True)]) == [
        Due.DONE,
        Due.DONE,
    ]


def test_a_summary_that_posts_also_when_empty_is_due_once() -> None:
    """And a raised version of it spares old tickets as any action does."""
    first, then = AddAsset(), SummaryComment(skip_if_empty=False)
    assert stands(pipeline(first, then), [row(first)]) == [Due.DONE, Due.NEW]
    raised = SummaryComment(skip_if_empty=False, version="v2")
    assert stands(pipeline(first, raised), [row(first), row(then)]) == [Due.DONE, Due.DONE]


def test_tickets_in_flight_are_not_asked_for_twice_and_known_partitions_are_not_added() -> None:
    """A slow run must not be joined by one a tick."""
    plan = plan_tickets(pipeline(Comment(comment_text="x")), [31, 32, 33], {})
    assert plan.pending == [31, 32, 33]
    plan = plan.with_dagster_state(partitions={31}, queued={32})
    assert (plan.pending, plan.new_partitions, plan.in_flight) == ([31, 33], [32, 33], [32])
