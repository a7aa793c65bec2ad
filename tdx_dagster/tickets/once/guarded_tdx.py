"""The TDX client that a write is given: with a fence before each request.

Belongs here: handing the fence to every write. Does not: what the fence asks (`writer`), which writes there are
(`tickets.actions.effects`).
"""

from collections.abc import Sequence

from tdx_dagster.tdx.models import (
    Account,
    Choice,
    FeedEntry,
    FeedPost,
    PatchOperation,
    Status,
    Ticket,
    TicketItem,
)
from tdx_dagster.tickets.actions.effects import BeforeSend, TdxWrites


class GuardedTdx:
    """The TDX client with a fence before each write: the twin of `ReadOnly`.

    Args:
        tdx: The client.
        before_send: Called right before each write is sent; it raises where the right to write is lost.
    """

    def __init__(self, tdx: TdxWrites, before_send: BeforeSend) -> None:
        self._tdx = tdx
        self._before_send = before_send

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: BeforeSend | None = None
    ) -> FeedEntry:
        """See `TdxWrites.post_feed`."""
        return self._tdx.post_feed(ticket_id, post, before_send=before_send or self._before_send)

    def attach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """See `TdxWrites.attach_asset`."""
        return self._tdx.attach_asset(
            ticket_id, asset_id, before_send=before_send or self._before_send
        )

    def detach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """See `TdxWrites.detach_asset`."""
        return self._tdx.detach_asset(
            ticket_id, asset_id, before_send=before_send or self._before_send
        )

    def attach_item(
        self, ticket_id: int, item_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """See `TdxWrites.attach_item`."""
        return self._tdx.attach_item(
            ticket_id, item_id, before_send=before_send or self._before_send
        )

    def add_contact(
        self, ticket_id: int, uid: str, *, before_send: BeforeSend | None = None
    ) -> bool:
        """See `TdxWrites.add_contact`."""
        return self._tdx.add_contact(ticket_id, uid, before_send=before_send or self._before_send)

    def patch_ticket(
        self,
        ticket_id: int,
        operations: Sequence[PatchOperation],
        *,
        notify_new_responsible: bool = False,
        before_send: BeforeSend | None = None,
    ) -> Ticket:
        """See `TdxWrites.patch_ticket`."""
        return self._tdx.patch_ticket(
            ticket_id,
            operations,
            notify_new_responsible=notify_new_responsible,
            before_send=before_send or self._before_send,
        )

    def tag_ticket(
        self, ticket_id: int, tags: Sequence[str], *, before_send: BeforeSend | None = None
    ) -> None:
        """See `TdxWrites.tag_ticket`."""
        self._tdx.tag_ticket(ticket_id, tags, before_send=before_send or self._before_send)

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """See `TdxWrites.feed`."""
        return self._tdx.feed(ticket_id)

    def feed_entry(self, entry_id: int) -> FeedEntry:
        """See `TdxWrites.feed_entry`."""
        return self._tdx.feed_entry(entry_id)

    def ticket(self, ticket_id: int) -> Ticket:
        """See `TdxWrites.ticket`."""
        return self._tdx.ticket(ticket_id)

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """See `TdxWrites.ticket_items`."""
        return self._tdx.ticket_items(ticket_id)

    def ticket_contacts(self, ticket_id: int) -> tuple[Choice, ...]:
        """See `TdxWrites.ticket_contacts`."""
        return self._tdx.ticket_contacts(ticket_id)

    def ticket_statuses(self) -> tuple[Status, ...]:
        """See `TdxWrites.ticket_statuses`."""
        return self._tdx.ticket_statuses()

    def account(self) -> Account:
        """See `TdxWrites.account`."""
        return self._tdx.account()

    def check_ticket_app(self) -> None:
        """See `TdxWrites.check_ticket_app`."""
        self._tdx.check_ticket_app()
