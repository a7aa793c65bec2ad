"""What the pages of operations cost over 10,000 tickets in the log and 5,000 partitions.

Run from the top of the repository: `python benchmarks/ui.py [--json FILE]`. It starts an embedded PostgreSQL
of its own in a temporary folder and stops it; no TDX is asked. Measured are each page, and the whole run of
the job `operations` in a process that is started already. Beside each time stands the processor time of this
process and of PostgreSQL's: it hardly depends on what else the machine does. The last ones are what the UI
asks for the list of tickets, with all partitions materialised, and for the page of one.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster_graphql.test.utils import execute_dagster_graphql
from growth import FILL_LOG, PIPELINE
from rich.console import Console
from rows import Row, at_most, show
from sqlalchemy import Engine, text

from tdx_dagster.component import pipeline_definitions, suppress_preview_warnings
from tdx_dagster.environment import SettingsError
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.operations.activity import activity_page
from tdx_dagster.operations.assets import JOB, operations_definitions
from tdx_dagster.operations.people import no_computer_page, waiting_page
from tdx_dagster.operations.tdx_side import budget_page, connection_page
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import ensure_database, libpq_url
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.tickets.job import batch_io_manager

COMMAND = "python benchmarks/ui.py"
TICKETS, PARTITIONS, FIRST_TICKET = 10_000, 5_000, 1_000_000
BLOCKED = 500
MOST_SECONDS_A_PAGE, MOST_SECONDS_A_RUN = 3.0, 5.0
REPEATS = 3

# Two weeks of history, with every event an action leaves.
FILL_EVENTS = text(
    """
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, effect, at)
    SELECT ticket_id, action_id, pipeline, run_id, past,
           CASE WHEN past IN ('intent', 'done') THEN 'attach:' || ticket_id || ':' || action_id END, executed_at
    FROM meta.daemon_action_log CROSS JOIN unnest(ARRAY['claimed', 'intent', 'done', 'completed']) AS past
    ORDER BY executed_at, action_id
    """
)
SPREAD = text(
    """
    UPDATE meta.daemon_action_log
    SET executed_at = now() - make_interval(secs => 120 * (:first + :tickets - ticket_id)),
        metadata = CASE WHEN ticket_id % 5 = 0 THEN
            CAST('{"message": "No assets added.", '
                 '"details": {"attached": [], "already": [], "reason": "no_requestor"}}' AS jsonb)
            ELSE metadata END
    """
)


COPY_MATERIALISATION = text(
    """
    INSERT INTO event_logs (run_id, event, dagster_event_type, "timestamp", step_key, asset_key, partition)
    SELECT run_id, replace(event, :first, CAST(n AS text)), dagster_event_type, "timestamp", step_key,
           asset_key, CAST(n AS text)
    FROM event_logs, generate_series(CAST(:first AS bigint) + 1, CAST(:first AS bigint) + :partitions - 1) AS n
    WHERE partition = :first
    """
)
ASSET = dg.AssetKey(list(PIPELINE.asset_key))
LIST_OF_TICKETS = """
query ($asset: AssetKeyInput!) { assetNodeOrError(assetKey: $asset) { ... on AssetNode {
  partitionKeysByDimension { partitionKeys }
  assetPartitionStatuses { ... on DefaultPartitionStatuses {
    materializedPartitions failedPartitions materializingPartitions } } } } }"""
PAGE_OF_TICKET = """
query ($asset: AssetKeyInput!, $key: String!) { assetNodeOrError(assetKey: $asset) { ... on AssetNode {
  latestRunForPartition(partition: $key) { id }
  assetMaterializations(partitions: [$key], limit: 1) { partition metadataEntries { label } }
  assetObservations(partitions: [$key], limit: 1) { partition metadataEntries { label } } } } }"""


class Providers:
    """Gives the database, and a client that nobody can ask."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def engine(self) -> Engine:
        """See `DatabaseProvider`."""
        return self._database

    def non_waiting_client(self) -> None:
        """Refuse: there is no TDX."""
        raise SettingsError("there is no TDX")


def fill(database: Engine) -> None:
    """Put the history into the log."""
    identities = [action.identity() for action in PIPELINE.actions]
    values = {
        "first": FIRST_TICKET,
        "tickets": TICKETS,
        "due": 0,
        "blocked": BLOCKED,
        "pipeline": PIPELINE.name,
        "types": [one.action_type for one in identities],
        "ids": [one.action_id for one in identities],
        "hashes": [one.action_hash for one in identities],
    }
    with database.begin() as connection:
        connection.execute(FILL_LOG, values)
        connection.execute(SPREAD, {"first": FIRST_TICKET, "tickets": TICKETS})
        connection.execute(FILL_EVENTS)
        connection.execute(text("ANALYZE"))


@dataclass(frozen=True)
class Clock:
    """Measures what something takes.

    Args:
        server: Process of the PostgreSQL server.
    """

    server: int

    def rows(self, name: str, do: Callable[[], object], limit: float) -> list[Row]:
        """Give the median of a few times, and of the processor time that each took."""
        taken = []
        for _ in range(REPEATS):
            begun = (time.perf_counter(), time.process_time(), self._server_seconds())
            do()
            now = (time.perf_counter(), time.process_time(), self._server_seconds())
            taken.append([after - before for before, after in zip(begun, now, strict=True)])
        whole, ours, servers = map(statistics.median, zip(*taken, strict=True))
        return [
            at_most(name, whole, limit, "s", COMMAND),
            Row(f"… {name}: processor", ours, "s", COMMAND),
            Row(f"… {name}: processor of PostgreSQL", servers, "s", COMMAND),
        ]

    def _server_seconds(self) -> float:
        """Give the processor time of the server, of its processes and of those that have ended."""
        whole = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(folder.name) == self.server:
                whole += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self.server:
                whole += sum(map(int, fields[11:13]))
        return whole / os.sysconf("SC_CLK_TCK")


