"""Between rows of the action log and its records.

Belongs here: turning a row into a record, and a record into the values of a statement. Nothing here asks the
database.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from tdx_dagster.state.records import (
    ActionIdentity,
    Claim,
    EffectRecord,
    EffectState,
    FailureKind,
    LogRow,
    LogStatus,
    StoredResult,
)


def holder_values(claim: Claim) -> dict[str, Any]:
    """Give the values that name a claim's row and its holder."""
    return {
        "ticket_id": claim.ticket_id,
        "action_id": claim.identity.action_id,
        "token": claim.token,
    }


def identity_values(identity: ActionIdentity) -> dict[str, Any]:
    """Give the values that name an action."""
    return {
        "action_type": identity.action_type,
        "action_id": identity.action_id,
        "action_hash": identity.action_hash,
        "action_name": identity.name,
    }


def identity_columns(identities: Sequence[ActionIdentity]) -> dict[str, list[Any]]:
    """Give the values that name several actions, one list a column."""
    rows = [identity_values(identity) for identity in identities]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def effect_record(state: EffectState, row: RowMapping) -> EffectRecord:
    """Make the record of an effect from its last event."""
    return EffectRecord(
        state, row["attempt_id"], float(row["age_seconds"]), row["detail"], row["action_id"]
    )


def log_row(row: RowMapping) -> LogRow:
    """Make the record of a row of the log."""
    values = dict(row)
    kind = values.pop("failure_kind")
    return LogRow(
        **(values | {"metadata": values["metadata"] or {}, "status": status_of(values["status"])}),
        failure_kind=FailureKind(kind) if kind else None,
    )


def status_of(text: str) -> LogStatus:
    """Read a status."""
    # A word we do not know counts as done: acting on it could be a second time.
    return LogStatus(text) if text in set(LogStatus) else LogStatus.COMPLETED


def stored_result(row: RowMapping) -> StoredResult:
    """Make the record of a result with lines for a summary."""
    return StoredResult(
        row["action_id"],
        row["name"],
        tuple(row["summary_lines"]),
        row["executed_at"],
        row["is_summarised"],
    )


def first_line(error: Exception) -> str:
    """Give the first line of what the database said."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
