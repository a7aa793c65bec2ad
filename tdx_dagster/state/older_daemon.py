"""What the older daemon left in the action log, and whether it still writes there.

Belongs here: questions about rows that name no pipeline and no run. Does not: what such rows mean for a
pipeline (`tickets.takeover`), our own rows (`postgres_store`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tdx_dagster.postgres.queries import Queries

SQL = Queries(Path(__file__).with_name("older_daemon.sql"))

RUNS_NOW = timedelta(minutes=15)
"""Its usual interval is five minutes, and each round replaces the row of its summary on every ticket."""

WATCHED = timedelta(days=7)
"""How long after the take-over a daemon that was not stopped is looked for."""


@dataclass(frozen=True, slots=True)
class OldAction:
    """The older daemon's rows of one action id.

    Args:
        action_id: The id.
        action_type: The type, its first part.
        completed: Rows with that status.
        failed: See `completed`.
        other: Rows with another status.
        first: Time of the first row.
        last: Time of the last row.
        last_completed: Time of the last completed row: a failed one is replaced on every round.
        config: The settings that a row noted; None where none did.
    """

    action_id: str
    action_type: str
    completed: int
    failed: int
    other: int
    first: datetime | None
    last: datetime | None
    last_completed: datetime | None
    config: Mapping[str, Any] | None

    @property
    def version(self) -> str:
        """The version, which is the last part of the id."""
        return self.action_id.rsplit(":", 1)[-1]


@dataclass(frozen=True, slots=True)
class Tickets:
    """How many tickets, with one of them as an example.

    Args:
        what: What they have in common.
        count: How many.
        example: One of them.
    """

    what: str
    count: int
    example: int | None


@dataclass(frozen=True, slots=True)
class LostSummary:
    """A result that no summary has posted, as far as the log knows.

    Args:
        ticket_id: The ticket.
        action_type: Whose result.
        details: What the row noted about it.
    """

    ticket_id: int
    action_type: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OldLog:
    """All that a take-over has to know of the log.

    Args:
        actions: Rows by action id, in the order in which the daemon ran them on a ticket.
        lost_summaries: Results that no summary has posted, as far as the log knows.
    """

    actions: Sequence[OldAction]
    lost_summaries: Sequence[LostSummary]


def read_log(engine: Engine) -> OldLog:
    """Read what the older daemon left.

    Raises:
        DatabaseUnavailable: The database cannot be asked.
    """
    with engine.connect() as connection:
        order = {row.action_id: place for place, row in enumerate(connection.execute(SQL["order"]))}
        actions = [OldAction(**row) for row in connection.execute(SQL["groups"]).mappings()]
        lost = [
            LostSummary(row.ticket_id, row.action_type, row.details or {})
            for row in connection.execute(SQL["lost_summaries"])
        ]
    actions.sort(key=lambda one: (order.get(one.action_id, len(order)), one.action_id))
    return OldLog(actions, lost)


def partial_tickets(engine: Engine, action_ids: Sequence[str]) -> Tickets:
    """Count the tickets with rows of some of these actions and not of all."""
    with engine.connect() as connection:
        row = connection.execute(SQL["partial"], {"action_ids": list(action_ids)}).one()
    return Tickets("partial", row.tickets, row.example)


def double_tickets(engine: Engine, action_ids: Sequence[str]) -> Sequence[Tickets]:
    """Count the tickets on which an action is completed under several ids, one of an earlier configuration.

    Args:
        engine: The database.
        action_ids: Those of the last configuration, which may have several actions of a type.
    """
    with engine.connect() as connection:
        rows = connection.execute(SQL["doubles"], {"action_ids": list(action_ids)})
        return [Tickets(row.action_type, row.tickets, row.example) for row in rows]


def writing_after_takeover(engine: Engine, taken_over_at: datetime | None = None) -> str | None:
    """Say that the older daemon is still running, in the week after the take-over; None from then on.

    Args:
        engine: The database.
        taken_over_at: When it was stopped, as a pipeline says; else the first attempt of ours counts.
    """
    return writing_now(engine, taken_over_at=taken_over_at, watched=WATCHED)


def writing_now(
    engine: Engine,
    within: timedelta = RUNS_NOW,
    *,
    taken_over_at: datetime | None = None,
    watched: timedelta | None = None,
) -> str | None:
    """Say that the older daemon is running, from rows it has just written; None where it wrote none.

    One query over the index of times: cheap enough for each tick of a sensor.
    """
    values = {"within": within, "taken_over_at": taken_over_at, "watched": watched}
    with engine.connect() as connection:
        row = connection.execute(SQL["recent_writes"], values).one()
    if not row.rows:
        return None
    return (
        f"Another program writes the action log: {row.rows:,} rows without a pipeline, the last at "
        f"{row.last:%Y-%m-%d %H:%M:%S %Z}. Stop the older daemon: side by side, both act on the same tickets."
    )
