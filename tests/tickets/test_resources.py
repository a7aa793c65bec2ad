"""What resources share within a process."""

import pytest

from tdx_dagster.resources import DatabaseProvider, SettingsSensorServices, TdxProvider
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
