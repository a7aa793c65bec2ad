"""Defaults of the database that are stricter than ours (cases F10, F11): isolation, read-only, time-outs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from tdx_dagster.inventory.bronze import ingest_assets
from tdx_dagster.inventory.silver import rebuild_computers
from tdx_dagster.postgres.database import engine, repeats_conflicts
from tdx_dagster.postgres.errors import ReadOnlyServer, TransactionConflict
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.rate_limit import PostgresLimiter
from tdx_dagster.state.records import ActionIdentity
from tdx_dagster.tdx.errors import TdxRateLimited
from tests.inventory.listed import Listed, asset

from .conftest import pooled, run_sql


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_transaction_reads_what_was_committed_while_it_waited(
    database_url: str, level: str
) -> None:
    """Under one snapshot the holder of a lock does not see what the last holder wrote: both write."""
    name = make_url(database_url).database
    run_sql(
        database_url,
        f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'",
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    made, other = engine(database_url), engine(database_url)
    with made.begin() as waiting:
        waiting.execute(text("SELECT 1"))
        with other.begin() as writer:
            writer.execute(text("CREATE TABLE public.seen AS SELECT 1 AS x"))
        assert waiting.execute(text("SELECT count(*) FROM public.seen")).scalar_one() == 1
    made.dispose()
    other.dispose()


@pytest.mark.parametrize("through", ["directly", "a pooler"])
def test_f10_the_rate_limiter_grants_under_stricter_defaults(
    database_url: str, tmp_path: Path, through: str
) -> None:
    """Its statements had no BEGIN, so the database's defaults applied: refused, or in conflict."""
    name = make_url(database_url).database
    run_sql(
        database_url,
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'",
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
        f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '200ms'",
    )
    with ExitStack() as stack:
        pooler = through == "a pooler"
        url = stack.enter_context(pooled(database_url, tmp_path)) if pooler else database_url
        made = engine(url)
        limiter = PostgresLimiter(made)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: limiter.acquire("GET /{app}/tickets", 60, 60, 0), range(60)))
        with pytest.raises(TdxRateLimited):
            limiter.acquire("GET /{app}/tickets", 60, 60, 0)
        made.dispose()


def test_short_time_outs_of_the_database_do_not_cut_a_migration(
    bare_url: str, tmp_path: Path
) -> None:
    """They are set for people's queries."""
    name = make_url(bare_url).database
    run_sql(
        bare_url,
        f"ALTER DATABASE {name} SET statement_timeout = '50ms'",
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'",
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    (tmp_path / "0001_slow.sql").write_text("SELECT pg_sleep(0.2); CREATE TABLE t (i int);")
    (tmp_path / "0007_gap.sql").write_text("CREATE TABLE u (i int);")
    assert [done.name for done in migrate(bare_url, tmp_path)] == ["0001_slow.sql", "0007_gap.sql"]


def test_weak_and_impatient_defaults_do_not_reach_the_log_and_the_loads(database_url: str) -> None:
    """An intent that a crash of the server loses lets a comment be posted twice; a large load takes time."""
    name = make_url(database_url).database
    tables = ("meta.action_attempt", "bronze.raw_entities", "silver.tdx_computers")
    run_sql(
        database_url,
        f"ALTER DATABASE {name} SET synchronous_commit = off",
        f"ALTER DATABASE {name} SET statement_timeout = '77s'",
        f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '77s'",
        f"ALTER DATABASE {name} SET idle_session_timeout = '77s'",
        "CREATE TABLE public.seen (name text, durable text, statement text, idle text)",
        "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen "
        "SELECT TG_TABLE_NAME, current_setting('synchronous_commit'), current_setting('statement_timeout'), "
        "current_setting('idle_in_transaction_session_timeout'); RETURN NEW; END $$",
        *(
            f"CREATE TRIGGER note AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.note()"
            for table in tables
        ),
    )
    made = engine(database_url)
    ingest_assets(made, Listed([asset(1001)]))
    rebuild_computers(made)
    identity = ActionIdentity("comment", "comment", "comment:a:v1", "a", "v1")
    PostgresStore(made).claim(31, identity, pipeline="p", run_id="r", lease_seconds=60)
    with made.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "77s"
    made.dispose()
    assert run_sql(database_url, "SELECT DISTINCT * FROM public.seen ORDER BY 1") == [
        ("action_attempt", "on", "1min", "30s"),
        ("raw_entities", "off", "0", "0"),
        ("tdx_computers", "off", "0", "0"),
    ]


def test_a_session_that_takes_no_writes_is_thrown_away(database: Engine) -> None:
    """After a failover the old primary still answers SELECT 1."""

    def write(*before: str) -> int:
        with database.begin() as connection:
            for statement in before:
                connection.execute(text(statement))
            pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            connection.execute(text("CREATE TABLE IF NOT EXISTS public.written (i int)"))
            return pid

    first = write()
    with pytest.raises(ReadOnlyServer):
        write("SET TRANSACTION READ ONLY")
    assert write() != first


def test_a_deadlock_is_repeated(database: Engine) -> None:
    """Two transactions that lock two rows in opposite order: both succeed in the end."""
    with database.begin() as connection:
        connection.execute(
            text("CREATE TABLE public.pair AS SELECT g AS id, 0 AS n FROM generate_series(1, 2) g")
        )
    together = threading.Barrier(2)
    conflicts: list[TransactionConflict] = []

    @repeats_conflicts
    def add(first: int, second: int) -> None:
        try:
            with database.begin() as connection:
                connection.execute(
                    text("UPDATE public.pair SET n = n + 1 WHERE id = :i"), {"i": first}
                )
                if not conflicts:
                    together.wait(timeout=60)
                connection.execute(
                    text("UPDATE public.pair SET n = n + 1 WHERE id = :i"), {"i": second}
                )
        except TransactionConflict as error:
            conflicts.append(error)
            raise

    threads = [threading.Thread(target=add, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    with database.connect() as connection:
        assert connection.execute(text("SELECT n FROM public.pair")).scalars().all() == [2, 2]
    assert len(conflicts) == 1
