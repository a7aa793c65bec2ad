"""A sandbox beside production in one installation: a copy with the same ids, and nothing of it in the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from tdx_dagster.dagster_internals import job_of
from tdx_dagster.definitions import build_defs
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import select_tdx
from tdx_dagster.postgres.database import engine
from tdx_dagster.resources import DatabaseProvider
from tdx_dagster.settings import (
    SettingsError,
    find_database,
    load_inventory_settings,
    load_settings,
)
from tdx_dagster.simulator import REPORT_ID, Simulator, sample_state, settings_for
from tdx_dagster.tickets.runs import SINGLE, key_of
from tests.cli.conftest import Terminal

PIPELINE = """
type: tdx_dagster.TicketPipeline
attributes:
  report_id: {report}{more}
  actions:
    - type: add_asset
      computer_form_id: 2448
    - type: summary_comment
"""
INVENTORY = "type: tdx_dagster.Inventory\nattributes: {}\n"
OF_SANDBOX = "type: tdx_dagster.Inventory\nattributes: {tdx: sandbox, most_dropped: 0.5}\n"
PYPROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "two_worlds"\n'


@dataclass(frozen=True)
class Worlds:
    """One installation over two simulators."""

    production: Simulator
    sandbox: Simulator
    terminal: Terminal

    def database(self, name: str) -> Engine:
        return engine(find_database(tdx=name))


def of_sandbox(settings: dict[str, str]) -> dict[str, str]:
    """Settings of a simulator as those of an environment named sandbox."""
    names = {
        name: name.replace("DAEMON_", "TDX_").replace("TDX_", "TDX_SANDBOX_") for name in settings
    }
    return {names[name]: value for name, value in settings.items() if "SECONDS" not in name}


@pytest.fixture
def worlds(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Worlds]:
    """Two pipelines with the same actions, and so the same ids, in one project."""
    defs = tmp_path / "src" / "two_worlds" / "defs"
    files = {
        defs / "desk" / "defs.yaml": PIPELINE.format(report=REPORT_ID, more=""),
        defs / "try_out" / "defs.yaml": PIPELINE.format(report=REPORT_ID, more="\n  tdx: sandbox"),
        defs / "inventory" / "defs.yaml": INVENTORY,
        defs / "inventory_of_sandbox" / "defs.yaml": OF_SANDBOX,
        defs / "__init__.py": "",
        defs.parent / "__init__.py": "",
        tmp_path / "pyproject.toml": PYPROJECT,
    }
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    monkeypatch.syspath_prepend(tmp_path / "src")
    with Simulator(sample_state(tickets=3, assets=20, seed=3)) as sandbox:
        for name, value in of_sandbox(settings_for(sandbox)).items():
            monkeypatch.setenv(name, value)
        made = Worlds(terminal.simulator, sandbox, terminal)
        assert terminal.json("migrate")[1]["named"]["sandbox"]["applied"]
        yield made
        for name in ("sandbox", ""):
            made.database(name).dispose()
            DatabaseProvider(name).engine().dispose()


def rows(database: Engine, table: str) -> int:
    with database.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608  ours


def writes(simulator: Simulator) -> list[str]:
    return [
        call.name for call in simulator.calls if call.name.startswith("POST /{app}/tickets/{id}/")
    ]


LOG, LIMITS, COMPUTERS = "meta.daemon_action_log", "meta.rate_window", "silver.tdx_computers"


@pytest.mark.slow
def test_both_environments_are_worked_through_once_and_nothing_of_one_is_in_the_other(
    worlds: Worlds,
) -> None:
    """Inventory, plan, passes, a run in Dagster, and checks: first the sandbox, then production."""
    run, ours = worlds.terminal.json, worlds.database("")
    assert run("--tdx", "sandbox", "ingest")[0] == 0
    done = run("process", "--pipeline", "try_out")[1]
    assert done["tickets"]["completed"] == 3
    made = writes(worlds.sandbox)
    assert made
    assert list(worlds.production.calls) == []
    assert [rows(ours, table) for table in (LOG, LIMITS, COMPUTERS)] == [0, 0, 0]

    planned = run("plan", "--pipeline", "desk")[1]
    assert planned["tickets"]["pending"] == 3
    assert run("ingest")[0] == 0
    assert run("process", "--pipeline", "desk")[1]["tickets"]["completed"] == 3
    assert writes(worlds.production) == made
    assert writes(worlds.sandbox) == made
    theirs = worlds.database("sandbox")
    with ours.connect() as one, theirs.connect() as other:
        ids = "SELECT ticket_id, action_id FROM meta.daemon_action_log ORDER BY 1, 2"
        assert one.execute(text(ids)).all() == other.execute(text(ids)).all()

    before = len(worlds.production.calls)
    one = key_of(next(iter(worlds.sandbox.state.tickets)))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("try_out_tickets", [one])
        job = job_of(build_defs(), "try_out")
        assert job.execute_in_process(
            instance=instance, partition_key=one, tags={SINGLE: one}
        ).success
    assert run("--tdx", "sandbox", "process")[1]["tickets"]["pending"] == 0
    assert len(worlds.production.calls) == before
    assert writes(worlds.sandbox) == made

    code, checked = run("check")
    assert code == 0, checked
    about = {one["about"] for one in checked["findings"]}
    assert {"sign-in", "sandbox: sign-in", "report of desk", "sandbox: report of try_out"} <= about


def test_the_definitions_of_both_environments_stand_side_by_side(worlds: Worlds) -> None:
    """Names and keys of a named environment carry its name; those of the other are as ever."""
    assert worlds
    made = build_defs()
    dg.Definitions.validate_loadable(made)
    graph = {key.to_user_string() for key in made.resolve_asset_graph().get_all_asset_keys()}
    both = {"silver/computers", "operations/waiting_for_a_person", "quality/discovery"}
    assert both | {f"sandbox/{key}" for key in both} <= graph
    jobs = {job.name for job in made.resolve_all_job_defs()}
    for name in ("inventory_full", "operations", "morning_checks", "quality_discovery"):
        assert {name, f"{name}_sandbox"} <= jobs
    keys = set(made.resources or {})
    assert {"tdx_dagster_client", "tdx_dagster_sandbox_client"} <= keys


def test_a_command_for_the_other_environment_is_refused(worlds: Worlds) -> None:
    done = worlds.terminal.run("--tdx", "sandbox", "plan", "--pipeline", "desk")
    assert done.exit_code == 2
    assert "leave --tdx out" in done.output
    assert list(worlds.sandbox.calls) == []


def test_one_database_for_both_is_refused_in_the_words_of_the_environment(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worlds.terminal.json("process", "--pipeline", "desk")[0] == 0
    monkeypatch.setenv("TDX_SANDBOX_DATABASE_URL", find_database(tdx=""))
    done = worlds.terminal.run("plan", "--pipeline", "try_out")
    assert done.exit_code == 2
    assert "TDX_SANDBOX_BASE_URL leads to" in done.output
    assert "set TDX_SANDBOX_DATABASE_URL" in done.output


def test_what_an_environment_lacks_is_never_taken_from_the_other_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only times and shares that it does not set are those of all; its variables come from .env too."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "TDX_BASE_URL": "https://desk.example.edu/TDWebApi",
        "TDX_APP_ID": "46",
        "TDX_API_TOKEN": "production",
        "DATABASE_URL": "postgresql://u@db.example.edu/ours",
        "DAEMON_REPORT_ID": "7",
        "TDX_RATE_SHARE": "0.5",
        "TDX_MAX_ATTEMPTS": "3",
        "TDX_SANDBOX_MAX_ATTEMPTS": "4",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"TDX_SANDBOX_BASE_URL; .*TDX_SANDBOX_API_TOKEN"):
        load_settings("sandbox").connection()
    (tmp_path / ".env").write_text("TDX_SANDBOX_BASE_URL=https://desk.example.edu/SBTDWebApi\n")
    found = load_settings("sandbox")
    assert found.tdx_base_url == "https://desk.example.edu/SBTDWebApi"
    assert (found.tdx_app_id, found.tdx_api_token, found.daemon_report_id) == (None, None, None)
    assert (found.tdx_rate_share, found.tdx_max_attempts) == (0.5, 4)
    assert find_database(tdx="sandbox").endswith("@db.example.edu/ours_sandbox")
    assert load_settings("").tdx_max_attempts == 3
    monkeypatch.setenv("TDX_SANDBOX_BASE_URI", "x")
    with pytest.raises(SettingsError, match="Did you mean TDX_SANDBOX_BASE_URL"):
        load_settings("sandbox")


@pytest.mark.parametrize("name", ["Sandbox", "sand_box", "ticket", "dagster", "1st"])
def test_a_name_that_would_mean_two_things_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be the name"):
        select_tdx(name)


def test_an_inventory_component_goes_before_the_variables_for_discovery_too(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVENTORY_MOST_DROPPED", "0.3")
    assert worlds.terminal.run("plan", "--pipeline", "try_out").exit_code == 0
    assert load_inventory_settings("sandbox").most_dropped == 0.5
    assert load_inventory_settings("").most_dropped == 0.3
    assert "INVENTORY_TDX" not in InventorySettings.variables()
