"""Records of the measurement: what discovery did on a ticket, and what became of it.

Belongs here: frozen records and the words of verdicts and evidence. Does not: how a verdict is reached
(`judge`), how it is stored (`store`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What people made of a computer on a ticket."""

    KEPT = "kept"
    REMOVED = "removed"
    REPLACED = "replaced"
    UNSEEN = "unseen"
    MISS = "miss"
    NONE = "none"
    """None was found, and there was none to find: only a person who is asked says so (`sample`)."""

    @property
    def is_fault(self) -> bool:
        """Whether discovery was wrong."""
        return self in {Outcome.REMOVED, Outcome.REPLACED, Outcome.MISS}


WRONG = frozenset({Outcome.REMOVED, Outcome.REPLACED})

ONLY_COMPUTER = "only computer"
NOT_FOUND = "not found"
UNKNOWN = "unknown"

# As `add_asset` stores why a computer was attached.
_WHY = re.compile(
    r" in (title|description|entry|reply)\b[^;]*? is its (name|serial number|tag)(?:;|$)"
)
_SHORT = {"serial number": "serial"}


def evidence_kind(why: str) -> str:
    """Give the kind of evidence of a stored reason: which field in which text, by its first piece."""
    found = _WHY.search(why)
    if found is None:
        return ONLY_COMPUTER if ONLY_COMPUTER in why else UNKNOWN
    where = found[1] if found[1] in {"title", "description"} else "conversation"
    return f"{_SHORT.get(found[2], found[2])} in {where}"


@dataclass(frozen=True, slots=True)
class Attached:
    """A computer that discovery attached.

    Args:
        asset_id: TDX id of the asset.
        name: As the feed calls it.
        evidence: Kind of evidence.
        at: When.
    """

    asset_id: int
    name: str
    evidence: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Acted:
    """What discovery did on a ticket.

    Args:
        ticket_id: The ticket.
        pipeline: Of the action that acted first.
        at: When it was first done with.
        attached: What it attached.
        mentioned: Ids of assets it found and did not attach: on the ticket already, or left out with a reason.
        form_id: Form of the assets that count as computers; None for any.
        requestor_uid: Whose entries are no work on the ticket.
    """

    ticket_id: int
    pipeline: str | None
    at: datetime
    attached: tuple[Attached, ...] = ()
    mentioned: frozenset[int] = frozenset()
    form_id: int | None = None
    requestor_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict about a computer on a ticket; `people` reached it, or a person who was asked (`sample`)."""

    ticket_id: int
    asset_id: int
    outcome: Outcome
    evidence: str
    name: str
    pipeline: str | None
    at: datetime
