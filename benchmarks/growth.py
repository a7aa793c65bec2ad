"""What ten years of history cost: the same questions over a small installation and one ten times its size.

Run from the top of the repository: `python benchmarks/growth.py [--plans] [--json FILE]`. It starts an
embedded PostgreSQL of its own in a temporary folder, fills four databases (the log and Dagster's, in two
sizes), and stops it. Nothing outside is touched. What is due today is the same in both, so the times should
be too. The report is at hand and no process is started: neither TDX nor Python's start hides the growth.
"""

import json
import random
import statistics
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg
from discovery import FILL_COMPUTERS
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rows import Row, at_most, write
from sqlalchemy import Connection, Engine, event, text

from tdx_dagster.component import pipeline_definitions, suppress_preview_warnings
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import ensure_database, libpq_url
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.state.older_daemon import writing_after_takeover
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tdx.models import Report
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import plan_tickets

TIMES_LARGER = 10
MOST = 2.0
"""How many times longer anything may take over the larger installation."""

COMMAND = "python benchmarks/growth.py"
MAY_GROW = ("stats",)
PIPELINE = Pipeline("growth", (Comment(comment_text="Seen."), AddAsset(), SummaryComment()))

FIRST_TICKET = 1_000_000
# The newest tickets of the log, whatever its size: these failed and are due, then these wait for a person.
DUE_AGAIN, BLOCKED = 20, 50
NEW, FINISHED = 80, 1_000
CANDIDATES = 50

# Characters of a line of a plan; the tickets of a report are listed in it otherwise.
WIDEST = 200

FILL_LOG = text(
    """
    INSERT INTO meta.daemon_action_log
        (ticket_id, action_type, action_id, action_hash, action_name, pipeline, run_id, attempts,
         executed_at, status, failure_kind, error_message, metadata, summary_lines, summarised_at)
    SELECT :first + n, done.type, done.id, done.hash, done.type, :pipeline, gen_random_uuid(), 1,
           now() - make_interval(mins => 10 * (:tickets - n)),
           CASE WHEN failed THEN 'failed' ELSE 'completed' END,
           CASE WHEN failed THEN CASE WHEN n > :tickets - :due THEN 'retryable' ELSE 'permanent' END END,
           CASE WHEN failed THEN 'TDX answered 503 to POST /{app}/tickets/{id}/assets/{id}' END,
           jsonb_build_object('message', 'Added 1 asset: LIB-PC-' || n, 'details',
               jsonb_build_object('attached', jsonb_build_array(
                   jsonb_build_object('name', 'LIB-PC-' || n, 'why', 'lib-pc in title is its name')))),
           CASE WHEN done.place = 2 AND NOT failed THEN jsonb_build_array('Added 1 asset: LIB-PC-' || n) END,
           CASE WHEN done.place = 2 AND NOT failed THEN now() END
    FROM generate_series(1, :tickets) AS n
    CROSS JOIN unnest(CAST(:types AS text[]), CAST(:ids AS text[]), CAST(:hashes AS text[]))
        WITH ORDINALITY AS done (type, id, hash, place)
    CROSS JOIN LATERAL (SELECT n > :tickets - :due - :blocked AND done.place = 2) AS outcome (failed)
    WHERE n <= :tickets - :due - :blocked OR done.place < 3
    """
)
FILL_ATTEMPTS = text(
    """
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, effect, detail, at)
    SELECT ticket_id, action_id, pipeline, run_id, past,
           CASE WHEN past <> 'claimed' THEN 'feed:' || action_id END,
           jsonb_build_object('attempt', 1), executed_at
    FROM meta.daemon_action_log CROSS JOIN unnest(ARRAY['claimed', 'intent', 'done']) AS past
    ORDER BY executed_at, action_id
    """
)
FILL_PARTITIONS = text(
    """
    INSERT INTO dynamic_partitions (partitions_def_name, partition)
    SELECT :name, :first + n FROM generate_series(:tickets - :partitions + 1, :tickets) AS n
    """
)
FILL_RUNS = text(
    """
    INSERT INTO runs (run_id, pipeline_name, status, run_body)
    SELECT gen_random_uuid(), :name, 'SUCCESS', '{}' FROM generate_series(1, :partitions)
    """
)


@dataclass(frozen=True)
class Size:
    """How much there is: tickets in the action log, partitions in Dagster, assets in the inventory."""

    tickets: int = 10_000
    partitions: int = 2_000
    assets: int = 20_000

    def larger(self) -> "Size":
        """The size it is compared with."""
        grown = (self.tickets, self.partitions, self.assets)
        return Size(*(TIMES_LARGER * number for number in grown))


