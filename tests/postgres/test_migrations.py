"""The runner of migrations, and the project's own migrations on old and fresh databases."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import make_url

from tdx_dagster.postgres.database import connect, libpq_url
from tdx_dagster.postgres.errors import (
    DatabaseSettingError,
    DatabaseUnavailable,
    MigrationEdited,
    MigrationRefused,
    SchemaNewer,
)
from tdx_dagster.postgres.migrations import (
    default_folder,
    migrate,
    pending,
    read_migrations,
    schema_state,
)

OLD_TABLES = Path(__file__).with_name("old_tables.sql").read_text(encoding="utf-8")

OLD_ROWS = {
    "meta.ingestion_runs": "run_id",
    "bronze.raw_entities": "raw_id",
    "meta.daemon_action_log": "log_id",
    "silver.computers": "computer_id",
}

MIGRATE = """
import sys
from pathlib import Path
from tdx_dagster.postgres.migrations import migrate
print(len(migrate(sys.argv[1], Path(sys.argv[2]))))
"""


@contextmanager
def cursor_of(url: str) -> Iterator[Any]:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with cursor_of(url) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small migrations, with all that a careless runner stumbles over."""
    (tmp_path / "0001_first.sql").write_text(
        "CREATE TABLE ran (what text);\n"
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN RAISE NOTICE '% and :name; 100%%', 1; RETURN NEW; END $$;\n"
    )
    (tmp_path / "0002_second.sql").write_text("INSERT INTO ran VALUES ('50% of :name; --no');\n")
    return tmp_path


def test_each_file_takes_effect_once(bare_url: str, folder: Path) -> None:
    """A second `migrate` is the usual case, at every start."""
    done = migrate(bare_url, folder)
    assert [applied.name for applied in done] == ["0001_first.sql", "0002_second.sql"]
    assert migrate(bare_url, folder) == []
    assert query(bare_url, "SELECT what FROM ran") == [("50% of :name; --no",)]


def test_a_later_file_is_pending_until_applied(bare_url: str, folder: Path) -> None:
    """`check` tells people to migrate, by the names of the files."""
    assert pending(bare_url, folder) == ["0001_first.sql", "0002_second.sql"]
    migrate(bare_url, folder)
    (folder / "0003_third.sql").write_text("SELECT 1")
    assert schema_state(bare_url, folder).applied == ("0001_first.sql", "0002_second.sql")
    assert pending(bare_url, folder) == ["0003_third.sql"]


