"""A large hub that others go on filling: how long migrating keeps them waiting, and what ticks and plans cost.

Run from the top of the repository: `python benchmarks/hub.py [--json FILE]`. It makes 500,000 rows of the older
daemon's log and 72,000 assets in three versions on an embedded server in a temporary folder, and migrates while
another session writes log and bronze. The report is at hand, so that TDX does not count. Of tick and plan, the
processor time of this process and the time that its statements took are judged: on an idle machine their sum is
the wall time, which others on the same machine make longer.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import dagster as dg
from growth import Reports
from rows import Row, at_most, show
from sqlalchemy import Connection, Engine, event, text

from tdx_dagster.component import pipeline_definitions, suppress_preview_warnings
from tdx_dagster.inventory.freshness import inventory_age, is_silver_behind
from tdx_dagster.inventory.silver import rebuild_computers
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.state.older_daemon import read_log
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
PIPELINE = Pipeline(
    "hub", (AddAsset(), Comment(comment_text="Hello", version="v1"), SummaryComment())
)
COMMAND = "python benchmarks/hub.py"

MOST_LOCKED = 10.0
"""Seconds that a statement of others may wait while the schema is migrated."""

MOST_SECONDS = 1.0
"""For an idle tick, and for the plan of 960 tickets: processor and statements."""

# Four actions a ticket: those of the pipeline, all completed, and one that is the older daemon's alone.
FILL_LOG = text(
    """
    INSERT INTO meta.daemon_action_log
        (ticket_id, action_type, action_id, action_hash, executed_at, status, metadata)
    SELECT 100000 + n / 4, ids.kind, ids.id, md5(ids.id) || md5(ids.id),
           now() - make_interval(hours => 1, mins => n),
           CASE WHEN ids.place = 4 AND n % 97 = 0 THEN 'failed' ELSE 'completed' END,
           jsonb_build_object(
               'details', jsonb_build_object('phase', n % 3, 'asset_names', jsonb_build_array('LIB-PC-' || n)),
               'config', jsonb_build_object('kind', ids.kind))
    FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])) WITH ORDINALITY AS ids (kind, id, place)
    JOIN generate_series(0, :rows - 1) AS n ON n % 4 = ids.place - 1
    """
)
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
                connection.execute(FILL_LOG, {"rows": LOG_ROWS, **_old_ids()})
                connection.exec_driver_sql(
                    FILL_BRONZE.format(assets=ASSETS, versions=VERSIONS).replace("%", "%%")
                )
            with made.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
            yield url, made
            made.dispose()
        finally:
            server.stop(Path(folder))


def _old_ids() -> dict[str, list[str]]:
    identities = [action.identity() for action in PIPELINE.actions]
    return {
        "kinds": [*(one.action_type for one in identities), "add_lab"],
        "ids": [*(one.action_id for one in identities), "add_lab:0123456789ab:v1"],
    }


WRITES = (
    "UPDATE meta.daemon_action_log SET status = status WHERE ticket_id = 100001",
    """
    INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data)
    VALUES ('asset', 'tdx', '1', '{}')
    """,
)


class OtherWriter(threading.Thread):
    """A job of others that writes the log and bronze all the time, and takes everything back."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self._engine = engine
        self._ends = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        """Write until the end."""
        with self._engine.connect() as connection:
            while not self._ends.wait(0.02):
                for statement in WRITES:
                    began = time.perf_counter()
                    connection.exec_driver_sql(statement)
                    connection.rollback()
                    self.longest = max(self.longest, time.perf_counter() - began)

    def end(self) -> float:
        """Stop, and give the seconds of the statement that waited longest."""
        self._ends.set()
        self.join()
        return self.longest


