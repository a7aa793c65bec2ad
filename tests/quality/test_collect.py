"""Verdicts from a TDX that answers over HTTP: which calls are made, and what is stored."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from tdx_dagster.cli import cli
from tdx_dagster.inventory.computers import Computer
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.postgres.database import engine
from tdx_dagster.quality.assets import QUALITY, quality_definitions
from tdx_dagster.quality.collect import Collected, Collector
from tdx_dagster.quality.rates import rates_of
from tdx_dagster.quality.sample import answered_where_none_was_found
from tdx_dagster.quality.settings import QualitySettings
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import NOT_FOUND, Outcome
from tdx_dagster.simulator import Simulator, settings_for
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.testing import Desk, client, inventory_of
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tests.conftest import TEMPLATE, Cluster
from tests.quality.world import sample

TICKETS = 60
FORGET = "TRUNCATE meta.discovery_ticket, meta.discovery_verdict, meta.discovery_sweep, meta.discovery_sample"


Command = Callable[..., str]


@dataclass
class Scene:
    """Tickets that the robot has worked through and people are done with.

    Args:
        simulator: The TDX.
        database: With the action log.
        expected: Verdict by ticket and computer, as the people at the desk know it.
    """

    simulator: Simulator
    database: Engine
    expected: dict[tuple[int, int], Outcome]

    @property
    def store(self) -> QualityStore:
        return QualityStore(self.database)

    def collect(self, tdx: Tdx, **more: Any) -> Collected:
        inventory: MemoryInventory = inventory_of(self.simulator)
        collector = Collector(tdx, self.store, inventory, **more)
        return collector.collect(datetime.now(UTC) + timedelta(days=20), 1000)


@pytest.fixture(scope="module")
def worked_through(cluster: Cluster) -> Iterator[Scene]:
    """The sample's tickets, and a technician who corrects some at random."""
    with cluster.database(TEMPLATE) as url, Simulator(sample(TICKETS)) as simulator:
        queue, database = list(simulator.state.tickets), engine(url)
        Desk.over(simulator, database, AddAsset(), SummaryComment()).run(*queue)
        yield Scene(simulator, database, correct(simulator, queue, random.Random(5)))
        database.dispose()


@pytest.fixture
def scene(worked_through: Scene) -> Scene:
    """The same, of which nothing was judged yet."""
    with worked_through.database.begin() as connection:
        connection.execute(text(FORGET))
    return worked_through


def correct(
    simulator: Simulator, queue: list[int], dice: random.Random
) -> dict[tuple[int, int], Outcome]:
    """Work on tickets as people do; give what each computer's verdict must be."""
    tech = simulator.technician("tess.tester")
    spare = [a for a in simulator.state.assets.values() if a["Name"] and a["FormID"] == 2448]
    expected = {}
    for ticket in queue:
        attached = simulator.state.asset_ids_of(ticket)
        if simulator.state.truths[ticket]["kind"] == "attached":
            continue
        other = dice.choice(spare)["ID"]
        match dice.choice(("nobody", "leaves", "removes", "replaces")):
            case "nobody":
                expected |= {(ticket, one): Outcome.UNSEEN for one in attached}
            case "leaves":
                tech.comment(ticket, "Done.")
                expected |= {(ticket, one): Outcome.KEPT for one in attached}
            case "removes":
                for one in attached:
                    tech.remove_asset(ticket, one)
                expected |= {(ticket, one): Outcome.REMOVED for one in attached}
            case "replaces":
                for one in attached:
                    tech.remove_asset(ticket, one)
                tech.add_asset(ticket, other)
                expected |= {(ticket, one): Outcome.REPLACED for one in attached}
                expected[ticket, other] = Outcome.MISS
    return expected


def test_verdicts_are_what_people_did_in_at_most_1_1_calls_a_ticket(scene: Scene) -> None:
    tdx = client(scene.simulator)
    done = scene.collect(tdx)
    found = {(one.ticket_id, one.asset_id): one.outcome for one in scene.store.verdicts()}
    assert {key: found.get(key) for key in scene.expected} == scene.expected
    assert set(Outcome) - {Outcome.NONE} == set(found.values())
    calls = {name: count for name, count in tdx.calls.items() if "auth" not in name}
    assert done.judged == TICKETS
    assert sum(calls.values()) <= 1.1 * done.judged, calls


