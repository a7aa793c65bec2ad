"""Each action once, through crashes and lost answers, on a real database and a real HTTP server."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine

from tdx_dagster.postgres.database import engine
from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import CLOSED, IN_PROCESS, WAITING
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.records import FailureKind, LogStatus, StoreUnavailable
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.once.outcomes import Result
from tdx_dagster.tickets.once.writer import Times

from .desk import AT_ONCE, Desk

FEED = "/{app}/tickets/{id}/feed"
LINK = "/{app}/tickets/{id}/assets/{assetId}"
HELLO = Comment(comment_text="Hello World")


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


def bodies(simulator: Simulator, ticket: int = 31) -> list[str]:
    """Comments on a ticket, as people read them."""
    return [
        entry["Body"]
        for entry in simulator.state.feed_of_ticket(ticket)
        if entry["UpdateType"] in {1, 2}
    ]


def posts(simulator: Simulator, template: str) -> list[Any]:
    return simulator.calls.matching("POST", template)


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions, **more: Desk.over(simulator, database, *actions, **more)


def test_a_comment_is_posted_once_over_many_runs(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The promise."""
    for _ in range(3):
        desk(HELLO).run(31, 32)
    assert bodies(simulator, 31) == ["Hello World"]
    assert bodies(simulator, 32) == ["Hello World"]


def test_a_row_of_the_older_daemon_is_respected(
    desk: Callable[..., Desk], simulator: Simulator, database: Engine
) -> None:
    """The published id, completed in the old table, is never done again."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, status) "
            "VALUES (31, 'comment', 'comment:054200481667:v1', 'completed')"
        )
    desk(HELLO).run(31)
    assert bodies(simulator) == []


def test_a42_a43_a44_flags_are_json_booleans_sent_explicitly_and_nobody_is_notified(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Loose typing of the privacy flag publishes internal notes."""
    desk(SummaryComment(skip_if_empty=False)).run(31)
    [call] = posts(simulator, FEED)
    body = json.loads(call.body)
    assert body["IsPrivate"] is True
    assert body["CascadeStatus"] is False
    assert (body["NewStatusID"], body["Notify"]) == (0, [])


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "after"},
        {"status": 502, "effect": True},
        {"status": 500, "effect": True},
        {"web_page": True, "effect": True},
        {"cut_body": True},
        {"delay_seconds": 1.5, "delay": "after"},
    ],
)
def test_d01_d08_a_comment_whose_answer_was_lost_is_found_and_not_posted_again(
    desk: Callable[..., Desk], simulator: Simulator, fault: dict[str, Any]
) -> None:
    """The comment exists, the client believes it failed."""
    simulator.faults.add("POST", FEED, on=1, **fault)
    for _ in range(3):
        desk(HELLO).run(31)
    assert bodies(simulator) == ["Hello World"]
    assert len(posts(simulator, FEED)) == 1
    [row] = desk(HELLO).store.get_ticket_actions(31)
    assert row.status is LogStatus.COMPLETED


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"status": 503}])
def test_a_comment_that_was_lost_before_its_effect_is_posted_once_its_absence_is_trusted(
    desk: Callable[..., Desk], simulator: Simulator, fault: dict[str, Any]
) -> None:
    """Never lost is the other half of once."""
    simulator.faults.add("POST", FEED, on=1, **fault)
    for _ in range(3):
        desk(HELLO).run(31)
    assert bodies(simulator) == ["Hello World"]


