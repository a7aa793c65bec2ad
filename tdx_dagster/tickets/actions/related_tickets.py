"""The `related_tickets` action: open tickets of the requestor and of the computers, for the summary.

Belongs here: searching for them and the lines that name them. It writes nothing on a ticket itself: the summary
posts its lines.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from tdx_dagster.tdx.models import StatusClass, Ticket, TicketSearch
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.last_word import attached_by_robot
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.ticket_view import TicketView

OPEN = (StatusClass.NEW, StatusClass.IN_PROCESS, StatusClass.ON_HOLD, StatusClass.REQUESTED)

# One search gives at most so many.
MOST_FOUND = 100
LONGEST_TITLE = 80

# Titles are what anybody writes, and a summary may be HTML.
_MARKUP = str.maketrans("<>", "[]")


class RelatedTickets(Action):
    """Name the open tickets of the requestor and of the attached computers in the summary.

    Two searches a ticket at most. The lines name titles of other people's tickets: keep the summary private.
    """

    action_type: ClassVar[str] = "related_tickets"
    result_names: ClassVar[tuple[str, ...] | None] = ("of_requestor", "of_computers")

    of_requestor: bool = True
    """Look for tickets of the requestor."""
    of_computers: bool = True
    """Look for tickets of the computers on the ticket."""
    max_tickets: int = Field(default=5, ge=1, le=MOST_FOUND)
    """Name so many of each, the newest first; the rest is counted."""
    max_computers: int = Field(default=10, ge=1)
    """Look for tickets of no computer where the ticket has more than this."""

    def perform(self, context: ActionContext) -> Performed:
        """Search, and say what was found; each ticket is named once."""
        view = context.ticket
        of_requestor = self._of_requestor(view) if self.of_requestor else []
        computers = self._computers(context) if self.of_computers else {}
        of_computers = _search(view, item_ids=tuple(sorted(computers))) if computers else []
        known = {one.id for one in of_requestor}
        others = [one for one in of_computers if one.id not in known]
        lines = [
            *self._line(
                f"Open tickets of {view.ticket.requestor_name or 'the requestor'}", of_requestor
            ),
            *self._line(f"Other open tickets of {', '.join(computers.values())}", others),
        ]
        return Performed(
            "; ".join(lines) or "No related tickets are open",
            summary_lines=lines,
            evidence={
                "of_requestor": [one.id for one in of_requestor],
                "of_computers": [one.id for one in of_computers],
            },
        )

    def _of_requestor(self, view: TicketView) -> list[Ticket]:
        uid = view.ticket.requestor_uid
        return _search(view, requestor_uids=(uid,)) if uid else []

    def _computers(self, context: ActionContext) -> Mapping[int, str]:
        """Give the names of the computers on the ticket by the ids of their configuration items."""
        found = computers_on(context)
        return found if len(found) <= self.max_computers else {}

    def _line(self, head: str, tickets: Sequence[Ticket]) -> list[str]:
        if not tickets:
            return []
        named = [_named(one) for one in tickets[: self.max_tickets]]
        rest = len(tickets) - len(named)
        at_least = "at least " if len(tickets) >= MOST_FOUND else ""
        more = [f"and {at_least}{rest} more"] if rest else []
        return [f"{head}: {'; '.join([*named, *more])}"]


def computers_on(context: ActionContext) -> Mapping[int, str]:
    """Give the names of the computers on the ticket by the ids of their configuration items.

    What the run has read is used: the links from before its first write, and the assets it has attached since.
    """
    view = context.ticket
    found = {item.id: item.name for item in view.items() if item.asset_id}
    linked = {item.asset_id for item in view.items()}
    attached = attached_by_robot(context.write.effects()) - linked
    read = [view.assets_read[one] for one in attached if one in view.assets_read]
    if len(read) < len(attached):
        return {item.id: item.name for item in view.items_now() if item.asset_id}
    return found | {one.configuration_item_id: one.name or one.serial_number for one in read}


def _search(
    view: TicketView,
    *,
    requestor_uids: tuple[str, ...] | None = None,
    item_ids: tuple[int, ...] | None = None,
) -> list[Ticket]:
    """Search for open tickets other than this one, the newest first."""
    search = TicketSearch(
        classes=OPEN, requestor_uids=requestor_uids, item_ids=item_ids, max_results=MOST_FOUND
    )
    return _newest_first(one for one in view.tdx.search_tickets(search) if one.id != view.id)


def _newest_first(tickets: Iterable[Ticket]) -> list[Ticket]:
    return sorted(tickets, key=lambda one: -one.id)


def _named(ticket: Ticket) -> str:
    title = re.sub(r"\s+", " ", ticket.title).strip().translate(_MARKUP)
    short = title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"
    return f"{ticket.id} {short} ({ticket.status_name})" if short else f"{ticket.id}"