@dataclass(frozen=True)
class Took:
    """What something took, in seconds: by the clock, of the processor, and for the answers of statements."""

    wall: float
    processor: float
    statements: float

    def rows(self, name: str) -> list[Row]:
        """Give it for the table."""
        both = at_most(
            f"{name}, large hub", self.processor + self.statements, MOST_SECONDS, "s", COMMAND
        )
        parts = {"processor": self.processor, "statements": self.statements, "wall": self.wall}
        return [both, *(Row(f"… {part}", value, "s", COMMAND) for part, value in parts.items())]


def took(act: Callable[[], Any], rounds: int = ROUNDS) -> Took:
    """Give the medians of something that sends statements."""
    answered: list[float] = []

    def began(connection: Connection, *_: object) -> None:
        connection.info["began"] = time.perf_counter()

    def ended(connection: Connection, *_: object) -> None:
        answered.append(time.perf_counter() - connection.info["began"])

    event.listen(Engine, "before_cursor_execute", began)
    event.listen(Engine, "after_cursor_execute", ended)
    rows = []
    try:
        for _ in range(rounds):
            answered.clear()
            wall, processor = time.perf_counter(), time.process_time()
            act()
            rows.append(
                (time.perf_counter() - wall, time.process_time() - processor, sum(answered))
            )
    finally:
        event.remove(Engine, "before_cursor_execute", began)
        event.remove(Engine, "after_cursor_execute", ended)
    return Took(*map(statistics.median, zip(*rows, strict=True)))


def timed(act: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Give the median wall time of something, in seconds."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measure_migrating(url: str, made: Engine) -> list[Row]:
    """Migrate while others write."""
    others = OtherWriter(made)
    others.start()
    began = time.perf_counter()
    migrate(url)
    took = time.perf_counter() - began
    return [
        Row("migrate a hub, all of it", took, "s", COMMAND),
        at_most(
            "… and the longest wait of another writer", others.end(), MOST_LOCKED, "s", COMMAND
        ),
    ]


def measure_questions(made: Engine) -> list[Row]:
    """Ask what ticks and commands ask."""
    store = PostgresStore(made)

    def plan() -> object:
        return plan_tickets(PIPELINE, list(REPORT), store.rows(REPORT)).counts()

    with suppress_preview_warnings():
        [sensor] = pipeline_definitions(PIPELINE).sensors or ()
    with dg.DagsterInstance.ephemeral() as instance:
        tick = took(lambda: _idle_tick(sensor, Reports(REPORT, store, made), instance))
    questions = {
        "history of a ticket": lambda: (
            store.get_ticket_actions(100_001),
            store.get_attempts(100_001),
        ),
        "stats": store.get_action_stats,
        "failed": store.get_failed,
        "age of the inventory": lambda: inventory_age(made),
        "silver against bronze": lambda: is_silver_behind(made),
    }
    return [
        *tick.rows(f"idle tick, {len(REPORT)} tickets"),
        *took(plan).rows(f"plan, {len(REPORT)} tickets"),
        *(Row(f"{k}, large hub", timed(act), "s", COMMAND) for k, act in questions.items()),
        Row("what takeover reads", timed(lambda: read_log(made), 1), "s", COMMAND),
    ]


def _idle_tick(sensor: dg.SensorDefinition, polling: Reports, instance: dg.DagsterInstance) -> None:
    with dg.build_sensor_context(
        instance=instance, resources={"tdx_dagster_polling": polling}
    ) as context:
        answer = sensor(context)
    if not isinstance(answer, dg.SkipReason):
        raise TypeError(f"A tick over finished tickets asked for something: {answer}")


@click.command()
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False))
def main(*, file: Path | None) -> None:
    """Measure, print, and end with 1 where a target is missed."""
    with hub() as (url, made):
        rows = measure_migrating(url, made)
        rows.append(Row("rebuild silver", timed(lambda: rebuild_computers(made), 1), "s", COMMAND))
        rows += measure_questions(made)
    title = f"{LOG_ROWS:,} rows of log, {ASSETS:,} assets in {VERSIONS} versions"
    sys.exit(show(rows, title, file))


if __name__ == "__main__":
    main()