@dataclass(frozen=True)
class Question:
    """What one question took.

    Args:
        name: What was asked.
        small_ms: Median over the smaller installation, in milliseconds.
        large_ms: The same over the larger one.
        may_grow: It counts every row there is, so it has no limit.
    """

    name: str
    small_ms: float
    large_ms: float
    may_grow: bool = False

    @property
    def times_longer(self) -> float:
        """Times longer over the larger installation."""
        return self.large_ms / self.small_ms

    @property
    def is_good(self) -> bool:
        """Whether that is within the limit."""
        return self.may_grow or self.times_longer <= MOST

    def as_rows(self) -> list[Row]:
        """The numbers, for the table of all benchmarks."""
        name = f"{self.name}, over ten times the history"
        took = Row(name, self.large_ms, "ms", COMMAND)
        if self.may_grow:
            return [took, Row("… times longer", self.times_longer, "", COMMAND)]
        return [took, at_most("… times longer", self.times_longer, MOST, "", COMMAND)]


@dataclass(frozen=True)
class Reports:
    """What a sensor polls: a report at hand, and the log."""

    tickets: range
    log: PostgresStore
    engine: Engine

    def report(self, report_id: int | None) -> Report:
        """See `SensorServices.report`."""
        rows = tuple({"TicketID": ticket} for ticket in self.tickets)
        return Report(report_id or 1, "Open tickets", 0, (), rows)

    def store(self) -> PostgresStore:
        """See `SensorServices.store`."""
        return self.log

    def older_daemon(self, taken_over_at: datetime | None) -> str | None:
        """See `SensorServices.older_daemon`."""
        return writing_after_takeover(self.engine, taken_over_at)


class Installation:
    """A filled installation, and the questions it is asked.

    Args:
        engine: Its database.
        instance: Its Dagster instance, in a database of its own.
        size: How much is in them.
    """

    def __init__(self, engine: Engine, instance: dg.DagsterInstance, size: Size) -> None:
        self._instance = instance
        self._engine = engine
        self._store = PostgresStore(engine)
        self._inventory = PostgresInventory(engine)
        self._size = size
        self._chance = random.Random(2)  # noqa: S311  sample data
        with suppress_preview_warnings():
            [self._sensor] = pipeline_definitions(PIPELINE).sensors or ()
        newest = FIRST_TICKET + size.tickets
        self._open = range(newest - DUE_AGAIN + 1, newest + NEW + 1)
        finished = newest - DUE_AGAIN - BLOCKED
        self._finished = range(finished - FINISHED + 1, finished + 1)

    def questions(self) -> Mapping[str, Callable[[], object]]:
        """Give what is measured, by name."""
        return {
            f"sensor tick, {len(self._open)} open tickets": self._busy_tick,
            f"sensor tick, {FINISHED:,} finished tickets": self._idle_tick,
            f"plan, {len(self._open)} open tickets": self._plan,
            f"inventory, {CANDIDATES} candidates": self._lookup,
            "history of a ticket": self._history,
            "stats": self._store.get_action_stats,
            f"failed, {DUE_AGAIN + BLOCKED} of them": self._store.get_failed,
        }

    def _busy_tick(self) -> object:
        answer = self._tick(self._open)
        if not isinstance(answer, dg.SensorResult) or not answer.run_requests:
            raise RuntimeError(f"A tick with work to do asked for no run: {answer}")
        return answer

    def _idle_tick(self) -> object:
        answer = self._tick(self._finished)
        if not isinstance(answer, dg.SkipReason):
            raise TypeError(f"A tick over finished tickets asked for something: {answer}")
        return answer

    def _tick(self, tickets: range) -> object:
        polling = Reports(tickets, self._store, self._engine)
        with dg.build_sensor_context(
            instance=self._instance, resources={"tdx_dagster_polling": polling}
        ) as context:
            return self._sensor(context)

    def _plan(self) -> object:
        return plan_tickets(PIPELINE, self._open, self._store.rows(self._open)).counts()

    def _lookup(self) -> object:
        twice = range(2 * self._size.assets)
        keys = {f"LIB-PC-{number}" for number in self._chance.sample(twice, CANDIDATES)}
        return self._inventory.find(keys, active_only=True, form_id=2448)

    def _history(self) -> object:
        ticket = FIRST_TICKET + self._chance.randint(1, self._size.tickets)
        return self._store.get_ticket_actions(ticket), self._store.get_attempts(ticket)


def measure(*, rounds: int = 40, plans: Console | None = None) -> list[Question]:
    """Ask both installations the same, in turns, and compare the median times.

    Args:
        rounds: How often each is asked.
        plans: Where to show how PostgreSQL answers each question over the larger one.
    """
    size = Size()
    with (
        _running_server() as (url, folder),
        _installed(url, folder / "small", size) as small,
        _installed(url, folder / "large", size.larger()) as large,
    ):
        pairs = {name: (ask, large.questions()[name]) for name, ask in small.questions().items()}
        rows = [
            _compared(name, *pair, rounds)
            for name, pair in track(pairs.items(), "Measuring", console=Console(stderr=True))
        ]
        if plans:
            for name, ask in large.questions().items():
                plans.rule(name)
                _explain(ask, plans)
    return rows


def _compared(
    name: str, small: Callable[[], object], large: Callable[[], object], rounds: int
) -> Question:
    """Ask in turns, so that a busy moment of the machine hits both."""
    small(), large()
    taken = [(_milliseconds(small), _milliseconds(large)) for _ in range(rounds)]
    small_ms, large_ms = (statistics.median(times) for times in zip(*taken, strict=True))
    return Question(name, small_ms, large_ms, may_grow=name in MAY_GROW)


