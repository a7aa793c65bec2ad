"""Closed tickets of the past for backtests, read from TDX once and kept in the database.

Belongs here: which tickets are read, in two calls each on average, and keeping them. Does not: what a
configuration would do on them (`backtest`). A ticket on which nobody has linked a computer cannot be compared:
the call that it saves reads the replies of another one.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Engine, RowMapping

from tdx_dagster.postgres.queries import Queries
from tdx_dagster.quality.collect import CLOSED
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import Acted
from tdx_dagster.state.storable import storable_text
from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import FeedEntry, Reply, Ticket, TicketSearch
from tdx_dagster.tickets.actions.link_lines import link_lines

Read = TypeVar("Read")

log = logging.getLogger(__name__)

SQL = Queries(Path(__file__).with_name("backtest.sql"))

WINDOW = timedelta(days=30)

# What was closed since is not searched for again within a day, so that configurations are compared on the same.
RECENT = timedelta(days=1)

# So many tickets are in memory at once.
CHUNK = 200

# What a ticket may cost on average.
CALLS_PER_TICKET = 2

_TICKET = TypeAdapter(Ticket)
_FEED = TypeAdapter(tuple[FeedEntry, ...])


class PastReads(Protocol):
    """The reads of TDX that a backtest uses."""

    def search_tickets(self, search: TicketSearch) -> tuple[Ticket, ...]:
        """Search tickets by when they were changed."""

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed, oldest first."""

    def feed_entry(self, entry_id: int) -> FeedEntry:
        """Read one feed entry with its replies."""


@dataclass(frozen=True, slots=True)
class PastTicket:
    """A closed ticket.

    Args:
        id: Its id.
        ticket: As it is now; None where nobody has linked a computer, so that it was not read.
        feed: All of it; with replies where they were read.
        acted: What the robot did on it; None where it did nothing.
        own_posts: Feed entries the robot has posted.
    """

    id: int
    ticket: Ticket | None
    feed: tuple[FeedEntry, ...]
    acted: Acted | None
    own_posts: frozenset[int]

    def before(self) -> list[FeedEntry]:
        """Give the feed as it was when the robot or people first acted."""
        moments = [line.entry.created_at for line in link_lines(self.feed)]
        if self.acted is not None:
            moments.append(self.acted.at)
        first = min((moment for moment in moments if moment is not None), default=None)

        def is_before(one: FeedEntry | Reply) -> bool:
            return one.created_at is None or first is None or one.created_at < first

        return [
            replace(entry, replies=tuple(filter(is_before, entry.replies)))
            for entry in self.feed
            if is_before(entry)
        ]

    def unread(self) -> list[FeedEntry]:
        """Give the entries before the first act whose replies were not read."""
        read = {entry.id for entry in self.feed if entry.replies}
        return [one for one in self.before() if one.replies_count and one.id not in read]


