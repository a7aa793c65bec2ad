"""What tests of an action need: a TDX simulator, a database, and a service desk that runs actions on tickets.

Belongs here: putting these together as a run does, without Dagster's processes. Does not: how the simulator
answers (`simulator`), what a run does (`tickets`). What this exports stays, as `tdx_dagster.actions` does.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine, ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import (
    ASSET_APP_ID,
    BEID,
    TICKET_APP_ID,
    WEB_SERVICES_KEY,
    Simulator,
    blank_state,
    sample_state,
)
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.sign_in import Credentials
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.registry import read_actions
from tdx_dagster.tickets.batch import Batch, finish_batch, load_batch, run_action
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tdx_dagster.tickets.once.writer import Times
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.services import RunServices
from tdx_dagster.tickets.tables import NoTables, PostgresTables

__all__ = [
    "AT_ONCE",
    "Desk",
    "Outcome",
    "Result",
    "Simulator",
    "actions_of",
    "blank_state",
    "client",
    "inventory_of",
    "sample_state",
    "temporary_database",
]

# An absence counts at once and a retry is due at once: tests go on instead of waiting.
AT_ONCE = Times(settle=0.0, retry_pause=0.0)


@contextmanager
def temporary_database(folder: Path) -> Iterator[Engine]:
    """Start an embedded PostgreSQL with a migrated database, and stop it when the block ends.

    Args:
        folder: An empty folder for its data, such as pytest's `tmp_path`.
    """
    url = ensure_database(server.start(folder), "testing")
    try:
        migrate(url)
        made = engine(url)
        yield made
        made.dispose()
    finally:
        server.stop(folder)


def client(simulator: Simulator, **limits: Any) -> Tdx:  # noqa: ANN401  fields of CallLimits
    """Give a client of the simulator that does not wait long."""
    return Tdx.create(
        Connection(
            simulator.url,
            TICKET_APP_ID,
            ASSET_APP_ID,
            Credentials(beid=BEID, web_services_key=WEB_SERVICES_KEY),
        ),
        limits=CallLimits(**{"max_wait_seconds": 2.0, "answer_seconds": 5.0, **limits}),
    )


def actions_of(file: Path) -> tuple[Action, ...]:
    """Read the actions of a `defs.yaml`, to put them on a desk.

    Raises:
        BadAction: One cannot be read.
    """
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return read_actions(content["attributes"]["actions"], str(file))


@dataclass
class Desk:
    """A pipeline over a simulator, run as in production.

    Args:
        simulator: The TDX.
        store: The action log.
        pipeline: The actions.
        times: How long facts are relied on.
        warnings: Takes what the actions warn of.
        now: Gives the time for what actions do at a stated time.
        engine: The database whose tables look-ups read.
    """

    simulator: Simulator
    store: ActionStore
    pipeline: Pipeline
    times: Times = AT_ONCE
    warnings: list[str] = field(default_factory=list)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    engine: Engine | None = None

    @classmethod
    def over(cls, simulator: Simulator, engine: Engine, *actions: Action, **more: Any) -> "Desk":  # noqa: ANN401  fields
        """Put a desk together on a migrated database."""
        return cls(simulator, PostgresStore(engine), Pipeline("p", actions), engine=engine, **more)

    def tools(self) -> RunServices:
        """Give what a run works with."""
        return RunServices(
            tdx=client(self.simulator),
            store=self.store,
            inventory=RememberingInventory(inventory_of(self.simulator)),
            times=self.times,
            now=self.now,
            tables=PostgresTables(self.engine) if self.engine else NoTables(),
        )

    def run(self, *tickets: int, dry_run: bool = False, run_id: str = "run") -> Batch:
        """Run the actions on some tickets, as the ops do."""
        tools = self.tools()
        runner = tools.runner(self.pipeline, run_id, self.warnings.append)
        batch = load_batch(runner, self.pipeline, tickets, tools.view, dry_run=dry_run)
        for action in self.pipeline.actions:
            for _ in run_action(runner, action, batch):
                pass
        finish_batch(runner, batch)
        return batch

    def outcomes(self, *tickets: int, **how: Any) -> list[Outcome]:  # noqa: ANN401  as for `run`
        """Run, and give each outcome."""
        return [one for ticket in self.run(*tickets, **how).tickets for one in ticket.outcomes]


def inventory_of(simulator: Simulator) -> MemoryInventory:
    """Give what a finished load of the simulator's assets would know."""
    return MemoryInventory.from_json(json.dumps(list(simulator.state.assets.values())))