def test_an_edited_file_is_refused(bare_url: str, folder: Path) -> None:
    """Two databases with one history must have one shape."""
    migrate(bare_url, folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE other (what text);")
    with pytest.raises(MigrationEdited, match=r"0001_first\.sql was changed"):
        migrate(bare_url, folder)


def test_other_line_ends_are_no_edit(bare_url: str, folder: Path) -> None:
    """Git changes them at checkout on some machines."""
    migrate(bare_url, folder)
    file = folder / "0001_first.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert migrate(bare_url, folder) == []


def test_a_database_of_a_newer_version_is_refused(bare_url: str, folder: Path) -> None:
    """Old code on a new schema could act twice."""
    migrate(bare_url, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(SchemaNewer, match=r"newer tdx-dagster \(it has 0002_second.sql\)"):
        pending(bare_url, folder)


def test_a_failing_file_leaves_nothing_and_the_earlier_ones_stay(
    bare_url: str, folder: Path
) -> None:
    """Half a migration is the one state nobody can go on from."""
    (folder / "0003_third.sql").write_text("CREATE TABLE half (i int); SELECT 1 / 0;")
    with pytest.raises(MigrationRefused, match=r"0003_third\.sql: division by zero"):
        migrate(bare_url, folder)
    assert query(bare_url, "SELECT to_regclass('half')") == [(None,)]
    assert pending(bare_url, folder) == ["0003_third.sql"]


@pytest.mark.parametrize("name", ["3_short.sql", "0003-dash.sql", "0003_.sql", "0003_Upper.sql"])
def test_a_file_name_that_breaks_the_rule_is_refused(folder: Path, name: str) -> None:
    """Order comes from the names alone."""
    (folder / name).touch()
    with pytest.raises(MigrationRefused, match="named like"):
        read_migrations(folder)


def test_one_number_stands_for_one_file(folder: Path) -> None:
    """Two branches that each add the next number must notice."""
    (folder / "0002_other.sql").touch()
    with pytest.raises(MigrationRefused, match=r"0002_other.sql and 0002_second.sql .* one number"):
        read_migrations(folder)


def test_migrators_at_once_all_succeed_and_each_file_runs_once(bare_url: str, folder: Path) -> None:
    """Several processes migrate at start."""
    (folder / "0003_slow.sql").write_text("SELECT pg_sleep(0.3); INSERT INTO ran VALUES ('slow')")
    command = [sys.executable, "-c", MIGRATE, bare_url, str(folder)]
    all_of_them = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    counts = sorted(int(one.communicate(timeout=60)[0]) for one in all_of_them)
    assert sum(counts) == 3
    assert query(bare_url, "SELECT count(*) FROM ran") == [(2,)]


def test_one_killed_half_way_leaves_nothing_half_done(bare_url: str, folder: Path) -> None:
    """The next one finishes, without anybody breaking a lock."""
    (folder / "0003_slow.sql").write_text("INSERT INTO ran VALUES ('slow'); SELECT pg_sleep(1)")
    killed = subprocess.Popen([sys.executable, "-c", MIGRATE, bare_url, str(folder)])
    active = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE query LIKE '%slow%' AND pid <> pg_backend_pid()"
    )
    while query(bare_url, active) == [(0,)]:
        assert killed.poll() is None
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert query(bare_url, "SELECT count(*) FROM ran WHERE what = 'slow'") == [(0,)]
    (folder / "0003_slow.sql").write_text("INSERT INTO ran VALUES ('slow')")
    assert [applied.name for applied in migrate(bare_url, folder)] == ["0003_slow.sql"]


def test_a_table_of_that_name_by_another_tool_is_left_alone(bare_url: str, folder: Path) -> None:
    """Several migration tools call theirs the same."""
    query(bare_url, "CREATE TABLE public.schema_migrations (version text)")
    with pytest.raises(MigrationRefused, match="belongs to another program"):
        migrate(bare_url, folder)


def test_a_table_in_use_is_waited_for_only_a_while(
    bare_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting ALTER TABLE would stop the older daemon and every reader with it."""
    migrate(bare_url, folder)
    (folder / "0003_third.sql").write_text("ALTER TABLE ran ADD COLUMN more text")
    monkeypatch.setattr("tdx_dagster.postgres.migrations.TABLE_LOCK_TIMEOUT", "10ms")
    reader = psycopg2.connect(libpq_url(bare_url))
    reader.cursor().execute("SELECT * FROM ran")
    with pytest.raises(DatabaseUnavailable, match="in use by another program"):
        migrate(bare_url, folder)
    reader.close()
    assert migrate(bare_url, folder)


def test_a_user_without_rights_is_told_who_can(bare_url: str, folder: Path) -> None:
    """The application's user often does not own the tables."""
    query(bare_url, "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reader'")
    theirs = make_url(bare_url).set(username="reader", password="reader")
    with pytest.raises(DatabaseSettingError, match=r"reader@.*may not change the schema.*owner"):
        migrate(theirs.render_as_string(hide_password=False), folder)
    query(bare_url, "DROP ROLE reader")


def test_our_migrations_make_every_table_on_a_fresh_database(each_database_url: str) -> None:
    """On the oldest version in use and on the one people get."""
    assert pending(each_database_url) == []
    names = query(
        each_database_url,
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema IN ('meta', 'bronze', 'silver') ORDER BY 1",
    )
    assert [name for (name,) in names] == [
        "bronze.raw_entities",
        "meta.action_attempt",
        "meta.alert",
        "meta.backtest_search",
        "meta.backtest_ticket",
        "meta.daemon_action_log",
        "meta.daemon_activity_summary",
        "meta.daemon_recent_activity",
        "meta.discovery_sample",
        "meta.discovery_sweep",
        "meta.discovery_ticket",
        "meta.discovery_verdict",
        "meta.ingestion_runs",
        "meta.rate_window",
        "meta.tdx_environment",
        "meta.unfinished_ticket",
        "silver.computers",
        "silver.tdx_computers",
    ]


@pytest.fixture
def each_old_url(each_bare_url: str) -> str:
    """A database as the older daemon and its data hub left it."""
    query(each_bare_url, OLD_TABLES)
    return each_bare_url


def columns_of(url: str) -> dict[str, str]:
    """The columns that each old table has now, as a list for SELECT."""
    listed = (
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute "
        "WHERE attrelid = '{}'::regclass AND attnum > 0"
    )
    return {table: query(url, listed.format(table))[0][0] for table in OLD_ROWS}


def rows_of(url: str, columns: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Every value in these columns of every row, as text."""
    return {
        table: query(url, f"SELECT ({columns[table]})::text FROM {table} ORDER BY {key}")  # noqa: S608  ours
        for table, key in OLD_ROWS.items()
    }


def test_migrating_old_tables_changes_no_row(each_old_url: str) -> None:
    """Years of history are in them, and they say what must not be done again."""
    columns = columns_of(each_old_url)
    before = rows_of(each_old_url, columns)
    assert len(before["bronze.raw_entities"]) == 100
    migrate(each_old_url)
    assert rows_of(each_old_url, columns) == before


def test_old_tables_get_what_is_missing_without_being_written_anew(each_old_url: str) -> None:
    """A new type of a column writes the whole log, with every index over it, behind an exclusive lock."""
    file = "SELECT pg_relation_filenode('meta.daemon_action_log')"
    kind = (
        "SELECT format_type(atttypid, NULL) FROM pg_attribute "
        "WHERE attrelid = 'meta.daemon_action_log'::regclass AND attname = 'ticket_id'"
    )
    before = query(each_old_url, file) + query(each_old_url, kind)
    migrate(each_old_url)
    assert query(each_old_url, file) + query(each_old_url, kind) == before
    query(
        each_old_url,
        "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, claim_token) "
        "VALUES (2147483647, 'comment', 'x', gen_random_uuid())",
    )
    recent = query(
        each_old_url, "SELECT ticket_id FROM meta.daemon_recent_activity ORDER BY 1 DESC"
    )
    assert recent[0] == (2147483647,)
    assert query(each_old_url, "SELECT count(*) FROM silver.tdx_computers") == [(0,)]


SHAPES = """
SELECT 'column', attrelid::regclass::text, attnum::text, attname || format_type(atttypid, atttypmod)
    || attnotnull || coalesce(col_description(attrelid, attnum), '')
FROM pg_attribute WHERE attrelid IN (SELECT oid FROM ours) AND attnum > 0
UNION ALL SELECT 'index', indexrelid::regclass::text, indisvalid::text, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid IN (SELECT oid FROM ours)
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid IN (SELECT oid FROM ours)
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM ours) AND NOT tgisinternal
UNION ALL SELECT 'view', oid::regclass::text, '', pg_get_viewdef(oid) FROM ours WHERE relkind = 'v'
ORDER BY 1, 2, 3
"""


def shapes(url: str) -> list[tuple[Any, ...]]:
    """Every object in our schemas, as text."""
    ours = (
        "WITH ours AS (SELECT oid, relkind FROM pg_class WHERE relkind IN ('r', 'v') AND "
        "relnamespace::regnamespace::text IN ('meta', 'bronze', 'silver'))"
    )
    return query(url, ours + SHAPES)


def test_what_runs_in_place_of_a_landed_file_makes_the_same(bare_url: str, tmp_path: Path) -> None:
    """Databases of either way have one shape, and one record."""
    for path in default_folder().glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    migrate(bare_url, tmp_path)
    landed = shapes(bare_url)
    assert pending(bare_url) == []
    query(bare_url, "DROP SCHEMA meta, bronze, silver CASCADE; DROP TABLE schema_migrations")
    migrate(bare_url)
    assert shapes(bare_url) == landed
    assert pending(bare_url, tmp_path) == []


BUILT = """
-- name: table
-- More rows.
INSERT INTO ran SELECT 'row' WHERE NOT EXISTS (SELECT FROM ran WHERE what = 'row');

-- name: index
-- Found by text.
CREATE INDEX CONCURRENTLY IF NOT EXISTS ran_what
    ON public.ran (what);
"""


def is_valid(url: str, index: str) -> list[tuple[Any, ...]]:
    """Whether an index is used."""
    return query(url, f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{index}'::regclass")  # noqa: S608


def test_an_index_whose_building_was_interrupted_is_built_again(
    bare_url: str, folder: Path
) -> None:
    """IF NOT EXISTS takes a useless index for a good one; it slows every write down and answers nothing."""
    migrate(bare_url, folder)
    query(bare_url, "INSERT INTO ran SELECT 'twice' FROM generate_series(1, 2)")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        query(bare_url, "CREATE UNIQUE INDEX CONCURRENTLY ran_what ON ran (what)")
    assert is_valid(bare_url, "ran_what") == [(False,)]
    (folder / "0003_index.sql").write_text(BUILT)
    migrate(bare_url, folder)
    assert is_valid(bare_url, "ran_what") == [(True,)]


def test_steps_that_were_done_stay_and_the_file_is_begun_again(bare_url: str, folder: Path) -> None:
    """Nothing is recorded before the last step."""
    (folder / "0003_index.sql").write_text(BUILT.replace("(what)", "(no_such_column)"))
    with pytest.raises(MigrationRefused, match=r"0003_index\.sql: .*no_such_column"):
        migrate(bare_url, folder)
    assert pending(bare_url, folder) == ["0003_index.sql"]
    (folder / "0003_index.sql").write_text(BUILT)
    migrate(bare_url, folder)
    assert query(bare_url, "SELECT count(*) FROM ran WHERE what = 'row'") == [(1,)]


def test_writers_go_on_while_an_index_is_built(bare_url: str, folder: Path) -> None:
    """The older daemon's hub loads around the clock."""
    migrate(bare_url, folder)
    (folder / "0003_index.sql").write_text(BUILT)
    # An open transaction holds the build up, half-way.
    with cursor_of(bare_url) as writer:
        writer.execute("BEGIN; INSERT INTO ran VALUES ('open')")
        command = [sys.executable, "-c", MIGRATE, bare_url, str(folder)]
        building, waiting = (subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2))
        while query(bare_url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]:
            assert building.poll() is None or waiting.poll() is None
        query(bare_url, "SET lock_timeout = '20s'; INSERT INTO ran VALUES ('meanwhile')")
        writer.execute("COMMIT")
    counts = [int(one.communicate(timeout=60)[0]) for one in (building, waiting)]
    assert sorted(counts) == [0, 1]
    assert is_valid(bare_url, "ran_what") == [(True,)]


def test_views_of_others_keep_grants_comments_and_options(each_old_url: str) -> None:
    """Dashboards read them as users of their own."""
    query(
        each_old_url,
        "CREATE VIEW meta.mine WITH (security_barrier=true) AS "
        "SELECT ticket_id FROM meta.daemon_action_log;"
        "DROP ROLE IF EXISTS dashboard; CREATE ROLE dashboard;"
        "GRANT SELECT ON meta.daemon_recent_activity TO dashboard WITH GRANT OPTION;"
        "GRANT SELECT ON meta.mine TO PUBLIC; ALTER VIEW meta.mine OWNER TO dashboard",
    )
    facts = (
        "SELECT relname, relacl::text, reloptions::text, obj_description(oid), relowner "
        "FROM pg_class WHERE relkind = 'v' AND relnamespace = 'meta'::regnamespace ORDER BY 1"
    )
    before = query(each_old_url, facts)
    migrate(each_old_url)
    assert query(each_old_url, facts) == before
    query(each_old_url, "DROP OWNED BY dashboard; DROP ROLE dashboard")


def test_the_history_of_attempts_cannot_be_rewritten(each_database_url: str) -> None:
    """Who asks later what happened must get the truth."""
    query(
        each_database_url,
        "INSERT INTO meta.action_attempt (ticket_id, action_id, event) VALUES (1, 'x', 'claimed')",
    )
    for statement in (
        "UPDATE meta.action_attempt SET event = 'y'",
        "DELETE FROM meta.action_attempt",
    ):
        with pytest.raises(psycopg2.Error, match="append-only"):
            query(each_database_url, statement)
