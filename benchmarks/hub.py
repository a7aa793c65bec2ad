"""A large hub: how long migrating locks its tables, and what ticks, plans and histories cost afterwards.

Run: .venv/bin/python benchmarks/hub.py. It makes 500,000 rows of the older daemon's log and 72,000 assets in
three versions on an embedded server in a temporary folder.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

sys.path.insert(0, str(Path(__file__).parents[1]))

from tdx_dagster.inventory.freshness import inventory_age, is_silver_behind
from tdx_dagster.inventory.silver import rebuild_computers
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import plan_tickets

TABLES = Path(__file__).parents[1] / "tests" / "hub" / "tables.sql"
LOG_ROWS = 500_000
ASSETS = 72_000
VERSIONS = 3
REPORT = range(100_001, 100_961)
ROUNDS = 5

FILL_LOG = """
INSERT INTO meta.daemon_action_log
    (ticket_id, action_type, action_id, action_hash, executed_at, status, metadata)
SELECT 100000 + n / 4, kind, kind || ':' || left(md5(kind), 12) || ':v1', md5(kind) || md5(kind),
       now() - make_interval(mins => n), CASE WHEN n % 97 = 0 THEN 'failed' ELSE 'completed' END,
       jsonb_build_object(
           'details', jsonb_build_object('phase', n % 3, 'asset_names', jsonb_build_array('LIB-PC-' || n)),
           'config', jsonb_build_object('kind', kind))
FROM generate_series(0, {rows} - 1) AS n,
LATERAL (SELECT (ARRAY['add_asset', 'add_lab', 'comment', 'summary_comment'])[n % 4 + 1]) AS k (kind)
"""
FILL_BRONZE = """
INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, ingested_at)
SELECT 'asset', 'tdx', CAST(1000000 + n AS text), jsonb_build_object(
    'ID', 1000000 + n, 'Name', 'LIB-PC-' || n, 'SerialNumber', '5CD' || n, 'FormID', 2448, 'StatusID', 38,
    'StatusName', 'Active', 'OwningCustomerID', gen_random_uuid(), '_content_hash_basic', md5(n || '-' || v),
    'Attributes', jsonb_build_array(jsonb_build_object('ID', 1, 'Name', 'MAC', 'Value', md5(n::text)))),
    now() - make_interval(hours => 72 - 24 * v)
FROM generate_series(1, {assets}) AS n, generate_series(1, {versions}) AS v
"""


@contextmanager
def hub() -> Iterator[tuple[str, Engine]]:
    """Give the filled database of a hub."""
    with tempfile.TemporaryDirectory() as folder:
        url = ensure_database(server.start(Path(folder)), "hub")
        try:
            made = make_engine(url)
            with made.begin() as connection:
                connection.exec_driver_sql(TABLES.read_text())
                connection.exec_driver_sql(FILL_LOG.format(rows=LOG_ROWS).replace("%", "%%"))
                connection.exec_driver_sql(
                    FILL_BRONZE.format(assets=ASSETS, versions=VERSIONS).replace("%", "%%")
                )
            with made.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
            yield url, made
            made.dispose()
        finally:
            server.stop(Path(folder))


def timed(what: str, act: Callable[[], Any], rounds: int = ROUNDS) -> None:
    """Print the median wall time of something."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    print(f"{what:<44} {sorted(seconds)[len(seconds) // 2]:8.3f} s", flush=True)


def main() -> None:
    """Measure."""
    with hub() as (url, made):
        for one in migrate(url):
            print(f"migrate {one.name:<36} {one.seconds:8.3f} s", flush=True)
        timed("rebuild silver", lambda: rebuild_computers(made), 1)
        store = PostgresStore(made)
        pipeline = Pipeline(
            "hub", (AddAsset(), Comment(comment_text="Hello", version="v1"), SummaryComment())
        )
        timed("rows of 960 tickets", lambda: store.rows(REPORT))
        timed(
            "plan of 960 tickets", lambda: plan_tickets(pipeline, list(REPORT), store.rows(REPORT))
        )
        timed("history of a ticket", lambda: store.get_ticket_actions(100_001))
        timed("stats", store.get_action_stats)
        timed("failed", store.get_failed)
        timed("age of the inventory", lambda: inventory_age(made))
        timed("silver against bronze", lambda: is_silver_behind(made))


if __name__ == "__main__":
    main()
