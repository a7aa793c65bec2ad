"""Judge what discovery did on a ticket by its feed: what people kept, removed, replaced or added.

Belongs here: verdicts, in plain Python. Does not: reading feeds (`collect`), rates (`rates`). Silence is not
consent: where nobody worked on the ticket afterwards, the verdict is `unseen`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tdx_dagster.discovery.passages import SYSTEM_NAME
from tdx_dagster.quality.verdicts import NOT_FOUND, Acted, Attached, Judgement, Outcome
from tdx_dagster.tdx.models import FeedEntry
from tdx_dagster.tickets.actions.link_lines import LinkLine, link_lines

# The clocks of TDX and of the database differ by no more.
CLOCK_SKEW = timedelta(minutes=5)

FindByName = Callable[[str], Sequence[int]]
"""Gives the ids of the computers that bear a name, case folded."""


class NeedsItems(Exception):
    """The feed does not say which assets are on the ticket: they must be read."""


@dataclass(frozen=True, slots=True)
class Links:
    """What is linked to a ticket now, where it was read: asset ids by name, case folded."""

    by_name: Mapping[str, tuple[int, ...]]

    @property
    def ids(self) -> frozenset[int]:
        """The ids of all."""
        return frozenset(one for ids in self.by_name.values() for one in ids)


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of an attached computer: whether it is on, and what people did after it was linked."""

    attached: Attached
    is_on: bool
    is_withdrawn: bool
    is_worked_on: bool


def judge(
    acted: Acted, feed: Sequence[FeedEntry], find: FindByName, links: Links | None = None
) -> list[Judgement]:
    """Give the verdicts about a ticket.

    Args:
        acted: What discovery did.
        feed: The feed, oldest first.
        find: Which computers bear a name.
        links: What is linked now; None where it was not read.

    Raises:
        NeedsItems: It cannot be judged without `links`.
    """
    return _Judge(acted, feed, find, links).verdicts()


class _Judge:
    """One ticket being judged."""

    def __init__(
        self, acted: Acted, feed: Sequence[FeedEntry], find: FindByName, links: Links | None
    ) -> None:
        self._acted, self._feed, self._find, self._links = acted, feed, find, links
        self._lines = list(link_lines(feed))
        self._attached_by_name: dict[str, list[Attached]] = {}
        for one in acted.attached:
            self._attached_by_name.setdefault(one.name.strip().casefold(), []).append(one)
        self._own = {one.asset_id: self._own_line(one) for one in acted.attached}
        self._robots = {line.entry.created_uid for line in self._own.values() if line}

    def verdicts(self) -> list[Judgement]:
        """Give all verdicts."""
        fates = [self._fate(one) for one in self._acted.attached]
        added = self._added_by_people()
        off = [fate.attached.evidence for fate in fates if not fate.is_on and not fate.is_withdrawn]
        missed_kind = off[0] if off else NOT_FOUND
        return [
            *(
                self._judged(fate.attached, _outcome(fate, has_other=bool(added)))
                for fate in fates
                if not fate.is_withdrawn
            ),
            *(self._missed(asset_id, name, missed_kind) for asset_id, name in added.items()),
        ]

    def _judged(self, one: Attached, outcome: Outcome) -> Judgement:
        return self._verdict(one.asset_id, one.name, outcome, one.evidence)

    def _missed(self, asset_id: int, name: str, kind: str) -> Judgement:
        return self._verdict(asset_id, name, Outcome.MISS, kind)

    def _verdict(self, asset_id: int, name: str, outcome: Outcome, kind: str) -> Judgement:
        acted = self._acted
        return Judgement(acted.ticket_id, asset_id, outcome, kind, name, acted.pipeline, acted.at)

    def _own_line(self, one: Attached) -> LinkLine | None:
        """Find TDX's line about the link that the robot made; None where the feed has none."""
        name = one.name.strip().casefold()
        lines = (line for line in self._lines if line.is_added and line.name == name)
        return next((line for line in lines if _is_after(line.entry, one)), None)

    def _fate(self, one: Attached) -> _Fate:
        own = self._own[one.asset_id]
        name = one.name.strip().casefold()
        if self._links is not None and (own is None or len(self._attached_by_name[name]) > 1):
            is_on = one.asset_id in self._links.ids
            return _Fate(one, is_on, is_withdrawn=False, is_worked_on=self._worked_since(one, own))
        if own is None or len(self._attached_by_name[name]) > 1:
            raise NeedsItems
        last = [line for line in self._lines if line.name == name][-1]
        is_own_removal = not last.is_added and last.entry.created_uid in self._robots
        return _Fate(one, last.is_added, is_own_removal, self._worked_since(one, own))

    def _worked_since(self, one: Attached, own: LinkLine | None) -> bool:
        """Tell whether somebody but the requestor did anything on the ticket after the link."""
        if own is not None:
            later = self._feed[[entry.id for entry in self._feed].index(own.entry.id) + 1 :]
        else:
            later = [entry for entry in self._feed if _is_after(entry, one)]
        return any(self._is_work(entry) for entry in later)

    def _is_work(self, entry: FeedEntry) -> bool:
        return self._is_by_a_person(entry) and entry.created_uid != self._acted.requestor_uid

    def _is_by_a_person(self, entry: FeedEntry) -> bool:
        is_system = entry.created_uid is None or entry.created_name.strip() == SYSTEM_NAME
        return not is_system and entry.created_uid not in self._robots

    def _added_by_people(self) -> dict[int, str]:
        """Give the computers that people have added after discovery had looked, and left on."""
        found: dict[int, str] = {}
        last = {line.name: line for line in self._lines}
        for name, line in last.items():
            if name in self._attached_by_name or not (line.is_added and self._is_later(line)):
                continue
            ids = self._resolved(name)
            if ids and ids[0] not in self._acted.mentioned:
                found[ids[0]] = name
        return found

    def _is_later(self, line: LinkLine) -> bool:
        at = line.entry.created_at
        return self._is_by_a_person(line.entry) and at is not None and at > self._acted.at

    def _resolved(self, name: str) -> Sequence[int]:
        """Give the one computer of a name; nothing where the inventory knows none, as with a printer."""
        ids = self._find(name)
        if len(ids) <= 1:
            return ids
        if self._links is None:
            raise NeedsItems
        return [one for one in self._links.by_name.get(name, ()) if one in ids]


def _is_after(entry: FeedEntry, one: Attached) -> bool:
    return entry.created_at is None or entry.created_at >= one.at - CLOCK_SKEW


def _outcome(fate: _Fate, *, has_other: bool) -> Outcome:
    if not fate.is_on:
        return Outcome.REPLACED if has_other else Outcome.REMOVED
    return Outcome.KEPT if fate.is_worked_on else Outcome.UNSEEN


def links_of(items: Iterable[tuple[str, int]]) -> Links:
    """Put the linked assets of a ticket together, given as name and id."""
    return Links(dict(_grouped(items)))


def _grouped(items: Iterable[tuple[str, int]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    found: dict[str, list[int]] = {}
    for name, asset_id in items:
        found.setdefault(name.strip().casefold(), []).append(asset_id)
    return ((name, tuple(ids)) for name, ids in found.items())
