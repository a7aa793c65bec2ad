"""From the older daemon's rows to our settings: ids, the pipeline, and which tickets it may have worked on."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tdx_dagster.state.older_daemon import LostSummary, OldAction
from tdx_dagster.state.records import LogRow, LogStatus
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.registry import read_actions
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.takeover import (
    OLDER_DAEMON,
    current,
    is_of_older_daemon,
    match,
    may_have_been_worked_on,
    pipeline_yaml,
    summary_line,
    why_again,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def left_by(
    action: Action, *, config: bool | Mapping[str, Any] = True, **changes: Any
) -> OldAction:
    """The rows that the older daemon would leave of an action."""
    identity = action.identity()
    values: dict[str, Any] = {
        "action_id": identity.action_id,
        "action_type": identity.action_type,
        "completed": 7,
        "failed": 1,
        "other": 0,
        "first": NOW,
        "last": NOW,
        "last_completed": NOW,
        "config": action.hashed_settings() if config is True else config or None,
    }
    return OldAction(**(values | changes))


def row(**changes: Any) -> LogRow:
    """A row of a ticket's log."""
    values: dict[str, Any] = {
        "ticket_id": 31,
        "action_type": "comment",
        "name": "comment",
        "action_id": "comment:0:v1",
        "status": LogStatus.COMPLETED,
        "executed_at": NOW,
    }
    return LogRow(**(values | changes))


@pytest.mark.parametrize(
    "action",
    [
        Comment(
            comment_text="Hello World", notify=("b@example.edu", "a@example.edu"), version="v3"
        ),
        AddAsset(max_assets_to_add=3, computer_form_id=None, version="v2"),
        AddAsset(has_database=False),
        SummaryComment(is_rich_html=True, comment_prefix="Done"),
    ],
)
def test_the_settings_that_a_row_notes_give_its_id(action: Action) -> None:
    """Another id would act again on every old ticket."""
    found = match(left_by(action)).action
    assert found is not None
    assert found.identity() == action.identity()


@pytest.mark.parametrize(
    "action",
    [AddAsset(has_database=False, max_assets_to_add=5), SummaryComment(is_rich_html=True)],
)
def test_settings_that_no_row_notes_are_searched_for(action: Action) -> None:
    """Older rows have no metadata; a daemon without a database hashed that too."""
    found = match(left_by(action, config=False)).action
    assert found is not None
    assert found.identity() == action.identity()


def test_a_setting_that_rows_do_not_note_is_searched_for_beside_those_they_note() -> None:
    """A daemon without a database hashed that, whatever else it noted."""
    action = AddAsset(has_database=False, max_assets_to_add=77)
    noted = {k: v for k, v in action.hashed_settings().items() if k != "has_database"}
    found = match(left_by(action, config=noted)).action
    assert found is not None
    assert found.identity() == action.identity()


def test_an_action_that_is_not_ours_and_a_comment_without_its_text_are_said_so() -> None:
    """Their rows stay as they are."""
    lab = match(left_by(AddAsset(), action_type="add_lab", action_id="add_lab:0:v2"))
    assert (lab.action, "no such action here" in lab.why) == (None, True)
    comment = match(left_by(Comment(comment_text="x"), config=False))
    assert (comment.action, "do not note their settings" in comment.why) == (None, True)
    changed = match(left_by(Comment(comment_text="x"), config=True, action_id="comment:0:v1"))
    assert (changed.action, "give another id" in changed.why) == (None, True)


def test_the_pipeline_that_is_written_has_the_same_ids_in_the_same_order() -> None:
    """Two comments are told apart by a name, which is no part of an id."""
    actions = [
        AddAsset(has_database=False, version="v2"),
        Comment(comment_text="Hello: 'all'\n🤖"),
        Comment(comment_text="Bye", notify=("a@example.edu",)),
        SummaryComment(),
    ]
    document = yaml.safe_load(pipeline_yaml(actions, 5, NOW))
    read = read_actions(document["attributes"]["actions"], "defs.yaml")
    assert [one.identity().action_id for one in read] == [
        one.identity().action_id for one in actions
    ]
    assert document["attributes"]["report_id"] == 5
    assert document["attributes"]["taken_over_at"] == "2026-11-01T00:00:00Z"


