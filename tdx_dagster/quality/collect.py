"""Read what people did on tickets they are done with, and store the verdicts.

Belongs here: which tickets are read, in how many calls, and when it stops. Does not: verdicts (`judge`),
Dagster (`assets`). Two searches a night and one feed a ticket; linked items are read only where the feed does
not say which assets are meant.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tdx_dagster.inventory.computers import Inventory
from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.quality.judge import FindByName, NeedsItems, judge, links_of
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import Acted, Judgement
from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import FeedEntry, StatusClass, Ticket, TicketItem, TicketSearch

log = logging.getLogger(__name__)

CLOSED_FOR = timedelta(days=7)
UNTOUCHED_FOR = timedelta(days=14)

# A first sweep goes back so far at most, and asks for so much at once: answers have no pages.
FARTHEST = timedelta(days=120)
WINDOW = timedelta(days=7)

# TDX may read a time as its date; what was swept once more costs nothing.
OVERLAP = timedelta(days=1)

CLOSED = (StatusClass.COMPLETED, StatusClass.CANCELLED)
SWEEPS: dict[str, tuple[timedelta, tuple[StatusClass, ...]]] = {
    "closed": (CLOSED_FOR, CLOSED),
    "untouched": (UNTOUCHED_FOR, ()),
}


class QualityReads(Protocol):
    """The reads of TDX that the measurement uses."""

    def search_tickets(self, search: TicketSearch) -> tuple[Ticket, ...]:
        """Search tickets by when they were changed."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed, oldest first."""

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """Read what is linked to a ticket."""


@dataclass
class Collected:
    """What one night has read.

    Args:
        judged: Tickets that were judged.
        gone: Tickets that TDX does not show; they are judged without a verdict.
        stopped: Why it stopped before the end; empty where it did not.
    """

    judged: int = 0
    gone: int = 0
    stopped: str = ""


@dataclass(frozen=True)
class Collector:
    """Judges the tickets that people are done with.

    Args:
        tdx: Reads.
        store: Where verdicts are kept.
        inventory: Which computers bear a name.
        may_go_on: Says whether TDX may still be called.
    """

    tdx: QualityReads
    store: QualityStore
    inventory: Inventory
    may_go_on: Callable[[], bool] = lambda: True

    def collect(self, now: datetime, most: int) -> Collected:
        """Sweep, then judge at most so many tickets.

        Raises:
            TdxError: TDX cannot be asked; what was judged before is stored.
        """
        done = Collected()
        self._sweep(now)
        for acted in self.store.waiting(most):
            if not self.may_go_on():
                done.stopped = "Office hours have begun; the rest follows in the next run."
                break
            self._judge(acted, done)
        return done

    def _sweep(self, now: datetime) -> None:
        """Search for tickets that people are done with since the last sweep."""
        oldest = self.store.oldest_result()
        if oldest is None:
            return
        swept = self.store.sweeps()
        first = max(oldest, now - FARTHEST)
        for name, (quiet_for, classes) in SWEEPS.items():
            for begin, end in _windows(swept.get(name, first) - OVERLAP, now - quiet_for):
                if not self.may_go_on():
                    return
                found = self.tdx.search_tickets(TicketSearch(begin, end, classes))
                self.store.add_swept(name, end, _quiet_since(found, end))

    def _judge(self, acted: Acted, done: Collected) -> None:
        try:
            verdicts = self._verdicts(acted)
        except TdxSettingError:
            raise
        except TdxRefused as error:
            log.info("Ticket %d is not judged: %s", acted.ticket_id, error)
            self.store.add_judged(acted.ticket_id, ())
            done.gone += 1
        else:
            self.store.add_judged(acted.ticket_id, verdicts)
            done.judged += 1

    def _verdicts(self, acted: Acted) -> Sequence[Judgement]:
        feed = self.tdx.feed(acted.ticket_id)
        find = finder(self.inventory, acted.form_id)
        try:
            return judge(acted, feed, find)
        except NeedsItems:
            items = self.tdx.ticket_items(acted.ticket_id)
            linked = links_of((item.name, item.asset_id) for item in items if item.asset_id)
            return judge(acted, feed, find, linked)


def finder(inventory: Inventory, form_id: int | None) -> FindByName:
    """Give what finds the computers of a form by the name that TDX shows."""

    def find(name: str) -> Sequence[int]:
        key = fold_key(name)
        found = inventory.find({key}, form_id=form_id).get(key, ()) if key else ()
        return [one.asset_id for one in found if one.label.casefold() == name]

    return find


def _windows(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while begin < end:
        until = min(begin + WINDOW + OVERLAP, end)
        yield begin, until
        begin = until if until == end else until - OVERLAP


def _quiet_since(found: Collection[Ticket], end: datetime) -> list[Ticket]:
    return [one for one in found if one.modified_at is not None and one.modified_at <= end]