def measure_pages(clock: Clock, database: Engine) -> list[Row]:
    """Measure each page by itself."""
    settings = InventorySettings()
    pages: dict[str, Callable[[], object]] = {
        "activity": lambda: activity_page(database, ZoneInfo("UTC")),
        "waiting_for_a_person": lambda: waiting_page(database, None),
        "no_computer_found": lambda: no_computer_page(database, None),
        "tdx_budget": lambda: budget_page(database, []),
        "connection": lambda: connection_page(database, None, "", [PIPELINE], settings),
    }
    return [
        row
        for name, make in pages.items()
        for row in clock.rows(f"page {name}, 10,000 tickets", make, MOST_SECONDS_A_PAGE)
    ]


def measure_job(clock: Clock, database: Engine, instance: dg.DagsterInstance) -> list[Row]:
    """Measure a run of the job with 5,000 partitions in Dagster."""
    providers = Providers(database)
    with suppress_preview_warnings():
        defs = dg.Definitions.merge(
            pipeline_definitions(PIPELINE),
            operations_definitions([PIPELINE], InventorySettings()),
            dg.Definitions(
                assets=[dg.AssetSpec(["silver", "computers"])],
                resources={
                    "tdx_dagster_tools": providers,
                    "tdx_dagster_polling": providers,
                    "tdx_dagster_client": providers,
                    "tdx_dagster_database": providers,
                    "tdx_dagster_batch_io": batch_io_manager,
                },
                executor=dg.in_process_executor,
            ),
        )
        job = defs.resolve_job_def(JOB)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    keys = [str(FIRST_TICKET + number) for number in range(PARTITIONS)]
    instance.add_dynamic_partitions(PIPELINE.partitions_name, keys)
    return clock.rows(
        "an hour's making of operations",
        lambda: job.execute_in_process(instance=instance, run_config=quiet),
        MOST_SECONDS_A_RUN,
    )


@dg.definitions
def tickets() -> dg.Definitions:
    """Make what the UI shows: the tickets."""
    names = ("tools", "polling", "client", "database")
    with suppress_preview_warnings():
        return dg.Definitions.merge(
            pipeline_definitions(PIPELINE),
            dg.Definitions(
                resources={
                    **{f"tdx_dagster_{name}": object() for name in names},
                    "tdx_dagster_batch_io": batch_io_manager,
                }
            ),
        )


def measure_ui(clock: Clock, instance: dg.DagsterInstance, dagster: Engine) -> list[Row]:
    """Measure what the UI asks Dagster for, with each partition materialised."""
    first = str(FIRST_TICKET)
    shown = {"title": "The printer is slow", "actions": dg.MetadataValue.md("| a |" * 100)}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(ASSET, partition=first, metadata=shown)
    )
    with dagster.begin() as connection:
        connection.execute(COPY_MATERIALISATION, {"first": first, "partitions": PARTITIONS})
        connection.execute(text("ANALYZE"))
    asset = {"path": list(ASSET.path)}
    newest = {"asset": asset, "key": str(FIRST_TICKET + PARTITIONS - 1)}
    target = LoadableTargetOrigin(python_file=__file__, attribute="tickets")
    origin = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(target))
    with WorkspaceProcessContext(instance, origin) as workspace:

        def ask(query: str, variables: dict[str, object]) -> dict[str, Any]:
            answer = execute_dagster_graphql(workspace.create_request_context(), query, variables)
            if answer.errors:
                raise RuntimeError(str(answer.errors))
            found: dict[str, Any] = answer.data["assetNodeOrError"]
            return found

        listed = ask(LIST_OF_TICKETS, {"asset": asset})["assetPartitionStatuses"]
        if len(listed["materializedPartitions"]) != PARTITIONS:
            raise RuntimeError("the UI does not list every ticket")
        return [
            *clock.rows(
                "the UI's list of 5,000 tickets",
                lambda: ask(LIST_OF_TICKETS, {"asset": asset}),
                MOST_SECONDS_A_PAGE,
            ),
            *clock.rows(
                "the UI's page of a ticket",
                lambda: ask(PAGE_OF_TICKET, newest),
                MOST_SECONDS_A_PAGE,
            ),
        ]


def dagster_instance(url: str, home: Path) -> dg.DagsterInstance:
    """Make an instance that stores in PostgreSQL, as that of this project does."""
    home.mkdir()
    settings = {"storage": {"postgres": {"postgres_url": url}}, "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(json.dumps(settings))
    return dg.DagsterInstance.from_config(str(home))


@click.command()
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the rows there.")
def main(*, target: Path | None) -> None:
    """Measure and show."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "postgres"
        url = server.start(base)
        try:
            database = make_engine(ensure_database(url, "ui"))
            migrate(database.url.render_as_string(hide_password=False))
            fill(database)
            with database.connect() as connection:
                pid = connection.execute(text("SELECT pg_read_file('postmaster.pid')")).scalar_one()
            clock = Clock(int(pid.split()[0]))
            dagster_url = libpq_url(ensure_database(url, "ui_dagster"))
            with dagster_instance(dagster_url, Path(folder) / "dagster") as instance:
                rows = [*measure_pages(clock, database), *measure_job(clock, database, instance)]
                rows += measure_ui(clock, instance, make_engine(dagster_url))
            database.dispose()
        finally:
            server.stop(base)
    Console(stderr=True).print()
    raise SystemExit(show(rows, "Pages of operations", target))


if __name__ == "__main__":
    main()
