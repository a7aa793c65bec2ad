"""The statements about one claim, each within the transaction of whoever asks.

Belongs here: the fence, and the events of the history. Does not: transactions and what they decide
(`postgres_store`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping

from tdx_dagster.postgres.queries import Queries
from tdx_dagster.state.records import Claim, StaleClaim
from tdx_dagster.state.rows import holder_values
from tdx_dagster.state.storable import storable_json

QUERIES = Queries(Path(__file__).with_name("action_log.sql"))


def renew(connection: Connection, claim: Claim, lease_seconds: float) -> None:
    """Give a live claim a new lease.

    Raises:
        StaleClaim: It is not ours any more.
    """
    values = holder_values(claim) | {"lease_seconds": lease_seconds}
    if not connection.execute(QUERIES["renew"], values).first():
        raise StaleClaim(stale_text(claim))


def lock_effect(connection: Connection, claim: Claim, effect: str) -> None:
    """Let nobody else reach for the effect until the transaction ends."""
    values = {"ticket_id": claim.ticket_id, "effect": effect}
    connection.execute(QUERIES["lock_effect"], values)


def last_event(connection: Connection, claim: Claim, effect: str) -> RowMapping | None:
    """Give the last event of an effect, whoever wrote it."""
    values = {"ticket_id": claim.ticket_id, "effect": effect}
    return connection.execute(QUERIES["last_effect_event"], values).mappings().first()


def note(
    connection: Connection,
    claim: Claim,
    event: str,
    effect: str | None,
    detail: Mapping[str, Any],
) -> int:
    """Add an event to the history, and give its number."""
    values = {
        "pipeline": claim.pipeline,
        "run_id": claim.run_id,
        "event": event,
        "effect": effect,
        "detail": storable_json(detail),
    }
    return int(connection.execute(QUERIES["note"], holder_values(claim) | values).scalar_one())


def stale_text(claim: Claim) -> str:
    """Say that a claim is lost."""
    return (
        f"The claim of run {claim.run_id} on {claim.identity.action_id} of ticket {claim.ticket_id} "
        "ran out or was taken over; nothing more is written by it."
    )
