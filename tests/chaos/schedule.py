"""What goes wrong in one seed: which pipelines, tickets, workers, faults of TDX and troubles of workers.

Belongs here: drawing a schedule from a seed and showing it. Does not: making it happen (`world`,
`worker`), judging what came of it (`judge`).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tdx_dagster.simulator.sample.blank import CLOSED, IN_PROCESS, WAITING
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.add_contact import AddContact
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.related_tickets import RelatedTickets
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.pipeline import Pipeline
from tests.chaos.actions import Blind, Marked

FEED = "/{app}/tickets/{id}/feed"
LINK = "/{app}/tickets/{id}/assets/{assetId}"
SITES = (
    ("POST", FEED, 6),
    ("POST", LINK, 4),
    ("GET", FEED, 2),
    ("GET", "/{app}/tickets/{id}", 2),
    ("GET", "/{app}/tickets/{id}/assets", 2),
    ("GET", "/{app}/assets/{id}", 1),
    ("GET", "/feed/{id}", 1),
    ("POST", "/auth/loginadmin", 1),
)
"""Calls that a fault can strike, with how often it does."""

TICKET = "/{app}/tickets/{id}"
CONTACT = "/{app}/tickets/{id}/contacts/{uid}"
UNDO_SITES = (("DELETE", LINK), ("PATCH", TICKET), ("POST", FEED), ("GET", TICKET), ("GET", FEED))
"""The same where a run is taken back."""

LOW, MEDIUM, HIGH = 851, 852, 853
"""Priorities of tickets."""

LATE_SECONDS = 0.6
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "dropped before": {"drop": "before"},
    "dropped after the effect": {"drop": "after"},
    "400": {"status": 400},
    "403": {"status": 403},
    "404": {"status": 404},
    "429": {"status": 429},
    "500": {"status": 500},
    "500 after the effect": {"status": 500, "effect": True},
    "502 after the effect": {"status": 502, "effect": True},
    "503": {"status": 503},
    "time-out, late effect": {"delay_seconds": LATE_SECONDS},
    "time-out after the effect": {"delay_seconds": LATE_SECONDS, "delay": "after"},
    "cut body": {"cut_body": True},
    "web page": {"web_page": True},
    "web page after the effect": {"web_page": True, "effect": True},
    "empty answer after the effect": {"empty": True, "effect": True},
}


class Step(StrEnum):
    """Where a worker stands between two steps of acting once."""

    BEFORE_CLAIM = "before the claim"
    AFTER_CLAIM = "after the claim"
    AFTER_INTENT = "after the intent"
    BEFORE_SENDING = "before the last question to the log"
    AFTER_WRITE = "after the write"
    AFTER_SETTLING = "after settling"
    BEFORE_FINISH = "before the end"
    AFTER_FINISH = "after the end"


class Trouble(StrEnum):
    """What happens to a worker at a step."""

    KILLED = "killed"
    SUSPENDED = "suspended past its lease"
    DISCONNECTED = "connections cut"
    AWAY = "database away"
    USED_UP = "connections used up"
    SLOW = "log locked for a while"
    WAITS = "waits past the settle time, within its lease"


@dataclass(frozen=True)
class TroubleAt:
    """A trouble of one worker.

    Args:
        step: Where.
        at: The nth time the worker comes by there.
        trouble: What.
    """

    step: Step
    at: int
    trouble: Trouble


@dataclass(frozen=True)
class Fault:
    """A fault of TDX: what happens to the n-th calls of a kind in a round."""

    method: str
    path: str
    name: str
    on: tuple[int, ...]


@dataclass(frozen=True)
class WorkerPlan:
    """One worker of a round.

    Args:
        troubles: Its troubles.
        clock_minutes: How far its clock is off.
        is_upgraded: It runs the next version of the summaries, as in a rolling upgrade.
        is_patient: It waits long for answers, so that a busy machine is no fault of TDX.
        takes_back: It takes back what the first run has written, instead of a pass.
    """

    troubles: Sequence[TroubleAt] = ()
    clock_minutes: float = 0.0
    is_upgraded: bool = False
    is_patient: bool = False
    takes_back: bool = False

    @property
    def sleeps(self) -> bool:
        """Whether it stands still while others go on."""
        return any(it.trouble in SLEEPS for it in self.troubles)


SLEEPS = frozenset({Trouble.SUSPENDED, Trouble.WAITS})
UNDO_TROUBLES = (Trouble.KILLED, Trouble.SUSPENDED, Trouble.DISCONNECTED, Trouble.AWAY)


class Doing(StrEnum):
    """What a person does on a ticket."""

    ADDS = "adds a computer"
    REMOVES = "removes a computer"
    SETS_STATUS = "sets the status"
    SETS_PRIORITY = "sets the priority"
    ASSIGNS = "assigns"
    COMMENTS = "posts the words of the robot"


ACTS = (Doing.ADDS, Doing.REMOVES, Doing.SETS_STATUS, Doing.ASSIGNS, Doing.COMMENTS)
"""What people do whatever the pipelines are."""


@dataclass(frozen=True)
class PersonAct:
    """What a person does while the robot is at work.

    Args:
        at_call: Before the nth call of the round TDX does it.
        ticket: On which ticket.
        what: What.
        value: Which computer, as a number, or which status or priority.
    """

    at_call: int
    ticket: int
    what: Doing
    value: int = 0


@dataclass(frozen=True)
class Round:
    """Workers that run at the same time, what TDX does to them, and what people do meanwhile."""

    workers: Sequence[WorkerPlan]
    faults: Sequence[Fault] = ()
    people: Sequence[PersonAct] = ()


@dataclass(frozen=True)
class Schedule:
    """All of a seed.

    Args:
        seed: The seed.
        tickets: The tickets.
        pipelines: What runs on them.
        rounds: What happens, one after the other.
        leaves_report: The report shows new tickets only, so that a change of status takes one out of it.
        update_types: How TDX marks its feed entries, an option of the simulator.
    """

    seed: int
    tickets: Sequence[int]
    pipelines: Sequence[Pipeline] = field(repr=False)
    rounds: Sequence[Round]
    leaves_report: bool = False
    update_types: str = "right"

    @property
    def is_upgraded(self) -> bool:
        """Whether the next version of the summaries runs in the end."""
        return any(worker.is_upgraded for one in self.rounds for worker in one.workers)

    @property
    def is_undone(self) -> bool:
        """Whether what the first run has written is taken back."""
        return any(worker.takes_back for one in self.rounds for worker in one.workers)

    @property
    def is_undone_alone(self) -> bool:
        """Whether nobody else was at work on the tickets meanwhile."""
        rounds = [one for one in self.rounds if any(it.takes_back for it in one.workers)]
        return all(worker.takes_back for one in rounds for worker in one.workers)

    @property
    def final_pipelines(self) -> Sequence[Pipeline]:
        """What runs in the end."""
        return upgraded(self.pipelines) if self.is_upgraded else self.pipelines

    def shown(self) -> str:
        """For the message of a seed that fails."""
        lines = [f"tickets {list(self.tickets)}"]
        lines += [
            f"pipeline {one.name}: {', '.join(action.label for action in one.actions)}"
            for one in self.pipelines
        ]
        lines += ["the report shows new tickets only"] if self.leaves_report else []
        lines += [f"update types: {self.update_types}"] if self.update_types != "right" else []
        for number, one in enumerate(self.rounds, start=1):
            lines += [
                f"round {number}: a person {it.what} ({it.value}) on {it.ticket} at call {it.at_call}"
                for it in one.people
            ]
            lines += [
                f"round {number}: {fault.method} {fault.path} {fault.name}, calls {fault.on}"
                for fault in one.faults
            ]
            for which, worker in enumerate(one.workers, start=1):
                off = f", clock off by {worker.clock_minutes:g} min" if worker.clock_minutes else ""
                off += ", next version" if worker.is_upgraded else ""
                off += ", takes back the first run" if worker.takes_back else ""
                lines += [f"round {number}, worker {which}{off}"] + [
                    f"    {it.trouble} {it.step} ({it.at}.)" for it in worker.troubles
                ]
        return "\n".join(lines)


TICKETS = (31, 32, 33, 34)


def draw(seed: int) -> Schedule:
    """Make the schedule of a seed; the same seed gives the same schedule, always."""
    chance = random.Random(seed)
    tickets = sorted(chance.sample(TICKETS, chance.randint(1, 3)))
    made = Schedule(
        seed=seed,
        tickets=tickets,
        pipelines=_pipelines(chance),
        rounds=[_round(chance) for _ in range(chance.choice((1, 2, 2, 3)))],
    )
    made = _with_people(made, random.Random(f"people of {seed}"))
    made = _with_fields(made, random.Random(f"fields of {seed}"))
    made = _with_contact(made, random.Random(f"contact of {seed}"))
    return _with_undo(made, random.Random(f"undo of {seed}"))


def upgraded(pipelines: Sequence[Pipeline]) -> Sequence[Pipeline]:
    """Give the pipelines with the next version of their summaries."""
    return [
        replace(
            one,
            actions=tuple(
                action.model_copy(update={"version": "v2"})
                if isinstance(action, SummaryComment)
                else action
                for action in one.actions
            ),
        )
        for one in pipelines
    ]


def _with_people(made: Schedule, chance: random.Random) -> Schedule:
    """Add what people do, a report that tickets leave, upgrades and waits at the limit."""
    has_people, upgrades, waits = (chance.random() < share for share in (0.5, 0.2, 0.2))
    rounds = []
    for one in made.rounds:
        workers = [
            replace(worker, is_upgraded=True) if upgrades and chance.random() < 0.5 else worker
            for worker in one.workers
        ]
        if waits:
            step = chance.choice((Step.AFTER_INTENT, Step.BEFORE_SENDING, Step.BEFORE_SENDING))
            troubles = (TroubleAt(step, chance.choice((1, 2, 3)), Trouble.WAITS),)
            workers[0] = replace(workers[0], troubles=troubles)
        # Asleep between its last read and its write, a worker cannot see what people do.
        awake = has_people and not any(worker.sleeps for worker in workers)
        people = [_act(chance, made.tickets) for _ in range(chance.randint(1, 4))] if awake else []
        rounds.append(
            replace(one, workers=workers, people=sorted(people, key=lambda it: it.at_call))
        )
    return replace(
        made,
        rounds=rounds,
        leaves_report=chance.random() < 0.4,
        update_types=chance.choice(("right", "right", "zero", "missing")),
    )


def _act(chance: random.Random, tickets: Sequence[int]) -> PersonAct:
    what = chance.choices(ACTS, (3, 5, 3, 1, 1))[0]
    statuses = (IN_PROCESS, WAITING, WAITING, CLOSED)
    value = chance.choice(statuses) if what is Doing.SETS_STATUS else chance.randint(0, 2)
    return PersonAct(chance.choice((0, 0, *range(2, 40, 3))), chance.choice(tickets), what, value)


def _with_fields(made: Schedule, chance: random.Random) -> Schedule:
    """Let the first pipeline patch tickets, TDX fail at it, and people set the same fields."""
    if chance.random() >= 0.4:
        return made
    status = chance.choice((None, None, IN_PROCESS, WAITING))
    first, *others = made.pipelines
    actions = list(first.actions)
    at = chance.randrange(len(actions))
    actions.insert(at, UpdateTicket(priority=HIGH, status=status, name="fields"))
    rounds = []
    for one in made.rounds:
        faults = [_fault_at("PATCH", TICKET, chance)] if chance.random() < 0.4 else []
        people = list(one.people)
        if people and chance.random() < 0.7:
            when, ticket = chance.choice(range(0, 40, 3)), chance.choice(made.tickets)
            people.append(
                PersonAct(when, ticket, Doing.SETS_PRIORITY, chance.choice((LOW, MEDIUM, HIGH)))
            )
        people.sort(key=lambda it: it.at_call)
        rounds.append(replace(one, faults=[*one.faults, *faults], people=people))
    return replace(made, pipelines=[replace(first, actions=tuple(actions)), *others], rounds=rounds)


def _with_contact(made: Schedule, chance: random.Random) -> Schedule:
    """Let the first pipeline add a contact and name related tickets, and TDX fail at it."""
    if chance.random() >= 0.3:
        return made
    first, *others = made.pipelines
    actions = list(first.actions)
    at = chance.randrange(len(actions))
    actions[at:at] = [AddContact(people=("Bob Obob",)), RelatedTickets()]
    rounds = [
        replace(one, faults=[*one.faults, _fault_at("POST", CONTACT, chance)])
        if chance.random() < 0.6
        else one
        for one in made.rounds
    ]
    return replace(made, pipelines=[replace(first, actions=tuple(actions)), *others], rounds=rounds)


def _with_undo(made: Schedule, chance: random.Random) -> Schedule:
    """Take back what the first run has written, while it is under way, or later."""
    if chance.random() >= 0.35:
        return made
    workers = [_undoing(chance) for _ in range(chance.choice((1, 1, 2)))]
    workers += [WorkerPlan()] if chance.random() < 0.3 else []
    awake = not any(worker.sleeps for worker in workers)
    people = [_act(chance, made.tickets) for _ in range(chance.choice((0, 0, 1, 2, 3)))]
    taking_back = Round(
        workers,
        [_fault_at(*chance.choice(UNDO_SITES), chance) for _ in range(chance.choice((0, 1, 2)))],
        sorted(people, key=lambda it: it.at_call) if awake else [],
    )
    at = chance.randint(1, len(made.rounds))
    return replace(made, rounds=[*made.rounds[:at], taking_back, *made.rounds[at:]])


def _undoing(chance: random.Random) -> WorkerPlan:
    troubles = []
    if chance.random() < 0.7:
        trouble = chance.choices(UNDO_TROUBLES, (8, 3, 1, 1))[0]
        troubles.append(TroubleAt(chance.choice(tuple(Step)), chance.choice((1, 1, 2, 3)), trouble))
    return WorkerPlan(troubles, chance.choice((0.0, 0.0, -7.0, 90.0)), takes_back=True)


def _pipelines(chance: random.Random) -> list[Pipeline]:
    status = chance.choice((0, 0, IN_PROCESS, WAITING))
    pool: list[Action] = [
        Comment(comment_text="public words", name="public", new_status_id=status),
        Comment(comment_text="private words", is_private=True, name="private"),
        Marked(),
        Blind(continue_on_failure=True),
        AddAsset(continue_on_failure=chance.random() < 0.5),
    ]
    actions = [action for action in pool if chance.random() < 0.55] or [AddAsset()]
    chance.shuffle(actions)
    made = [Pipeline("p", (*actions, SummaryComment()))]
    if chance.random() < 0.4:
        again = Comment(comment_text="words of q", name="other")
        summary = SummaryComment(comment_prefix="Summary of q", is_private=False)
        made.append(Pipeline("q", (again, AddAsset(max_assets_to_add=5), summary)))
    return made


def _round(chance: random.Random) -> Round:
    return Round(
        workers=[_worker(chance) for _ in range(chance.choice((1, 2, 2, 3)))],
        faults=[_fault(chance) for _ in range(chance.choice((0, 1, 1, 2, 3, 4)))],
    )


def _worker(chance: random.Random) -> WorkerPlan:
    troubles = []
    if chance.random() < 0.6:
        trouble = chance.choices(tuple(Trouble), (8, 4, 2, 1, 1, 1, 1))[0]
        troubles.append(
            TroubleAt(chance.choice(tuple(Step)), chance.choice((1, 1, 2, 3, 5)), trouble)
        )
    off = chance.choice((0.0, 0.0, -7.0, 12.0, 90.0))
    return WorkerPlan(troubles, off)


def _fault(chance: random.Random) -> Fault:
    method, path, _ = chance.choices(SITES, [site[2] for site in SITES])[0]
    return _fault_at(method, path, chance)


def _fault_at(method: str, path: str, chance: random.Random) -> Fault:
    first = chance.choice((1, 1, 2, 3, 4))
    on = tuple(range(first, first + chance.choice((1, 1, 2, 4))))
    return Fault(method, path, chance.choice(tuple(FAULTS)), on)
