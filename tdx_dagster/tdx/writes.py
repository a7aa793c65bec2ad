"""The calls that change a ticket.

Belongs here: what they send, and which answers are a clear yes. An answer that is neither a clear yes nor a
clear no raises `TdxUnclear` or gives False: the effect has to be looked for. Does not: reading (`client`).
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo

from tdx_dagster.tdx.bodies import feed_entry_body, patch_body
from tdx_dagster.tdx.call import Call
from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.http import Response
from tdx_dagster.tdx.models import FeedEntry, FeedPost, PatchOperation, Ticket
from tdx_dagster.tdx.records import parse_feed_entry, parse_ticket
from tdx_dagster.tdx.transport import Transport
from tdx_dagster.tdx.verdict import unclear

BeforeSend = Callable[[], None]

_NO_CONTENT = 204


class TicketWrites:
    """Changes tickets. Part of `client.Tdx`.

    Args:
        transport: Makes calls.
        ticket_app_id: The ticketing application.
        zone: The tenant's time zone.
    """

    def __init__(self, transport: Transport, ticket_app_id: int, zone: tzinfo) -> None:
        self._transport = transport
        self._ticket_app = ticket_app_id
        self._zone = zone

    def attach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Link an asset to a ticket.

        Args:
            ticket_id: The ticket.
            asset_id: The asset.
            before_send: See `Call.before_send`.

        Returns:
            True where TDX says that it did; False where its answer does not say (204 for an asset already
            linked, an empty or foreign body), so that the caller has to read back (case A13).

        Raises:
            TdxUnclear: It may have been done.
            TdxRefused: It was not, and never will be.
        """
        answer = self._transport.write(self._link("POST", ticket_id, asset_id, before_send))
        return _says(answer, "success", "added")

    def detach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Take the link of an asset off a ticket.

        Returns:
            See `attach_asset`.

        Raises:
            TdxUnclear: It may have been done.
            TdxRefused: It was not: no such ticket, or the asset is not linked (404).
        """
        answer = self._transport.write(self._link("DELETE", ticket_id, asset_id, before_send))
        return _says(answer, "success", "removed", "deleted")

    def _link(
        self, method: str, ticket_id: int, asset_id: int, before_send: BeforeSend | None
    ) -> Call:
        return Call(
            method,
            "/{app}/tickets/{id}/assets/{asset}",
            {"app": self._ticket_app, "id": ticket_id, "asset": asset_id},
            body={} if method == "POST" else None,
            writes=True,
            before_send=before_send,
        )

    def attach_item(
        self, ticket_id: int, item_id: int, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Link a configuration item, by its own id, to a ticket; see `attach_asset`."""
        call = Call(
            "POST",
            "/{app}/tickets/{id}/configurationItems/{item}",
            {"app": self._ticket_app, "id": ticket_id, "item": item_id},
            body={},
            writes=True,
            before_send=before_send,
        )
        return _says(self._transport.write(call), "success", "added")

    def add_contact(
        self, ticket_id: int, uid: str, *, before_send: BeforeSend | None = None
    ) -> bool:
        """Make a person a contact of a ticket.

        Args:
            ticket_id: The ticket.
            uid: The person.
            before_send: See `Call.before_send`.

        Returns:
            See `attach_asset`.

        Raises:
            TdxUnclear: It may have been done.
            TdxRefused: It was not, and never will be.
        """
        call = Call(
            "POST",
            "/{app}/tickets/{id}/contacts/{uid}",
            {"app": self._ticket_app, "id": ticket_id, "uid": uid},
            body={},
            writes=True,
            before_send=before_send,
        )
        return _says(self._transport.write(call), "success", "added")

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: BeforeSend | None = None
    ) -> FeedEntry:
        """Post a new entry to a ticket's feed, never a reply (case A44).

        Args:
            ticket_id: The ticket.
            post: What to post.
            before_send: See `Call.before_send`.

        Raises:
            TdxUnclear: It may have been posted; also where the answer is no readable entry.
            TdxRefused: It was not, and never will be.
        """
        call = Call(
            "POST",
            "/{app}/tickets/{id}/feed",
            {"app": self._ticket_app, "id": ticket_id},
            body=feed_entry_body(post),
            writes=True,
            before_send=before_send,
        )
        answer = self._transport.write(call)
        try:
            return parse_feed_entry(answer.json(), self._zone)
        except TdxBadAnswer as error:
            raise unclear(call, f"{error}", answer.status) from error

    def tag_ticket(
        self,
        ticket_id: int,
        tags: Sequence[str],
        *,
        before_send: BeforeSend | None = None,
    ) -> None:
        """Add tags to a ticket; those it has stay. No call shows which it has.

        Args:
            ticket_id: The ticket.
            tags: Which.
            before_send: See `Call.before_send`.

        Raises:
            TdxUnclear: It may have been done.
            TdxRefused: It was not, and never will be.
        """
        self._transport.write(
            Call(
                "POST",
                "/{app}/tickets/{id}/tags",
                {"app": self._ticket_app, "id": ticket_id},
                body=list(tags),
                writes=True,
                before_send=before_send,
            )
        )

    def patch_ticket(
        self,
        ticket_id: int,
        operations: Sequence[PatchOperation],
        *,
        notify_new_responsible: bool = False,
        before_send: BeforeSend | None = None,
    ) -> Ticket:
        """Change fields of a ticket by JSON Patch, and nothing else of it.

        Args:
            ticket_id: The ticket.
            operations: In their order; TDX makes all or none.
            notify_new_responsible: Whether TDX mails whoever becomes responsible.
            before_send: See `Call.before_send`.

        Raises:
            ValueError: There is no operation.
            TdxUnclear: It may have been changed; also where the answer is not this ticket.
            TdxRefused: It was not, and never will be.
        """
        call = Call(
            "PATCH",
            "/{app}/tickets/{id}",
            {"app": self._ticket_app, "id": ticket_id},
            query={"notifyNewResponsible": str(notify_new_responsible).lower()},
            body=patch_body(operations),
            writes=True,
            before_send=before_send,
        )
        answer = self._transport.write(call)
        try:
            ticket = parse_ticket(answer.json(), self._zone)
        except TdxBadAnswer as error:
            raise unclear(call, f"{error}", answer.status) from error
        if ticket.id != ticket_id:
            raise unclear(call, f"TDX sent ticket {ticket.id}", answer.status)
        return ticket


def _says(answer: Response, *words: str) -> bool:
    """Whether an answer's message says in one of these words that the call was done."""
    message = answer.message.lower()
    return answer.status != _NO_CONTENT and any(word in message for word in words)
