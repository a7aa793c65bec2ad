"""How old the inventory is and what that means, whoever loads it: ourselves or somebody else's job.

Belongs here: age and limits. Does not: other faults of the inventory (`checks`), Dagster.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Engine

from tdx_dagster.inventory.records import ASSET_TYPES, SOURCE_SYSTEM
from tdx_dagster.postgres.queries import Queries

SQL = Queries(Path(__file__).with_name("checks.sql"))


class Freshness(StrEnum):
    """What the age of the inventory means."""

    FRESH = "fresh"
    STALE = "stale"
    """Worth a warning: a nightly load was missed."""

    DISTRUSTED = "distrusted"
    """Every computer found in it is to be confirmed by TDX before anything is decided."""


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """From which age on the inventory is stale, and from which on distrusted.

    The first lets one nightly load run late; the second is a week, in which computers change hands.
    """

    stale: timedelta = timedelta(hours=26)
    distrusted: timedelta = timedelta(days=7)

    def judge(self, age: timedelta | None) -> Freshness:
        """What an age means; an unknown one is not trusted."""
        if age is None or age >= self.distrusted:
            return Freshness.DISTRUSTED
        return Freshness.STALE if age >= self.stale else Freshness.FRESH


def inventory_age(
    engine: Engine,
    *,
    source_system: str = SOURCE_SYSTEM,
    entity_types: tuple[str, ...] = ASSET_TYPES,
) -> tuple[timedelta | None, int]:
    """Time since assets were last loaded, None where they never were, and the number of computers.

    Raises:
        DatabaseUnavailable: The database cannot be asked.
    """
    values = {"source_system": source_system, "entity_types": list(entity_types)}
    with engine.connect() as connection:
        age: timedelta | None = connection.execute(SQL["age"], values).scalar_one()
        computers: int = connection.execute(SQL["computers"]).scalar_one()
    return age, computers
