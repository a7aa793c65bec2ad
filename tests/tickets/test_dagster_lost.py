"""What Dagster forgets: runs, partitions, cursors, a whole instance. Nothing is done twice or forgotten."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.pipeline import Pipeline

from .desk import Desk
from .test_dagster import run, tick

LINE = (Comment(comment_text="Seen."), AddAsset(), SummaryComment())
REPORT = ("31", "32", "33")


@pytest.fixture
def desk(simulator: Simulator, database: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database, as restarted processes are."""
    return lambda *actions: Desk.over(simulator, database, *(actions or LINE))


@contextmanager
def new_home(folder: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that knows nothing."""
    folder.mkdir()
    with dg.instance_for_test(temp_dir=str(folder)) as made:
        yield made


def posts(simulator: Simulator) -> list[Any]:
    return [
        entry["Body"] for ticket in (31, 32, 33) for entry in simulator.state.feed_of_ticket(ticket)
    ]


def test_c17_a_fresh_dagster_home_over_the_same_database_does_nothing_twice(
    desk: Callable[..., Desk], simulator: Simulator, tmp_path: Path
) -> None:
    """Neither by the sensor nor when people run the same tickets by hand."""
    with new_home(tmp_path / "first") as instance:
        assert run(desk(), instance, *REPORT).success
    before = posts(simulator)
    with new_home(tmp_path / "second") as instance:
        assert isinstance(tick(desk(), instance), dg.SkipReason)
        assert instance.get_dynamic_partitions("p_tickets") == []
        assert run(desk(), instance, *REPORT).success
    assert posts(simulator) == before


def test_deleted_runs_and_partitions_of_finished_tickets_are_not_missed(
    desk: Callable[..., Desk], simulator: Simulator, tmp_path: Path
) -> None:
    """The action log knows; Dagster's record only saves work."""
    with new_home(tmp_path / "home") as instance:
        assert run(desk(), instance, *REPORT).success
        before = posts(simulator)
        for record in instance.get_run_records():
            instance.delete_run(record.dagster_run.run_id)
        for key in REPORT:
            instance.delete_dynamic_partition("p_tickets", key)
        instance.wipe_all_schedules()
        assert isinstance(tick(desk(), instance), dg.SkipReason)
    assert posts(simulator) == before


def test_a_ticket_left_half_done_is_picked_up_where_it_stopped_though_its_partition_is_gone(
    desk: Callable[..., Desk], simulator: Simulator, tmp_path: Path
) -> None:
    """The comment is there, the rest is not: the partition comes back, the comment does not."""
    simulator.faults.add("POST", "/46/tickets/31/assets/{id}", on=1, status=503, effect=False)
    with new_home(tmp_path / "first") as instance:
        run(desk(), instance, *REPORT)
    with new_home(tmp_path / "second") as instance:
        answer = tick(desk(), instance)
        assert [request.partition_key for request in answer.run_requests] == ["31"]
        assert [list(one.partition_keys) for one in answer.dynamic_partitions_requests] == [["31"]]
        assert run(desk(), instance, "31").success
    bodies = [entry["Body"] for entry in simulator.state.feed_of_ticket(31)]
    assert bodies.count("Seen.") == 1
    assert sum("Automated Actions Summary" in body for body in bodies) == 1
    assert sorted(simulator.state.asset_ids_of(31)) == [1002]


def test_a_pipeline_under_a_new_name_does_nothing_twice(
    desk: Callable[..., Desk], simulator: Simulator, tmp_path: Path
) -> None:
    """A renamed folder renames sensor, job and partitions; what an action is does not hang on them."""
    with new_home(tmp_path / "home") as instance:
        assert run(desk(), instance, *REPORT).success
        before = posts(simulator)
        renamed = desk()
        renamed.pipeline = Pipeline("q", LINE)
        assert isinstance(tick(renamed, instance), dg.SkipReason)
        renamed.run(31, 32, 33)
    assert posts(simulator) == before


def test_a_temporary_home_is_warned_about_once(
    desk: Callable[..., Desk], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """C17: `dagster dev` without DAGSTER_HOME forgets runs and switches when it ends; people should know."""
    with new_home(tmp_path / ".tmp_dagster_home_x1") as instance:
        tick(desk(), instance)
        tick(desk(), instance)
    said = capfd.readouterr().err
    assert said.count("Set DAGSTER_HOME") == 1
    assert "tdx-dagster env" in said