def test_absence_is_not_trusted_before_the_servers_time_limit(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A slow server may still do it after we stopped listening."""
    simulator.faults.add("POST", FEED, on=1, drop="before")
    patient = replace(AT_ONCE, settle=3600.0)
    for _ in range(3):
        desk(HELLO, times=patient).run(31)
    assert bodies(simulator) == []
    [row] = desk(HELLO).store.get_failed()
    assert row.failure_kind is FailureKind.RETRYABLE
    assert not row.is_due


def test_d08_a_429_on_a_write_is_repeated_since_it_was_not_done(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """429 says so."""
    simulator.faults.add("POST", FEED, on=1, status=429)
    desk(HELLO).run(31)
    desk(HELLO).store.clear_failed_actions()
    desk(HELLO).run(31)
    assert bodies(simulator) == ["Hello World"]
    assert len(posts(simulator, FEED)) == 2


def test_d03_a_run_killed_after_the_write_is_reconciled_by_the_next(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write succeeded, the process died before it was recorded."""
    killed = desk(HELLO, times=replace(AT_ONCE, lease=0.3))

    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(killed.store, "settle_effect", die)
    with pytest.raises(Killed):
        killed.run(31)
    assert bodies(simulator) == ["Hello World"]
    heir = desk(HELLO)
    while heir.store.get_ticket_actions(31)[0].status is not LogStatus.COMPLETED:
        heir.run(31, run_id="heir")
    assert bodies(simulator) == ["Hello World"]
    assert "reconciled" in [past.event for past in heir.store.get_attempts(31)]


def test_c10_while_one_run_holds_an_action_another_leaves_it_alone(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Sensor and backfill may meet on a ticket."""
    holder = desk(HELLO)
    claim = holder.store.claim(31, HELLO.identity(), pipeline="p", run_id="other", lease_seconds=60)
    assert claim is not None
    assert desk(HELLO).outcomes(31) == []
    assert bodies(simulator) == []


def test_a40_a_closed_ticket_is_left_alone_and_the_row_says_why(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A comment would reopen it and mail the requestor."""
    simulator.state.tickets[31]["StatusID"] = CLOSED
    [outcome] = desk(HELLO).outcomes(31)
    assert (outcome.result, outcome.message) == (Result.SKIPPED, "the ticket is Closed")
    assert desk(HELLO).outcomes(31) == []
    [row] = desk(HELLO).store.get_ticket_actions(31)
    assert (row.status, row.error_message) == (LogStatus.SKIPPED, "the ticket is Closed")
    assert bodies(simulator) == []


@pytest.mark.parametrize("status", [403, 404])
def test_a10_a11_one_forbidden_or_moved_ticket_is_recorded_once_and_others_go_on(
    desk: Callable[..., Desk], simulator: Simulator, status: int
) -> None:
    """Never tried again every poll, never reported as something else."""
    simulator.faults.add("GET", "/46/tickets/32", status=status)
    desk(HELLO, SummaryComment()).run(31, 32, 33)
    assert (bodies(simulator, 31), bodies(simulator, 33)) == (["Hello World"], ["Hello World"])
    [row] = desk(HELLO).store.get_failed()
    assert (row.ticket_id, row.failure_kind) == (32, FailureKind.PERMANENT)
    assert str(status) in (row.error_message or "")
    simulator.calls.reset()
    for _ in range(2):
        desk(HELLO, SummaryComment()).run(31, 32, 33)
    assert len(simulator.calls) == 0


def test_a41_a_status_that_tdx_refuses_is_not_tried_again_and_leaves_no_comment(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Text and status go in one call, so that neither is there without the other."""
    action = Comment(comment_text="On hold now", new_status_id=105)
    for _ in range(2):
        desk(action).run(31)
    assert bodies(simulator) == []
    assert len(posts(simulator, FEED)) == 1
    assert desk(action).store.get_failed()[0].failure_kind is FailureKind.PERMANENT


def test_an_empty_text_with_a_status_is_a_status_change_found_again_by_the_status(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """There are no words to look for."""
    action = Comment(comment_text="", new_status_id=102)
    simulator.faults.add("POST", FEED, on=1, drop="after")
    for _ in range(2):
        desk(action).run(31)
    assert simulator.state.tickets[31]["StatusID"] == 102
    assert len(posts(simulator, FEED)) == 1


def test_a_status_that_a_person_has_changed_since_is_found_by_the_line_about_it(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """To set it once more would undo what the person did; a status that was never set is set."""
    action = Comment(comment_text="", new_status_id=IN_PROCESS)
    kill_before_settling(desk(action), "feed:")
    simulator.technician("tess.tech").change_status(31, WAITING)
    [outcome] = desk(action).outcomes(31)
    assert outcome.message == f"The status is now {WAITING}, not {IN_PROCESS}"
    assert simulator.state.tickets[31]["StatusID"] == WAITING
    simulator.faults.add("POST", FEED, on=1, drop="before")
    back = Comment(comment_text="", new_status_id=IN_PROCESS, version="v2")
    waits = Comment(comment_text="", new_status_id=WAITING, name="waits")
    for earlier in (action, waits):
        desk(earlier).run(32)
    for _ in range(2):
        desk(back).run(32)
    assert simulator.state.tickets[32]["StatusID"] == IN_PROCESS


def test_a_comment_with_a_status_is_found_behind_the_system_line(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """TDX writes the status change before the words."""
    action = Comment(comment_text="Taken & <noted>", new_status_id=102)
    simulator.faults.add("POST", FEED, on=1, drop="after")
    for _ in range(2):
        desk(action).run(31)
    assert len(posts(simulator, FEED)) == 1


def test_the_three_phases_attach_the_right_computers_and_say_why(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Summary lines are those people know."""
    outcomes = desk(AddAsset()).outcomes(31, 32, 33)
    lines = {one.ticket_id: one.message for one in outcomes}
    assert lines == {
        31: "Added 1 asset: PSYC-GID08. Reason: Computer identifier(s) found in ticket "
        "title/description (psyc-gid08)",
        32: "Added 1 asset: MAC-WARD04. Reason: User only has one computer",
        33: "Added 2 assets: MAC-WARD04, PSYC-GID08. Reason: Computer identifier(s) found in ticket "
        "title/description (c02zk4qlmd6t, 7K2QX93)",
    }
    linked = {ticket: simulator.state.asset_ids_of(ticket) for ticket in (31, 32, 33)}
    assert linked == {31: [1002], 32: [1001], 33: [1001, 1002]}


def test_a14_an_asset_that_is_attached_already_is_not_posted_again(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The list holds configuration items, whose own ids are no asset ids."""
    simulator.state.links[31] = [simulator.state.assets[1002]["ConfigurationItemID"]]
    [outcome] = desk(AddAsset()).outcomes(31)
    assert "already on ticket: PSYC-GID08" in outcome.message
    assert posts(simulator, LINK) == []


def test_a30_no_asset_is_attached_where_the_tickets_own_cannot_be_read(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """An error is no empty list."""
    simulator.faults.add("GET", "/{app}/tickets/{id}/assets", status=403)
    [outcome] = desk(AddAsset()).outcomes(31)
    assert outcome.result is Result.FAILED
    assert posts(simulator, LINK) == []


@pytest.mark.parametrize(
    "fault", [{"empty": True, "effect": True}, {"drop": "after"}, {"status": 502, "effect": True}]
)
def test_a13_an_unclear_answer_to_attaching_is_settled_by_reading_back(
    desk: Callable[..., Desk], simulator: Simulator, fault: dict[str, Any]
) -> None:
    """Report only what is there."""
    simulator.faults.add("POST", LINK, on=1, **fault)
    [outcome] = desk(AddAsset()).outcomes(31)
    assert outcome.result is Result.COMPLETED
    assert simulator.state.asset_ids_of(31) == [1002]
    assert len(posts(simulator, LINK)) == 1


def test_d10_assets_attached_before_an_error_are_neither_posted_again_nor_left_out(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Each asset is a step of its own; the summary lists all, once."""
    simulator.faults.add("POST", LINK, on=2, status=500)
    line = (AddAsset(), SummaryComment())
    desk(*line).run(33)
    assert simulator.state.asset_ids_of(33) == [1001]
    desk(*line).run(33)
    assert simulator.state.asset_ids_of(33) == [1001, 1002]
    assert len(posts(simulator, LINK)) == 3
    [summary] = bodies(simulator, 33)
    assert summary.count("MAC-WARD04") == 1
    assert "Added 2 assets: MAC-WARD04, PSYC-GID08" in summary


def test_an_asset_that_changed_since_it_was_loaded_is_not_attached(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """The inventory may be a night old; the summary says why."""
    working = desk(AddAsset())
    tools = working.tools()
    simulator.state.assets[1002]["StatusID"] = 39
    working.tools = lambda: tools  # type: ignore[method-assign]
    [outcome] = working.outcomes(31)
    assert outcome.message.startswith("No assets added.")
    assert "Retired" in outcome.message
    assert posts(simulator, LINK) == []


def test_the_summary_is_the_prefix_an_empty_line_and_numbered_lines_private_and_once(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """One tidy note."""
    for _ in range(2):
        desk(AddAsset(), SummaryComment()).run(31)
    [call] = posts(simulator, FEED)
    assert json.loads(call.body)["Comments"] == (
        "🤖 Automated Actions Summary\n\n"
        "1. Added 1 asset: PSYC-GID08. Reason: Computer identifier(s) found in ticket "
        "title/description (psyc-gid08)"
    )


def test_d16_a_summary_whose_post_failed_is_posted_by_a_later_run_and_then_never_again(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """It is made of stored results, not of what happens to be in memory."""
    line = (AddAsset(), SummaryComment())
    simulator.faults.add("POST", FEED, on=(1, 2), status=403)
    desk(*line).run(31)
    assert bodies(simulator) == []
    desk(*line).store.clear_failed_actions()
    simulator.faults.clear()
    for _ in range(3):
        desk(*line).run(31)
    assert len(bodies(simulator)) == 1


def test_d17_an_empty_result_takes_no_number(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Two actions, one without a result: one line."""
    desk(Comment(comment_text="Hi", name="hi"), AddAsset(), SummaryComment()).run(31)
    summary = bodies(simulator)[-1]
    assert "1. Added 1 asset" in summary
    assert "2." not in summary


def test_new_results_get_a_new_summary_of_their_own(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """One note for each new set of results."""
    desk(AddAsset(), SummaryComment()).run(31)
    desk(AddAsset(max_assets_to_add=3), SummaryComment()).run(31)
    first, second = bodies(simulator)
    assert "Added 1 asset" in first
    assert "already on ticket: PSYC-GID08" in second
    assert "2." not in second


def test_d18_a_dry_run_writes_nothing_and_says_what_would_be_written(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A rehearsal leaves no trace, and the real run does it once."""
    line = (AddAsset(), HELLO, SummaryComment())
    outcomes = desk(*line).outcomes(31, dry_run=True)
    planned = [effect for one in outcomes for effect in one.planned]
    assert [effect.name.split(":")[0] for effect in planned] == ["attach", "feed", "summary"]
    assert "Added 1 asset: PSYC-GID08" in str(planned[-1].detail["comments"])
    assert [
        call for call in simulator.calls if call.method != "GET" and "/auth" not in call.path
    ] == []
    assert desk(*line).store.get_ticket_actions(31) == ()
    assert desk(*line).store.get_attempts(31) == []
    desk(*line).run(31)
    assert len(bodies(simulator)) == 2


def test_a_dry_run_looks_for_what_an_unclear_answer_left_as_a_run_does(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """It said that the comment would be written, which was there."""
    simulator.faults.add("POST", FEED, on=1, drop="after")
    simulator.faults.add("GET", FEED, status=400)
    desk(HELLO).run(31)
    simulator.faults.clear()
    [outcome] = desk(HELLO).outcomes(31, dry_run=True)
    assert (bodies(simulator), outcome.planned) == (["Hello World"], ())


class Poke(Action):
    """A custom action whose effect nobody can look for."""

    action_type: ClassVar[str] = "poke"

    def perform(self, context: ActionContext) -> Performed:
        """Write with an unclear outcome."""
        with pytest.raises(AttributeError, match=r"context\.write"):
            _ = context.ticket.tdx.post_feed  # type: ignore[attr-defined]
        context.write.do(Effect("poke", {}, write=lambda _: None))
        return Performed("poked")


def test_an_effect_nobody_can_look_for_ends_as_uncertain_and_is_never_repeated(
    desk: Callable[..., Desk],
) -> None:
    """A person decides; an action has no other way to TDX than its hands."""
    for _ in range(3):
        desk(Poke()).run(31)
    [row] = desk(Poke()).store.get_failed()
    assert row.failure_kind is FailureKind.UNCERTAIN
    assert [past.event for past in desk(Poke()).store.get_attempts(31)].count("intent") == 1


class Broken(Action):
    """A custom action with a defect."""

    def perform(self, context: ActionContext) -> Performed:
        """Fail as code does."""
        raise KeyError(context.pipeline)


def test_an_action_that_always_fails_is_given_up_after_its_attempts(
    desk: Callable[..., Desk],
) -> None:
    """Bounded, and in sight."""
    times = Times(settle=0, retry_pause=0, max_attempts=3)
    for _ in range(5):
        desk(Broken(), times=times).run(31)
    [row] = desk(Broken()).store.get_failed()
    assert (row.attempts, row.failure_kind) == (3, FailureKind.PERMANENT)
    assert "KeyError" in (row.error_message or "")


def test_a_failure_stops_later_actions_of_that_ticket_unless_it_says_otherwise(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A summary of nothing helps nobody."""
    desk(Broken(), HELLO).run(31)
    assert bodies(simulator) == []
    desk(Broken(continue_on_failure=True, version="v2"), HELLO).run(31)
    assert bodies(simulator) == ["Hello World"]


@pytest.mark.parametrize("attempt", range(5))
def test_d06_c28_runs_at_the_same_time_write_once_between_them(
    desk: Callable[..., Desk], simulator: Simulator, attempt: int
) -> None:
    """Overlapping ticks, a backfill beside the sensor: the insert of the claim decides."""
    line = (HELLO, AddAsset(), SummaryComment())
    barrier = Barrier(4)

    def race(number: int) -> None:
        working = desk(*line)
        barrier.wait()
        working.run(31, 32, 33, run_id=f"run-{attempt}-{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(race, range(4)))
    for ticket in (31, 32, 33):
        words = bodies(simulator, ticket)
        assert words.count("Hello World") == 1
        assert len([text for text in words if "Summary" in text]) == 1
    assert len(posts(simulator, LINK)) == 4


def test_d04_without_the_log_nothing_is_written(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A database that cannot be asked must not look like 'not executed'."""
    working = desk(HELLO)
    gone = engine("postgresql://nobody@127.0.0.1:1/nowhere")
    working.store = PostgresStore(gone)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            working.run(31, 32, 33)
    assert posts(simulator, FEED) == []


def test_d20_a_summary_lost_in_a_crash_is_found_by_its_own_words_though_there_is_more_to_tell_now(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """What was posted stands in the log: it is looked for as it was, and only the rest is told."""
    line = (AddAsset(), SummaryComment())
    kill_before_settling(desk(*line), "summary:")
    more = (AddAsset(), AddAsset(name="again", max_assets_to_add=3), SummaryComment())
    desk(*more).run(31)
    first, second = bodies(simulator)
    assert first.count("PSYC-GID08") == 1
    assert "already on ticket: PSYC-GID08" in second
    assert "2." not in second


def test_two_configurations_of_a_summary_at_once_tell_each_result_once(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """An old and a new process during a deployment: the note has a number, not a set of results."""
    old = desk(AddAsset(), SummaryComment(comment_prefix="Old"))
    kill_before_settling(old, "summary:")
    desk(AddAsset(), SummaryComment(comment_prefix="New")).run(31)
    [note] = bodies(simulator)
    assert note.startswith("Old")


def kill_before_settling(working: Desk, effect: str) -> None:
    """Run ticket 31 and die once an effect is there and before the log knows; its lease is over."""
    store = working.store
    settle, confirm = store.settle_effect, store.confirm_intent

    def dies(claim: Any, name: str, event: str, detail: Any) -> None:
        if name.startswith(effect):
            raise Killed
        settle(claim, name, event, detail)

    def confirms(claim: Any, name: str, detail: Any, **how: Any) -> Any:
        lease = -1.0 if name.startswith(effect) else how["lease_seconds"]
        return confirm(claim, name, detail, **how | {"lease_seconds": lease})

    store.settle_effect, store.confirm_intent = dies, confirms  # type: ignore[method-assign]
    with pytest.raises(Killed):
        working.run(31)


def test_the_lease_is_renewed_while_an_action_reads_for_longer_than_it(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A minute in the queue of the rate limit must not hand the ticket to somebody else."""
    simulator.faults.add("GET", "/46/tickets/31/assets", on=1, delay_seconds=2.0)
    slow = desk(AddAsset(), times=replace(AT_ONCE, lease=0.6))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(slow.run, 31)
        while not slow.store.get_ticket_actions(31):
            pass
        thief: dict[str, Any] = {"pipeline": "p", "run_id": "thief", "lease_seconds": 1.0}
        while not running.done():
            assert slow.store.claim(31, AddAsset().identity(), **thief) is None
        [winner] = running.result().tickets[0].outcomes
    assert winner.result is Result.COMPLETED
    assert len(posts(simulator, LINK)) == 1


def test_a_holder_that_lost_its_claim_while_it_waited_for_its_turn_sends_nothing(
    desk: Callable[..., Desk], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is confirmed after the wait for the rate limit, right before the write."""
    working = desk(HELLO)
    tools = working.tools()
    acquire = tools.tdx._transport._limiter.acquire  # type: ignore[attr-defined]

    def waits(key: str, *limits: Any) -> None:
        acquire(key, *limits)
        if key.startswith("POST /{app}/tickets/{id}/feed"):
            # A minute in the queue, in which somebody else took over.
            with working.store._engine.begin() as connection:  # type: ignore[attr-defined]
                connection.exec_driver_sql(
                    "UPDATE meta.daemon_action_log SET claim_token = gen_random_uuid()"
                )

    monkeypatch.setattr(tools.tdx._transport._limiter, "acquire", waits)  # type: ignore[attr-defined]
    monkeypatch.setattr(working, "tools", lambda: tools)
    [outcome] = working.outcomes(31)
    assert outcome.result is Result.SKIPPED
    assert "taken over" in outcome.message
    assert posts(simulator, FEED) == []
