"""Frozen records of the action log, the words of its statuses, and the errors of the store.

Nothing here touches a database: both implementations of the store speak in these records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class StoreUnavailable(Exception):
    """The action log cannot be asked, so nothing may be written to TDX (case D04)."""


class StaleClaim(Exception):
    """The claim on this action ran out or was taken over: whoever held it must not write."""


class LogStatus(StrEnum):
    """What `meta.daemon_action_log.status` can say. The first three are the older daemon's."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    IN_PROGRESS = "in_progress"


class FailureKind(StrEnum):
    """What happens next to a failed action: comes back, waits for a person, or must be looked at."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class ActionIdentity:
    """Which action a row stands for.

    Args:
        action_type: What it does: `comment`, `add_asset`, or a custom type.
        name: Its name in the pipeline; the type unless given.
        action_id: `type:hash12:version`, unique with the ticket.
        action_hash: The whole SHA-256 of its settings, hexadecimal.
        version: The last part of the id.
    """

    action_type: str
    name: str
    action_id: str
    action_hash: str
    version: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the action log, judged in database time.

    Args:
        is_due: It may be claimed now: a failure whose pause is over, a skip to look at again, a claim
            whose lease ran out.
        is_unsummarised: It has summary lines that no summary has posted yet.
        has_lines: It has summary lines, posted or not.
        is_named: The row says which action of its pipeline it is; rows of the older daemon do not, and
            `name` is their type.
    """

    ticket_id: int
    action_type: str
    name: str
    action_id: str
    status: LogStatus
    executed_at: datetime
    failure_kind: FailureKind | None = None
    error_message: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    pipeline: str | None = None
    run_id: str | None = None
    is_due: bool = False
    is_unsummarised: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_named: bool = True
    has_lines: bool = False

    @property
    def config_hash(self) -> str:
        """The middle part of the action id: the first digits of the hash of the settings."""
        return self.action_id.rpartition(":")[0].rpartition(":")[2]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: completed, or skipped without a date to try again."""
        ended = self.status in {LogStatus.COMPLETED, LogStatus.SKIPPED}
        return ended and self.next_attempt_at is None

    @property
    def version(self) -> str:
        """The version, which is the last part of the action id."""
        return self.action_id.rsplit(":", 1)[-1]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one action of one ticket, until its lease runs out.

    Args:
        attempt: How many attempts this makes since the action last completed, from 1.
        previous: The row's status before; None where there was no row.
    """

    ticket_id: int
    identity: ActionIdentity
    token: str
    attempt: int
    pipeline: str
    run_id: str
    previous: LogStatus | None = None


# The effect that stands for a decision: computers removed before it may be attached again.
OVERRIDE = "override:assets"

# How the message of a skipped row begins that goes on at a stated time.
WAITS = "waits until "

# Where a row keeps that it was taken back.
UNDONE = "undone"

# Events that say an effect is there.
PRESENT_EVENTS = frozenset({"done", "reconciled"})


class EffectState(StrEnum):
    """How far an effect on TDX has come, from its last event."""

    BEGUN = "begun"
    OPEN = "open"
    DONE = "done"

    @classmethod
    def of(cls, event: str) -> "EffectState | None":
        """Say what the last event of an effect means; None where it is known not to be there."""
        return _EFFECT_STATES.get(event)


_EFFECT_STATES = {
    "intent": EffectState.OPEN,
    "unclear": EffectState.OPEN,
    "done": EffectState.DONE,
    "reconciled": EffectState.DONE,
}


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """Answer to "may I write this effect now?".

    Args:
        state: BEGUN: the intent is stored, write. OPEN: somebody began and the outcome is unknown, look
            first. DONE: it is there already.
        event_id: The event to supersede when an open effect proves absent.
        age_seconds: Database seconds since the intent.
        detail: What was stored with the intent or the result.
        action_id: The action whose attempt wrote the last event.
    """

    state: EffectState
    event_id: int
    age_seconds: float
    detail: Mapping[str, Any]
    action_id: str = ""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A stored result with lines for a summary.

    Args:
        is_summarised: A summary has posted them.
    """

    action_id: str
    action_name: str
    lines: tuple[str, ...]
    executed_at: datetime
    is_summarised: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One event in the life of an action on a ticket; append-only."""

    attempt_id: int
    ticket_id: int
    action_id: str
    run_id: str | None
    event: str
    effect: str | None
    detail: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class ActionStats:
    """How many rows of a type and name have a status, and when the last one was written."""

    action_type: str
    name: str
    status: str
    count: int
    first_executed: datetime
    last_executed: datetime
