"""A worker in a process of its own: one pass over the tickets, and what happens to it on the way.

Belongs here: the product's own batch functions over a log and a client whose steps are watched from
outside, and the troubles that come at a step. The product knows nothing of it.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import psycopg2

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.postgres.database import engine
from tdx_dagster.simulator import ASSET_APP_ID, BEID, TICKET_APP_ID, WEB_SERVICES_KEY
from tdx_dagster.state import postgres_store
from tdx_dagster.state.decisions import Decisions, Person, Selection
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tdx.sign_in import Credentials
from tdx_dagster.tickets import batch
from tdx_dagster.tickets.actions import recognition
from tdx_dagster.tickets.once.writer import Times
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import tickets_to_plan
from tdx_dagster.tickets.services import RunServices
from tdx_dagster.tickets.undo import TakingBack
from tests.chaos import mutations
from tests.chaos.schedule import Step, Trouble, WorkerPlan

ROBOT = "robot"
FIRST_RUN = "run-1"
UNDO_NOTE = "words of whoever takes back"
TIMES = Times(settle=300.0, lease=900.0, retry_pause=60.0)
SLOW_SECONDS = 0.3
HASTY = CallLimits(max_wait_seconds=0.3, connect_seconds=2.0, answer_seconds=0.35)
CALM = CallLimits(max_wait_seconds=2.0, connect_seconds=5.0, answer_seconds=20.0)


@dataclass(frozen=True)
class Order:
    """What a worker is told.

    Args:
        plan: What happens to it.
        tdx_url: The simulator.
        database_url: The log, as the robot's role.
        admin_url: The server, as its owner.
        inventory: Assets as JSON.
        pipelines: To run, one after the other.
        tickets: In the report.
        run_id: For the log.
        is_calm: Nothing goes wrong any more.
        mutation: What of the product is taken out, by name.
        observes: The pipelines are in observe mode.
    """

    plan: WorkerPlan
    tdx_url: str
    database_url: str
    admin_url: str
    inventory: str
    pipelines: Sequence[Pipeline]
    tickets: Sequence[int]
    run_id: str
    is_calm: bool = False
    mutation: str = ""
    observes: bool = False


def work(order: Order) -> None:
    """Make one pass; ends with 1 where the log or TDX could not be used, as a run of Dagster would."""
    _set_clock(order.plan.clock_minutes)
    postgres_store.BOUNDS = "SET LOCAL lock_timeout = '1s'"
    if order.plan.sleeps:
        # Asleep at its step, and not with another thread between the last look at the claim and the first
        # byte of a write: that window is TDX's to close (docs/exactly-once.md).
        batch.PARALLEL_TICKETS = 1
    steps = Steps(order)
    made = engine(order.database_url)
    store = WatchedStore(PostgresStore(made), steps)
    tools = RunServices(
        tdx=_client(order, steps),
        store=store,
        inventory=RememberingInventory(MemoryInventory.from_json(order.inventory)),
        times=TIMES,
    )
    mutations.apply(order.mutation, tools, order.run_id)
    tools = tools.without_writes if order.observes else tools
    try:
        if order.plan.takes_back and not order.observes:
            _take_back(order, tools, Decisions(made))
        else:
            _pass(order, tools)
    except (StoreUnavailable, TdxError):
        raise SystemExit(1) from None
    finally:
        made.dispose()


def _pass(order: Order, tools: RunServices) -> None:
    for pipeline in order.pipelines:
        runner = tools.runner(pipeline, order.run_id, lambda _: None)
        begun = tools.store.unfinished(pipeline.name, limit=batch.MOST_UNFINISHED)
        tickets = tickets_to_plan(order.tickets, begun)
        taken = batch.load_batch(runner, pipeline, tickets, tools.view, dry_run=order.observes)
        for action in pipeline.actions:
            for _ in batch.run_action(runner, action, taken):
                pass
        batch.finish_batch(runner, taken)


def _take_back(order: Order, tools: RunServices, decisions: Decisions) -> None:
    """Do what `undo --run` does; a person repeats it until nothing is left."""
    back = TakingBack(tools, decisions, Person("a person", run_id=order.run_id), UNDO_NOTE)
    for done in decisions.done(Selection(run_id=FIRST_RUN)):
        back.run(done)


def _client(order: Order, steps: "Steps") -> Any:
    credentials = Credentials(beid=BEID, web_services_key=WEB_SERVICES_KEY)
    connection = Connection(order.tdx_url, TICKET_APP_ID, ASSET_APP_ID, credentials)
    # Who sleeps would find its time over, and send nothing.
    is_patient = order.is_calm or order.plan.sleeps or order.plan.is_patient
    tdx = Tdx.create(connection, limits=CALM if is_patient else HASTY)
    return WatchedTdx(tdx, steps)


class Steps:
    """Counts the steps of a worker and lets its troubles come. Safe for threads."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._seen: Counter[Step] = Counter()
        self._lock = threading.Lock()

    def passed(self, step: Step) -> None:
        """A thread of the worker is at a step."""
        with self._lock:
            self._seen[step] += 1
            count = self._seen[step]
        for one in self._order.plan.troubles:
            if (one.step, one.at) == (step, count):
                self._make(one.trouble)

    def _make(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.KILLED:
                os.kill(os.getpid(), signal.SIGKILL)
            case Trouble.SUSPENDED | Trouble.WAITS:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Trouble.DISCONNECTED:
                self._admin(CUT)
            case Trouble.AWAY:
                self._admin("ALTER DATABASE {name} ALLOW_CONNECTIONS false", CUT)
            case Trouble.USED_UP:
                self._admin(f"ALTER ROLE {ROBOT} CONNECTION LIMIT 1", CUT)
            case Trouble.SLOW:
                threading.Thread(target=self._lock_log, daemon=True).start()

    def _admin(self, *statements: str) -> None:
        name = self._order.database_url.rpartition("/")[2]
        connection = psycopg2.connect(self._order.admin_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement.format(name=name))
        connection.close()

    def _lock_log(self) -> None:
        name = self._order.database_url.rpartition("/")[2]
        connection = psycopg2.connect(self._order.admin_url.rpartition("/")[0] + f"/{name}")
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE meta.daemon_action_log IN EXCLUSIVE MODE")
            cursor.execute("SELECT pg_sleep(%s)", (SLOW_SECONDS,))
        connection.rollback()
        connection.close()


CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = '{name}' AND usename = 'robot'"
)


