"""What goes wrong in one seed: which pipelines, tickets, workers, faults of TDX and troubles of workers.

Belongs here: drawing a schedule from a seed and showing it. Does not: making it happen (`world`,
`worker`), judging what came of it (`judge`).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tdx_dagster.simulator.sample.blank import IN_PROCESS, WAITING
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
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
    AFTER_WRITE = "after the write"
    AFTER_SETTLING = "after settling"
    BEFORE_FINISH = "before the end"
    AFTER_FINISH = "after the end"


class Trouble(StrEnum):
    """What befalls a worker at a step."""

    KILLED = "killed"
    SUSPENDED = "suspended past its lease"
    DISCONNECTED = "connections cut"
    AWAY = "database away"
    USED_UP = "connections used up"
    SLOW = "log locked for a while"


@dataclass(frozen=True)
class Befalls:
    """A trouble of one worker.

    Args:
        step: Where.
        at: The how many-th time the worker comes by there.
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
        befalls: Its troubles.
        clock_minutes: How far its clock is off.
    """

    befalls: Sequence[Befalls] = ()
    clock_minutes: float = 0.0


@dataclass(frozen=True)
class Round:
    """Workers that run at the same time, and what TDX does to them."""

    workers: Sequence[WorkerPlan]
    faults: Sequence[Fault] = ()


@dataclass(frozen=True)
class Schedule:
    """All of a seed."""

    seed: int
    tickets: Sequence[int]
    pipelines: Sequence[Pipeline] = field(repr=False)
    rounds: Sequence[Round]

    def shown(self) -> str:
        """For the message of a seed that fails."""
        lines = [f"tickets {list(self.tickets)}"]
        lines += [
            f"pipeline {one.name}: {', '.join(action.label for action in one.actions)}"
            for one in self.pipelines
        ]
        for number, one in enumerate(self.rounds, start=1):
            lines += [
                f"round {number}: {fault.method} {fault.path} {fault.name}, calls {fault.on}"
                for fault in one.faults
            ]
            for which, worker in enumerate(one.workers, start=1):
                off = f", clock off by {worker.clock_minutes:g} min" if worker.clock_minutes else ""
                lines += [f"round {number}, worker {which}{off}"] + [
                    f"    {it.trouble} {it.step} ({it.at}.)" for it in worker.befalls
                ]
        return "\n".join(lines)


TICKETS = (31, 32, 33, 34)


def draw(seed: int) -> Schedule:
    """Make the schedule of a seed; the same seed gives the same schedule, always."""
    chance = random.Random(seed)
    return Schedule(
        seed=seed,
        tickets=sorted(chance.sample(TICKETS, chance.randint(1, 3))),
        pipelines=_pipelines(chance),
        rounds=[_round(chance) for _ in range(chance.choice((1, 2, 2, 3)))],
    )


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
    befalls = []
    if chance.random() < 0.6:
        trouble = chance.choices(tuple(Trouble), (8, 4, 2, 1, 1, 1))[0]
        befalls.append(Befalls(chance.choice(tuple(Step)), chance.choice((1, 1, 2, 3, 5)), trouble))
    off = chance.choice((0.0, 0.0, -7.0, 12.0, 90.0))
    return WorkerPlan(befalls, off)


def _fault(chance: random.Random) -> Fault:
    method, path, _ = chance.choices(SITES, [site[2] for site in SITES])[0]
    first = chance.choice((1, 1, 2, 3, 4))
    on = tuple(range(first, first + chance.choice((1, 1, 2, 4))))
    return Fault(method, path, chance.choice(tuple(FAULTS)), on)
