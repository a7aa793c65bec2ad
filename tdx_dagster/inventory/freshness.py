"""How old the inventory is, and whether silver was made from what bronze has now.

Belongs here: age, limits, and the comparison of the two tables. Does not: other faults of the
inventory (`checks`), Dagster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, Engine

from tdx_dagster.inventory.rebuilds import REBUILD
from tdx_dagster.inventory.records import ASSET_TYPES, SOURCE_SYSTEM, STATUS
from tdx_dagster.inventory.schema import DEFAULT_SCHEMA, in_schema
from tdx_dagster.postgres.queries import Queries

SQL = Queries(Path(__file__).with_name("checks.sql"))


class Freshness(StrEnum):
    """The meaning of the age of the inventory."""

    FRESH = "fresh"
    STALE = "stale"
    """Worth a warning: a nightly load was missed."""

    DISTRUSTED = "distrusted"
    """TDX confirms every computer found in it before anything is decided."""


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """From which age on the inventory is stale, and from which on distrusted.

    The first lets one nightly load run late; the second is a week, in which computers change hands.
    """

    stale: timedelta = timedelta(hours=26)
    distrusted: timedelta = timedelta(days=7)

    def judge(self, age: timedelta | None) -> Freshness:
        """Judge an age; an unknown one is not trusted."""
        if age is None or age >= self.distrusted:
            return Freshness.DISTRUSTED
        return Freshness.STALE if age >= self.stale else Freshness.FRESH


def inventory_age(
    engine: Engine,
    *,
    source_system: str = SOURCE_SYSTEM,
    entity_types: tuple[str, ...] = ASSET_TYPES,
    schema: str = DEFAULT_SCHEMA,
) -> tuple[timedelta | None, int]:
    """Time since assets were last loaded, None where they never were, and the number of computers.

    Raises:
        DatabaseUnavailable: The database cannot be asked.
    """
    values = {"source_system": source_system, "entity_types": list(entity_types)}
    with engine.connect() as connection:
        age: timedelta | None = connection.execute(SQL["age"], values).scalar_one()
        computers: int = connection.execute(in_schema(SQL, "computers", schema)).scalar_one()
    return age, computers


@dataclass(frozen=True, slots=True)
class BronzeState:
    """What bronze has of the assets and their statuses; two states differ where something was loaded between.

    Args:
        newest: When its newest row was stored; None where there is none.
        loaded: When the last load that recorded a run was completed; None where none did.
    """

    newest: datetime | None
    loaded: datetime | None

    def recorded(self) -> dict[str, str | None]:
        """Give the values that a rebuild records in `meta.ingestion_runs`."""
        return {"newest": _as_text(self.newest), "loaded": _as_text(self.loaded)}


def _as_text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def bronze_state(
    connection: Connection, source_system: str, entity_types: Sequence[str]
) -> BronzeState:
    """Read what bronze has now."""
    types = [*entity_types, STATUS.entity_type]
    values = {"source_system": source_system, "entity_types": types}
    row = connection.execute(SQL["bronze_state"], values).one()
    return BronzeState(row.newest, row.loaded)


def is_silver_behind(
    engine: Engine,
    *,
    source_system: str = SOURCE_SYSTEM,
    entity_types: tuple[str, ...] = ASSET_TYPES,
    schema: str = DEFAULT_SCHEMA,
) -> bool:
    """Say whether bronze has assets that silver was not made from: never, or not since they were stored.

    Raises:
        DatabaseUnavailable: The database cannot be asked.
    """
    with engine.connect() as connection:
        return is_behind(connection, source_system, entity_types, schema)


def is_behind(
    connection: Connection, source_system: str, entity_types: Sequence[str], schema: str
) -> bool:
    """Do what `is_silver_behind` does, on a connection that is open."""
    bronze = bronze_state(connection, source_system, entity_types)
    if bronze.newest is None:
        return False
    if connection.execute(in_schema(SQL, "is_empty", schema)).scalar_one():
        return True
    values = {"source_system": source_system, "entity_type": REBUILD}
    rebuild = connection.execute(SQL["last_rebuild"], values).first()
    if rebuild is None:
        return True
    seen = rebuild.metadata or {}
    if "newest" not in seen:  # by a version that did not record what it had seen
        moments = (bronze.newest, bronze.loaded)
        return any(moment and moment > rebuild.started_at for moment in moments)
    made_from = {**bronze.recorded(), "entity_types": sorted(entity_types)}
    return any(seen.get(name) != value for name, value in made_from.items())
