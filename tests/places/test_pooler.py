"""PgBouncer in transaction mode (case F06): each transaction may get another session of the server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dagster import build_sensor_context
from sqlalchemy import make_url, text

from tdx_dagster.cli.runtime import dagster_instance, prepare
from tdx_dagster.definitions import build_defs
from tdx_dagster.postgres.database import connect, engine, ensure_database, require_own_session
from tdx_dagster.postgres.errors import DatabaseSettingError
from tdx_dagster.postgres.migrations import migrate, pending
from tdx_dagster.resources import DatabaseProvider, SettingsSensorServices, TdxProvider
from tests.cli.conftest import Terminal, dagster_database, terminal  # noqa: F401  fixtures

from .conftest import pooled, run_sql


def test_sessions_are_set_up_without_startup_options(database_url: str, tmp_path: Path) -> None:
    """The pooler refuses `options`; the time zone of its own sessions is another."""
    name = make_url(database_url).database
    run_sql(database_url, f"ALTER DATABASE {name} SET timezone = 'America/New_York'")
    run_sql(
        database_url, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    )
    with pooled(database_url, tmp_path) as url:
        made = engine(url)

        def ask(_: int) -> tuple[str, str, str]:
            with made.connect() as connection:
                connection.execute(text("SELECT pg_sleep(0.01)"))
                return tuple(  # type: ignore[return-value]
                    connection.execute(text(f"SHOW {name}")).scalar_one()
                    for name in ("timezone", "transaction_isolation", "client_encoding")
                )

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(ask, range(40))) == {("UTC", "read committed", "UTF8")}
        made.dispose()


def test_migrating_through_it_leaves_no_lock_behind(bare_url: str, tmp_path: Path) -> None:
    """A lock of a session stays with the pooled session, and the next one waits for ever."""
    with pooled(bare_url, tmp_path) as url:
        for _ in range(3):
            migrate(url)
            ensure_database(url, make_url(url).database or "")
        assert pending(url) == []
        assert run_sql(bare_url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [
            (0,)
        ]


def test_a_startup_option_in_the_address_is_a_setting_fault(
    database_url: str, tmp_path: Path
) -> None:
    """The pooler refuses it each time, so "try again later" is untrue."""
    with (
        pooled(database_url, tmp_path) as url,
        pytest.raises(DatabaseSettingError, match=r"DATABASE_URL.*options"),
    ):
        connect(url + "?options=-c%20search_path%3Dmeta")


def test_f06_whole_passes_and_ticks_go_through_it_and_check_names_what_does_not(
    terminal: Terminal,  # noqa: F811  a fixture
    database_url: str,
    dagster_database: str,  # noqa: F811  a fixture
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Both databases behind the pooler, as where people are given one address alone."""
    folder = tmp_path / "pooler"
    folder.mkdir()
    with pooled(database_url, folder) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        behind = make_url(url).set(database=make_url(dagster_database).database)
        monkeypatch.setenv("DAGSTER_DATABASE_URL", behind.render_as_string(hide_password=False))
        code, found = terminal.json("check")
        said = {one["about"]: (one["verdict"], one["text"]) for one in found["findings"]}
        assert code == 0
        assert said["inventory"][0] == "warning"
        assert "connection pooler" in said["inventory"][1]
        refused = terminal.run("ingest")
        assert refused.exit_code == 2
        assert (
            refused.stderr.strip().splitlines()[-1].startswith("Error: Loading the inventory needs")
        )
        database = DatabaseProvider()
        polling = SettingsSensorServices(TdxProvider(database), database)
        sensor = build_defs().resolve_sensor_def("compliance_report")
        with (
            dagster_instance(prepare()) as instance,
            build_sensor_context(
                instance=instance,
                sensor_name="compliance_report",
                resources={"tdx_dagster_polling": polling},
            ) as context,
        ):
            assert len(sensor.evaluate_tick(context).run_requests or ()) == 1
        made = terminal.json("process")[1]
        assert (made["tickets"]["completed"], made["tickets"]["failed"]) == (3, 0)
        assert terminal.json("process")[1]["tickets"]["pending"] == 0
    posts = terminal.simulator.calls.matching("POST", "/{app}/tickets/{id}/feed")
    assert len(posts) == 3


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_loading_the_inventory_through_it_is_refused_by_name(
    database_url: str, tmp_path: Path, mode: str
) -> None:
    """Its staging table would meet that of another load on a pooled session."""
    with pooled(database_url, tmp_path, mode) as url:
        made = engine(url)
        with (
            pytest.raises(DatabaseSettingError, match=r"pooler.*DATABASE_URL"),
            made.connect() as one,
        ):
            require_own_session(one, "Loading the inventory")
        made.dispose()
    direct = engine(database_url)
    with direct.connect() as one:
        require_own_session(one, "Loading the inventory")
    direct.dispose()
