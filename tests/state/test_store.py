"""The contract of the action log, kept by PostgreSQL and by the twin in memory alike.

Whatever stands on the store stands on these sentences; a new backend passes them or is none.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.postgres.database import engine
from tdx_dagster.state import postgres_store
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.records import (
    WAITS,
    ActionIdentity,
    Claim,
    EffectState,
    FailureKind,
    LogStatus,
    StaleClaim,
    StoreUnavailable,
)
from tdx_dagster.state.store import ActionStore
from tests.state.memory import MemoryStore

COMMENT = ActionIdentity("comment", "comment", "comment:054200481667:v1", "0" * 64, "v1")
SUMMARY = ActionIdentity(
    "summary_comment", "tell", "summary_comment:aaaaaaaaaaaa:v1", "1" * 64, "v1"
)
LEASE = 300.0
OVER = -1.0


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[ActionStore]:
    """Each implementation in turn."""
    if request.param == "memory":
        yield MemoryStore()
        return
    made = engine(request.getfixturevalue("database_url"))
    yield PostgresStore(made)
    made.dispose()


def take(
    store: ActionStore,
    ticket: int = 31,
    identity: ActionIdentity = COMMENT,
    lease: float = LEASE,
    *,
    again: bool = False,
    run: str = "run-1",
) -> Claim | None:
    return store.claim(ticket, identity, pipeline="p", run_id=run, lease_seconds=lease, again=again)


def must_take(store: ActionStore, **how: object) -> Claim:
    claim = take(store, **how)  # type: ignore[arg-type]
    assert claim is not None
    return claim


def is_done(store: ActionStore) -> bool:
    [row] = store.get_ticket_actions(31)
    return row.is_done


def test_only_the_first_claim_on_an_action_of_a_ticket_is_granted(store: ActionStore) -> None:
    """Two runs that both saw 'not executed' must not both write (case D06)."""
    assert take(store) is not None
    assert take(store, run="run-2") is None
    assert take(store, ticket=32) is not None


def test_a_completed_action_is_never_claimed_again(store: ActionStore) -> None:
    """Same id means never again, ever."""
    store.finish(must_take(store), LogStatus.COMPLETED)
    assert take(store) is None
    assert is_done(store)


def test_a_claim_whose_lease_ran_out_is_taken_over_and_its_holder_may_not_write(
    store: ActionStore,
) -> None:
    """A killed run must not hold a ticket for ever, and one that was only slow must notice (case C12)."""
    dead = must_take(store, lease=OVER)
    heir = must_take(store, run="run-2")
    assert heir.attempt == 2
    with pytest.raises(StaleClaim):
        store.begin_effect(dead, "e", {}, lease_seconds=LEASE)
    with pytest.raises(StaleClaim):
        store.finish(dead, LogStatus.COMPLETED)
    assert store.begin_effect(heir, "e", {}, lease_seconds=LEASE).state is EffectState.BEGUN


def test_a_claim_that_ran_out_must_not_write_even_where_nobody_took_over(
    store: ActionStore,
) -> None:
    """Between its end and somebody's look the right to write is nobody's."""
    with pytest.raises(StaleClaim):
        store.begin_effect(must_take(store, lease=OVER), "e", {}, lease_seconds=LEASE)


def test_an_effect_that_was_begun_is_open_to_the_next_holder_with_what_was_to_be_written(
    store: ActionStore,
) -> None:
    """After a crash between write and record, the next run must know what to look for (case D03)."""
    claim = must_take(store)
    store.begin_effect(claim, "feed:x", {"comments": "Hello"}, lease_seconds=OVER)
    heir = must_take(store, run="run-2")
    record = store.begin_effect(heir, "feed:x", {"comments": "Other"}, lease_seconds=LEASE)
    assert record.state is EffectState.OPEN
    assert record.detail == {"comments": "Hello"}
    assert record.age_seconds >= 0


def test_an_open_effect_proved_absent_may_be_begun_again_by_one_holder(store: ActionStore) -> None:
    """Believing in absence names the very intent that was looked for."""
    claim = must_take(store)
    first = store.begin_effect(claim, "feed:x", {}, lease_seconds=LEASE)
    again = store.begin_effect(
        claim, "feed:x", {}, lease_seconds=LEASE, absent_event=first.event_id
    )
    assert again.state is EffectState.BEGUN
    late = store.begin_effect(claim, "feed:x", {}, lease_seconds=LEASE, absent_event=first.event_id)
    assert late.state is EffectState.OPEN


@pytest.mark.parametrize("event", ["done", "reconciled"])
def test_a_settled_effect_is_done_for_everyone_on_the_ticket(
    store: ActionStore, event: str
) -> None:
    """Two actions that reach for the same asset attach it once."""
    claim = must_take(store)
    store.begin_effect(claim, "attach:1001", {}, lease_seconds=LEASE)
    store.settle_effect(claim, "attach:1001", event, {"asset_id": 1001})
    other = must_take(store, identity=SUMMARY)
    record = store.begin_effect(other, "attach:1001", {}, lease_seconds=LEASE)
    assert (record.state, record.detail) == (EffectState.DONE, {"asset_id": 1001})
    assert store.effects(31)["attach:1001"].state is EffectState.DONE


def test_a_write_that_was_refused_leaves_the_effect_free(store: ActionStore) -> None:
    """429 and refused connections were not done and may be repeated."""
    claim = must_take(store)
    store.begin_effect(claim, "e", {}, lease_seconds=LEASE)
    store.settle_effect(claim, "e", "not_done", {})
    assert store.begin_effect(claim, "e", {}, lease_seconds=LEASE).state is EffectState.BEGUN
    assert store.effects(32) == {}


def test_a_retryable_failure_comes_back_after_its_pause_and_counts_attempts(
    store: ActionStore,
) -> None:
    """Failures come back with pauses, a bounded number of times."""
    store.finish(
        must_take(store),
        LogStatus.FAILED,
        message="503",
        failure_kind=FailureKind.RETRYABLE,
        retry_in_seconds=3600,
    )
    assert take(store) is None
    [row] = store.get_failed()
    assert (row.is_due, row.error_message, row.attempts) == (False, "503", 1)
    assert store.clear_failed_actions() == 1
    claim = must_take(store)
    assert claim.attempt == 1
    store.finish(claim, LogStatus.FAILED, failure_kind=FailureKind.RETRYABLE, retry_in_seconds=OVER)
    assert must_take(store).attempt == 2


@pytest.mark.parametrize("kind", [FailureKind.PERMANENT, FailureKind.UNCERTAIN])
def test_a_permanent_failure_stays_until_a_person_clears_it_and_the_clearing_is_on_record(
    store: ActionStore, kind: FailureKind
) -> None:
    """What stops retrying stays in sight, and history is never deleted."""
    store.finish(must_take(store), LogStatus.FAILED, failure_kind=kind)
    assert take(store) is None
    assert store.clear_failed_actions(ticket_id=99) == 0
    assert store.clear_failed_actions(ticket_id=31) == 1
    assert take(store) is not None
    assert [past.event for past in store.get_attempts(31)] == [
        "claimed",
        "failed",
        "cleared",
        "claimed",
    ]


def test_a_person_who_clears_an_uncertain_effect_lets_it_be_written_again(
    store: ActionStore,
) -> None:
    """Where nobody could look, the person did."""
    claim = must_take(store)
    store.begin_effect(claim, "custom", {}, lease_seconds=LEASE)
    store.settle_effect(claim, "custom", "unclear", {})
    store.finish(claim, LogStatus.FAILED, failure_kind=FailureKind.UNCERTAIN)
    store.clear_failed_actions()
    heir = must_take(store)
    assert store.begin_effect(heir, "custom", {}, lease_seconds=LEASE).state is EffectState.BEGUN


def test_clearing_a_retryable_failure_does_not_free_its_open_effects(store: ActionStore) -> None:
    """What can be looked for is looked for, also after a person's reset."""
    claim = must_take(store)
    store.begin_effect(claim, "feed:x", {}, lease_seconds=LEASE)
    store.finish(claim, LogStatus.FAILED, failure_kind=FailureKind.PERMANENT)
    store.clear_failed_actions()
    heir = must_take(store)
    assert store.begin_effect(heir, "feed:x", {}, lease_seconds=LEASE).state is EffectState.OPEN


