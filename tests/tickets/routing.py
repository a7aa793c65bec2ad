"""Routes generated tickets by a table while technicians change some of them: what is right, and what it costs.

Used by the test of 60 tickets and by `benchmarks/routing.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator, sample_state
from tdx_dagster.simulator.technician import Technician
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.testing import Desk
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket

SERVICE_DESK, DESKTOP = 861, 862
TICKETS_PER_RUN = 30
# Departments 201 to 212: eight have a desk of their own, two the same twice, one two desks, one none.
DESKS = {201 + row: 871 + row for row in range(8)} | {209: 879, 210: 880}
TWO_DESKS = 211

SHIPPED = (AddAsset(version="v2"), SummaryComment(version="v2"))
ROUTE = UpdateTicket(
    name="route",
    responsible_group={
        "lookup": {
            "table": "silver.routing",
            "by": "attached_computer.department",
            "column": "desk",
        }
    },
    expected={"responsible_group": ("Service Desk",)},
)


class Interfering(PostgresStore):
    """A log that lets a technician change the group of some tickets right before a patch is sent."""

    def __init__(
        self, engine: Engine, technician: Technician, chance: float, random: Random
    ) -> None:
        super().__init__(engine)
        self.technician, self.chance, self.random = technician, chance, random
        self.by_people: dict[int, int] = {}

    def change(self, ticket: int) -> None:
        """Change the group as a person does."""
        self.technician.edit(ticket, ResponsibleGroupID=DESKTOP)
        self.by_people[ticket] = DESKTOP

    def begin_effect(self, claim: Any, effect: str, *given: Any, **named: Any) -> Any:
        """See `ActionStore.begin_effect`."""
        if effect.startswith("update:") and self.random.random() < self.chance:
            self.change(claim.ticket_id)
        return super().begin_effect(claim, effect, *given, **named)


@dataclass
class Routed:
    """What came of it.

    Args:
        tickets: How many there were.
        wrong: Those whose group is not the right one, with what it is and what it should be.
        overwritten: Those on which a person's group did not stay.
        by_table: How many got their group by the table.
        before: How many a person changed before the run.
        during: How many a person changed between look and write.
        calls: Calls by name, signing in left out.
        unfinished: Outcomes that are no completed ones.
    """

    tickets: int
    wrong: dict[int, tuple[int, int]] = field(default_factory=dict)
    overwritten: list[int] = field(default_factory=list)
    by_table: int = 0
    before: int = 0
    during: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    unfinished: list[str] = field(default_factory=list)

    @property
    def calls_a_ticket(self) -> float:
        """Calls of the whole run for each ticket."""
        return sum(self.calls.values()) / self.tickets


def route(
    engine: Engine, tickets: int, *actions: Action, assets: int = 2000, chance: float = 0.0
) -> Routed:
    """Run actions over generated tickets, and judge the groups.

    Args:
        engine: A database that no run has used.
        tickets: How many.
        actions: What is done; by `ROUTE`, the groups are judged by the table.
        assets: How many computers and other assets there are.
        chance: Of a person who changes a ticket before the run, and of one who does between look and write.
    """
    state, random = sample_state(tickets=tickets, assets=assets, seed=7), Random(7)
    state.lookups["Group"] |= {desk: f"Desk {desk}" for desk in DESKS.values()} | {899: "Other"}
    for asset in state.assets.values():  # the inventory of the desk is made of these records
        asset["StatusName"] = state.asset_statuses[asset["StatusID"]]["Name"]
    departments = state.lookups["Account"]
    _fill(engine, departments, state.lookups["Group"])
    with Simulator(state) as simulator:
        store = Interfering(engine, simulator.technician("tess.technician"), chance, random)
        routed = Routed(tickets)
        for ticket in state.truths:
            if random.random() < chance:
                store.change(ticket)
        routed.before = len(store.by_people)
        desk = Desk.over(simulator, engine, *actions)
        desk.store = store
        simulator.calls.reset()
        _run(desk, list(state.truths), routed)
        routed.calls = Counter(c.name for c in simulator.calls if "/auth" not in c.path)
        routed.during = len(store.by_people) - routed.before
        _judge(simulator, store.by_people, routed, is_routed=ROUTE in actions)
        return routed


def _fill(engine: Engine, departments: Mapping[int, str], groups: Mapping[int, str]) -> None:
    rows = [(departments[one], groups[desk]) for one, desk in DESKS.items()]
    rows += [(departments[209].upper(), groups[DESKS[209]]), (f" {departments[210]} ", groups[880])]
    rows += [(departments[TWO_DESKS], groups[899]), (departments[TWO_DESKS], groups[871])]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE silver.routing (department text, desk text)")
        for row in rows:
            connection.exec_driver_sql("INSERT INTO silver.routing VALUES (%s, %s)", row)


def _run(desk: Desk, tickets: Sequence[int], routed: Routed) -> None:
    for start in range(0, len(tickets), TICKETS_PER_RUN):
        for outcome in desk.outcomes(*tickets[start : start + TICKETS_PER_RUN]):
            if outcome.result != "completed":
                routed.unfinished.append(f"{outcome.ticket_id}: {outcome.message}")


def _judge(
    simulator: Simulator, by_people: Mapping[int, int], routed: Routed, *, is_routed: bool
) -> None:
    state = simulator.state
    for ticket, truth in state.truths.items():
        held = state.tickets[ticket]["ResponsibleGroupID"]
        departments = {
            state.assets[asset]["OwningDepartmentID"] for asset in truth["expected_asset_ids"]
        }
        desk = DESKS.get(departments.pop()) if len(departments) == 1 else None
        by_table = desk if is_routed and desk else SERVICE_DESK
        right = by_people.get(ticket, by_table)
        routed.by_table += held == desk
        if held != right:
            routed.wrong[ticket] = (held, right)
            routed.overwritten += [ticket] if ticket in by_people else []
