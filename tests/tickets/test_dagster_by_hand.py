"""What people do in the UI and what they read there: rehearse, mistype, retry, re-execute, look at a ticket."""

from collections.abc import Callable
from typing import Any, ClassVar

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.state.records import OVERRIDE
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import GiveUp, Performed, RetryLater, Uncertain
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.checks import STUCK
from tdx_dagster.tickets.dry_run import WriteInDryRun
from tdx_dagster.tickets.run_config import run_config
from tdx_dagster.tickets.run_tags import BY_HAND, LAUNCHED_BY, SENSOR, tags_of_run

from .desk import Desk
from .test_dagster import ASSET, QUIET, definitions, materialised, observed, run, tick

LINE = (AddAsset(), SummaryComment())
JOBS: list[dg.JobDefinition] = []


class Moody(Action):
    """Fail on ticket 32 while there is an error."""

    error: ClassVar[Exception | None] = None

    def perform(self, context: ActionContext) -> Performed:
        """Fail or not."""
        if context.ticket.id == 32 and Moody.error:
            raise Moody.error
        return Performed("fine", summary_lines=["fine"])


class Sneaky(Action):
    """Write around the writer."""

    def perform(self, context: ActionContext) -> Performed:
        """Take the client that writers have."""
        context.write.tdx.attach_asset(31, 1001)  # type: ignore[attr-defined]
        return Performed("done")