def test_a_result_is_untold_until_a_summary_of_its_pipeline_tells_it(store: ActionStore) -> None:
    """The summary is an outbox: never lost, never twice."""
    store.finish(must_take(store), LogStatus.COMPLETED, summary_lines=["Added 1 asset"])
    assert store.results(31, "other") == []
    [result] = store.results(31, "p")
    assert (result.action_id, result.lines) == (COMMENT.action_id, ("Added 1 asset",))
    assert [row.is_unsummarised for row in store.get_ticket_actions(31)] == [True]
    claim = must_take(store, identity=SUMMARY)
    store.finish(claim, LogStatus.COMPLETED, summarised=[result.action_id])
    assert [one.is_summarised for one in store.results(31, "p")] == [True]


def test_a_summary_that_is_done_may_be_taken_again_when_asked(store: ActionStore) -> None:
    """New results need a new note under the same identity."""
    store.finish(must_take(store, identity=SUMMARY), LogStatus.COMPLETED)
    assert take(store, identity=SUMMARY) is None
    claim = must_take(store, identity=SUMMARY, again=True)
    assert claim.attempt == 1
    assert take(store, identity=SUMMARY, again=True) is None


def test_a_ticket_skipped_for_a_while_is_looked_at_again(store: ActionStore) -> None:
    """A closed ticket may be reopened."""
    store.finish(must_take(store), LogStatus.SKIPPED, message="closed", retry_in_seconds=3600)
    assert take(store) is None
    assert not is_done(store)
    other = must_take(store, ticket=32)
    store.finish(other, LogStatus.SKIPPED, message="closed", retry_in_seconds=OVER)
    assert take(store, ticket=32) is not None


