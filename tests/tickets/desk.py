"""A service desk for tests: simulator, client, log and inventory, put together as in a run."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.simulator import ASSET_APP_ID, BEID, TICKET_APP_ID, WEB_SERVICES_KEY, Simulator
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.sign_in import Credentials
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.batch import Batch, finish_batch, load_batch, run_action
from tdx_dagster.tickets.once.runner import Outcome
from tdx_dagster.tickets.once.writer import Times
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.services import RunServices

# An absence is believed at once and a retry is due at once: tests move on instead of waiting.
AT_ONCE = Times(settle=0.0, retry_pause=0.0)


def client(simulator: Simulator, **patience: Any) -> Tdx:
    """A client of the simulator that does not wait long."""
    return Tdx.create(
        Connection(
            simulator.url,
            TICKET_APP_ID,
            ASSET_APP_ID,
            Credentials(beid=BEID, web_services_key=WEB_SERVICES_KEY),
        ),
        patience=CallLimits(**{"max_wait_seconds": 2.0, "answer_seconds": 5.0, **patience}),
    )


@dataclass
class Desk:
    """A pipeline over a simulator."""

    simulator: Simulator
    store: ActionStore
    pipeline: Pipeline
    times: Times = AT_ONCE
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, simulator: Simulator, engine: Engine, *actions: Action, **more: Any) -> "Desk":
        """Put a desk together on a real database."""
        return cls(simulator, PostgresStore(engine), Pipeline("p", actions), **more)

    def tools(self) -> RunServices:
        """What a run works with."""
        return RunServices(
            tdx=client(self.simulator),
            store=self.store,
            inventory=RememberingInventory(inventory_of(self.simulator)),
            times=self.times,
        )

    def run(self, *tickets: int, dry_run: bool = False, run_id: str = "run") -> Batch:
        """One run over some tickets, as the ops make it."""
        tools = self.tools()
        runner = tools.runner(self.pipeline, run_id, self.warnings.append)
        batch = load_batch(runner, self.pipeline, tickets, tools.view, dry_run=dry_run)
        for action in self.pipeline.actions:
            for _ in run_action(runner, action, batch):
                pass
        finish_batch(runner, batch)
        return batch

    def outcomes(self, *tickets: int, **how: Any) -> list[Outcome]:
        """Run, and give what came of it."""
        return [one for ticket in self.run(*tickets, **how).tickets for one in ticket.outcomes]


def inventory_of(simulator: Simulator) -> MemoryInventory:
    """What a finished ingestion of the simulator's assets would know."""
    import json  # noqa: PLC0415  here alone

    return MemoryInventory.from_json(json.dumps(list(simulator.state.assets.values())))