@pytest.fixture
def desk(
    simulator: Simulator, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    monkeypatch.setattr(Moody, "error", None)
    return lambda *actions: Desk.over(simulator, database, *actions)


def writes(simulator: Simulator) -> list[str]:
    return [
        call.name
        for call in simulator.calls
        if call.name.startswith(("POST", "PUT", "DELETE"))
        and "search" not in call.name
        and "/auth" not in call.name
    ]


def job_of_test(number: int) -> dg.JobDefinition:
    """A job of a test, as Dagster loads it to re-execute a run."""
    return JOBS[number]


def again(
    desk: Desk, instance: dg.DagsterInstance, parent: str, *, all_steps: bool = False
) -> dg.ExecuteInProcessResult | Any:
    """Re-execute a run as the UI does."""
    JOBS.append(definitions(desk).resolve_job_def("p"))
    tags = instance.get_run_by_id(parent).tags  # type: ignore[union-attr]
    how = (
        dg.ReexecutionOptions(parent)
        if all_steps
        else dg.ReexecutionOptions.from_failure(parent, instance)
    )
    return dg.execute_job(
        # Dagster keeps what it has loaded once, so each job has a number of its own.
        dg.build_reconstructable_job(__name__, "job_of_test", (len(JOBS) - 1,)),
        instance,
        run_config=run_config(desk.pipeline, dry_run=False) | QUIET,
        tags={**tags, "dagster/parent_run_id": parent},
        reexecution_options=how,
    )


def red_ops(result: Any) -> list[str]:
    return [str(event.step_key) for event in result.all_events if event.is_step_failure]


def said(result: Any) -> list[str]:
    """What the failed ops of a run say."""
    return [str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure]


def verdict(instance: dg.DagsterInstance) -> Any:
    key = dg.AssetCheckKey(ASSET, STUCK)
    [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]


def test_the_rehearsal_job_writes_nothing_whatever_its_config_says(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """A switch that is forgotten or mistyped must not make it write."""
    working = desk(*LINE)
    instance.add_dynamic_partitions("p_tickets", ["31"])
    result = (
        definitions(working)
        .resolve_job_def("p_rehearsal")
        .execute_in_process(
            instance=instance,
            partition_key="31",
            run_config=run_config(working.pipeline, dry_run=False) | QUIET,
        )
    )
    assert result.success
    assert writes(simulator) == []
    assert working.store.get_ticket_actions(31) == ()
    assert "Added 1 asset" in str(observed(instance)["31"]["would be written"].value)
    assert instance.get_run_by_id(result.run_id).tags["tdx/rehearsal"] == "true"  # type: ignore[union-attr]


def test_a_dry_run_has_no_way_to_write_even_for_an_action_that_goes_around_the_writer(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """The client and the log that it is given only read."""
    working = desk(Sneaky())
    result = run(working, instance, "31", dry_run=True)
    assert not result.success
    assert writes(simulator) == []
    with pytest.raises(WriteInDryRun):
        working.tools().without_writes.store.open_tickets("p", [31])


def test_a_mistyped_op_key_fails_the_run_before_its_first_call_and_names_the_right_one(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """Dagster leaves it out in silence where assets are materialised, and the run would write."""
    instance.add_dynamic_partitions("p_tickets", ["31"])
    job = definitions(desk(*LINE)).resolve_implicit_global_asset_job_def()
    typo = {"ops": {"tickets_p": {"config": {"dry_run": True}}}}
    result = job.execute_in_process(
        instance=instance,
        partition_key="31",
        asset_selection=[ASSET],
        run_config=typo | QUIET,
        raise_on_error=False,
    )
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "The op is called tickets__p" in str(failed.step_failure_data.error)
    assert list(simulator.calls) == []


def test_a_failed_ticket_turns_its_own_op_red_and_the_others_have_their_later_actions(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its page says what was done, what failed, why, what to do, since when; the check says so at once."""
    monkeypatch.setattr(Moody, "error", GiveUp("no such form"))
    result = run(desk(Moody(), SummaryComment()), instance, "31", "32")
    assert red_ops(result) == ["tickets__p.Moody"]
    assert set(materialised(instance)) == {"31"}
    assert len(simulator.state.feed_of_ticket(31)) == 1
    page = observed(instance)["32"]
    assert "TicketID=32" in page["ticket"].value
    assert (
        "**Moody** failed (permanent): no such form To do: remove the cause" in page["to do"].value
    )
    assert "no attempt by itself" in page["to do"].value
    assert "| Moody | failed | no such form |" in page["actions"].value
    assert observed(instance)["None"]["run: tickets failed"].value == 1
    said = verdict(instance)
    assert (said.passed, said.severity.value) == (False, "ERROR")
    assert "1 need a person (for example 32)" in said.description


@pytest.mark.parametrize("all_steps", [False, True])
def test_f25_a_re_execution_does_the_actions_again_or_stays_red(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    *,
    all_steps: bool,
) -> None:
    """From failure and the whole alike: a ticket with a failed action is never green."""
    monkeypatch.setattr(Moody, "error", GiveUp("no such form"))
    line = (Moody(), SummaryComment())
    first = run(desk(*line), instance, "31", "32")
    second = again(desk(*line), instance, first.run_id, all_steps=all_steps)
    assert not second.success
    assert set(materialised(instance)) == {"31"}
    monkeypatch.setattr(Moody, "error", None)
    third = again(desk(*line), instance, second.run_id, all_steps=all_steps)
    assert third.success, said(third)
    assert set(materialised(instance)) == {"31", "32"}
    assert len(simulator.state.feed_of_ticket(32)) == 1


def test_a_re_executed_record_runs_what_a_blocked_ticket_waits_for(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor's run on it was red at `record`, since no action was due."""
    monkeypatch.setattr(Moody, "error", GiveUp("no such form"))
    run(desk(Moody()), instance, "32")
    blocked = run(desk(Moody()), instance, "32")
    assert red_ops(blocked) == ["tickets__p.record"]
    monkeypatch.setattr(Moody, "error", None)
    second = again(desk(Moody()), instance, blocked.run_id)
    assert second.success, said(second)
    assert set(materialised(instance)) == {"32"}


@pytest.mark.parametrize("error", [GiveUp("no"), RetryLater("later", 3600.0)])
def test_a_ticket_launched_by_hand_is_tried_now_and_the_history_says_so(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """What waits or was given up; a run of the sensor keeps to the pauses."""
    working = desk(Moody())
    monkeypatch.setattr(Moody, "error", error)
    run(working, instance, "32")
    monkeypatch.setattr(Moody, "error", None)
    assert not run(working, instance, "32").success
    by_hand = run(working, instance, "32", launched_by="")
    assert by_hand.success
    events = {past.event: past.run_id for past in working.store.get_attempts(32)}
    assert events["asked_for"] == by_hand.run_id
    assert instance.get_run_by_id(by_hand.run_id).tags[LAUNCHED_BY] == BY_HAND  # type: ignore[union-attr]


def test_what_may_have_been_written_is_tried_again_only_where_the_run_allows_it(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person says that it is not there."""
    working = desk(Moody())
    monkeypatch.setattr(Moody, "error", Uncertain("perhaps"))
    run(working, instance, "32")
    monkeypatch.setattr(Moody, "error", None)
    assert not run(working, instance, "32", launched_by="").success
    config = run_config(working.pipeline, dry_run=False)
    config["ops"]["tickets__p"]["config"]["allow_uncertain"] = True
    job = definitions(working).resolve_job_def("p")
    assert job.execute_in_process(
        instance=instance, partition_key="32", run_config=config | QUIET
    ).success


@pytest.mark.parametrize(
    ("error", "is_allowed", "would"),
    [
        (GiveUp("no"), False, "moody: fine"),
        (RetryLater("later", 3600.0), False, "moody: fine"),
        (Uncertain("perhaps"), False, "nothing (moody: blocked)"),
        (Uncertain("perhaps"), True, "moody: fine"),
    ],
)
def test_a_rehearsal_of_a_failed_ticket_says_what_a_launch_by_hand_would_do(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    is_allowed: bool,
    would: str,
) -> None:
    """It said that nothing would be done, and Materialize wrote."""
    working = desk(Moody(name="moody"))
    monkeypatch.setattr(Moody, "error", error)
    run(working, instance, "32")
    monkeypatch.setattr(Moody, "error", None)
    before = working.store.get_ticket_actions(32)
    run(working, instance, "32", dry_run=True)
    assert observed(instance)["32"]["would do"].value.startswith("nothing (moody: ")
    config = run_config(working.pipeline, dry_run=True)
    config["ops"]["tickets__p"]["config"]["allow_uncertain"] = is_allowed
    job = definitions(working).resolve_job_def("p_rehearsal")
    assert job.execute_in_process(
        instance=instance, partition_key="32", run_config=config | QUIET
    ).success
    assert observed(instance)["32"]["would do"].value == would
    assert working.store.get_ticket_actions(32) == before


def test_a_run_that_finds_nothing_to_do_still_shows_what_the_log_knows(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """The computers, the states, and the exact text that was posted."""
    run(desk(*LINE), instance, "31")
    second = run(desk(*LINE), instance, "31")
    page = materialised(instance)["31"]
    assert "PSYC-GID08" in page["computers attached"].value
    assert "| add_asset | completed | Added 1 asset: PSYC-GID08" in page["actions"].value
    assert "🤖 Automated Actions Summary\n\n1. Added 1 asset: PSYC-GID08" in page["posted"].value
    tags = instance.get_run_by_id(second.run_id).tags  # type: ignore[union-attr]
    assert tags["tdx/nothing-to-do"] == "true"
    assert tags["tdx/ticket/31"] == "true"


def test_a_run_of_many_tickets_is_tagged_with_the_first_the_last_and_their_number() -> None:
    """A tag each would hide the others."""
    tags = tags_of_run({LAUNCHED_BY: SENSOR}, range(1, 101), is_dry_run=False)
    assert tags == {"tdx/first-ticket": "1", "tdx/last-ticket": "100", "tdx/ticket-count": "100"}


def test_a_tick_with_nothing_due_says_who_waits_for_what(
    desk: Callable[..., Desk],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The words "nothing is due" alone hide the tickets that need a person."""
    working = desk(Moody())
    monkeypatch.setattr(Moody, "error", GiveUp("no"))
    working.run(31, 32, 33)
    answer = tick(working, instance)
    assert str(answer.skip_message).endswith("of the report: 2 done, 1 needs a person.")
    assert "1 tickets need a person: 32" in capfd.readouterr().err
    monkeypatch.setattr(Moody, "error", RetryLater("later", 3600.0))
    working.store.clear_failed_actions(32)
    working.run(32)
    assert "2 done, 1 waits until " in str(tick(working, instance).skip_message)


def test_a_sensor_that_is_switched_off_during_a_tick_launches_nothing(
    desk: Callable[..., Desk], instance: dg.DagsterInstance
) -> None:
    """Dagster itself looks only after the first run."""
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
    origin = RemoteInstigatorOrigin(place, "p_report")
    stopped = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED)
    instance.add_instigator_state(stopped)
    answer = tick(desk(*LINE), instance)
    assert "switched off, so nothing is launched; 3 tickets are due" in str(answer.skip_message)


def test_settings_given_for_one_run_are_those_that_are_planned_by(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """A text that was posted on a ticket is not due there, whichever text the pipeline has."""
    run(desk(Comment(comment_text="Every day")), instance, "31")
    config = run_config(desk().pipeline, dry_run=False)
    config["ops"]["tickets__p"]["config"]["comment"] = {"comment_text": "Tuesday only"}
    job = definitions(desk(Comment(comment_text="Every day"))).resolve_job_def("p")
    assert job.execute_in_process(
        instance=instance, partition_key="31", run_config=config | QUIET
    ).success
    bodies = [entry["Body"] for entry in simulator.state.feed_of_ticket(31)]
    assert sorted(bodies) == ["Every day", "Tuesday only"]


def test_a_reason_in_the_launchpad_lets_a_removed_computer_be_attached_again(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """On the tickets of that run, with who and why in the history; a backfill does nothing at all."""
    working = desk(AddAsset())
    run(working, instance, "31")
    simulator.technician("tess.tech").remove_asset(31, 1002)
    config = run_config(working.pipeline, dry_run=False)
    config["ops"]["tickets__p"]["config"]["override_removals_because"] = "removed by mistake"

    def launch(**tags: str) -> Any:
        return (
            definitions(working)
            .resolve_job_def("p")
            .execute_in_process(
                instance=instance,
                partition_key="31",
                run_config=config | QUIET,
                tags=tags,
                raise_on_error=False,
            )
        )

    assert not launch(**{"dagster/backfill": "some"}).success
    assert simulator.state.asset_ids_of(31) == []
    made = launch(user="ann")
    assert made.success
    assert simulator.state.asset_ids_of(31) == [1002]
    [past] = [past for past in working.store.get_attempts(31) if past.effect == OVERRIDE]
    assert (past.detail, past.run_id) == (
        {"by": "ann", "reason": "removed by mistake"},
        made.run_id,
    )
