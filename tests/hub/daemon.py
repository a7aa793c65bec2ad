"""A model of the older daemon: it writes to TDX, then its row, and may fail or die in between.

Belongs here: what it leaves on tickets and in its log. Does not: what a take-over makes of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine

from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tests.hub.hub import OldRow, write_log


class End(StrEnum):
    """How an action ends on a ticket."""

    DONE = "done"
    LOST = "the connection breaks after the effect: a failed row"
    REFUSED = "the connection breaks before it: a failed row"
    KILLED_AFTER = "killed after the effect: no row"
    KILLED_BEFORE = "killed before the effect: no row"


FAILED = frozenset({End.LOST, End.REFUSED})
HAS_EFFECT = frozenset({End.DONE, End.LOST, End.KILLED_AFTER})
KILLED = frozenset({End.KILLED_AFTER, End.KILLED_BEFORE})


@dataclass(frozen=True)
class OlderDaemon:
    """The daemon over a hub.

    Args:
        engine: The hub.
        tdx: Its client.
        actions: Its actions, in order.
        computer: What it finds on each ticket.
        computer_name: The name of that.
    """

    engine: Engine
    tdx: Tdx
    actions: tuple[Action, ...]
    computer: int
    computer_name: str

    def work(
        self, ticket: int, ends: Mapping[Action, End] | None = None, *, hours_ago: float = 48.0
    ) -> None:
        """Make one round on a ticket, as a process that may be killed there.

        Args:
            ticket: The ticket.
            ends: How actions end that are not done.
            hours_ago: When that is.
        """
        lines: list[str] = []
        for action in self.actions:
            end = (ends or {}).get(action, End.DONE)
            is_summary = isinstance(action, SummaryComment)
            if not is_summary and self._is_done(ticket, action):
                continue
            if end in HAS_EFFECT:
                self._write(ticket, action, lines)
            if end in KILLED:
                return
            row = OldRow(
                ticket,
                action,
                status="failed" if end in FAILED else "completed",
                error=end.value if end in FAILED else None,
                details=self._details(action),
                hours_ago=hours_ago,
            )
            write_log(self.engine, [row])
            if end is End.DONE and isinstance(action, AddAsset):
                lines.append(f"Added 1 asset(s): {self.computer_name}")

    def _is_done(self, ticket: int, action: Action) -> bool:
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT 1 FROM meta.daemon_action_log "
                "WHERE ticket_id = %s AND action_id = %s AND status = 'completed'",
                (ticket, action.identity().action_id),
            )
            return found.first() is not None

    def _write(self, ticket: int, action: Action, lines: list[str]) -> None:
        if isinstance(action, AddAsset):
            self.tdx.attach_asset(ticket, self.computer)
        elif isinstance(action, Comment):
            post = FeedPost(
                action.comment_text,
                is_private=action.is_private,
                new_status_id=action.new_status_id,
            )
            self.tdx.post_feed(ticket, post)
        elif isinstance(action, SummaryComment) and lines:
            self.tdx.post_feed(ticket, action.post(lines))

    def _details(self, action: Action) -> dict[str, Any]:
        is_search = isinstance(action, AddAsset)
        return {"phase": 1, "asset_names": [self.computer_name]} if is_search else {}