def test_marking_as_completed_does_not_touch_a_row_that_is_there(store: ActionStore) -> None:
    """A baseline over an old queue never rewrites history."""
    for metadata, marked in (({"baseline": True}, 1), ({}, 0)):
        done = store.mark_all_completed([31], [COMMENT], pipeline="p", metadata=metadata)
        assert done == marked
    assert take(store) is None
    [row] = store.get_ticket_actions(31)
    assert row.metadata == {"baseline": True}


def test_marking_many_as_completed_counts_those_that_had_no_row(store: ActionStore) -> None:
    """A baseline is one transaction a batch."""
    store.finish(must_take(store), LogStatus.FAILED, message="no", failure_kind=None)
    many = store.mark_all_completed(
        [31, 32, 33], [COMMENT, SUMMARY], pipeline="p", metadata={"baseline": True}
    )
    assert many == 5
    assert [row.status for row in store.get_ticket_actions(31)] == [
        LogStatus.FAILED,
        LogStatus.COMPLETED,
    ]
    [row, _] = store.get_ticket_actions(33)
    assert (row.pipeline, row.metadata) == ("p", {"baseline": True})
    assert store.mark_all_completed([31, 32], [COMMENT], pipeline="p", metadata={}) == 0


def test_a_ticket_id_beyond_32_bits_is_kept_as_it_is(store: ActionStore) -> None:
    """Ids grow (case D23)."""
    store.finish(must_take(store, ticket=3_000_000_000), LogStatus.COMPLETED)
    assert list(store.rows([3_000_000_000, 31])) == [3_000_000_000]


def test_stats_count_rows_by_type_name_and_status(store: ActionStore) -> None:
    """`stats` answers the question people ask first."""
    store.finish(must_take(store), LogStatus.COMPLETED)
    store.finish(must_take(store, ticket=32), LogStatus.FAILED)
    counts = [(row.action_type, row.status, row.count) for row in store.get_action_stats()]
    assert counts == [("comment", "completed", 1), ("comment", "failed", 1)]


def test_text_that_the_database_refuses_is_cleaned_not_lost(store: ActionStore) -> None:
    """A NUL in a TDX answer must not make a result unrecordable after the write was done."""
    claim = must_take(store)
    store.begin_effect(claim, "e", {"comments": "a\x00b\ud800"}, lease_seconds=LEASE)
    store.finish(
        claim,
        LogStatus.COMPLETED,
        message="x\x00",
        summary_lines=["y\x00"],
        metadata={"z": "\ud800"},
    )
    assert is_done(store)


