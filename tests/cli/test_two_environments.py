"""A sandbox is a copy of production, with equal ticket ids: what was done on one is not done on the other."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tdx_dagster.postgres.database import connect, ensure_database
from tdx_dagster.resources import (
    DatabaseProvider,
    SettingsSensorServices,
    TdxProvider,
    ticket_tools,
)
from tdx_dagster.settings import load_settings
from tdx_dagster.simulator import REPORT_ID, Simulator, settings_for
from tdx_dagster.state.tdx_environment import (
    OtherEnvironment,
    move_environment,
    record_environment,
    recorded_environment,
)
from tdx_dagster.tdx.address import environment_of
from tdx_dagster.tickets.services import NotConfigured
from tests.cli.conftest import Shell

Desk = Callable[..., tuple[Shell, Simulator]]


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """Runs commands in this process, which has imported Dagster once."""
    return replace(shell, is_apart=False)


@pytest.mark.parametrize(
    "words", ["plan", "process", "ingest", "check", "baseline --pipeline compliance"]
)
def test_a_database_of_the_sandbox_is_refused_for_production(desk: Desk, words: str) -> None:
    """Before anything is read from or written to production."""
    sandbox_shell, sandbox = desk(tickets=1, assets=5)
    shell, production = desk(tickets=1, assets=5)
    _belongs_to(sandbox_shell, sandbox)
    done = shell.run(*words.split())
    assert done.returncode == 2
    said = " ".join((done.stdout + done.stderr).split())
    for word in ("TDX_BASE_URL", environment_of(production.url), environment_of(sandbox.url)):
        assert word in said
    assert "tdx-dagster migrate --environment" in said
    assert list(production.calls) == []


def test_f04_sandbox_first_then_production_in_a_database_of_its_own_does_all_tickets(
    desk: Desk,
) -> None:
    """As README says."""
    sandbox_shell, _ = desk(tickets=2, assets=20)
    assert sandbox_shell.json("process")["tickets"]["completed"] == 2
    shell, _ = desk(tickets=2, assets=20)
    assert shell.run("process").returncode == 2
    own = ensure_database(shell.environment["DATABASE_URL"], "production_of_test")
    production = replace(shell, environment=shell.environment | {"DATABASE_URL": own})
    try:
        assert production.run("migrate").returncode == 0
        assert production.json("process")["tickets"]["completed"] == 2
    finally:
        _drop(shell.environment["DATABASE_URL"], "production_of_test")


def test_a_tdx_that_moved_keeps_its_log_once_a_person_says_so(desk: Desk) -> None:
    """Nothing is done again; without a yes nothing changes."""
    shell, old = desk(tickets=1, assets=5)
    assert shell.json("process")["tickets"]["completed"] == 1
    shell, new = desk(tickets=1, assets=5)
    moved = ("migrate", "--environment", new.url)
    assert shell.run(*moved).returncode != 0
    assert shell.run("plan").returncode == 2
    assert shell.json(*moved, "--yes")["tdx"] == environment_of(new.url)
    assert shell.json("plan")["tickets"]["pending"] == 0
    assert environment_of(old.url) != environment_of(new.url)


def test_a_log_from_before_belongs_to_the_address_that_migrate_finds(desk: Desk) -> None:
    """Rows of the older daemon and of earlier releases name no environment."""
    shell, simulator = desk(tickets=1, assets=5)
    assert shell.json("migrate")["tdx"] is None
    connection = connect(shell.environment["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id) VALUES (1, 'a', 'a')"
        )
    connection.close()
    assert shell.json("migrate")["tdx"] == environment_of(simulator.url)


def test_a_dry_run_and_a_plan_record_nothing(desk: Desk) -> None:
    """Whoever has only looked is free to go elsewhere."""
    shell, _ = desk(tickets=1, assets=5)
    shell.json("plan")
    shell.json("process", "--dry-run")
    assert shell.json("migrate")["tdx"] is None


def test_a_sensor_skips_and_a_run_is_refused_on_a_database_of_another_tdx(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's processes ask as the commands do."""
    shell, simulator = desk(tickets=1, assets=5)
    for name, value in (shell.environment | settings_for(simulator)).items():
        monkeypatch.setenv(name, value)
    database = DatabaseProvider()
    move_environment(database.engine(), "https://tdx.example.edu/TDWebApi")
    with pytest.raises(NotConfigured, match=r"TDX_BASE_URL.*tdx\.example\.edu/TDWebApi"):
        SettingsSensorServices(TdxProvider(database), database).report(REPORT_ID)
    with pytest.raises(OtherEnvironment):
        ticket_tools(database=database)
    with pytest.raises(OtherEnvironment):
        TdxProvider(database).client()
    assert list(simulator.calls) == []


def test_of_two_first_writers_with_two_environments_the_second_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were allowed to begin while nothing was recorded."""
    shell, simulator = desk(tickets=1, assets=5)
    for name, value in (shell.environment | settings_for(simulator)).items():
        monkeypatch.setenv(name, value)
    services = ticket_tools()
    record_environment(DatabaseProvider().engine(), "https://tdx.example.edu/SBTDWebApi")
    with pytest.raises(OtherEnvironment):
        services.store.open_tickets("compliance", [1])
    assert recorded_environment(DatabaseProvider().engine()) == "tdx.example.edu/SBTDWebApi"
    assert load_settings().connection().base_url == simulator.url


@pytest.mark.parametrize(
    ("written", "environment"),
    [
        ("https://TDX.example.edu/TDWebApi/api/", "tdx.example.edu/TDWebApi"),
        ("https://tdx.example.edu:443/tdwebapi", "tdx.example.edu/TDWebApi"),
        ("https://tdx.example.edu/SBTDWebApi", "tdx.example.edu/SBTDWebApi"),
        ("http://127.0.0.1:8000/TDWebApi", "127.0.0.1:8000/TDWebApi"),
    ],
)
def test_an_environment_is_the_same_however_its_address_is_written(
    written: str, environment: str
) -> None:
    assert environment_of(written) == environment


def _belongs_to(shell: Shell, simulator: Simulator) -> None:
    assert shell.json("migrate", "--environment", simulator.url)["tdx"]


def _drop(url: str, name: str) -> None:
    connection = connect(url)
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    connection.close()
