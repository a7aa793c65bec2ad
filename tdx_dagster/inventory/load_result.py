"""What a load of bronze did, as a frozen record.

Belongs here: counts, rejected records, the warning for people, and the row in `meta.ingestion_runs`. Does
not: loading (`bronze`), what the Dagster UI shows (`assets`).
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

SHOWN_REJECTED = 20
"""So many rejected records are listed by name; all of them are counted."""


class Mode(StrEnum):
    """How much of the source a load asks for."""

    FULL = "full"
    INCREMENTAL = "incremental"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that was rejected.

    Args:
        position: Its place in what the source gave, from 0.
        external_id: Its id where that could be read.
        reason: Why.
    """

    position: int
    external_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of a load.

    Args:
        run_id: Its row in `meta.ingestion_runs`.
        mode: How much was asked for.
        since: From which modification date on; None for all.
        processed: Records that the source gave.
        created: Entities that were not known.
        updated: New versions of known entities.
        unchanged: Entities that were as they had been.
        repeated: Records of an entity that came more than once.
        rejected: Records that were not stored.
        repairs: What was repaired in records, by kind.
        gone: Entities now marked as no longer there.
        gone_withheld: Missing entities that were not marked as gone, since they were too many.
        known: Entities of this kind in bronze by now.
    """

    run_id: str
    mode: Mode
    since: datetime | None
    processed: int
    created: int
    updated: int
    unchanged: int
    repeated: int
    rejected: tuple[Rejected, ...]
    repairs: dict[str, int]
    gone: int
    gone_withheld: int
    known: int

    @property
    def warning(self) -> str | None:
        """Give what a person should check, or None."""
        said = []
        if self.rejected:
            first = self.rejected[0]
            which = first.external_id or f"number {first.position}"
            said.append(
                f"{len(self.rejected)} of {self.processed} records rejected "
                f"(first: {which}: {first.reason})"
            )
        if self.gone_withheld:
            said.append(
                f"{self.gone_withheld} entities were missing, too many to be marked as gone: "
                "check what the TDX account may see"
            )
        return "; ".join(said) or None

    def run_row(self) -> dict[str, Any]:
        """Give the values of the load's row in `meta.ingestion_runs`."""
        shown = [
            {"position": one.position, "external_id": one.external_id, "reason": one.reason}
            for one in self.rejected[:SHOWN_REJECTED]
        ]
        about = {
            "unchanged": self.unchanged,
            "repeated": self.repeated,
            "rejected": len(self.rejected),
            "rejected_first": shown,
            "repairs": self.repairs,
            "gone": self.gone,
            "gone_withheld": self.gone_withheld,
        }
        return {
            "run_id": self.run_id,
            "status": "completed",
            "processed": self.processed,
            "created": self.created,
            "updated": self.updated,
            "message": self.warning,
            "metadata": json.dumps(about),
        }
