"""A ticket as one run sees it: cached reads, and a TDX client that cannot write.

Belongs here: caching reads for the length of a run, so that nothing is fetched twice. Does not: writing
(`once.writer`), what actions make of it (`actions.context`).
"""

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any, Protocol

from tdx_dagster.tdx.choices import ListName
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import (
    Account,
    Asset,
    AssetSearch,
    Choice,
    FeedEntry,
    Status,
    Ticket,
    TicketAttribute,
    TicketItem,
    TicketSearch,
)

# TDX answers so for a ticket that is gone or hidden, and for every ticket where the application is wrong.
GONE = frozenset({403, 404})


# TDX sets both dates of a new ticket within moments of each other.
UNTOUCHED = timedelta(seconds=5)


class TdxReads(Protocol):
    """The reads of the TDX facade that actions and their preparation use."""

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed without replies, oldest first."""

    def feed_entry(self, entry_id: int) -> FeedEntry:
        """Read one entry with its replies."""

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """Read what is linked to a ticket."""

    def configuration_item(self, item_id: int) -> TicketItem:
        """Read a configuration item, by its own id."""

    def ticket_contacts(self, ticket_id: int) -> tuple[Choice, ...]:
        """Read the people who are contacts of a ticket."""

    def asset(self, asset_id: int) -> Asset:
        """Read an asset."""

    def asset_feed(self, asset_id: int) -> tuple[FeedEntry, ...]:
        """Read an asset's feed, oldest first."""

    def account(self) -> Account:
        """Give the account that is signed in; one call a process."""

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        """Search for assets."""

    def search_tickets(self, search: TicketSearch) -> tuple[Ticket, ...]:
        """Search for tickets; descriptions are left out."""

    def ticket_statuses(self) -> tuple[Status, ...]:
        """Read the ticket statuses."""

    def asset_statuses(self) -> tuple[Status, ...]:
        """Read the asset statuses."""

    def ticket_choices(self, of: ListName) -> tuple[Choice, ...]:
        """Read the types, priorities, impacts, urgencies or sources of tickets."""

    def groups(self) -> tuple[Choice, ...]:
        """Read the groups."""

    def locations(self) -> tuple[Choice, ...]:
        """Read the locations."""

    def people_named(self, text: str) -> tuple[Choice, ...]:
        """Read the people whose name or mail address holds a text."""

    def ticket_attributes(self) -> tuple[TicketAttribute, ...]:
        """Read the custom attributes of tickets."""

    def ticket_link(self, ticket_id: int) -> str:
        """Give the address of a ticket for people."""

    def asset_link(self, asset_id: int) -> str:
        """Give the address of an asset for people."""


class ReadOnly:
    """The TDX client without its writes: an action writes through `ActionContext.write`. One for each run.

    A search or a list is asked for once a run, however many tickets need it: a number that stands in every
    signature must not cost a call each time. Errors are not remembered. Safe for threads.

    Args:
        tdx: The facade.
    """

    _reads = frozenset(name for name in vars(TdxReads) if not name.startswith("_"))
    _asked_once = frozenset(
        {
            "search_assets",
            "search_tickets",
            "ticket_statuses",
            "ticket_choices",
            "groups",
            "locations",
            "people_named",
            "ticket_attributes",
        }
    )

    def __init__(self, tdx: TdxReads) -> None:
        self._tdx = tdx
        self._found: dict[Hashable, Any] = {}
        self._asking: defaultdict[Hashable, Lock] = defaultdict(Lock)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  the type is that of the read asked for
        """Give a read; refuse everything else."""
        if name not in self._reads:
            raise AttributeError(f"{name!r} is no read of TDX: actions write through context.write")
        read = getattr(self._tdx, name)
        return partial(self._once, name, read) if name in self._asked_once else read

    def _once(self, name: str, read: Callable[..., Any], *asked: Hashable) -> Any:  # noqa: ANN401
        """Ask once; who asks the same at the same time waits for the one answer."""
        key = (name, *asked)
        with self._asking[key]:
            if key not in self._found:
                self._found[key] = read(*asked)
            return self._found[key]


@dataclass
class TicketView:
    """A ticket as this run sees it; each read is made once, when first asked for.

    Args:
        tdx: Where reads go.
        id: The ticket id.
        assets_read: Assets that this run has read for the ticket.
    """

    tdx: TdxReads
    id: int
    _ticket: Ticket | None = None
    _latest: Ticket | None = None
    _refused: TdxRefused | None = None
    _feed: tuple[FeedEntry, ...] | None = None
    _conversation: tuple[FeedEntry, ...] | None = None
    _items: tuple[TicketItem, ...] | None = None
    assets_read: dict[int, Asset] = field(default_factory=dict)
    _attached: set[int] = field(default_factory=set)

    @property
    def ticket(self) -> Ticket:
        """The ticket itself; a refusal is remembered as well."""
        if self._refused is not None:
            raise self._refused
        if self._ticket is None:
            try:
                self._ticket = self.tdx.ticket(self.id)
            except TdxRefused as error:
                self._refused = error
                raise
        return self._ticket

    @property
    def known_title(self) -> str:
        """The title where the ticket was read; empty where this run had no reason to read it."""
        return self._ticket.title if self._ticket else ""

    @property
    def is_missing(self) -> bool:
        """Whether TDX shows no such ticket in this application to this account."""
        return self._refused is not None and self._refused.status in GONE

    @property
    def latest(self) -> Ticket:
        """The ticket as the last write of this run has left it, else as it was read."""
        return self._latest or self.ticket

    def changed_to(self, ticket: Ticket) -> None:
        """Take the ticket as it is after a write of this run."""
        self._latest = ticket

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has touched the ticket since it was made, so that its feed need not be read."""
        created, modified = self.ticket.created_at, self.ticket.modified_at
        return created is not None and modified is not None and modified - created <= UNTOUCHED

    def feed(self) -> tuple[FeedEntry, ...]:
        """Give the feed, oldest first, without replies."""
        if self._feed is None:
            self._feed = self.tdx.feed(self.id)
        return self._feed

    def conversation(self) -> tuple[FeedEntry, ...]:
        """Give the feed, oldest first, with the replies of entries that have any (case A25)."""
        if self._conversation is None:
            self._conversation = tuple(
                self.tdx.feed_entry(entry.id) if entry.replies_count else entry
                for entry in self.feed()
            )
        return self._conversation

    def items(self) -> tuple[TicketItem, ...]:
        """Give what is linked to the ticket; an error raises, only a real empty list is empty (A30)."""
        if self._items is None:
            self._items = self.tdx.ticket_items(self.id)
        return self._items

    def linked_assets(self) -> frozenset[int]:
        """Give the assets on the ticket: those that were there when it was read, and what this run attached."""
        read = {item.asset_id for item in self.items() if item.asset_id}
        return frozenset(read | self._attached)

    def attached(self, asset_id: int) -> None:
        """Take note that this run has attached an asset, or would in a dry run."""
        self._attached.add(asset_id)

    def asset(self, asset_id: int) -> Asset:
        """Give an asset."""
        return (
            self.assets_read[asset_id] if asset_id in self.assets_read else self.asset_now(asset_id)
        )

    def asset_now(self, asset_id: int) -> Asset:
        """Read an asset anew: before it is attached, what TDX says now counts."""
        self.assets_read[asset_id] = self.tdx.asset(asset_id)
        return self.assets_read[asset_id]

    def items_now(self) -> tuple[TicketItem, ...]:
        """Read anew what is linked to the ticket: an action of this run may have changed it."""
        self._items = None
        return self.items()
