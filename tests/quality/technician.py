"""A model of a desk whose true error rates are known: feeds as TDX writes them, judged by the product.

Belongs here: what happens on a ticket, by chance, and what each verdict must be. Does not: rates of verdicts.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdx_dagster.quality.judge import judge
from tdx_dagster.quality.verdicts import Acted, Attached, Judgement, Outcome
from tests.quality.people import ASKER, ROBOT, START, TECH, Feed, find

COMPUTERS = range(1, 301)
SEEN = 0.7
KINDS = ("name in title", "serial in description", "tag in conversation", "only computer")


@dataclass(frozen=True)
class Worked:
    """A ticket that people are done with.

    Args:
        verdicts: What the product says of its computers.
        expected: What it must say, by computer.
    """

    verdicts: list[Judgement]
    expected: Mapping[int, Outcome]


@dataclass(frozen=True)
class ModelDesk:
    """What is true of a desk.

    Args:
        wrong: How often the robot attaches a wrong computer, by kind of evidence.
        missed: How often it finds none where people want one.
    """

    wrong: Mapping[str, float]
    missed: float = 0.05

    def tickets(self, dice: random.Random, number: int) -> Iterator[Worked]:
        """Let the robot and people work through tickets, one an hour."""
        for ticket in range(1, number + 1):
            at = START + timedelta(hours=ticket)
            feed = Feed(at - timedelta(minutes=1.5)).say(ASKER, "It does not start.")
            if dice.random() < 0.3:
                feed.say(TECH, "I look at it.")
            if dice.random() < self.missed:
                yield _missed(dice, ticket, at, feed)
            else:
                yield self._attached(dice, ticket, at, feed)

    def _attached(self, dice: random.Random, ticket: int, at: datetime, feed: Feed) -> Worked:
        """Attach one computer or two, each right or wrong; people look at most of these tickets."""
        kind = dice.choice(list(self.wrong))
        *named, other = dice.sample(COMPUTERS, dice.choice((2, 2, 2, 3)))
        feed.add(ROBOT, *map(_name, named)).say(ROBOT, "Summary of automated actions: …")
        links = tuple(Attached(one, _name(one), kind, at) for one in named)
        wrong = [one for one in named if dice.random() < self.wrong[kind]]
        if dice.random() < SEEN:
            expected = _seen(dice, feed, named, wrong, other)
        else:
            feed.say(ASKER, "Any news?").say(None, "Closed for lack of an answer.", "System")
            expected = dict.fromkeys(named, Outcome.UNSEEN)
        return _judged(Acted(ticket, "p", at, links, requestor_uid=ASKER), feed, expected)


def _seen(
    dice: random.Random, feed: Feed, named: list[int], wrong: list[int], other: int
) -> dict[int, Outcome]:
    """Take off what is wrong, now and then for another one, and work on the ticket."""
    feed.say(TECH, "I have replaced the battery.")
    for one in wrong:
        feed.remove(TECH, _name(one))
    is_replaced = bool(wrong) and dice.random() < 0.5
    if is_replaced:
        feed.add(TECH, _name(other))
    off = Outcome.REPLACED if is_replaced else Outcome.REMOVED
    return {
        **{one: off if one in wrong else Outcome.KEPT for one in named},
        **({other: Outcome.MISS} if is_replaced else {}),
    }


def _missed(dice: random.Random, ticket: int, at: datetime, feed: Feed) -> Worked:
    right = dice.choice(COMPUTERS)
    feed.say(TECH, "Which one is it?").add(TECH, _name(right))
    return _judged(Acted(ticket, "p", at, requestor_uid=ASKER), feed, {right: Outcome.MISS})


def _judged(acted: Acted, feed: Feed, expected: Mapping[int, Outcome]) -> Worked:
    return Worked(judge(acted, feed.entries, find), expected)


def _name(asset: int) -> str:
    return f"PC-{asset}"