def test_a_live_claim_is_renewed_and_one_that_ran_out_is_not(store: ActionStore) -> None:
    """Long reads and waits must not cost a holder its claim."""
    claim = must_take(store)
    store.renew(claim, lease_seconds=OVER)
    with pytest.raises(StaleClaim):
        store.renew(claim, lease_seconds=LEASE)
    heir = must_take(store, run="run-2")
    with pytest.raises(StaleClaim):
        store.renew(claim, lease_seconds=LEASE)
    store.renew(heir, lease_seconds=LEASE)
    assert take(store, run="run-3") is None


def test_a_confirmation_right_before_the_write_makes_the_intent_young_again(
    store: ActionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The age of an intent says since when a write may be under way, not how long it waited before."""
    monkeypatch.setattr(postgres_store, "FRESH_INTENT_SECONDS", -1.0)
    claim = must_take(store)
    detail = {"comments": "Hello"}
    first = store.begin_effect(claim, "e", detail, lease_seconds=LEASE)
    second = store.confirm_intent(
        claim, "e", detail, intent_event=first.event_id, lease_seconds=OVER
    )
    again = store.begin_effect(must_take(store, run="run-2"), "e", {}, lease_seconds=LEASE)
    assert again.state is EffectState.OPEN
    assert again.event_id == second
    assert again.event_id > first.event_id
    assert again.detail == detail


def test_an_intent_that_another_holder_has_superseded_is_not_confirmed(store: ActionStore) -> None:
    """Two actions share an effect: the claim of the first one lives, and the second one has written."""
    first, second = must_take(store), must_take(store, identity=SUMMARY)
    mine = store.begin_effect(first, "e", {}, lease_seconds=LEASE)
    store.begin_effect(second, "e", {}, lease_seconds=LEASE, absent_event=mine.event_id)
    asked = {"intent_event": mine.event_id, "lease_seconds": LEASE}
    assert store.confirm_intent(first, "e", {}, **asked) is None
    store.settle_effect(second, "e", "done", {})
    assert store.confirm_intent(first, "e", {}, **asked) is None


def test_a_lost_claim_confirms_nothing(store: ActionStore) -> None:
    """Its intent may still be the last event."""
    claim = must_take(store)
    mine = store.begin_effect(claim, "e", {}, lease_seconds=OVER)
    with pytest.raises(StaleClaim):
        store.confirm_intent(claim, "e", {}, intent_event=mine.event_id, lease_seconds=LEASE)


def test_a_claim_that_is_given_back_leaves_no_trace_but_in_the_history(store: ActionStore) -> None:
    """A setting's fault is no ticket's fault."""
    store.release(must_take(store), message="TDX_BEID is wrong")
    assert not store.get_ticket_actions(31)
    assert [past.event for past in store.get_attempts(31)] == ["claimed", "released"]
    failing = must_take(store)
    store.finish(failing, LogStatus.FAILED, failure_kind=FailureKind.RETRYABLE, message="503")
    for _ in range(3):
        store.release(must_take(store), message="TDX_BEID is wrong")
    [row] = store.get_ticket_actions(31)
    assert (row.status, row.attempts, row.is_due) == (LogStatus.FAILED, 1, True)
    assert must_take(store).attempt == 2


def test_a_ticket_that_stays_closed_is_one_event_of_history(store: ActionStore) -> None:
    """It may stay in the report for years."""
    how: dict[str, Any] = {
        "pipeline": "p",
        "run_id": "run",
        "message": "the ticket is Closed",
        "first_pause_seconds": 0.0,
        "longest_pause_seconds": 0.0,
    }
    assert all(store.skip(31, COMMENT, **how) for _ in range(3))
    assert [past.event for past in store.get_attempts(31)] == ["skipped"]
    [row] = store.get_ticket_actions(31)
    assert (row.status, row.error_message) == (LogStatus.SKIPPED, "the ticket is Closed")
    assert store.skip(
        31, COMMENT, **how | {"first_pause_seconds": 60.0, "longest_pause_seconds": 60.0}
    )
    assert not store.skip(31, COMMENT, **how), "not due yet"
    assert store.claim(31, COMMENT, pipeline="p", run_id="r", lease_seconds=LEASE) is None


def test_a_completed_action_is_not_skipped(store: ActionStore) -> None:
    """What was done was done."""
    store.finish(must_take(store), LogStatus.COMPLETED)
    how = {"first_pause_seconds": 0.0, "longest_pause_seconds": 1.0}
    assert not store.skip(31, COMMENT, pipeline="p", run_id="r", message="closed", **how)


def test_tickets_that_were_begun_are_unfinished_until_they_are_closed(store: ActionStore) -> None:
    """The report may have lost them meanwhile."""
    store.open_tickets("p", [32, 31])
    store.open_tickets("p", [31])
    store.open_tickets("q", [99])
    assert set(store.unfinished("p", limit=10)) == {31, 32}
    assert len(store.unfinished("p", limit=1)) == 1
    store.close_tickets("p", [31, 32])
    assert store.unfinished("p", limit=10) == []


def test_what_comes_back_is_unfinished_and_what_waits_for_a_person_is_not(
    store: ActionStore,
) -> None:
    """By the rows alone: an earlier release has recorded no beginning."""
    claim = must_take(store)
    assert store.unfinished("p", limit=10) == [31], "a claim"
    store.finish(claim, LogStatus.FAILED, failure_kind=FailureKind.RETRYABLE)
    assert store.unfinished("p", limit=10) == [31], "a failure that comes back"
    store.finish(must_take(store), LogStatus.FAILED, failure_kind=FailureKind.PERMANENT)
    assert store.unfinished("p", limit=10) == []


def test_a_ticket_that_goes_on_at_a_stated_time_is_unfinished_from_then_on(
    store: ActionStore,
) -> None:
    """Thousands of them would hide what is open now."""
    store.open_tickets("p", [31, 32])
    store.finish(
        must_take(store),
        LogStatus.SKIPPED,
        message=f"{WAITS}Monday: step 2",
        retry_in_seconds=3600.0,
    )
    assert store.unfinished("p", limit=10) == [32]
    store.retry_now([31], [COMMENT.action_id], run_id="r", include_uncertain=False)
    assert set(store.unfinished("p", limit=10)) == {31, 32}


def test_a_claim_that_nobody_ended_counts_as_failed_and_can_be_cleared(store: ActionStore) -> None:
    """Or it would stay in progress for ever and nobody would hear of it."""
    store.claim(31, COMMENT, pipeline="p", run_id="r", lease_seconds=OVER)
    [row] = store.get_failed()
    assert row.status is LogStatus.IN_PROGRESS
    assert store.clear_failed_actions(31) == 1
    [row] = store.get_failed()
    assert (row.status, row.attempts, row.is_due) == (LogStatus.FAILED, 0, True)


class Unspeakable:
    """A value without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("recorded", "stored"),
    [
        ("a \x00 b", "a  b"),
        (r"C:\u0000\x \u0000", r"C:\u0000\x \u0000"),
        ("\ud83d", "?"),
        ("🤖 🎉", "🤖 🎉"),
        ("x" * 1_000_000, "x" * 1_000_000),
        (float("nan"), "nan"),
        ({1: {2}}, {"1": [2]}),
        (10**400 > 0, True),
        (Unspeakable(), "<Unspeakable without a text>"),
        (b"\xff", r"b'\xff'"),
    ],
)
def test_whatever_an_action_records_is_stored(
    database: Engine, recorded: object, stored: object
) -> None:
    """After the effect nothing may stand in the way of its record."""
    store = PostgresStore(database)
    claim = must_take(store)
    store.begin_effect(claim, "e", {"text": recorded}, lease_seconds=LEASE)
    store.settle_effect(claim, "e", "done", {"text": recorded})
    store.finish(claim, LogStatus.COMPLETED, metadata={"details": recorded}, message=str(stored))
    assert store.effects(31)["e"].detail == {"text": stored}
    assert store.get_ticket_actions(31)[0].metadata == {"details": stored}


