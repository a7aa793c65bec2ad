"""The facade that actions of the older daemon are given: the calls they use, over our reads and writes.

Belongs here: their names, and records as TDX sends them. Does not: running such an action (`older_action`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tdx_dagster.discovery.passages import OwnPosts, conversation_passages
from tdx_dagster.tdx.models import FeedEntry, FeedPost, Reply
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import GiveUp

Json = dict[str, Any]
T = TypeVar("T")


class OlderFacade:
    """What an action of the older daemon calls.

    Args:
        context: The ticket.
        action_id: The action.
    """

    def __init__(self, context: ActionContext, action_id: str) -> None:
        self._context = context
        self.failure: BaseException | None = None
        self.tickets = _Tickets(context, action_id, self._write)
        self.assets = _Assets(context)
        self.feed = _Feed(context)

    def _write(self, do: Callable[[], T]) -> T:
        """Write, and remember what it raises: nothing more is written then, whatever the action makes of it."""
        if self.failure is not None:
            raise self.failure
        try:
            return do()
        except BaseException as error:
            self.failure = error
            raise

    def get_full_feed(self, ticket_id: int) -> list[Json]:
        """Give the feed with replies."""
        _own(self._context, ticket_id)
        return [_entry(one) for one in self._context.ticket.conversation()]

    def get_conversation(self, ticket_id: int, **_: object) -> list[Json]:
        """Give what people wrote, oldest first."""
        _own(self._context, ticket_id)
        found = conversation_passages(
            self._context.ticket.conversation(),
            self._context.ticket.ticket,
            OwnPosts(texts=tuple(self._context.posted_texts)),
        )
        return [{"sender": one.role, "message": one.text} for one in found]

    def __getattr__(self, name: str) -> object:
        """Refuse a call that there is not, in words."""
        raise GiveUp(
            f"The facade for older actions has no {name!r}; see docs/writing-an-action.md."
        )


class _Part:
    """A part of the facade.

    Args:
        context: The ticket.
    """

    def __init__(self, context: ActionContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> object:
        kind = type(self).__name__.strip("_").lower()
        raise GiveUp(
            f"The facade for older actions has no '{kind}.{name}'; see docs/writing-an-action.md."
        )


class _Tickets(_Part):
    """Calls about the ticket of the run."""

    def __init__(
        self, context: ActionContext, action_id: str, write: Callable[[Callable[[], Any]], Any]
    ) -> None:
        super().__init__(context)
        self._action_id, self._write, self._posts = action_id, write, 0

    def get_ticket(self, id: int) -> Json:  # noqa: A002  the name that such actions use
        """Give the ticket as TDX sends it."""
        _own(self._context, id)
        return dict(self._context.ticket.latest.raw)

    def get_ticket_feed(self, id: int) -> list[Json]:  # noqa: A002  as above
        """Give the feed, newest first, as TDX does."""
        _own(self._context, id)
        return [_entry(one) for one in reversed(self._context.ticket.conversation())]

    def get_ticket_assets(self, id: int) -> list[Json]:  # noqa: A002  as above
        """Give what is linked to the ticket."""
        _own(self._context, id)
        return [
            {
                "ID": one.id,
                "BackingItemID": one.backing_id,
                "BackingItemType": one.backing_type,
                "Name": one.name,
            }
            for one in self._context.ticket.items()
        ]

    def add_ticket_asset(self, id: int, asset_id: int) -> str:  # noqa: A002  as above
        """Link an asset, once."""
        _own(self._context, id)
        name = self._context.ticket.tdx.asset(int(asset_id)).name
        self._write(lambda: self._context.write.attach(int(asset_id), name))
        return "Successfully added the asset."

    def update_ticket(
        self,
        id: int,  # noqa: A002  as above
        comments: str,
        private: bool,
        commrecord: bool,
        status: int = 0,
        cascade: bool = False,
        notify: Sequence[str] | str = "null",
        rich: bool = True,
    ) -> Json:
        """Post to the feed, once; the n-th post of the action on the ticket is one effect."""
        _own(self._context, id)
        self._posts += 1
        post = FeedPost(
            comments=comments,
            is_private=private,
            is_rich_html=rich,
            is_communication=commrecord,
            notify=(notify,) if isinstance(notify, str) else tuple(notify),
            new_status_id=status,
            cascade_status=cascade,
        )
        name = f"feed:{self._action_id}:{self._posts}"
        evidence: Mapping[str, Any] = self._write(lambda: self._context.write.post(name, post))
        return {"ID": evidence.get("feed_id") or 0, "Body": comments}


class _Assets(_Part):
    """Calls about assets."""

    def get_asset(self, id: int) -> Json:  # noqa: A002  as above
        """Give an asset as TDX sends it."""
        return dict(self._context.ticket.tdx.asset(int(id)).raw)


class _Feed(_Part):
    """Calls about feed entries."""

    def get_feed_entry(self, id: int) -> Json:  # noqa: A002  as above
        """Give one entry with its replies."""
        return _entry(self._context.ticket.tdx.feed_entry(int(id)))


def _own(context: ActionContext, ticket_id: int) -> None:
    """Refuse another ticket than the one of the run: claims and the log are about that one."""
    if int(ticket_id) != context.ticket.id:
        raise GiveUp(
            f"The action asks for ticket {ticket_id} while it works on ticket {context.ticket.id}."
        )


def _entry(entry: FeedEntry) -> Json:
    return {
        **_said(entry),
        "IsPrivate": entry.is_private,
        "UpdateType": entry.update_type,
        "RepliesCount": entry.replies_count,
        "Replies": [_said(reply) for reply in entry.replies],
    }


def _said(one: FeedEntry | Reply) -> Json:
    return {
        "ID": one.id,
        "Body": one.body,
        "CreatedUid": one.created_uid,
        "CreatedFullName": one.created_name,
        "CreatedDate": one.created_at.isoformat() if one.created_at else "",
    }