class WatchedStore:
    """A log whose steps are told; all else passes through."""

    def __init__(self, store: Any, steps: Steps) -> None:
        self.real, self._steps = store, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def claim(self, *what: Any, **how: Any) -> Any:
        """See `ActionStore.claim`."""
        self._steps.passed(Step.BEFORE_CLAIM)
        claim = self.real.claim(*what, **how)
        if claim is not None:
            self._steps.passed(Step.AFTER_CLAIM)
        return claim

    def begin_effect(self, *what: Any, **how: Any) -> Any:
        """See `ActionStore.begin_effect`."""
        record = self.real.begin_effect(*what, **how)
        self._steps.passed(Step.AFTER_INTENT)
        return record

    def confirm_intent(self, *what: Any, **how: Any) -> Any:
        """See `ActionStore.confirm_intent`."""
        self._steps.passed(Step.BEFORE_SENDING)
        return self.real.confirm_intent(*what, **how)

    def settle_effect(self, *what: Any, **how: Any) -> None:
        """See `ActionStore.settle_effect`."""
        self.real.settle_effect(*what, **how)
        self._steps.passed(Step.AFTER_SETTLING)

    def finish(self, *what: Any, **how: Any) -> None:
        """See `ActionStore.finish`."""
        self._steps.passed(Step.BEFORE_FINISH)
        self.real.finish(*what, **how)
        self._steps.passed(Step.AFTER_FINISH)


class WatchedTdx:
    """A client whose writes are told; all else passes through."""

    def __init__(self, tdx: Any, steps: Steps) -> None:
        self._tdx, self._steps = tdx, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tdx, name)

    def post_feed(self, *what: Any, **how: Any) -> Any:
        """See `Tdx.post_feed`."""
        entry = self._tdx.post_feed(*what, **how)
        self._steps.passed(Step.AFTER_WRITE)
        return entry

    def attach_asset(self, *what: Any, **how: Any) -> Any:
        """See `Tdx.attach_asset`."""
        linked = self._tdx.attach_asset(*what, **how)
        self._steps.passed(Step.AFTER_WRITE)
        return linked

    def detach_asset(self, *what: Any, **how: Any) -> Any:
        """See `Tdx.detach_asset`."""
        is_gone = self._tdx.detach_asset(*what, **how)
        self._steps.passed(Step.AFTER_WRITE)
        return is_gone

    def patch_ticket(self, *what: Any, **how: Any) -> Any:
        """See `Tdx.patch_ticket`."""
        ticket = self._tdx.patch_ticket(*what, **how)
        self._steps.passed(Step.AFTER_WRITE)
        return ticket


def _set_clock(minutes: float) -> None:
    off = timedelta(minutes=minutes)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + off

    recognition.datetime = Shifted  # type: ignore[misc]