@pytest.mark.parametrize("event", ["not_done", "unclear"])
def test_a_holder_that_was_overtaken_cannot_take_back_what_its_heir_has_done(
    store: ActionStore, event: str
) -> None:
    """It wakes up, is refused by TDX, and says so: by then the effect is there."""
    late = must_take(store)
    store.begin_effect(late, "e", {}, lease_seconds=OVER)
    heir = must_take(store, run="run-2")
    found = store.begin_effect(heir, "e", {}, lease_seconds=LEASE)
    store.begin_effect(heir, "e", {}, lease_seconds=LEASE, absent_event=found.event_id)
    store.settle_effect(heir, "e", "done", {"feed_id": 1})
    store.settle_effect(late, "e", event, {})
    assert store.effects(31)["e"].state is EffectState.DONE
    store.settle_effect(late, "e", "done", {"feed_id": 2})
    assert store.effects(31)["e"].detail == {"feed_id": 2}


def test_one_failed_action_can_be_cleared_and_another_of_the_ticket_left(
    store: ActionStore,
) -> None:
    """Where nobody knows whether one has happened, a person still wants the other done."""
    for identity in (COMMENT, SUMMARY):
        claim = must_take(store, identity=identity)
        store.finish(claim, LogStatus.FAILED, failure_kind=FailureKind.UNCERTAIN)
    assert len(store.get_failed(31, COMMENT.action_id)) == 1
    assert store.clear_failed_actions(31, COMMENT.action_id) == 1
    assert take(store, identity=SUMMARY) is None
    assert take(store, identity=COMMENT) is not None


