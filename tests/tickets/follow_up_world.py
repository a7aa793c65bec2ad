"""A desk under `follow_up` for weeks of simulated time: people reply at random, and the robot fails at random.

Belongs here: the simulated weeks and the judge of what stands on the tickets afterwards. `test_follow_up.py`
runs a small one, `benchmarks/follow_up.py` the full size.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.simulator import Simulator, blank_state
from tdx_dagster.simulator.sample.blank import ADMIN_UID, CLOSED
from tdx_dagster.state.records import LogStatus
from tdx_dagster.tdx.errors import TdxUnclear
from tdx_dagster.tdx.models import FeedEntry, FeedPost, Ticket
from tdx_dagster.testing import client
from tdx_dagster.tickets.actions.follow_up import FollowUp
from tdx_dagster.tickets.batch import finish_batch, load_batch, run_action
from tdx_dagster.tickets.once.writer import Times
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import plan_tickets
from tdx_dagster.tickets.services import RunServices, TicketTdx
from tests.state.memory import MemoryStore

ANN = "aaaaaaaa-0000-4000-8000-000000000001"
HIGH, DESKTOP = 853, 862

# Far from every real date, so that no real clock decides anything; over the change to daylight saving time.
BEGIN = datetime(2099, 2, 2, 12, 0, tzinfo=UTC)
POLL = timedelta(minutes=5)

ACTION = FollowUp.model_validate(
    {
        "version": "v1",
        "calendar": {
            "time_zone": "America/Detroit",
            "office_hours": {**dict.fromkeys(("mon", "tue", "wed", "thu"), "8:00-17:00"), "fri": "8:00-15:00"},
            "holidays": ["2099-02-16", "03-17"],
        },
        "steps": [
            {"after_days": 3, "comment_text": "First reminder: do you still need help with this ticket?"},
            {"after_days": 5, "comment_text": "Second request: we have not heard anything from you so far."},
            {"after_days": 8, "responsible_group": "Desktop Support", "priority": "High"},
            {"after_days": 10, "comment_text": "We close this, since nobody wrote.", "status": "Closed"},
        ],
    }
)  # fmt: skip
GAPS = (3, 2, 3, 2)


class Killed(BaseException):
    """The process of the robot is gone."""


@dataclass
class Chances:
    """How often what happens.

    Args:
        reply_a_day: A person writes on a ticket, between passes.
        reply_before_write: Between the look at a ticket and the check right before the write.
        reply_with_write: Between that check and the write itself.
        lost: The answer to a write is lost.
        killed: The process dies before or after a write.
    """

    reply_a_day: float = 0.02
    reply_before_write: float = 0.05
    reply_with_write: float = 0.05
    lost: float = 0.05
    killed: float = 0.03


@dataclass
class World:
    """The weeks of some tickets.

    Args:
        simulator: The TDX, on this clock.
        tickets: How many.
        chance: What happens.
        chances: How often.
    """

    simulator: Simulator
    clock: "SimulatedClock"
    tickets: int
    chance: random.Random
    chances: Chances = field(default_factory=Chances)

    def __post_init__(self) -> None:
        state = self.simulator.state
        state.add_person(
            UID=ANN, UserName="ann", FullName="Ann Onimo", PrimaryEmail="ann@example.edu"
        )
        self.ids = [
            state.add_ticket(Title=f"Ticket {number}", RequestorUid=ANN, PriorityID=851)["ID"]
            for number in range(self.tickets)
        ]
        # Each comes into the report at a time of its own, in the first week.
        self.begins = {one: BEGIN + timedelta(days=7) * self.chance.random() for one in self.ids}
        self.store = MemoryStore(self.clock)
        # Replies that came after the last look before a write: nobody could have seen them.
        self.unseen: set[int] = set()
        self.happened: Counter[str] = Counter()
        facade = cast("TicketTdx", _Interfered(client(self.simulator), self))
        self.services = RunServices(
            tdx=facade,
            store=self.store,
            inventory=RememberingInventory(MemoryInventory.from_json("[]")),
            times=Times(settle=120.0, retry_pause=60.0),
            now=self.clock,
        )
        self.pipeline = Pipeline("weeks", (ACTION,))

    def falls(self, chance: float) -> bool:
        """Throw a dice."""
        return self.chance.random() < chance

    def reply(self, ticket: int, when: str) -> int:
        """Have Ann write on a ticket; give the entry."""
        self.happened[f"replies {when}"] += 1
        answer: Any = self.simulator.technician("ann").comment(
            ticket, "I am still here.", private=False
        )
        number: int = answer["ID"]
        return number

    def live(self, days: int, outage: tuple[float, float]) -> None:
        """Let the weeks go by.

        Args:
            days: How many.
            outage: Days between which no robot runs.
        """
        end = BEGIN + timedelta(days=days)
        from_, until = (BEGIN + timedelta(days=one) for one in outage)
        while self.clock.now < end:
            for ticket in self._due():
                self._pass(ticket)
            before = self.clock.now
            pause = POLL + timedelta(hours=8) * self.chance.random()
            upcoming = min(self._next_due(), before + pause) + POLL * self.chance.random()
            self.clock.now = max(upcoming, before + timedelta(seconds=30))
            if from_ <= self.clock.now < until:
                self.clock.now = until
            self._people_write((self.clock.now - before) / timedelta(days=1))

    def _next_due(self) -> datetime:
        """Give when something comes back: a step, a failure, or the claim of a process that died."""
        rows = [row for rows in self.store.rows(self.ids).values() for row in rows]
        times = [row.next_attempt_at for row in rows if row.next_attempt_at]
        held = [self.clock.now + POLL for row in rows if row.status is LogStatus.IN_PROGRESS]
        begins = [one for one in self.begins.values() if one > self.clock.now]
        return min([*times, *held, *begins], default=datetime.max.replace(tzinfo=UTC) - POLL)

    def _due(self) -> list[int]:
        report = [one for one in self.ids if self.begins[one] <= self.clock.now]
        return list(plan_tickets(self.pipeline, report, self.store.rows(report)).due)

    def _people_write(self, days: float) -> None:
        for ticket in self.ids:
            # What is written before the start of the ladder is no reply.
            if not self.store.effects(ticket):
                continue
            is_closed = self.simulator.state.tickets[ticket]["StatusID"] == CLOSED
            if not is_closed and self.falls(self.chances.reply_a_day * days):
                self.reply(ticket, "between passes")

    def _pass(self, ticket: int) -> None:
        """Run on one ticket; several at a time would sign in anew for each thread, and take twice as long."""
        runner = self.services.runner(self.pipeline, "run", lambda _: None)
        try:
            batch = load_batch(runner, self.pipeline, [ticket], self.services.view, dry_run=False)
            for _ in run_action(runner, ACTION, batch):
                pass
            finish_batch(runner, batch)
        except Killed:
            self.happened["killed"] += 1

    # ---- the judge ---------------------------------------------------------------------------

    def judge(self) -> list[str]:
        """Say what is wrong on the tickets; nothing where all is well."""
        return [fault for ticket in self.ids for fault in self._faults(ticket)]

    def _faults(self, ticket: int) -> Iterator[str]:
        steps: list[tuple[int, datetime]] = []
        has_reply = is_excused = False
        for entry in self.simulator.state.feed_of_ticket(ticket):
            at = datetime.fromisoformat(entry["CreatedDate"])
            if entry["CreatedUid"] != ADMIN_UID:
                # One that came with a write is visible from the next write on.
                is_excused = entry["ID"] in self.unseen and not has_reply
                has_reply = True
                continue
            step = _step_of(entry["Body"])
            steps.append((step, at))
            if has_reply and not is_excused:
                yield f"ticket {ticket}: step {step} after a visible reply"
            is_excused = False
            if not ACTION.calendar.is_open(at):
                yield f"ticket {ticket}: step {step} out of hours, {ACTION.calendar.shown(at)}"
        numbers = [step for step, _ in steps]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"ticket {ticket}: steps {numbers}"
        last = self.begins[ticket]
        for (step, at), gap in zip(steps, GAPS, strict=False):
            if at < ACTION.calendar.after(last, gap):
                yield f"ticket {ticket}: step {step} too early, {ACTION.calendar.shown(at)}"
            last = at
        self.happened[f"{len(steps)} steps"] += 1
        if len(steps) < len(GAPS) and not has_reply:
            yield f"ticket {ticket}: nobody replied, and only {len(steps)} steps were done"


def _step_of(body: str) -> int:
    marks = ("First reminder", "Second request", "Changed Priority", "We close this")
    return next(number for number, mark in enumerate(marks, start=1) if mark in body)


@dataclass
class SimulatedClock:
    """A clock that stands still until it is set."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now