def _milliseconds(ask: Callable[[], object]) -> float:
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) * 1000


def _explain(ask: Callable[[], object], console: Console) -> None:
    """Show the plan of every statement that a question sends, ours and Dagster's."""
    sent: list[tuple[Engine, str, Any]] = []

    def note(
        connection: Connection, _cursor: object, statement: str, values: object, *_: object
    ) -> None:
        # Dagster asks what tables there are at every turn; that does not grow.
        if statement.startswith(("SELECT", "WITH")) and "pg_catalog" not in statement:
            sent.append((connection.engine, statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    for engine, statement, values in sent:
        with engine.connect() as connection:
            explained = "EXPLAIN (ANALYZE, BUFFERS) " + statement
            for (line,) in connection.exec_driver_sql(explained, values):
                shown = textwrap.shorten(line.strip(), WIDEST, placeholder=" …")
                indented = line[: len(line) - len(line.lstrip())] + shown
                console.print("   ", indented, markup=False, highlight=False, soft_wrap=True)
        console.print()


@contextmanager
def _running_server() -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        url = server.start(folder / "server")
        try:
            yield url, folder
        finally:
            server.stop(folder / "server")


@contextmanager
def _installed(url: str, home: Path, size: Size) -> Iterator[Installation]:
    """An installation of this size, filled and analysed."""
    database = ensure_database(url, f"growth_{home.name}")
    migrate(database)
    engine = make_engine(database)
    _fill_ours(engine, size)
    dagster_url = libpq_url(ensure_database(url, f"growth_{home.name}_dagster"))
    home.mkdir()
    settings = {"storage": {"postgres": {"postgres_url": dagster_url}}}
    (home / "dagster.yaml").write_text(json.dumps(settings | {"telemetry": {"enabled": False}}))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        _fill_dagster(dagster_url, instance, size)
        yield Installation(engine, instance, size)
    engine.dispose()


def _fill_ours(engine: Engine, size: Size) -> None:
    identities = [action.identity() for action in PIPELINE.actions]
    values = {
        "first": FIRST_TICKET,
        "tickets": size.tickets,
        "due": DUE_AGAIN,
        "blocked": BLOCKED,
        "pipeline": PIPELINE.name,
        "types": [identity.action_type for identity in identities],
        "ids": [identity.action_id for identity in identities],
        "hashes": [identity.action_hash for identity in identities],
    }
    with engine.begin() as connection:
        connection.execute(FILL_LOG, values)
        connection.execute(FILL_ATTEMPTS)
        connection.execute(FILL_COMPUTERS, {"assets": size.assets})
    _tidy(engine)


def _fill_dagster(url: str, instance: dg.DagsterInstance, size: Size) -> None:
    """Partitions of the newest tickets, a finished run for each, and three runs at work."""
    engine = make_engine(url)
    values = {"tickets": size.tickets, "partitions": size.partitions, "first": FIRST_TICKET}
    with engine.begin() as connection:
        connection.execute(FILL_PARTITIONS, values | {"name": PIPELINE.partitions_name})
        connection.execute(FILL_RUNS, values | {"name": PIPELINE.name})
    newest = FIRST_TICKET + size.tickets
    for tags in (
        {"dagster/partition": str(newest)},
        {"dagster/partition": str(newest - 1)},
        {
            "dagster/asset_partition_range_start": str(newest - 9),
            "dagster/asset_partition_range_end": str(newest - 5),
        },
    ):
        run = dg.DagsterRun(PIPELINE.name, status=dg.DagsterRunStatus.STARTED, tags=tags)
        instance.add_run(run)
    _tidy(engine)
    engine.dispose()


def _tidy(engine: Engine) -> None:
    """What autovacuum does in time."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def show(rows: list[Question]) -> Table:
    """A table for people."""
    small, large = Size(), Size().larger()
    title = f"{small.tickets:,} tickets in the log, and {TIMES_LARGER} times that"
    caption = f"{small.partitions:,}/{large.partitions:,} partitions, {small.assets:,}/{large.assets:,} assets"
    table = Table("question", title=title, caption=caption)
    for heading in ("small, ms", "large, ms", "times longer", f"at most {MOST:g}"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = (f"{number:.2f}" for number in (row.small_ms, row.large_ms, row.times_longer))
        table.add_row(
            row.name, *numbers, "" if row.may_grow else "yes" if row.is_good else "[bold red]NO[/]"
        )
    return table


@click.command()
@click.option("--plans", is_flag=True, help="Show EXPLAIN ANALYZE of every query, large.")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False))
def main(*, plans: bool, file: Path | None) -> None:
    """Measure, print, and end with 1 where anything grows too much."""
    console = Console()
    rows = measure(plans=console if plans else None)
    console.print(show(rows))
    if file:
        write([one for row in rows for one in row.as_rows()], file)
    raise SystemExit(0 if all(row.is_good for row in rows) else 1)


if __name__ == "__main__":
    main()