class PastTickets:
    """Closed tickets, read once.

    Args:
        engine: An engine of the database that holds the schema `meta`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._log = QualityStore(engine)

    def _all(self, query: str, **values: Any) -> Sequence[RowMapping]:  # noqa: ANN401  bind values
        with self._engine.connect() as connection:
            return connection.execute(SQL[query], values).mappings().all()

    def _execute(self, query: str, **values: Any) -> None:  # noqa: ANN401  bind values
        with self._engine.begin() as connection:
            connection.execute(SQL[query], values)

    def search(self, tdx: PastReads, since: datetime, now: datetime) -> None:
        """Search for closed tickets, unless the same dates were searched within a day."""
        if self._all("is_searched", since=since, until=now - RECENT)[0]["found"]:
            return
        begin = since
        while begin < now:
            end = min(begin + WINDOW, now)
            self._add_found(tdx.search_tickets(TicketSearch(begin, end, CLOSED)))
            begin = end
        self._execute("searched", since=since, until=now)

    def _add_found(self, found: Collection[Ticket]) -> None:
        dated = [one for one in found if one.modified_at is not None]
        self._execute(
            "add_found",
            ticket_ids=[one.id for one in dated],
            modified=[one.modified_at for one in dated],
        )

    def read(
        self,
        tdx: PastReads,
        since: datetime,
        most: int | None,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> list[int]:
        """Read the latest tickets that were not read before; give the ids of all.

        Args:
            tdx: At most two calls a ticket on average.
            since: Tickets changed since then.
            most: At most so many; None for all.
            progress: Called with how many of how many were read.
        """
        chosen = self._all("chosen", since=since, most=most)
        unread = [row for row in chosen if not row["is_read"]]
        for number, row in enumerate(unread, start=1):
            self._read_one(tdx, row["ticket_id"], is_acted=row["is_acted"])
            progress(number, len(unread))
        ids = [row["ticket_id"] for row in chosen]
        spare = self._spare(ids)
        spare -= self._read_replies(tdx, ids, spare)
        self._read_unlinked(tdx, ids, spare)
        return ids

    def _read_one(self, tdx: PastReads, ticket_id: int, *, is_acted: bool) -> None:
        """Read the feed, and the ticket where somebody has linked a computer."""
        ticket, feed = None, _refused_is_none(tdx.feed, ticket_id)
        if feed is not None and (is_acted or any(link_lines(feed))):
            ticket = _refused_is_none(tdx.ticket, ticket_id)
            feed = feed if ticket else None
        self._store(ticket_id, ticket, feed)

    def _store(
        self, ticket_id: int, ticket: Ticket | None, feed: tuple[FeedEntry, ...] | None
    ) -> None:
        self._execute(
            "add_read",
            ticket_id=ticket_id,
            ticket=ticket and storable_text(_TICKET.dump_json(ticket).decode()),
            feed=None if feed is None else storable_text(_FEED.dump_json(feed).decode()),
        )

    def _spare(self, ticket_ids: Sequence[int]) -> int:
        """Give how many calls are left for replies and for tickets that nobody has linked a computer to."""
        used = self._all("used", ticket_ids=list(ticket_ids))[0]
        return int(CALLS_PER_TICKET * used["tickets"] - used["calls"])

    def _read_replies(self, tdx: PastReads, ticket_ids: Sequence[int], spare: int) -> int:
        """Read replies of tickets while calls are left; give how many were made."""
        made = 0
        lacking = [row["ticket_id"] for row in self._all("lacking", ticket_ids=list(ticket_ids))]
        for past in (one for part in self.tickets(lacking) for one in part):
            wanted = past.unread()
            if made + len(wanted) > spare:
                continue
            made += len(wanted)
            found = {one.id: _refused_is_none(tdx.feed_entry, one.id) for one in wanted}
            feed = tuple(found.get(one.id) or one for one in past.feed)
            self._store(past.id, past.ticket, feed)
        return made

    def _read_unlinked(self, tdx: PastReads, ticket_ids: Sequence[int], spare: int) -> None:
        """Read tickets on which nobody has linked a computer while calls are left."""
        for row in self._all("unlinked", ticket_ids=list(ticket_ids), most=max(0, spare)):
            ticket = _refused_is_none(tdx.ticket, row["ticket_id"])
            feed = _FEED.validate_python(row["feed"]) if ticket else None
            self._store(row["ticket_id"], ticket, feed)

    def tickets(self, ticket_ids: Sequence[int]) -> Iterator[list[PastTicket]]:
        """Give tickets in parts, in the order asked for; those that TDX does not show are left out."""
        for start in range(0, len(ticket_ids), CHUNK):
            yield self._part(ticket_ids[start : start + CHUNK])

    def _part(self, ticket_ids: Sequence[int]) -> list[PastTicket]:
        ids = list(ticket_ids)
        rows = {row["ticket_id"]: row for row in self._all("read", ticket_ids=ids)}
        acted = {one.ticket_id: one for one in self._log.acted(dict.fromkeys(ids))}
        posts = own_posts(self._engine, ids)
        return [
            PastTicket(
                number,
                _TICKET.validate_python(ticket) if (ticket := rows[number]["ticket"]) else None,
                _FEED.validate_python(rows[number]["feed"]),
                acted.get(number),
                posts.get(number, frozenset()),
            )
            for number in ids
            if number in rows
        ]

    def forget(self) -> None:
        """Remove all that was read."""
        self._execute("forget")


def _refused_is_none(read: Callable[[int], Read], number: int) -> Read | None:
    """Make a read; None where TDX does not show it.

    Raises:
        TdxSettingError: TDX cannot be used at all.
    """
    try:
        return read(number)
    except TdxSettingError:
        raise
    except TdxRefused as error:
        log.info("%d is left out: %s", number, error)
        return None


def own_posts(engine: Engine, ticket_ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """Give the feed entries that the robot has posted on some tickets."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["own_posts"], {"ticket_ids": list(ticket_ids)}).all()
    found: dict[int, set[int]] = {}
    for row in rows:
        found.setdefault(row.ticket_id, set()).add(row.entry_id)
    return {ticket_id: frozenset(entries) for ticket_id, entries in found.items()}