@dataclass
class _Interfered:
    """The TDX client, with people who write and processes that die around each write."""

    tdx: Any
    world: World

    def __getattr__(self, name: str) -> Any:
        """Give any other call."""
        return getattr(self.tdx, name)

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: Callable[[], None]
    ) -> FeedEntry | None:
        """Post, with what goes wrong around it."""
        entry: FeedEntry | None = self._around(
            ticket_id, before_send, partial(self.tdx.post_feed, ticket_id, post)
        )
        return entry

    def patch_ticket(
        self, ticket_id: int, operations: Any, *, notify_new_responsible: bool,
        before_send: Callable[[], None],
    ) -> Ticket:  # fmt: skip
        """Patch, with what goes wrong around it."""
        patch = partial(
            self.tdx.patch_ticket,
            ticket_id,
            operations,
            notify_new_responsible=notify_new_responsible,
        )
        ticket: Ticket = self._around(ticket_id, before_send, patch)
        return ticket

    def _around(
        self, ticket: int, before_send: Callable[[], None], write: Callable[..., Any]
    ) -> Any:
        world, chances = self.world, self.world.chances
        if world.falls(chances.reply_before_write):
            world.reply(ticket, "between look and check")

        def check() -> None:
            before_send()
            if world.falls(chances.killed):
                raise Killed
            if world.falls(chances.reply_with_write):
                world.unseen.add(world.reply(ticket, "between check and write"))

        answer = write(before_send=check)
        if world.falls(chances.lost):
            world.happened["answers lost"] += 1
            raise TdxUnclear("The answer was lost.")
        if world.falls(chances.killed):
            raise Killed
        return answer


def run_world(
    *,
    seed: int,
    tickets: int,
    days: int,
    outage: tuple[float, float],
    chances: Chances | None = None,
) -> World:
    """Let the weeks of some tickets go by, and give the world for the judge."""
    clock = SimulatedClock()
    with Simulator(blank_state(), clock=clock) as simulator:
        world = World(simulator, clock, tickets, random.Random(seed), chances or Chances())
        world.live(days, outage)
        return world
