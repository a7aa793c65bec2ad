"""The job `<pipeline>_undo`: plans by default, takes back where a person says so, is red where it cannot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import IN_PROCESS
from tdx_dagster.state.records import UNDONE
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.pipeline import Mode, Pipeline
from tdx_dagster.tickets.run_tags import PERSON
from tdx_dagster.tickets.undo_job import undo_config

from .desk import Desk
from .test_dagster import QUIET, definitions, observed

LINE = (AddAsset(), Comment(comment_text="On it."))
DETACH = "/{app}/tickets/{id}/assets/{asset}"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance in a folder of its own, with the partitions of three tickets."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        made.add_dynamic_partitions("p_tickets", ["31", "32", "33"])
        yield made


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions: Desk.over(simulator, database, *actions)


def undo(
    desk: Desk, instance: dg.DagsterInstance, *keys: str, **given: bool | str
) -> dg.ExecuteInProcessResult:
    """Run the job over tickets, a range where there are several."""
    how: dict[str, Any] = {"partition_key": keys[0]}
    tags = {PERSON: "ann"}
    if len(keys) > 1:
        how = {}
        tags |= {
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        }
    config = {"run_config": undo_config(**given) | QUIET} if given else {}
    job = definitions(desk).resolve_job_def("p_undo")
    return job.execute_in_process(
        instance=instance, tags=tags, raise_on_error=False, **config, **how
    )


def links(simulator: Simulator) -> dict[int, list[int]]:
    return {ticket: simulator.state.asset_ids_of(ticket) for ticket in (31, 32, 33)}


def test_launched_as_it_is_the_job_shows_its_plan_and_writes_nothing(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """On the ticket's partition and on the run; comments are listed as staying."""
    working = desk(*LINE)
    working.run(31)
    before = links(simulator)
    result = undo(working, instance, "31")
    assert result.success
    [output] = [event.step_output_data for event in result.all_events if event.is_successful_output]
    assert "PSYC-GID08 detached" in str(output.metadata["would be taken back"].value)
    shown = str(observed(instance)["31"]["would be taken back"].value)
    assert "| 31 | add_asset | would run | Taken back: PSYC-GID08 detached |" in shown
    assert "Cannot be taken back: the entry" in shown
    assert links(simulator) == before
    assert simulator.calls.count("DELETE", DETACH) == 0


def test_a_person_who_says_so_takes_back_what_the_plan_shows(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """Over a range of tickets, of one action, with a note, and with their name in the log."""
    working = desk(*LINE)
    working.run(31, 33)
    result = undo(
        working, instance, "31", "33", dry_run=False, action="add_asset", note="Taken back."
    )
    assert result.success
    assert links(simulator) == {31: [], 32: [], 33: []}
    assert "PSYC-GID08 detached" in str(observed(instance)["31"]["taken back"].value)
    notes = [one for one in simulator.state.feed_of_ticket(31) if one["Body"] == "Taken back."]
    assert [one["IsPrivate"] for one in notes] == [True]
    marks = {row.name: row.metadata.get(UNDONE, {}) for row in working.store.get_ticket_actions(31)}
    assert marks["add_asset"]["by"] == "ann"
    assert marks["comment"] == {}


def test_the_job_of_a_pipeline_takes_back_what_that_pipeline_did(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """What another did on the ticket stays."""
    other = Desk(simulator, desk().store, Pipeline("other", (AddAsset(),)))
    other.run(31)
    result = undo(desk(*LINE), instance, "31", dry_run=False)
    assert result.success
    assert links(simulator)[31] == [1002]


def test_a_run_that_could_not_take_all_back_is_red_and_says_why(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """The other tickets are taken back all the same, and the same run again ends it."""
    working = desk(AddAsset(), Comment(comment_text="", new_status_id=IN_PROCESS))
    working.run(31, 33)
    simulator.faults.add("DELETE", "/46/tickets/31/assets/1002", on=1, status=403)
    result = undo(working, instance, "31", "33", dry_run=False)
    assert not result.success
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "Not all could be taken back, on tickets 31." in str(failed.step_failure_data.error)
    assert failed.step_failure_data.user_failure_data
    assert "taken back" in failed.step_failure_data.user_failure_data.metadata
    assert links(simulator) == {31: [1002], 32: [], 33: []}
    assert undo(working, instance, "31", "33", dry_run=False).success
    assert links(simulator) == {31: [], 32: [], 33: []}


def test_a_pipeline_in_observe_mode_plans_whatever_the_config_says(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """It never writes."""
    desk(*LINE).run(31)
    observing = Desk(simulator, desk().store, Pipeline("p", LINE, mode=Mode.OBSERVE))
    assert undo(observing, instance, "31", dry_run=False).success
    assert links(simulator)[31] == [1002]


def test_a_time_that_is_none_fails_the_run_before_anything_is_done(
    desk: Callable[..., Desk], instance: dg.DagsterInstance, simulator: Simulator
) -> None:
    """The text names the field and how it is written."""
    working = desk(*LINE)
    working.run(31)
    result = undo(working, instance, "31", dry_run=False, since="yesterday")
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "since = 'yesterday' is no time" in str(failed.step_failure_data.error)
    assert links(simulator)[31] == [1002]
