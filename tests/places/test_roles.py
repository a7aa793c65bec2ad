"""Users with few rights (case F12): each refusal says what to ask the administrator for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url, text

from tdx_dagster.cli import cli
from tdx_dagster.postgres.database import engine, ensure_database
from tdx_dagster.postgres.errors import DatabaseSettingError, MissingRight
from tdx_dagster.postgres.migrations import grant, pending
from tdx_dagster.postgres.rights import require_home
from tests.cli.conftest import ROOT, Shell, dagster_database, desk, shell  # noqa: F401  fixtures

from .conftest import run_sql

Role = Callable[..., str]
ROLES = ("tdx_viewer", "tdx_runner", "tdx_loader")


@pytest.fixture
def granted(database_url: str) -> Iterator[str]:
    """A migrated database with the roles of deploy/grants.sql."""
    grant(database_url)
    grant(database_url)
    yield database_url
    run_sql(database_url, *(f"DROP OWNED BY {role} CASCADE" for role in ROLES))
    run_sql(database_url, *(f"DROP ROLE {role}" for role in ROLES))


def test_a_user_without_createdb_gets_the_statement_for_the_administrator(
    make_role: Role,
) -> None:
    """The database team makes databases, not programs."""
    with pytest.raises(
        DatabaseSettingError,
        match=r'CREATE DATABASE "their_dagster" OWNER "plain".*DAGSTER_DATABASE_URL',
    ):
        ensure_database(make_role("plain"), "their_dagster")


def test_a_user_who_may_make_no_tables_in_public_gets_the_grant(make_role: Role) -> None:
    """Since PostgreSQL 15 nobody but the owner may, and Dagster ends with a traceback."""
    theirs = make_role("plain")
    with pytest.raises(MissingRight, match=r'GRANT CREATE, USAGE ON SCHEMA public TO "plain"'):
        require_home(make_url(theirs), "DAGSTER_DATABASE_URL")


def test_a_search_path_that_does_not_exist_is_named(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's tables have no place then (case F32)."""
    url = make_url(database_url + "?options=-c%20search_path%3Dnowhere")
    with pytest.raises(MissingRight, match=r"search_path \(nowhere\).*options.*DATABASE_URL"):
        require_home(url, "DATABASE_URL")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere")
    with pytest.raises(MissingRight, match=r"search_path \(elsewhere\).*PGOPTIONS"):
        require_home(make_url(database_url), "DATABASE_URL")


@pytest.mark.parametrize("command", ["check", "migrate", "process"])
def test_commands_without_createdb_end_with_a_sentence_and_exit_2(
    make_role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """They ended with a traceback and exit 1."""
    settings = {
        "TDX_BASE_URL": "https://tdx.example.edu/TDWebApi",
        "TDX_APP_ID": "46",
        "TDX_BEID": "00000000-0000-0000-0000-000000000001",
        "TDX_WEB_SERVICES_KEY": "00000000-0000-0000-0000-000000000002",
        "DATABASE_URL": make_role("plain"),
        "DAGSTER_HOME": str(ROOT),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [command])
    assert done.exit_code == 2, done.output
    assert "CREATE DATABASE" in " ".join(done.output.split())


def test_a_missing_right_names_user_table_right_and_statement(
    granted: str, make_role: Role
) -> None:
    """One looks for it in the database, not in this program."""
    theirs = make_role("looker")
    run_sql(granted, "GRANT tdx_viewer TO looker")
    made = engine(theirs)
    with (
        pytest.raises(
            MissingRight,
            match=r"looker lacks UPDATE on meta\.daemon_action_log\..*Statement: UPDATE meta\..*--grants",
        ),
        made.begin() as connection,
    ):
        connection.execute(text("UPDATE meta.daemon_action_log SET status = :s"), {"s": "private"})
    made.dispose()


def test_without_any_right_the_table_is_named_too(make_role: Role) -> None:
    """A schema that one may not enter hides whether the table is there."""
    made = engine(make_role("stranger"))
    with (
        pytest.raises(MissingRight, match=r"SELECT on meta\.daemon_action_log"),
        made.connect() as connection,
    ):
        connection.execute(text("SELECT * FROM meta.daemon_action_log"))
    made.dispose()


def test_migrate_grants_and_each_role_does_its_commands_and_no_more(
    desk: Callable[..., tuple[Shell, object]],  # noqa: F811  a fixture
    database_url: str,
    make_role: Role,
) -> None:
    """Who looks, who runs tickets and who loads the inventory are three users."""
    owner, simulator = desk(tickets=4, assets=40)
    done = owner.run("migrate", "--grants")
    assert done.returncode == 0, done.stderr
    users = {role: make_role(f"a_{role}") for role in ROLES}
    for role in ROLES:
        run_sql(database_url, f"GRANT {role} TO a_{role}")
    try:
        said = assert_ends(owner, 2, "process", DATABASE_URL=users["tdx_viewer"])
        assert "a_tdx_viewer lacks" in said
        assert simulator.calls.matching("POST", "/{app}/tickets/{id}/feed") == []
        assert_ends(owner, 0, "ingest", DATABASE_URL=users["tdx_loader"])
        assert_ends(owner, 0, "process", DATABASE_URL=users["tdx_runner"])
        reading = (("stats",), ("failed",), ("history", "1"))
        for words, url in zip(reading, users.values(), strict=True):
            assert_ends(owner, 0, *words, DATABASE_URL=url)
        assert pending(users["tdx_viewer"]) == []
        said = assert_ends(owner, 2, "ingest", DATABASE_URL=users["tdx_viewer"])
        assert "lacks" in said
        assert "a_tdx_viewer" in said
        assert "tdx_dagster." not in said
    finally:
        run_sql(database_url, *(f"DROP OWNED BY {role} CASCADE" for role in ROLES))
        run_sql(database_url, *(f"DROP ROLE {role}" for role in ROLES))


def assert_ends(shell: Shell, code: int, *words: str, **changes: str) -> str:  # noqa: F811
    """Run a command, expect its exit code and no traceback, and give what it said."""
    done = shell.run(*words, **changes)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code, (words, said)
    assert "Traceback" not in said
    return said