def test_an_earlier_configuration_is_not_in_the_pipeline() -> None:
    """It would do again what the current one has done."""
    old = left_by(Comment(comment_text="before"), **ended(days=30))
    new = left_by(Comment(comment_text="now"))
    summary = left_by(SummaryComment(), **ended(days=30))
    assert current([match(old), match(new), match(summary)]) == [match(new)]
    assert current([]) == []


def test_days_without_a_new_ticket_leave_the_configuration_whole() -> None:
    """On each round the daemon replaces the rows of its summary, and those that fail; no others."""
    olds = [
        left_by(AddAsset(), **ended(days=3)),
        left_by(Comment(comment_text="fails now and then"), last_completed=NOW - timedelta(days=3)),
        left_by(Comment(comment_text="always fails"), completed=0, last_completed=None),
        left_by(SummaryComment(comment_prefix="before"), **ended(days=3)),
        left_by(SummaryComment()),
    ]
    matches = list(map(match, olds))
    assert current(matches) == [*matches[:3], matches[4]]


def ended(**ago: float) -> dict[str, Any]:
    """When the rows of an id ended."""
    return dict.fromkeys(("last", "last_completed"), NOW - timedelta(**ago))


def test_what_would_run_again_is_said_with_the_setting_that_differs() -> None:
    """A surprising "again" is a setting that is not what it was."""
    olds = [left_by(AddAsset(max_assets_to_add=3))]
    assert why_again(AddAsset(max_assets_to_add=3), olds) is None
    assert why_again(Comment(comment_text="new"), olds) is None
    assert why_again(AddAsset(max_assets_to_add=3, version="v9"), olds) is None
    why = str(why_again(AddAsset(), olds))
    assert "on 7 tickets" in why
    assert "max_assets_to_add was 3 and is 10" in why


def test_any_row_of_the_older_daemon_says_that_it_worked_on_the_ticket() -> None:
    """It may have died after an effect and before the row."""
    assert may_have_been_worked_on([row(status=LogStatus.FAILED)])
    assert may_have_been_worked_on([row(action_id="add_lab:0:v2"), row(pipeline="p", run_id="r")])
    assert not may_have_been_worked_on([row(pipeline="p", run_id="r"), row(pipeline="p")])
    assert not may_have_been_worked_on([])


def test_a_row_that_we_claimed_stays_known_as_the_older_daemons() -> None:
    """The first attempt of ours may have failed before it looked."""
    assert is_of_older_daemon(row(pipeline="p", run_id="r", metadata={OLDER_DAEMON: True}))
    assert not is_of_older_daemon(row(pipeline="p", run_id="r"))


@pytest.mark.parametrize(
    ("created", "expected"),
    [(None, True), (NOW - timedelta(days=1), True), (NOW + timedelta(minutes=1), False)],
)
def test_a_take_over_date_speaks_for_tickets_without_any_row(
    created: datetime | None, expected: object
) -> None:
    """A process that was killed before its first row left none."""
    assert may_have_been_worked_on([], created, NOW) is expected
    assert not may_have_been_worked_on([], created, None)


@pytest.mark.parametrize(
    ("details", "line"),
    [
        ({"phase": 1, "asset_names": ["A-1", "B-2"]}, "Added 2 asset(s): A-1, B-2"),
        ({"phase": 3, "asset_name": "A-1"}, "Added 1 asset(s): A-1"),
        ({"phase": 3, "requestor_asset_count": 0}, "the user has 0 assets"),
        ({"phase": 3, "no_requestor": True}, "no requestor"),
        ({}, "the row does not say"),
    ],
)
def test_a_lost_summary_is_told_as_far_as_the_row_tells(details: dict[str, Any], line: str) -> None:
    """People can post it by hand."""
    assert line in summary_line(LostSummary(31, "add_asset", details))