def test_a_ticket_is_read_once_and_a_stop_loses_nothing(scene: Scene) -> None:
    tdx = client(scene.simulator)
    left = iter([True] * 10)
    stopped = scene.collect(tdx, may_go_on=lambda: next(left, False))
    assert 0 < stopped.judged < TICKETS
    assert stopped.stopped
    rest = scene.collect(client(scene.simulator))
    assert rest.judged == TICKETS - stopped.judged
    third = client(scene.simulator)
    assert scene.collect(third).judged == 0
    assert not any("feed" in name for name in third.calls)


def test_tickets_that_people_may_still_change_are_not_read(scene: Scene) -> None:
    tdx = client(scene.simulator)
    collector = Collector(tdx, scene.store, inventory_of(scene.simulator))
    first = next(iter(scene.simulator.state.tickets))
    scene.simulator.technician("tess.tester").change_status(first, "Closed")
    assert collector.collect(datetime.now(UTC) + timedelta(days=8), 1000).judged == 1
    assert collector.collect(datetime.now(UTC) + timedelta(days=13), 1000).judged == 0


@dataclass
class Port:
    """Stands in for both resources: gives what it was made with."""

    scene: Scene

    def client(self) -> Tdx:
        return client(self.scene.simulator)

    def engine(self) -> Engine:
        return self.scene.database


