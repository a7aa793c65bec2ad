"""What counts as a problem: in Dagster's own records and in the action log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy import Engine

from tdx_dagster.operations.problems import Watch, find_problems
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.site import Site

from .test_in_dagster import Refuses, definitions, run

NOW = datetime.now(UTC)
HOUR_AGO = NOW - timedelta(hours=1)
SITE = Site("https://example.teamdynamix.com/TDWebApi", 31, 40)
NO_ERROR = SerializableErrorInfo("TDX is away\n", [], "Failure")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        made.add_dynamic_partitions("p_tickets", ["31"])
        yield made


def watch(instance: dg.DagsterInstance, database: Engine, **more: Any) -> Watch:
    given = {"checks": (), "location": None, "site": SITE, "now": NOW, "since": HOUR_AGO}
    return Watch(instance, database, [Pipeline("p", ())], **{**given, **more})


def problems(made: Watch) -> dict[str, str]:
    return {problem.key: problem.text for problem in find_problems(made)}


def tick(instance: dg.DagsterInstance, *, seconds_ago: float, status: TickStatus) -> None:
    """Let the pipeline's sensor, which is on, have had a tick."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(), location_name="desk")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "p_report")
    sensor = SensorInstigatorData(min_interval=300)
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, sensor)
    if not instance.all_instigator_state():
        instance.add_instigator_state(state)
    is_failed = status is TickStatus.FAILURE
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name="p_report",
            instigator_type=InstigatorType.SENSOR,
            status=status,
            timestamp=NOW.timestamp() - seconds_ago,
            selector_id=state.selector_id,
            error=NO_ERROR if is_failed else None,
        )
    )


def test_a_failed_run_and_its_ticket_are_problems_with_the_remedy(
    simulator: Any, database: Engine, instance: dg.DagsterInstance
) -> None:
    assert problems(watch(instance, database)) == {}
    run(definitions(simulator, database, Refuses()), "p", instance, partition_key="31")
    found = problems(watch(instance, database))
    (ticket,) = [key for key in found if key.startswith("ticket:p:31:")]
    assert "no owner To do: remove the cause, then materialise the ticket." in found[ticket]
    assert found[ticket].endswith("/TDNext/Apps/31/Tickets/TicketDet?TicketID=31")
    assert "failed on 1 of 1 tickets: 31" in found["run:p"]
    assert len(found) == 2


def test_a_run_that_succeeds_ends_the_problem_once_none_has_failed_for_an_hour(
    simulator: Any, database: Engine, instance: dg.DagsterInstance
) -> None:
    run(definitions(simulator, database, Refuses()), "p", instance, partition_key="31")
    run(definitions(simulator, database), "p", instance, partition_key="31")
    assert "run:p" in problems(watch(instance, database))
    later = watch(instance, database, now=NOW + timedelta(hours=2))
    assert "run:p" not in problems(later)


def test_a_check_that_is_red_is_a_problem_and_one_that_only_warns_is_none(
    instance: dg.DagsterInstance, database: Engine
) -> None:
    severities = {"red": dg.AssetCheckSeverity.ERROR, "yellow": dg.AssetCheckSeverity.WARN}

    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="thing") for name in severities])
    def thing() -> Iterator[Any]:
        yield dg.MaterializeResult(
            check_results=[
                dg.AssetCheckResult(
                    passed=False, check_name=name, severity=severity, description="empty"
                )
                for name, severity in severities.items()
            ]
        )

    dg.materialize([thing], instance=instance)
    keys = [dg.AssetCheckKey(dg.AssetKey("thing"), name) for name in severities]
    found = problems(watch(instance, database, checks=keys))
    assert found == {"check:thing:red": "The check thing:red is red: empty"}


def test_a_failed_tick_is_a_problem_until_one_succeeds(
    instance: dg.DagsterInstance, database: Engine
) -> None:
    tick(instance, seconds_ago=90, status=TickStatus.FAILURE)
    assert problems(watch(instance, database)) == {
        "tick:p_report": "The last tick of p_report failed: TDX is away"
    }
    assert problems(watch(instance, database, location="elsewhere")) == {}
    tick(instance, seconds_ago=60, status=TickStatus.STARTED)
    assert "tick:p_report" in problems(watch(instance, database))
    tick(instance, seconds_ago=30, status=TickStatus.SKIPPED)
    assert problems(watch(instance, database)) == {}


def test_a_sensor_is_silent_after_three_intervals_that_somebody_has_watched(
    instance: dg.DagsterInstance, database: Engine
) -> None:
    tick(instance, seconds_ago=1000, status=TickStatus.SKIPPED)
    assert (
        "has not run for 3 intervals of 300 s"
        in problems(watch(instance, database))["silent:p_report"]
    )
    just_begun = watch(instance, database, since=NOW - timedelta(minutes=1))
    assert problems(just_begun) == {}
    tick(instance, seconds_ago=800, status=TickStatus.SKIPPED)
    assert problems(watch(instance, database)) == {}
