"""What resources share within a process."""

import os

import pytest

from tdx_dagster.resources import (
    DatabaseProvider,
    SettingsSensorServices,
    TdxProvider,
    ticket_tools,
)
from tdx_dagster.settings import Settings
from tdx_dagster.simulator import REPORT_ID, Simulator, settings_for


def test_ticks_of_one_process_sign_in_once_and_then_make_one_call_each(
    simulator: Simulator, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resources are made anew for each tick; a sign-in with each would double its calls."""
    for name, value in {**settings_for(simulator), "DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, value)
    for _ in range(3):
        database = DatabaseProvider()
        SettingsSensorServices(TdxProvider(database), database).report(REPORT_ID)
    assert [call.name for call in simulator.calls] == [
        "POST /auth/loginadmin",
        *["GET /reports/{id}"] * 3,
    ]


def test_a_project_gives_the_sign_in_and_the_rate_share_from_a_place_of_its_own(
    simulator: Simulator, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in docs/own-project.md: the environment has neither address nor secret."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    given = {name.lower(): value for name, value in settings_for(simulator).items()}
    database = DatabaseProvider()
    client = TdxProvider(database, settings=lambda: Settings.load(**given, tdx_rate_share=0.5))
    made = ticket_tools(client, database)
    assert made.tdx.report(REPORT_ID).id == REPORT_ID
    assert not os.environ.get("TDX_BASE_URL")
