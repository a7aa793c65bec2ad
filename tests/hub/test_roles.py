"""Run each command with each role of deploy/grants.sql: it works, or says which right is missing."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from tdx_dagster.cli import CommandsByName, cli
from tdx_dagster.inventory.schema import place_table
from tdx_dagster.postgres.database import engine, libpq_url
from tdx_dagster.postgres.migrations import grant
from tdx_dagster.simulator import Simulator, sample_state, settings_for
from tests.cli.conftest import dagster_database  # noqa: F401  a fixture
from tests.places.conftest import run_sql

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("tdx_viewer", "tdx_runner", "tdx_loader")

WITHOUT_THE_LOG = {"actions", "demo", "dev", "down", "env", "init", "new", "simulate", "worker"}
"""Commands that use no table of a database of somebody's own."""

TICKET = "TICKET"
"""Stands for a ticket that the owner has worked on, in the words of a command."""

OTHER = "https://tdx.example.edu/TDWebApi"

COMMANDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("ingest",): ("tdx_loader",),
    ("migrate",): ROLES,
    ("check",): ROLES,
    ("plan",): ROLES,
    ("explain", "--text", "note.txt"): ROLES,
    ("process", "--dry-run", "--limit", "1"): ROLES,
    ("process", "--limit", "1"): ("tdx_runner",),
    ("baseline", "--pipeline", "compliance"): ("tdx_runner",),
    ("takeover",): ROLES,
    ("stats",): ROLES,
    ("history", "1"): ROLES,
    ("failed",): ROLES,
    ("failed", "--clear"): ("tdx_runner",),
    ("quality",): ROLES,
    ("quality", "--export", "faults.json"): ROLES,
    ("quality", "--sample", "1"): ("tdx_runner",),
    ("backtest", "--since", "30d", "--limit", "1"): ("tdx_runner",),
    ("backtest", "--forget"): ("tdx_runner",),
    ("undo", "--ticket", TICKET, "--dry-run"): ROLES,
    ("undo", "--ticket", TICKET, "--yes"): ("tdx_runner",),
    ("again", "--ticket", TICKET): ("tdx_runner",),
    ("process", "--ticket", TICKET, "--override", "--reason", "a test"): ("tdx_runner",),
    ("migrate", "--environment", OTHER, "--yes"): (),
}
"""Who may what; without a role it is the owner's."""

FINDINGS = {"check", "process", "undo"}
"""Their exit code says what they found, which is not asked here."""

ALL, SOME, NEW = "DELETE INSERT UPDATE", "INSERT UPDATE", "INSERT"
WRITES: Mapping[str, tuple[str, str, str]] = {
    "bronze.raw_entities": ("", "", SOME),
    "meta.action_attempt": ("", NEW, ""),
    "meta.alert": ("", ALL, ALL),
    "meta.backtest_search": ("", ALL, ""),
    "meta.backtest_ticket": ("", ALL, ""),
    "meta.daemon_action_log": ("", ALL, ""),
    "meta.discovery_sample": ("", ALL, ""),
    "meta.discovery_sweep": ("", ALL, ""),
    "meta.discovery_ticket": ("", ALL, ""),
    "meta.discovery_verdict": ("", ALL, ""),
    "meta.ingestion_runs": ("", "", SOME),
    "meta.rate_window": (SOME, ALL, ALL),
    "meta.tdx_environment": ("", NEW, NEW),
    "meta.unfinished_ticket": ("", ALL, ALL),
    "silver.tdx_computers": ("", "", ALL),
}
"""What viewer, runner and loader may write. A table that a migration adds gets a line here and a GRANT."""

ATTACHED = "SELECT min(ticket_id) FROM meta.action_attempt WHERE effect LIKE 'attach:%'"
OTHERS = f"FROM meta.daemon_action_log WHERE ticket_id <> ({ATTACHED})"