def test_a_log_that_somebody_else_has_locked_is_unavailable_and_not_waited_for_without_end(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was paused within a transaction keeps its locks (found by the chaos suite)."""
    monkeypatch.setattr(postgres_store, "BOUNDS", "SET LOCAL lock_timeout = '50ms'")
    store = PostgresStore(database)
    must_take(store, lease=OVER)
    with database.begin() as paused:
        paused.exec_driver_sql("SELECT 1 FROM meta.daemon_action_log FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            take(store, run="run-2")
    assert take(store, run="run-2") is not None


def ask(store: ActionStore, *, include_uncertain: bool = False) -> int:
    return store.retry_now(
        [31], [COMMENT.action_id], run_id="hand", include_uncertain=include_uncertain
    )


@pytest.mark.parametrize("kind", [FailureKind.RETRYABLE, FailureKind.PERMANENT])
def test_what_a_person_asks_for_is_due_at_once_with_a_fresh_count_and_the_history_says_who(
    store: ActionStore, kind: FailureKind
) -> None:
    """Whether it waits or was given up."""
    pause = 3600.0 if kind is FailureKind.RETRYABLE else None
    store.finish(
        must_take(store), LogStatus.FAILED, message="no", failure_kind=kind, retry_in_seconds=pause
    )
    assert take(store) is None
    assert ask(store) == 1
    [*_, last] = store.get_attempts(31)
    assert (last.event, last.run_id) == ("asked_for", "hand")
    assert last.detail == {"by": "a person", "error": "no"}
    assert must_take(store).attempt == 1


def test_a_closed_ticket_that_a_person_asks_for_is_looked_at_at_once(store: ActionStore) -> None:
    """It waits an hour otherwise."""
    how = {"first_pause_seconds": 3600.0, "longest_pause_seconds": 3600.0}
    store.skip(31, COMMENT, pipeline="p", run_id="r", message="closed", **how)
    assert ask(store) == 1
    assert take(store) is not None


def test_what_nobody_can_look_for_is_tried_again_only_where_the_person_allows_it(
    store: ActionStore,
) -> None:
    """Only then is its open effect free to be written again."""
    claim = must_take(store)
    store.begin_effect(claim, "x", {}, lease_seconds=LEASE)
    store.finish(claim, LogStatus.FAILED, failure_kind=FailureKind.UNCERTAIN)
    assert ask(store) == 0
    assert store.effects(31)["x"].state is EffectState.OPEN
    assert ask(store, include_uncertain=True) == 1
    assert store.effects(31) == {}
    assert take(store) is not None


def test_a_person_who_asks_changes_nothing_of_what_is_done_held_due_or_not_asked_for(
    store: ActionStore,
) -> None:
    """Asking never makes anything happen twice."""
    store.finish(must_take(store, ticket=32), LogStatus.FAILED, failure_kind=FailureKind.PERMANENT)
    store.finish(must_take(store), LogStatus.COMPLETED)
    assert ask(store) == 0
    assert take(store) is None
    assert take(store, ticket=32) is None
