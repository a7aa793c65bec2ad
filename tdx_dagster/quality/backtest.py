"""What a configuration would attach on closed tickets, against what people ended with.

Belongs here: the past as discovery would have seen it, and comparing, in plain Python. Does not: reading
tickets (`past_tickets`), printing (`cli.backtest`). Nothing is written and TDX is not asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tdx_dagster.discovery.discover import Discovery, DiscoverySettings, Enquiry, OwnPosts, discover
from tdx_dagster.discovery.passages import SYSTEM_NAME
from tdx_dagster.inventory.computers import Inventory
from tdx_dagster.quality.collect import finder
from tdx_dagster.quality.judge import FindByName, NeedsItems, judge
from tdx_dagster.quality.past_tickets import PastTicket
from tdx_dagster.quality.rates import rounded, wilson
from tdx_dagster.quality.verdicts import Outcome
from tdx_dagster.tickets.actions.link_lines import LinkLine, link_lines


class State(StrEnum):
    """Whether a ticket can be compared."""

    COMPARED = "compared"
    UNLINKED = "nobody linked a computer"
    INCOMPLETE = "replies were not read"
    UNCLEAR = "several computers bear the name"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What decides: one `add_asset` of a pipeline.

    Args:
        settings: How discovery decides.
        posted_texts: What the pipeline writes on tickets.
    """

    settings: DiscoverySettings
    posted_texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What people ended with.

    Args:
        right: Computers that people have linked or kept.
        unseen: Computers the robot has linked and nobody has looked at.
        is_handled: Whether a person has decided about any link.
        is_clear: Whether each name stands for one computer.
    """

    right: frozenset[int]
    unseen: frozenset[int] = frozenset()
    is_handled: bool = True
    is_clear: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    """A ticket: what would be attached, and what is right.

    Args:
        ticket_id: The ticket.
        state: Whether it can be compared.
        would: What would be attached; nothing where it was not read.
        ended: What people ended with.
        is_read: Whether more than its feed was read.
    """

    ticket_id: int
    state: State
    would: frozenset[int]
    ended: Ended
    is_read: bool = True

    @property
    def agreed(self) -> frozenset[int]:
        """Computers that would be attached and are right."""
        return self.would & self.ended.right

    @property
    def wrong(self) -> frozenset[int]:
        """Computers that would be attached and are not right."""
        return self.would - self.ended.right - self.ended.unseen

    @property
    def missed(self) -> frozenset[int]:
        """Right computers that would not be attached."""
        return self.ended.right - self.would


@dataclass(frozen=True)
class Backtest:
    """The tickets of a backtest."""

    tickets: Sequence[Compared] = field(repr=False)

    def of(self, state: State) -> list[Compared]:
        """Give the tickets of a state."""
        return [one for one in self.tickets if one.state is state]

    def count(self, what: str) -> int:
        """Count computers that are `agreed`, `wrong` or `missed` on the tickets that are compared."""
        return sum(len(getattr(one, what)) for one in self.of(State.COMPARED))

    @property
    def precision(self) -> float | None:
        """Share of what would be attached that is right."""
        return _share(self.count("agreed"), self.count("wrong"))

    @property
    def recall(self) -> float | None:
        """Share of what is right that would be attached."""
        return _share(self.count("agreed"), self.count("missed"))

    def as_json(self) -> dict[str, Any]:
        """Give it for `--json`."""
        agreed, wrong = self.count("agreed"), self.count("wrong")
        low, high = wilson(agreed, agreed + wrong)
        return {
            "tickets": {state.value: len(self.of(state)) for state in State},
            "agreed": agreed,
            "wrong": wrong,
            "missed": self.count("missed"),
            "precision": rounded(self.precision),
            "precision_low": rounded(low),
            "precision_high": rounded(high),
            "recall": rounded(self.recall),
            "attached_where_nobody_linked": sum(len(one.would) for one in self.of(State.UNLINKED)),
            "read_where_nobody_linked": sum(one.is_read for one in self.of(State.UNLINKED)),
            "faults": [
                {
                    "ticket_id": one.ticket_id,
                    "wrong": sorted(one.wrong),
                    "missed": sorted(one.missed),
                }
                for one in self.of(State.COMPARED)
                if one.wrong or one.missed
            ],
        }


def _share(right: int, other: int) -> float | None:
    return right / (right + other) if right + other else None


def compare(
    tickets: Iterable[PastTicket], configuration: Configuration, inventory: Inventory
) -> list[Compared]:
    """Give what a configuration would attach on each ticket, and what people ended with."""
    find = finder(inventory, configuration.settings.form_id)
    return [_compare(one, configuration, inventory, find) for one in tickets]


def _compare(
    past: PastTicket, configuration: Configuration, inventory: Inventory, find: FindByName
) -> Compared:
    ended = ended_with(past, find)
    if past.ticket is None:
        return Compared(past.id, State.UNLINKED, frozenset(), ended, is_read=False)
    entries = past.before()
    own = OwnPosts(texts=configuration.posted_texts, entry_ids=past.own_posts)
    enquiry = Enquiry(past.ticket, conversation=lambda: entries, own_posts=own)
    found = discover(enquiry, inventory, None, configuration.settings)
    would = frozenset(match.computer.asset_id for match in found.matches)
    return Compared(past.id, _state(found, past, ended), would, ended)


def _state(found: Discovery, past: PastTicket, ended: Ended) -> State:
    if not ended.is_clear:
        return State.UNCLEAR
    if not ended.is_handled:
        return State.UNLINKED
    # Title and description decide alone where they name a computer.
    return State.INCOMPLETE if found.phase != 1 and past.unread() else State.COMPARED


def ended_with(past: PastTicket, find: FindByName) -> Ended:
    """Give what people ended with, by TDX's own lines in the feed."""
    kept: set[int] = set()
    unseen: set[int] = set()
    robots: set[str | None] = set()
    names: set[str] = set()
    lines = list(link_lines(past.feed))
    if past.acted is not None and past.acted.attached:
        requestor = past.ticket.requestor_uid if past.ticket else None
        acted = replace(past.acted, requestor_uid=requestor)
        try:
            judged = judge(acted, past.feed, find)
        except NeedsItems:
            return Ended(frozenset(), is_clear=False)
        kept = {one.asset_id for one in judged if one.outcome is Outcome.KEPT}
        unseen = {one.asset_id for one in judged if one.outcome is Outcome.UNSEEN}
        names = {one.name.strip().casefold() for one in acted.attached}
        robots = {line.entry.created_uid for line in lines if line.name in names and line.is_added}
    by_people = [line for line in lines if _is_by_a_person(line, robots, names)]
    last = {line.name: line for line in by_people}
    found = [find(name) for name, line in last.items() if line.is_added and name not in names]
    if any(len(ids) > 1 for ids in found):
        return Ended(frozenset(), is_clear=False)
    right = frozenset(kept | {ids[0] for ids in found if ids})
    return Ended(right, frozenset(unseen), is_handled=bool(kept or by_people))


def _is_by_a_person(line: LinkLine, robots: set[str | None], names: set[str]) -> bool:
    entry = line.entry
    is_robot = entry.created_uid in robots and line.name in names and line.is_added
    return (
        entry.created_uid is not None and entry.created_name.strip() != SYSTEM_NAME and not is_robot
    )


def differing(
    one: Sequence[Compared], other: Sequence[Compared]
) -> list[tuple[Compared, Compared]]:
    """Give the tickets on which two configurations would attach different computers."""
    return [
        (mine, theirs)
        for mine, theirs in zip(one, other, strict=True)
        if mine.would != theirs.would
    ]