def materialise(scene: Scene, **config: Any) -> dg.ExecuteInProcessResult:
    resources = {"tdx_dagster_client": Port(scene), "tdx_dagster_database": Port(scene)}
    made = dg.Definitions.merge(
        quality_definitions(InventorySettings(), QualitySettings()),
        dg.Definitions(resources=resources),
    )
    return made.resolve_job_def("quality_discovery").execute_in_process(
        run_config={
            "ops": {"quality__discovery": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }
    )


def test_the_asset_shows_rates_lists_and_its_check(scene: Scene) -> None:
    scene.collect(client(scene.simulator))
    result = materialise(scene, in_office_hours=True)
    (event,) = result.asset_materializations_for_node("quality__discovery")
    shown = event.metadata
    whole = rates_of(scene.store.verdicts())[0]
    assert shown["precision"].value == pytest.approx(whole.precision, abs=1e-4)
    assert shown["kept"].value == whole.of(Outcome.KEPT)
    assert "| name in title |" in str(shown["last quarter"].value)
    assert "/TDNext/Apps/" in str(shown["removed and missed"].value)
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == "precision_holds"
    assert check.asset_key == QUALITY


def test_in_office_hours_nothing_is_asked_of_tdx(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QualitySettings, "is_office_hour", lambda *_: True)
    result = materialise(scene, most_tickets=5)
    (event,) = result.asset_materializations_for_node("quality__discovery")
    assert "office hours" in str(event.metadata["stopped"].value)
    assert scene.store.verdicts() == []


def test_the_schedule_is_off_at_first_and_runs_at_night() -> None:
    made = quality_definitions(InventorySettings(), QualitySettings())
    (schedule,) = made.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    hour = int(str(schedule.cron_schedule).split()[1])
    monday = datetime(2026, 3, 2, hour)  # noqa: DTZ001  local time
    assert not QualitySettings().is_office_hour(monday)
    assert QualitySettings().is_office_hour(monday.replace(hour=7))


@pytest.fixture
def command(scene: Scene, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[Command]:
    """Runs a command of ours in this process, over the scene."""
    with cluster.database() as dagster:
        for name, value in settings_for(scene.simulator).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DATABASE_URL", scene.database.url.render_as_string(hide_password=False))
        monkeypatch.setenv("DAGSTER_DATABASE_URL", dagster)
        monkeypatch.setenv("DAGSTER_HOME", str(Path(__file__).parents[2]))

        def run(*words: str, answers: str = "") -> str:
            done = CliRunner().invoke(cli, words, input=answers)
            assert done.exit_code == 0, done.output
            return done.output

        yield run


def test_quality_prints_what_is_stored_and_writes_the_faults_as_cases(
    scene: Scene, command: Command, tmp_path: Path
) -> None:
    scene.collect(client(scene.simulator))
    shown = json.loads(command("quality", "--json"))
    assert shown["tickets"] == {"judged": TICKETS, "waiting": 0}
    assert shown["always"][0]["evidence"] == "all"
    assert "Silence is not consent" in command("quality")
    command("quality", "--export", str(tmp_path / "cases.jsonl"))
    cases = (tmp_path / "cases.jsonl").read_text().splitlines()
    assert {int(json.loads(case)["id"][1:]) for case in cases} == {
        one["ticket_id"] for one in shown["faults"]
    }


def test_a_sample_goes_on_where_it_stopped(scene: Scene, command: Command) -> None:
    """Computers that were attached and tickets on which none was found are drawn alike."""
    everything = scene.store.draw(1000)
    none_found = [ticket for ticket, asset in everything if asset == 0]
    kinds = {scene.simulator.state.truths[ticket]["kind"] for ticket in none_found}
    assert kinds == {"requestor_none", "requestor_several"}
    command("quality", "--sample", "3", answers="n\nn\nq\n")
    answers = scene.store.verdicts("sample")
    asked = {one.asset_id == 0: one.outcome for one in answers}
    assert len(answers) == 2
    assert asked.items() <= {(True, Outcome.NONE), (False, Outcome.REMOVED)}
    left = scene.store.draw(1000)
    assert {(one.ticket_id, one.asset_id) for one in answers} == set(everything) - set(left)
    count = next(number for number, one in enumerate(left, start=1) if one[1] == 0)
    said = command("quality", "--sample", str(count), answers="n\n" * (count - 1) + "nonsense\nn\n")
    assert "0 computers are called 'nonsense'" in said
    assert len(scene.store.draw(1000)) == len(left) - count
    ticket = next(ticket for ticket, asset in left[count:] if asset == 0)
    [acted] = scene.store.acted({ticket: None})
    named = Computer(7, "PC-7", "", "", None, "", True, None, None, "name")  # noqa: FBT003  a record
    scene.store.add_answer(answered_where_none_was_found(acted, named))
    assert (ticket, 0) not in scene.store.draw(1000)
    [missed] = [one for one in scene.store.verdicts("sample") if one.outcome is Outcome.MISS]
    assert (missed.ticket_id, missed.asset_id, missed.evidence) == (ticket, 7, NOT_FOUND)
    whole = json.loads(command("quality", "--json"))["sample"][0]
    assert (whole["missed"], whole["recall"]) == (1, 0.0)
    asked_none = sum(one.evidence == NOT_FOUND for one in scene.store.verdicts("sample"))
    said = f"Of {asked_none} tickets on which none was found, {asked_none - 1} have none to find."
    assert said in command("quality")
    assert scene.store.verdicts("people") == []


def test_backtest_compares_two_configurations_of_a_pipeline(
    scene: Scene, command: Command, tmp_path: Path
) -> None:
    other = tmp_path / "defs.yaml"
    other.write_text("attributes: {actions: [{type: add_asset, max_assets_to_add: 1}]}\n")
    for ticket in list(scene.simulator.state.tickets)[:3]:
        scene.simulator.technician("tess.tester").change_status(ticket, "Closed")
    words = ("backtest", "--defs", str(other), "--since", "9d", "--json")
    shown = json.loads(command(*words))
    assert set(shown["configurations"]) == {"as it is", str(other)}
    assert sum(shown["configurations"]["as it is"]["tickets"].values()) >= 3
    before = len(scene.simulator.calls)
    assert json.loads(command(*words)) == shown
    assert len(scene.simulator.calls) == before
    assert "precision" in command("backtest", "--since", "9d")
    assert "removed" in command("backtest", "--forget")
