"""The environment, then `.env`, then defaults: in our commands and in every process of Dagster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tdx_dagster.environment import SettingsError, read_dotenv, remember_environment
from tdx_dagster.environment_first import EnvironmentFirst
from tdx_dagster.postgres.database import connect, libpq_url
from tdx_dagster.settings import load_inventory_settings, load_settings
from tdx_dagster.simulator import Simulator, sample_state, settings_for

from .conftest import Shell
from .test_commands import summaries
from .ui import dagster, free_port, until


@pytest.mark.slow
def test_dagsters_services_and_their_runs_take_the_environment_before_a_dotenv_of_their_folder(
    desk: Callable[..., tuple[Shell, Simulator]], cluster: Any
) -> None:
    """Dagster's own commands have it the other way round; runs wrote into another database than `process`."""
    shell, simulator = desk(tickets=1, assets=50)
    [ticket] = simulator.state.truths
    with (
        cluster.database() as url,
        cluster.database("tdx_template") as other_database,
        Simulator(sample_state(tickets=2, assets=10, seed=4)) as other_tdx,
    ):
        wrong = settings_for(other_tdx) | {
            "DATABASE_URL": libpq_url(other_database),
            "TDX_SENSORS": "off",
            "INVENTORY_SOURCE": "external",
        }
        lines = [f"{name}={value}\n" for name, value in wrong.items()]
        (shell.folder / ".env").write_text("".join(lines))
        right = {
            "DAGSTER_DATABASE_URL": libpq_url(url),
            "TDX_SENSORS": "on",
            "TDX_POLL_SECONDS": "5",
            "INVENTORY_SOURCE": "tdx",
        }
        shell = Shell(shell.folder, shell.environment | right)
        with dagster(shell, free_port()):
            until("summary", lambda: summaries(simulator, ticket))
            until("record", lambda: _rows(shell.environment["DATABASE_URL"]) == 2)
        assert len(other_tdx.calls) == 0
        assert _rows(libpq_url(other_database)) == 0
        assert shell.json("plan")["tickets"]["pending"] == 0


def _rows(url: str) -> int:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            query = "SELECT count(*) FROM meta.daemon_action_log WHERE status = 'completed'"
            cursor.execute(query)
            found = cursor.fetchone()
            return int(found[0]) if found else 0
    finally:
        connection.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, as paths have them: with a blank and an umlaut."""
    made = tmp_path / "mein Ordner ü"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def test_a_setting_is_taken_from_the_environment_then_from_dotenv_then_from_its_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one counts as not set, in both places."""
    (folder / ".env").write_text(
        "TDX_MAX_ATTEMPTS=3\nTDX_APP_ID=5\nTDX_RATE_SHARE=\nINVENTORY_MOST_DROPPED=0.4\n"
    )
    monkeypatch.setenv("TDX_MAX_ATTEMPTS", "4")
    monkeypatch.setenv("TDX_APP_ID", "")
    settings = load_settings()
    assert (settings.tdx_max_attempts, settings.tdx_app_id) == (4, 5)
    assert (settings.tdx_rate_share, settings.tdx_lease_seconds) == (1.0, 300.0)
    assert load_inventory_settings().most_dropped == 0.4


def test_dagster_is_given_back_what_the_environment_had_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is in `.env` alone keeps its value there."""
    (folder / ".env").write_text("TDX_APP_ID=5\nTDX_BEID=b\n")
    monkeypatch.setenv("TDX_ENVIRONMENT_FIRST", "")
    monkeypatch.setenv("TDX_APP_ID", "7")
    remember_environment()
    monkeypatch.setenv("TDX_APP_ID", "5")
    assert EnvironmentFirst().get_secrets_for_environment(None) == {"TDX_APP_ID": "7"}


def test_two_instances_of_dagster_in_environment_and_dotenv_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster has opened the second one before anybody can tell it; the same one written twice is none."""
    name = "DAGSTER_DATABASE_URL"
    (folder / ".env").write_text(f"{name}=postgres://u@127.0.0.1/other\n")
    monkeypatch.setenv("TDX_ENVIRONMENT_FIRST", "")
    monkeypatch.setenv(name, "postgresql://u@127.0.0.1/ours")
    remember_environment()
    monkeypatch.setenv(name, "postgres://u@127.0.0.1/other")
    with pytest.raises(SettingsError, match=name):
        EnvironmentFirst()
    monkeypatch.setenv(name, "postgresql://u@127.0.0.1/ours")
    EnvironmentFirst()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_dotenv_of_an_editor_that_puts_a_mark_in_front_is_read(
    folder: Path, encoding: str
) -> None:
    """The mark would become part of the first name, and the setting would be missing without a word."""
    (folder / ".env").write_text("TDX_USERNAME=jürgen\n", encoding=encoding)
    assert load_settings().tdx_username == "jürgen"


@pytest.mark.parametrize(
    "line", ['DATABASE_URL="postgresql://u@h/x', "TDX_BEID: b", "<<<<<<< HEAD", "TDX_BEID='b'c"]
)
def test_a_line_of_dotenv_that_is_no_setting_is_refused_by_its_number(
    folder: Path, line: str
) -> None:
    """It was left out with a warning, and without DATABASE_URL another database would be used."""
    (folder / ".env").write_text(f"TDX_APP_ID=5\nPLAIN\nexport X=1 # {line[:3]}\n{line}\n")
    with pytest.raises(SettingsError, match="line 4, is no setting"):
        load_settings()


@pytest.mark.parametrize(
    ("encoding", "words"), [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("latin-1", "line 2")]
)
def test_a_dotenv_in_another_encoding_is_refused_with_what_to_do(
    folder: Path, encoding: str, words: str
) -> None:
    """Never a traceback, never half a file."""
    (folder / ".env").write_text("TDX_APP_ID=5\nTDX_USERNAME=jürgen\n", encoding=encoding)
    with pytest.raises(SettingsError, match=words) as caught:
        read_dotenv()
    assert "save it as UTF-8" in str(caught.value)
