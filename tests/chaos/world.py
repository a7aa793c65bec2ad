"""A seed from beginning to end: a TDX, a log, workers in processes of their own, time that passes.

Belongs here: making a schedule happen on a real PostgreSQL and the HTTP simulator, and counting what
struck. Time passes in the log alone: leases, pauses and ages are moved back, so nobody waits.
"""

import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import connect, engine, ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import ADMIN_UID, NEW
from tdx_dagster.state.postgres_store import PostgresStore
from tests.chaos.judge import Evidence, judge
from tests.chaos.judge_people import Decisions
from tests.chaos.people import People
from tests.chaos.schedule import (
    FAULTS,
    LATE_SECONDS,
    LOW,
    SLEEPS,
    Fault,
    Round,
    Schedule,
    Trouble,
    draw,
    upgraded,
)
from tests.chaos.worker import ROBOT, TIMES, Order, WorkerPlan, work
from tests.tenant import small_tenant

CI_SEEDS = range(1, 31)
CALM_PASSES = 3
PATIENCE_SECONDS = 240.0
LONG = 10 * TIMES.lease
"""Seconds after which no lease, pause or settle time runs any more."""
TEMPLATE = "chaos_template"

TRUTH = {31: {1002}, 32: {1001}, 33: {1001, 1002}, 34: set[int]()}
"""What is right to attach: a name in the title, the requestor's only computer, two serials, nothing."""

# What the server does itself to sessions that sleep within a transaction, once their time is over.
END_IDLE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = 'chaos' AND state LIKE 'idle in transaction%'
"""

READ_BY_POST = (
    "/auth",
    "/auth/loginadmin",
    "/{app}/assets/search",
    "/{app}/tickets/search",
    "/people/search",
)
ROWS = """
    SELECT (SELECT count(*) FROM meta.daemon_action_log) + (SELECT count(*) FROM meta.action_attempt)
        + (SELECT count(*) FROM meta.unfinished_ticket)
"""

PASS_TIME = """
    SET session_replication_role = replica;
    UPDATE meta.daemon_action_log SET lease_until = lease_until - make_interval(secs => %(seconds)s),
        next_attempt_at = next_attempt_at - make_interval(secs => %(seconds)s);
    UPDATE meta.action_attempt SET at = at - make_interval(secs => %(seconds)s);
    SET session_replication_role = DEFAULT
"""


@dataclass
class Result:
    """What came of a seed.

    Args:
        schedule: What was to happen.
        findings: What is wrong; empty where all is well.
        totals: What happened, counted by name.
    """

    schedule: Schedule
    findings: Sequence[str]
    totals: Counter[str] = field(default_factory=Counter)

    def shown(self) -> str:
        """Everything one needs to replay a seed that failed."""
        wrong = "\n".join(f"  {line}" for line in self.findings)
        return (
            f"seed {self.schedule.seed}:\n{wrong}\n{self.schedule.shown()}\n"
            f"Replay: make chaos SEEDS=1 FIRST={self.schedule.seed}"
        )


@dataclass
class World:
    """A server and a place for workers; runs seeds one after the other."""

    admin_url: str
    context: Any

    def run(self, seed: int) -> Result:
        """Run a seed."""
        return self.play(draw(seed))

    def play(
        self, schedule: Schedule, mutation: str = "", *, observes_first: bool = False
    ) -> Result:
        """Make a schedule happen.

        Args:
            schedule: What happens.
            mutation: What of the product is taken out, by name.
            observes_first: Let it happen in observe mode before, which must change nothing.
        """
        with self._database() as url, Simulator(_tenant()) as simulator:
            simulator.options.set("update_types", schedule.update_types)
            seed = _Seed(self, schedule, simulator, url, mutation)
            seen = seed.observe() if observes_first else []
            made = seed.run()
            return Result(schedule, [*seen, *made.findings], made.totals)

    def admin(self, statement: str, name: str = "postgres") -> None:
        """Say something to the server as its owner."""
        connection = psycopg2.connect(self.admin_url.rpartition("/")[0] + f"/{name}")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    @contextmanager
    def _database(self) -> Iterator[str]:
        self.admin(f"CREATE DATABASE chaos TEMPLATE {TEMPLATE}")
        try:
            yield self.admin_url.rpartition("/")[0] + "/chaos"
        finally:
            self.admin("DROP DATABASE chaos WITH (FORCE)")


@contextmanager
def chaos_world() -> Iterator[World]:
    """A server of its own in a temporary folder, stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        url = server.start(base / "postgres")
        try:
            _prepare(url)
            context = get_context("forkserver")
            context.set_forkserver_preload(["tests.chaos.worker"])
            yield World(url, context)
        finally:
            server.stop(base / "postgres")


