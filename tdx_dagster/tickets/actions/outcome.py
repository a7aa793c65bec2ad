"""What an action returns or raises: a result, or one of the errors that say what happens next.

Belongs here: the words between an action and whoever runs it. Nothing here knows TDX, Dagster or the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Performed:
    """What an action did.

    Args:
        message: One sentence for the log and the UI.
        summary_lines: What the ticket's summary is to say of it; nothing where empty (case D17).
        evidence: Kept with the row and shown in the UI; JSON values only.
        summarised: Ids of the results that this action, a summary, has posted.
    """

    message: str
    summary_lines: Sequence[str] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    summarised: Sequence[str] = ()


class RetryLater(Exception):
    """The action cannot be done now.

    Args:
        message: Why.
        wait_seconds: At least how long until it makes sense to try again, where known.
    """

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Waits(Exception):
    """The action goes on at a stated time: no failure, and the later actions run.

    Args:
        message: What for.
        until: When, with a zone.
    """

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class GiveUp(Exception):
    """The action will never work on this ticket as it is configured; a person has to act."""


class LeftAlone(Exception):
    """A person has decided otherwise, so nothing was written: a completed result, not a failure."""

    def performed(self) -> Performed:
        """Give the result of an action that ends with this."""
        said = str(self)
        return Performed(said, summary_lines=[said], evidence={"left_alone": said})


class Uncertain(Exception):
    """An effect may have happened and cannot be looked for: a person decides, it is never repeated."""
