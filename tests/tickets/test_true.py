"""What the log and the note say is what is on the ticket, whatever happened on the way there."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import IN_PROCESS
from tdx_dagster.state import postgres_store
from tdx_dagster.state.records import FailureKind, LogRow, LogStatus
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.recognition import ALIKE, likeness
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.once.outcomes import Result
from tdx_dagster.tickets.once.writer import LiveWriter, Times
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import plan_ticket, tickets_to_plan

from .desk import AT_ONCE, Desk

FEED = "/{app}/tickets/{id}/feed"
LINK = "/{app}/tickets/{id}/assets/{assetId}"
HELLO = Comment(comment_text="Hello World")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions, **more: Desk.over(simulator, database, *actions, **more)


def comments(simulator: Simulator, ticket: int = 31) -> list[str]:
    """Comments on a ticket, as they were sent."""
    feed = simulator.state.feed_of_ticket(ticket)
    return [entry["Body"] for entry in feed if entry["UpdateType"] in {1, 2}]


def lapse(database: Engine) -> None:
    """Let every lease run out and every pause be over."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE meta.daemon_action_log SET lease_until = lease_until - interval '1 day', "
            "next_attempt_at = next_attempt_at - interval '1 day'"
        )


# Tickets that leave the report


def test_a_ticket_that_left_the_report_with_something_open_is_planned(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The comment's status has taken it out; the summary's post got a 503."""
    working = desk(
        Comment(comment_text="On it.", new_status_id=IN_PROCESS), AddAsset(), SummaryComment()
    )
    simulator.faults.add("POST", FEED, on=2, status=503)
    working.run(31)
    open_tickets = working.store.unfinished("p", limit=10)
    assert tickets_to_plan([32], open_tickets) == [32, 31]
    working.run(31)
    assert sum("Automated Actions" in text for text in comments(simulator)) == 1
    assert working.store.unfinished("p", limit=10) == []


def test_a_run_that_died_between_two_actions_leaves_its_ticket_unfinished(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row says that the second action was to come."""
    working = desk(HELLO, Comment(comment_text="Then", name="then"))
    claim = working.store.claim

    def dies(ticket: int, identity: Any, **how: Any) -> Any:
        if identity.name == "then":
            raise Killed
        return claim(ticket, identity, **how)

    monkeypatch.setattr(working.store, "claim", dies)
    with pytest.raises(Killed):
        working.run(31)
    assert working.store.unfinished("p", limit=10) == [31]


def test_a_closed_ticket_ends_as_such_once(
    desk: Callable[..., Desk], simulator: Simulator, database: Engine
) -> None:
    """Outside the report it is not planned for ever; inside it adds no history each hour."""
    working = desk(AddAsset(), SummaryComment())
    simulator.faults.add("POST", FEED, on=1, status=503)
    working.run(31)
    simulator.technician().change_status(31, "Closed")
    for _ in range(3):
        lapse(database)
        working.run(31)
    assert working.store.unfinished("p", limit=10) == []
    events = [past.event for past in working.store.get_attempts(31)]
    assert events.count("skipped") == 1


# The record and the note


@pytest.mark.parametrize("late", [False, True])
def test_a_link_made_by_a_dead_attempt_is_its_own_and_the_note_says_so(
    desk: Callable[..., Desk],
    simulator: Simulator,
    database: Engine,
    monkeypatch: pytest.MonkeyPatch,
    *,
    late: bool,
) -> None:
    """The requestor's only computer was linked; then "ticket already has assets" would be untrue."""
    working = desk(AddAsset(), SummaryComment(), times=Times(settle=0.0, retry_pause=0.0))
    settle = LiveWriter._settle

    def dies(writer: LiveWriter, effect: Any, event: str, detail: Any) -> Any:
        if effect.name.startswith("attach") and event != "reconciled":
            monkeypatch.undo()
            raise Killed
        return settle(writer, effect, event, detail)

    if late:
        simulator.faults.add("POST", LINK, on=1, status=503, effect=True)
        working.run(32)
    else:
        monkeypatch.setattr(LiveWriter, "_settle", dies)
        with pytest.raises(Killed):
            working.run(32)
    lapse(database)
    working.run(32)
    assert simulator.state.asset_ids_of(32) == [1001]
    [note] = comments(simulator, 32)
    assert "Added 1 asset: MAC-WARD04" in note
    row = next(it for it in working.store.get_ticket_actions(32) if it.name == "add_asset")
    assert [one["asset_id"] for one in row.metadata["details"]["attached"]] == [1001]
    assert not [it for it in working.store.effects(32).values() if it.state == "open"]


class Forgetful(Action):
    """Does not come back to what it has begun."""

    def perform(self, context: ActionContext) -> Performed:
        """Post under a name that changes."""
        rows = context.rows()
        context.write.attach(1001 + rows[0].attempts - 1, "computer")
        return Performed("did it")


def test_no_row_is_completed_over_an_open_effect_of_its_own(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A person has to look: nobody else will."""
    simulator.faults.add("POST", LINK, on=1, status=503)
    working = desk(Forgetful())
    working.run(31)
    [outcome] = working.outcomes(31)
    assert (outcome.result, outcome.kind) == (Result.FAILED, FailureKind.UNCERTAIN)


# Two holders of one effect


def test_two_versions_of_a_summary_at_once_post_one_note(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first waits for its turn at the limit while the second finds nothing and writes."""
    monkeypatch.setattr(postgres_store, "FRESH_INTENT_SECONDS", -1.0)
    desk(AddAsset()).run(31)
    first, second = desk(SummaryComment(version="v1")), desk(SummaryComment(version="v2"))
    waiting, written = threading.Event(), threading.Event()
    services = first.tools()
    acquire = services.tdx._transport._limiter.acquire  # type: ignore[attr-defined]

    def waits(key: str, *limits: Any) -> None:
        acquire(key, *limits)
        if key.startswith("POST /{app}/tickets/{id}/feed"):
            waiting.set()
            written.wait(60)

    monkeypatch.setattr(services.tdx._transport._limiter, "acquire", waits)  # type: ignore[attr-defined]
    monkeypatch.setattr(first, "tools", lambda: services)
    slow = threading.Thread(target=first.run, args=(31,))
    slow.start()
    assert waiting.wait(60)
    second.run(31)
    written.set()
    slow.join()
    assert len(comments(simulator)) == 1


# Attempts


def test_a_settings_fault_is_no_attempt_and_leaves_no_row(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Ten of them and one 503 made a ticket "permanent"."""
    simulator.faults.add("GET", "/46/tickets/31", status=404)
    simulator.faults.add("GET", "/{app}/tickets/statuses", status=404)
    for _ in range(10):
        with pytest.raises(TdxSettingError, match="TDX_TICKET_APP_ID"):
            desk(HELLO).run(31)
    assert not desk(HELLO).store.get_ticket_actions(31)
    simulator.faults.clear()
    simulator.faults.add("POST", FEED, on=1, status=503)
    desk(HELLO).run(31)
    assert desk(HELLO).outcomes(31)[0].result is Result.COMPLETED


def test_a_ticket_whose_work_kills_its_process_is_given_up(
    desk: Callable[..., Desk], database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was granted its 50th attempt with a limit of eight."""
    monkeypatch.setattr(Comment, "perform", _killed)
    working = desk(HELLO, times=replace(AT_ONCE, max_attempts=3))
    for _ in range(3):
        with pytest.raises(Killed):
            working.run(31)
        lapse(database)
    [outcome] = working.outcomes(31)
    assert (outcome.result, outcome.kind) == (Result.FAILED, FailureKind.PERMANENT)
    assert "3 attempts ended without a result" in outcome.message
    assert working.outcomes(31) == []


def _killed(*_: Any) -> Any:
    raise Killed


def test_an_action_that_ends_the_program_fails_its_ticket(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SystemExit passes by every `except Exception` (case F08)."""

    def ends(*_: Any) -> Any:
        raise SystemExit(3)

    monkeypatch.setattr(Comment, "perform", ends)
    [outcome] = desk(HELLO).outcomes(31)
    assert (outcome.result, outcome.message) == (Result.FAILED, "SystemExit: 3")


def test_an_action_that_another_run_holds_stops_the_later_ones(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Or the comment says "we attached your computer" while the other run's attempt fails."""
    working = desk(AddAsset(), HELLO)
    services = working.tools()
    runner = services.runner(working.pipeline, "run", lambda _: None)
    other: dict[str, Any] = {"pipeline": "p", "run_id": "other", "lease_seconds": 60.0}
    assert working.store.claim(31, AddAsset().identity(), **other)
    outcome = runner.run(AddAsset(), services.view(31))
    assert (outcome.result, outcome.message) == (Result.SKIPPED, "held by another run")
    assert outcome.stops_ticket
    assert not runner.run(AddAsset(continue_on_failure=True), services.view(31)).stops_ticket
    batch = working.run(31)
    assert comments(simulator) == []
    assert not batch.tickets[0].is_done


# Recognising our own entry


@pytest.mark.parametrize(
    "rewrites",
    [
        {"astral_dropped"},
        {"astral_lost"},
        {"typography"},
        {"links"},
        {"mentions"},
        {"cut"},
        {"footer"},
        {"reserialised"},
        {"astral_lost", "typography", "links", "mentions", "footer"},
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        '🤖 We -- the "desk" -- look into it... see https://help.example.edu/a/long/path?q=1',
        "@ann your computer is known to us. " * 12,
    ],
)
def test_f01_a_comment_that_is_shown_in_another_form_is_found_and_not_posted_again(
    desk: Callable[..., Desk], simulator: Simulator, rewrites: set[str], text: str
) -> None:
    """Recognised by account, time, privacy and likeness."""
    simulator.options.rewrites = tuple(sorted(rewrites))  # type: ignore[assignment]
    simulator.faults.add("POST", FEED, on=1, drop="after")
    for _ in range(3):
        desk(Comment(comment_text=text), AddAsset(), SummaryComment()).run(31)
    assert len(comments(simulator)) == 2


def test_f02_equal_words_of_somebody_else_are_not_ours(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A canned reply of a technician; the robot's first post never reached TDX."""
    simulator.technician().comment(31, "Hello World", private=False)
    simulator.faults.add("POST", FEED, on=1, status=503)
    changing = Comment(comment_text="Hello World", new_status_id=IN_PROCESS)
    for _ in range(3):
        desk(changing).run(31)
    assert len(comments(simulator)) == 2
    assert simulator.state.tickets[31]["StatusID"] == IN_PROCESS


def test_a_found_comment_whose_status_was_changed_since_says_so(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A status counts only if it is the wanted one."""
    simulator.faults.add("POST", FEED, on=1, drop="after")
    # The first read comes before the post, the others look for it.
    simulator.faults.add("GET", FEED, on=range(2, 9), status=503)
    changing = Comment(comment_text="Hello World", new_status_id=IN_PROCESS)
    desk(changing).run(31)
    assert simulator.calls.count("POST", FEED) == 1
    simulator.faults.clear()
    simulator.technician().change_status(31, "On Hold", goes_off_hold="2030-01-01T00:00:00Z")
    [outcome] = desk(changing).outcomes(31)
    assert outcome.result is Result.COMPLETED
    assert f"not {IN_PROCESS}" in outcome.message


@pytest.mark.parametrize(
    ("sent", "shown", "is_ours"),
    [
        ("🤖 Summary\n\n1. Added A", "?? Summary 1. Added A", True),
        ("Done", "Done. -- Service Desk, Example University", True),
        ("Your ticket waits for a part", "Your tic", True),
        ("Your ticket waits for a part", "Your computer is ready", False),
        ("public words", "private words", False),
        ("Step one is done", "Step two is done", False),
        ("🎉🎉", "??", True),
        ("🎉🎉", "Some quite different sentence", False),
    ],
)
def test_likeness_tells_a_changed_form_from_another_text(
    sent: str, shown: str, *, is_ours: bool
) -> None:
    """The measure is stated in `likeness`."""
    assert (likeness(sent, shown) >= ALIKE) is is_ours


# Versions and settings


def old_row(action: Action, ticket: int = 31, status: LogStatus = LogStatus.COMPLETED) -> LogRow:
    """Make a row as the older daemon left it: without the action's name."""
    known = action.identity()
    return LogRow(
        ticket, known.action_type, known.action_type, known.action_id, status, NOW, is_named=False
    )


def states(actions: Sequence[Action], rows: Sequence[LogRow]) -> list[Due]:
    """Give the states of a pipeline's actions on a ticket."""
    return list(plan_ticket(Pipeline("p", tuple(actions)), 31, rows).due.values())


def test_old_rows_belong_to_the_action_with_their_settings() -> None:
    """Two comments in a pipeline: each has its own old rows, at any version."""
    first, second = Comment(comment_text="one"), Comment(comment_text="two", name="second")
    raised = [
        Comment(comment_text="one", version="v2"),
        Comment(comment_text="two", name="second", version="v2"),
    ]
    both = [old_row(first), old_row(second)]
    assert states(raised, both) == [Due.DONE, Due.DONE]
    assert states(raised, both[1:]) == [Due.NEW, Due.DONE]
    assert states(raised, both[:1]) == [Due.DONE, Due.NEW]


def test_a_changed_summary_prefix_posts_anew_what_was_posted(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Same version, other settings: again, on all tickets of the report, and once."""
    desk(AddAsset(), SummaryComment()).run(31)
    for _ in range(3):
        desk(AddAsset(), SummaryComment(comment_prefix="What was done")).run(31)
    old, new = comments(simulator)
    assert "Added 1 asset: PSYC-GID08" in old
    assert new.startswith("What was done")
    assert "Added 1 asset: PSYC-GID08" in new


def test_a_raised_summary_version_posts_nothing_anew(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Another version spares tickets that an earlier one has done."""
    desk(AddAsset(), SummaryComment()).run(31)
    desk(AddAsset(), SummaryComment(comment_prefix="What was done", version="v2")).run(31)
    assert len(comments(simulator)) == 1


# The last word


def test_a_computer_that_a_person_removed_does_not_come_back(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Neither with another setting nor with another version; the summary says who removed it."""
    desk(AddAsset(), SummaryComment()).run(31)
    assert simulator.state.asset_ids_of(31) == [1002]
    simulator.technician("tess.tech").remove_asset(31, 1002)
    for again in (AddAsset(max_assets_to_add=5), AddAsset(max_assets_to_add=6, version="v2")):
        desk(again, SummaryComment()).run(31)
    assert simulator.state.asset_ids_of(31) == []
    assert "left off: Tess Tech removed it on" in comments(simulator)[-1]


def test_a_computer_that_people_attached_and_removed_is_left_off_too(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The feed says so; one who only quotes the line decides nothing."""
    tess = simulator.technician("tess.tech", at="2030-01-01T00:00:00Z")
    tess.add_asset(31, 1002)
    tess.remove_asset(31, 1002)
    tess.comment(32, 'He wrote: Removed the "MAC-WARD04" asset from this incident.', private=False)
    desk(AddAsset()).run(31, 32)
    assert simulator.state.asset_ids_of(31) == []
    assert simulator.state.asset_ids_of(32) == [1001]


def test_a_status_that_a_person_changed_is_left_alone(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A ticket that has moved on is not moved back: a result, not a failure."""
    desk(Comment(comment_text="On it.", new_status_id=IN_PROCESS)).run(31)
    simulator.technician().change_status(31, "On Hold", goes_off_hold="2030-01-01T00:00:00Z")
    on_hold = simulator.state.tickets[31]["StatusID"]
    [outcome] = desk(Comment(comment_text="Again.", new_status_id=IN_PROCESS)).outcomes(31)
    assert outcome.result is Result.COMPLETED
    assert "left alone: now On Hold" in outcome.message
    assert simulator.state.tickets[31]["StatusID"] == on_hold
    elsewhere = Comment(comment_text="Third.", new_status_id=IN_PROCESS, from_status_ids=(999,))
    assert "left alone" in desk(elsewhere).outcomes(32)[0].message
