"""The TDX environment that a database belongs to: what was done on a sandbox is not done on production.

Belongs here: recording the environment with the first write, and refusing another one. A sandbox is a copy with
equal ticket ids and action ids, so that nothing else in the log tells the two apart.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.environment import SettingsError
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.state.postgres_store import BOUNDS, PostgresStore
from tdx_dagster.state.records import ActionIdentity, Claim, StoreUnavailable
from tdx_dagster.tdx.address import environment_of

QUERIES = Queries(Path(__file__).with_name("tdx_environment.sql"))


class OtherEnvironment(SettingsError):
    """The database belongs to another TDX than TDX_BASE_URL names; nothing was written."""


def refuse_other_environment(engine: Engine, base_url: str) -> bool:
    """Refuse a database that belongs to another TDX.

    Args:
        engine: The database.
        base_url: The TDX that settings name.

    Returns:
        Whether the environment is recorded.

    Raises:
        OtherEnvironment: Naming both and the remedy.
        StoreUnavailable: The database cannot be asked.
    """
    recorded = recorded_environment(engine)
    wanted = environment_of(base_url)
    if recorded not in {None, wanted}:
        raise OtherEnvironment(
            f"TDX_BASE_URL leads to {wanted}, but the action log and the inventory in this database belong "
            f"to {recorded}: set DATABASE_URL to a database for {wanted} alone (where it is embedded, start "
            f"from another folder), or TDX_BASE_URL back; where this very TDX has only got a new address, run "
            f"`tdx-dagster migrate --environment {wanted}`."
        )
    return recorded is not None


def record_environment(engine: Engine, base_url: str) -> None:
    """Record the environment where none is; see `refuse_other_environment` for what is raised."""
    if refuse_other_environment(engine, base_url):
        return
    _ask(engine, "record", address=environment_of(base_url))
    # Another process may have been first, with another environment.
    refuse_other_environment(engine, base_url)


def recorded_environment(engine: Engine) -> str | None:
    """Give the environment that a database belongs to; None before the first write."""
    rows = _ask(engine, "recorded")
    return str(rows[0][0]) if rows else None


def move_environment(engine: Engine, base_url: str) -> None:
    """Make a database belong to another environment: the same TDX under a new address."""
    _ask(engine, "move", address=environment_of(base_url))


def has_history(engine: Engine) -> bool:
    """Tell whether a database knows tickets or assets of a TDX."""
    return bool(_ask(engine, "has_history")[0][0])


def _ask(engine: Engine, query: str, **values: str) -> Sequence[Sequence[Any]]:
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(BOUNDS)
            result = connection.execute(QUERIES[query], values)
            return result.all() if result.returns_rows else ()
    except (SQLAlchemyError, DatabaseError) as error:
        raise StoreUnavailable(
            f"The database cannot say which TDX it belongs to ({str(error).splitlines()[0]}); nothing is "
            "written to TDX until it can. See `tdx-dagster check`."
        ) from error


class EnvironmentStore(PostgresStore):
    """The action log of one TDX: its first write records the environment, and another one is refused.

    Args:
        engine: An engine of the database that holds the schema `meta`.
        base_url: The TDX whose tickets are acted on.
    """

    def __init__(self, engine: Engine, base_url: str) -> None:
        super().__init__(engine)
        self._base_url = base_url
        self._is_recorded = False

    def _record(self) -> None:
        if not self._is_recorded:
            record_environment(self._engine, self._base_url)
            self._is_recorded = True

    def claim(self, ticket_id: int, identity: ActionIdentity, **how: Any) -> Claim | None:  # noqa: ANN401  as declared
        """See `ActionStore.claim`."""
        self._record()
        return super().claim(ticket_id, identity, **how)

    def skip(self, ticket_id: int, identity: ActionIdentity, **how: Any) -> bool:  # noqa: ANN401  as declared
        """See `ActionStore.skip`."""
        self._record()
        return super().skip(ticket_id, identity, **how)

    def open_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """See `ActionStore.open_tickets`."""
        self._record()
        super().open_tickets(pipeline, ticket_ids)

    def mark_all_completed(
        self,
        ticket_ids: Collection[int],
        identities: Sequence[ActionIdentity],
        **how: Any,  # noqa: ANN401  as declared
    ) -> int:
        """See `ActionStore.mark_all_completed`."""
        self._record()
        return super().mark_all_completed(ticket_ids, identities, **how)
