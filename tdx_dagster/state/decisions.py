"""What people decide about tickets in the action log: override a removal, run again, take back.

Belongs here: storing each decision as an event with who and why. Does not: claims and effects of runs
(`postgres_store`), what is taken back in TDX (`tickets.undo`).
"""

from collections.abc import Collection, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, RowMapping
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.postgres.database import repeats_conflicts
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.postgres.sessions import DURABLE
from tdx_dagster.state.records import OVERRIDE, StoreUnavailable
from tdx_dagster.state.rows import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

SQL = Queries(Path(__file__).with_name("decisions.sql"))


@dataclass(frozen=True, slots=True)
class Person:
    """Who decides, and why.

    Args:
        name: As the operating system or the UI knows them.
        reason: In their words.
        run_id: The Dagster run, for the history.
    """

    name: str
    reason: str = ""
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class DoneAction:
    """An action with effects on a ticket."""

    ticket_id: int
    action_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which actions on which tickets; None does not narrow.

    Args:
        ticket_ids: On these.
        run_id: What this Dagster run wrote.
        name: Of the action in its pipeline.
        since: What was written since.
        pipeline: What this pipeline did.
    """

    ticket_ids: Collection[int] | None = None
    run_id: str | None = None
    name: str | None = None
    since: datetime | None = None
    pipeline: str | None = None


@dataclass(frozen=True)
class Decisions:
    """The decisions of people, in the database of the action log.

    Args:
        engine: Its engine.
    """

    engine: Engine

    @contextmanager
    def _asking(self) -> "Iterator[None]":
        try:
            yield
        except (SQLAlchemyError, DatabaseError) as error:
            raise StoreUnavailable(
                f"The action log cannot be asked ({first_line(error)}). See `tdx-dagster check`."
            ) from error

    @repeats_conflicts
    def _all(self, query: str, **values: Any) -> Sequence[RowMapping]:  # noqa: ANN401  bind values
        with self._asking(), self.engine.begin() as connection:
            connection.exec_driver_sql(DURABLE)
            return connection.execute(SQL[query], values).mappings().all()

    def again(
        self,
        ticket_ids: Collection[int],
        action_ids: Collection[str] | None,
        by: Person,
        *,
        only_undone: bool,
    ) -> int:
        """Make actions that have ended on tickets due at once; gives how many.

        Args:
            ticket_ids: The tickets.
            action_ids: The actions; None means all.
            by: Who says so.
            only_undone: Only what was taken back.
        """
        rows = self._all(
            "again",
            ticket_ids=sorted(ticket_ids),
            action_ids=None if action_ids is None else sorted(action_ids),
            only_undone=only_undone,
            by=by.name,
            reason=by.reason,
            run_id=by.run_id,
        )
        return len(rows)

    def override(
        self, ticket_ids: Collection[int], action_ids: Collection[str], by: Person
    ) -> None:
        """Allow computers that people have removed, and make the actions that attach due at once."""
        self._all(
            "override",
            ticket_ids=sorted(ticket_ids),
            action_id=min(action_ids),
            effect=OVERRIDE,
            by=by.name,
            reason=by.reason,
            run_id=by.run_id,
        )
        self.again(ticket_ids, action_ids, by, only_undone=False)

    def done(self, selection: Selection) -> Sequence[DoneAction]:
        """Give the actions with effects on tickets, the newest of each ticket first."""
        tickets = selection.ticket_ids
        rows = self._all(
            "done_actions",
            ticket_ids=None if tickets is None else sorted(tickets),
            run_id=selection.run_id,
            name=selection.name,
            since=selection.since,
            pipeline=selection.pipeline,
        )
        return [DoneAction(**row) for row in rows]

    def mark_undone(self, done: DoneAction, by: Person) -> bool:
        """Keep an action from running on a ticket again; False where a run is at it now."""
        rows = self._all(
            "mark_undone",
            ticket_id=done.ticket_id,
            action_id=done.action_id,
            by=by.name,
            run_id=by.run_id,
        )
        return bool(rows)
