"""Is an action due on a ticket? The rule of re-execution, from the rows of the action log.

The same id never runs again; the same version with other settings runs again; another version runs only where
no earlier one has completed. Nothing here reads or writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tdx_dagster.state.records import UNDONE, WAITS, FailureKind, LogRow, LogStatus

# How the message of a row begins whose condition was not met.
LEFT_OUT = "left out: when "


class Due(StrEnum):
    """The state of an action on a ticket."""

    NEW = "new"
    AGAIN = "again"
    RETRY = "retry"
    DONE = "done"
    WAITING = "waiting"
    BLOCKED = "blocked"
    CLOSED = "closed"
    LEFT_OUT = "left out"
    SCHEDULED = "scheduled"

    @property
    def should_run(self) -> bool:
        """Whether a run would act."""
        return self in {Due.NEW, Due.AGAIN, Due.RETRY}


@dataclass(frozen=True, slots=True)
class Identified:
    """An action as the plan knows it.

    Args:
        type_name: First part of the action id.
        label: Its name in the pipeline.
        action_id: The whole id.
        config_hash: The id's middle part.
        version: The id's last part.
    """

    type_name: str
    label: str
    action_id: str
    config_hash: str
    version: str


@dataclass(frozen=True, slots=True)
class TicketLog:
    """What an action is judged by on one ticket.

    Args:
        rows: The log of the ticket.
        pipeline: Name of the pipeline.
        action: The action itself.
        others: The other actions of the pipeline.
        earlier: The states of the actions before it.
    """

    rows: Sequence[LogRow]
    pipeline: str
    action: Identified
    others: Sequence[Identified]
    earlier: Mapping[str, Due]

    @property
    def own(self) -> LogRow | None:
        """The row of this very id."""
        return next((row for row in self.rows if row.action_id == self.action.action_id), None)

    def is_of_action(self, row: LogRow) -> bool:
        """Tell whether a row is of this action, at any version and with any settings.

        A row that names its action is of the action of that name. One of the older daemon names none: it is of
        the action with the same settings; where no action of the pipeline has them, of the one that bears no
        name of its own.
        """
        if row.action_type != self.action.type_name:
            return False
        if row.is_named:
            return row.name == self.action.label
        if row.config_hash == self.action.config_hash:
            return True
        is_of_other = any(
            row.config_hash == other.config_hash
            for other in self.others
            if other.type_name == row.action_type
        )
        return not is_of_other and self.action.label == self.action.type_name


def standard_due(log: TicketLog) -> Due:
    """Judge an action by its own row, else by the rows of its other versions and settings."""
    own = log.own
    if own is None:
        return unseen(log)
    if own.status is LogStatus.SKIPPED and own.next_attempt_at is not None:
        return unfinished(own)
    return Due.DONE


def unfinished(row: LogRow) -> Due:
    """Judge a row that has not ended."""
    if row.is_due:
        return Due.RETRY
    if row.status is LogStatus.SKIPPED:
        return _why_skipped(row.error_message or "")
    if row.failure_kind in {FailureKind.PERMANENT, FailureKind.UNCERTAIN}:
        return Due.BLOCKED
    return Due.WAITING


def _why_skipped(message: str) -> Due:
    if message.startswith(WAITS):
        return Due.SCHEDULED
    return Due.LEFT_OUT if message.startswith(LEFT_OUT) else Due.CLOSED


def unseen(log: TicketLog) -> Due:
    """Judge an action without a row of its own."""
    done = [row for row in log.rows if row.is_done and log.is_of_action(row)]
    if any(UNDONE in row.metadata for row in done):
        return Due.DONE
    if any(row.version != log.action.version for row in done):
        return Due.DONE
    return Due.AGAIN if done else Due.NEW
