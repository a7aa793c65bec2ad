"""Result record and name of a silver rebuild, importable without pandas.

Belongs here: what others need to know of `silver` without importing it. It brings pandas, which a process
that only works on tickets does not need: half a second of its start.
"""

from dataclasses import dataclass

REBUILD = "silver.tdx_computers"
"""What rebuilds are called in `meta.ingestion_runs`."""


class BronzeEmpty(Exception):
    """Bronze has no asset under these names although silver has rows: it would all be lost."""


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """The result of a rebuild.

    Args:
        computers: Rows now.
        active: Of them active ones.
        written: Rows that are new or have changed.
        removed: Rows that are no longer there.
        unusable: Assets of bronze without a usable id.
        repeated: Assets of bronze that it holds under another name too.
        flags: How many rows have each quality flag.
    """

    computers: int
    active: int
    written: int
    removed: int
    unusable: int
    repeated: int
    flags: dict[str, int]
