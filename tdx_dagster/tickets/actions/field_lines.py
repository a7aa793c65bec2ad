"""TDX's own lines about changes of a ticket's fields: who has changed one last, and whether it was the robot.

Belongs here: finding and reading these lines. Does not: lines about links (`link_lines`), entries that people
and robots write (`recognition`).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tdx_dagster.tdx.html import visible_text
from tdx_dagster.tdx.models import Account, FeedEntry
from tdx_dagster.tickets.actions.link_lines import COMMENT
from tdx_dagster.tickets.actions.recognition import RECOGNITION_WINDOW
from tdx_dagster.tickets.actions.ticket_fields import TicketField


class ReadsOwnLines(Protocol):
    """What tells whether the robot has changed a ticket."""

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed."""

    def account(self) -> Account:
        """Give the account that is signed in."""


def last_line_of(feed: Iterable[FeedEntry], one: TicketField) -> FeedEntry | None:
    """Give the newest entry with TDX's own line about a change of a field; None where there is none."""
    line = _line(one)
    found = [
        entry
        for entry in feed
        if entry.update_type != COMMENT and line.search(visible_text(entry.body))
    ]
    return found[-1] if found else None


def has_own_line(
    tdx: ReadsOwnLines,
    ticket_id: int,
    changes: Sequence[tuple[TicketField, str]],
    age_seconds: float,
) -> bool:
    """Tell whether our newest line about a field is about this change: then a person has changed it since.

    Args:
        tdx: Reads the feed.
        ticket_id: The ticket.
        changes: Fields, each with the value it was changed to, for people.
        age_seconds: Age of the intent.
    """
    ours = (tdx.account().uid or "").casefold()
    since = datetime.now(UTC) - timedelta(seconds=age_seconds) - RECOGNITION_WINDOW
    feed = [
        entry
        for entry in tdx.feed(ticket_id)
        if ours and (entry.created_uid or "").casefold() == ours
        if entry.created_at is None or entry.created_at >= since
    ]
    for field, name in changes:
        entry = last_line_of(feed, field)
        line = _line(field).search(visible_text(entry.body)) if entry else None
        if line and _plain(line[0]).endswith(f" to {_plain(name)}"):
            return True
    return False


def _line(one: TicketField) -> re.Pattern[str]:
    return re.compile(f"^(?:{one.line})[^\n]*", re.IGNORECASE | re.MULTILINE)


def _plain(text: str) -> str:
    """Leave out what TDX puts around a value, so that a line ends with the value it was changed to."""
    return text.replace('"', "").rstrip(" .").casefold()
