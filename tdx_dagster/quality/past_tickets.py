"""Closed tickets of the past for backtests, read from TDX once and kept in the database.

Belongs here: which tickets are read, in two calls each, and keeping them. Does not: what a configuration would
do on them (`backtest`).
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter
from sqlalchemy import Engine, RowMapping

from tdx_dagster.postgres.queries import Queries
from tdx_dagster.quality.collect import CLOSED
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import Acted
from tdx_dagster.state.storable import storable_text
from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import FeedEntry, Ticket, TicketSearch

log = logging.getLogger(__name__)

SQL = Queries(Path(__file__).with_name("backtest.sql"))

WINDOW = timedelta(days=30)

# What was closed since is not searched for again within a day, so that configurations are compared on the same.
RECENT = timedelta(days=1)

# So many tickets are in memory at once.
CHUNK = 200

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


@dataclass(frozen=True, slots=True)
class PastTicket:
    """A closed ticket.

    Args:
        ticket: As it is now.
        feed: All of it, without replies.
        acted: What the robot did on it; None where it did nothing.
        own_posts: Feed entries the robot has posted.
    """

    ticket: Ticket
    feed: tuple[FeedEntry, ...]
    acted: Acted | None
    own_posts: frozenset[int]


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
            tdx: Two calls a ticket.
            since: Tickets changed since then.
            most: At most so many; None for all.
            progress: Told how many of how many were read.
        """
        chosen = self._all("chosen", since=since, most=most)
        unread = [row["ticket_id"] for row in chosen if not row["is_read"]]
        for number, ticket_id in enumerate(unread, start=1):
            self._read_one(tdx, ticket_id)
            progress(number, len(unread))
        return [row["ticket_id"] for row in chosen]

    def _read_one(self, tdx: PastReads, ticket_id: int) -> None:
        ticket = feed = None
        try:
            ticket = storable_text(_TICKET.dump_json(tdx.ticket(ticket_id)).decode())
            feed = storable_text(_FEED.dump_json(tdx.feed(ticket_id)).decode())
        except TdxSettingError:
            raise
        except TdxRefused as error:
            log.info("Ticket %d is left out: %s", ticket_id, error)
            ticket = feed = None
        self._execute("add_read", ticket_id=ticket_id, ticket=ticket, feed=feed)

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
                _TICKET.validate_python(rows[number]["ticket"]),
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


def own_posts(engine: Engine, ticket_ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """Give the feed entries that the robot has posted on some tickets."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["own_posts"], {"ticket_ids": list(ticket_ids)}).all()
    found: dict[int, set[int]] = {}
    for row in rows:
        found.setdefault(row.ticket_id, set()).add(row.entry_id)
    return {ticket_id: frozenset(entries) for ticket_id, entries in found.items()}