def _prepare(url: str) -> None:
    template = ensure_database(url, TEMPLATE)
    migrate(template)
    admin = connect(url)
    with admin.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET fsync = off")
        cursor.execute("SELECT pg_reload_conf()")
        make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'robot'")
        cursor.execute(make.format(sql.Identifier(ROBOT)))
    admin.close()
    rights = connect(template)
    with rights.cursor() as cursor:
        for schema in ("meta", "bronze", "silver"):
            cursor.execute(
                f"GRANT USAGE ON SCHEMA {schema} TO {ROBOT};"
                f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {ROBOT};"
                f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {ROBOT}"
            )
    rights.close()


def _tenant() -> Any:
    state = small_tenant()
    state.add_ticket(ID=34, Title="Hello", RequestorUid=None)
    for ticket in state.tickets.values():
        ticket["PriorityID"] = LOW
    return state


@dataclass
class _Seed:
    """One seed under way."""

    world: World
    schedule: Schedule
    simulator: Simulator
    url: str
    mutation: str
    totals: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    faults: Sequence[Fault] = ()
    observes: bool = False

    def __post_init__(self) -> None:
        self.people = People(self.simulator)
        tickets = self.simulator.state.tickets
        self.before = {one: dict(tickets[one]) for one in self.schedule.tickets}

    def observe(self) -> list[str]:
        """Let all rounds happen in observe mode, without people; give what was written all the same."""
        self.observes = True
        findings: list[str] = []
        for one in self.schedule.rounds:
            findings += self._round(replace(one, people=()))
        self.observes = False
        written = [
            call.name
            for call in self.simulator.calls
            if call.method != "GET" and call.template not in READ_BY_POST
        ]
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(ROWS)
            rows = cursor.fetchone()[0]
        if written or rows:
            findings.append(f"observing wrote: {', '.join(written)}; {rows} rows of the log")
        if not any("/tickets/{id}" in call.name for call in self.simulator.calls):
            findings.append("observing read no ticket")
        self.simulator.calls.reset()
        return findings

    def run(self) -> Result:
        findings: list[str] = []
        for one in self.schedule.rounds:
            findings += self._round(one)
            self._pass_time()
        made = engine(self.url)
        store = PostgresStore(made)
        decisions = Decisions(
            self.people.done,
            self.simulator.calls,
            self.simulator.state,
            self.schedule.tickets,
        )
        evidence = Evidence(
            self.schedule,
            self.simulator.state,
            store,
            TRUTH,
            ADMIN_UID,
            decisions,
            self.before,
        )
        for _ in range(CALM_PASSES):
            evidence.clear_as_a_person_would()
            if self.schedule.is_undone:
                findings += self._calm_pass(takes_back=True)
            findings += self._calm_pass()
            self._pass_time()
            if evidence.is_settled():
                break
        findings += judge(evidence)
        self.totals += evidence.totals()
        self.totals += Counter(f"a person {one.what}" for one in self.people.done)
        self.totals["seeds"] += 1
        made.dispose()
        return Result(self.schedule, findings, self.totals)

    def _round(self, one: Round) -> list[str]:
        self.faults = one.faults
        for fault in self.faults:
            self.simulator.faults.add(
                fault.method, fault.path, on=fault.on, **_answering(FAULTS[fault.name])
            )
        with self.people.at_work(one.people, is_single=len(one.workers) == 1):
            workers = [self._start(plan) for plan in one.workers]
            findings = self._wait(workers)
        for fault, struck in self._struck():
            self.totals[f"fault: {fault.name}"] += struck
        self._let_late_effects_land()
        self.simulator.faults.clear()
        self.faults = ()
        self._repair_database()
        return findings

    def _struck(self) -> Iterator[tuple[Fault, int]]:
        in_force = self.simulator.faults
        for fault, set_fault in zip(self.faults, in_force, strict=True):
            seen = in_force.seen(set_fault)
            yield fault, sum(1 for number in fault.on if number <= seen)

    def _let_late_effects_land(self) -> None:
        """Wait in earnest: by the log's time an absence may not be trusted before TDX has ended."""
        if any("delay_seconds" in FAULTS[fault.name] and n for fault, n in self._struck()):
            time.sleep(LATE_SECONDS)

    def _calm_pass(self, *, takes_back: bool = False) -> list[str]:
        plan = WorkerPlan(is_upgraded=self.schedule.is_upgraded, takes_back=takes_back)
        return self._wait([self._start(plan, is_calm=True)])

    def _start(self, plan: WorkerPlan, *, is_calm: bool = False) -> "_Worker":
        self.runs += 1
        self.totals["runs taken back" if plan.takes_back else "passes"] += 1
        host = self.url.rpartition("@")[2]
        order = Order(
            plan=plan,
            tdx_url=self.simulator.url,
            database_url=f"postgresql://{ROBOT}:robot@{host}",
            admin_url=self.world.admin_url,
            inventory=json.dumps(list(self.simulator.state.assets.values())),
            pipelines=upgraded(self.schedule.pipelines)
            if plan.is_upgraded
            else self.schedule.pipelines,
            tickets=self._report(),
            run_id=f"run-{self.runs}",
            is_calm=is_calm,
            mutation=self.mutation,
            observes=self.observes,
        )
        process = self.world.context.Process(target=work, args=(order,), daemon=True)
        process.start()
        return _Worker(process, plan)

    def _report(self) -> Sequence[int]:
        """Give the tickets that the report shows now."""
        if not self.schedule.leaves_report:
            return self.schedule.tickets
        tickets = self.simulator.state.tickets
        shown = [it for it in self.schedule.tickets if tickets[it]["StatusID"] == NEW]
        self.totals["tickets that left the report"] += len(self.schedule.tickets) - len(shown)
        return shown

    def _wait(self, workers: Sequence["_Worker"]) -> list[str]:
        """Wait for all; one that is suspended sleeps until the others have ended and its lease is over."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(worker.is_running for worker in workers):
            if time.monotonic() > deadline:
                for worker in workers:
                    worker.end()
                return ["a worker did not end"]
            if all(worker.is_suspended or not worker.is_running for worker in workers):
                self._overtake([worker for worker in workers if worker.is_running])
            time.sleep(0.005)
        for worker in workers:
            self._count(worker)
        return []

    def _overtake(self, sleepers: Sequence["_Worker"]) -> None:
        """Let the leases of the sleepers run out, let somebody else do their work, and wake them."""
        self._repair_database()
        self._let_late_effects_land()
        self.world.admin(END_IDLE)
        # Who waits keeps its lease; the settle time is over all the same.
        keeps_lease = any(
            it.trouble is Trouble.WAITS for one in sleepers for it in one.plan.troubles
        )
        first, later = (1.2 * TIMES.settle, TIMES.settle / 4) if keeps_lease else [LONG] * 2
        self._pass_time(first)
        for _ in range(2):
            if any(sleeper.plan.takes_back for sleeper in sleepers):
                self._calm_pass(takes_back=True)
            self._calm_pass()
            self._pass_time(later)
        for sleeper in sleepers:
            sleeper.wake()

    def _count(self, worker: "_Worker") -> None:
        if worker.process.exitcode == -signal.SIGKILL:
            [fatal] = [it for it in worker.plan.troubles if it.trouble is Trouble.KILLED]
            self.totals[f"killed: {fatal.step}"] += 1
        if worker.was_suspended:
            [slept] = [it for it in worker.plan.troubles if it.trouble in SLEEPS]
            self.totals[str(slept.trouble)] += 1

    def _repair_database(self) -> None:
        self.world.admin("ALTER DATABASE chaos ALLOW_CONNECTIONS true")
        self.world.admin(f"ALTER ROLE {ROBOT} CONNECTION LIMIT -1")

    def _let_calls_end(self) -> None:
        """Wait for calls whose client gave up although nobody meant it to: on a busy machine they come late."""
        # Between reading a call and running it, it is neither: so it is asked more than once.
        for _ in range(3):
            while not self.simulator.is_idle:
                time.sleep(0.005)
            time.sleep(0.005)

    def _pass_time(self, seconds: float = LONG) -> None:
        self._let_calls_end()
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(PASS_TIME, {"seconds": seconds})
        connection.close()


@dataclass
class _Worker:
    """A worker's process."""

    process: BaseProcess
    plan: WorkerPlan
    was_suspended: bool = False

    @property
    def is_running(self) -> bool:
        return self.process.is_alive()

    @property
    def is_suspended(self) -> bool:
        """Whether it is stopped, as the kernel says."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def wake(self) -> None:
        """Go on."""
        self.was_suspended = True
        with suppress(ProcessLookupError):
            os.kill(int(self.process.pid or 0), signal.SIGCONT)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join()


def _answering(fault: Any) -> dict[str, Any]:
    return dict(fault)