RIGHTS = """
SELECT c.oid::regclass::text AS name, role, has_table_privilege(role, c.oid, 'SELECT') AS reads,
       (SELECT coalesce(string_agg(kind, ' ' ORDER BY kind), '')
        FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS kinds (kind)
        WHERE has_table_privilege(role, c.oid, kind)) AS writes
FROM pg_class AS c, unnest(ARRAY['tdx_viewer', 'tdx_runner', 'tdx_loader']) WITH ORDINALITY AS r (role, place)
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('meta', 'bronze', 'silver', 'tdx_robot')
ORDER BY 1, place
"""


@pytest.fixture
def granted(database_url: str) -> Iterator[str]:
    """A migrated database with the roles, and a login of each."""
    grant(database_url)
    for role in ROLES:
        run_sql(database_url, f"CREATE ROLE a_{role} LOGIN PASSWORD 'secret' IN ROLE {role}")
    yield database_url
    for role in ROLES:
        for name in (f"a_{role}", role):
            run_sql(database_url, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def rights(url: str) -> dict[str, list[tuple[bool, str]]]:
    """Which rights each role has on each table."""
    found: dict[str, list[tuple[bool, str]]] = {}
    for name, _, reads, writes in run_sql(url, RIGHTS):
        found.setdefault(name, []).append((reads, writes))
    return found


def test_every_table_has_a_decision_about_each_role(granted: str) -> None:
    """A table without one fails in the hands of the role that needs it."""
    found = rights(granted)
    assert found == {name: [(True, writes) for writes in WRITES.get(name, ())] for name in found}


def test_a_table_in_a_schema_of_ours_has_the_same_rights(granted: str) -> None:
    """INVENTORY_SCHEMA moves it, and `migrate --grants` is run again."""
    made = engine(granted)
    place_table(made, "tdx_robot")
    made.dispose()
    grant(granted)
    assert rights(granted)["tdx_robot.tdx_computers"] == [(True, ""), (True, ""), (True, ALL)]


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text to look at, in the folder where commands stand."""
    (tmp_path / "note.txt").write_text("LIB-PC-1 is slow")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("role", ROLES)
def test_each_command_works_or_names_the_right_that_is_missing(
    role: str,
    granted: str,
    note: None,
    dagster_database: str,  # noqa: F811  a fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who looks, who runs tickets and who loads are three users; none of them meets a traceback."""
    del note
    settings = {"DAGSTER_DATABASE_URL": dagster_database, "DAGSTER_HOME": str(ROOT)}
    with Simulator(sample_state(tickets=3, assets=5, seed=3)) as simulator:
        for name, value in (settings_for(simulator) | settings).items():
            monkeypatch.setenv(name, value)
        worked_on = str(_work_as_owner(granted, monkeypatch))
        theirs = make_url(granted).set(username=f"a_{role}", password="secret")
        monkeypatch.setenv("DATABASE_URL", libpq_url(theirs.render_as_string(hide_password=False)))
        for words, allowed in COMMANDS.items():
            given = [worked_on if word == TICKET else word for word in words]
            ended = CliRunner().invoke(cli, given, input="y\n")
            said = " ".join(ended.output.split())
            assert isinstance(ended.exception, SystemExit | None), (words, ended.exception)
            if role in allowed:
                assert "lacks" not in said, (words, said)
                assert ended.exit_code == 0 or words[0] in FINDINGS, (words, said)
            else:
                assert ended.exit_code != 0, (words, said)
                assert f"a_{role} lacks" in said, (words, said)
                assert "Statement:" in said, (words, said)
                assert "a right that the statement needs" not in said, (words, said)


def _work_as_owner(url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Fill the database, and attach a computer that can be taken back; gives its ticket."""
    monkeypatch.setenv("DATABASE_URL", libpq_url(url))
    for words in (["ingest"], ["process"]):
        CliRunner().invoke(cli, words)
    [(ticket,)] = run_sql(url, f"DELETE {OTHERS}", ATTACHED)
    return int(ticket)


def test_every_command_is_in_the_list() -> None:
    """One that a release adds gets a decision too."""
    assert set(CommandsByName.places) <= {words[0] for words in COMMANDS} | WITHOUT_THE_LOG
