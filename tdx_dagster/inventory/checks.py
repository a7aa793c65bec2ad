"""Check the inventory: one plain function per fault, each gives a verdict.

Belongs here: limits, numbers and the words for people. Does not: Dagster, which shows the verdicts
(`assets`). An error means that wrong computers may be found or right ones missed today; a warning,
that somebody should look this week.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from tdx_dagster.inventory.freshness import (
    SQL,
    AgeLimits,
    Freshness,
    inventory_age,
    is_silver_behind,
)
from tdx_dagster.inventory.rebuilds import REBUILD
from tdx_dagster.inventory.schema import DEFAULT_SCHEMA, in_schema


@dataclass(frozen=True, slots=True)
class InventoryNames:
    """What the inventory is called in bronze.

    Args:
        source_system: Name of the source.
        entity_types: Names of assets.
        schema: Where silver is.
    """

    source_system: str
    entity_types: tuple[str, ...]
    schema: str = DEFAULT_SCHEMA


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    Args:
        text: For people: what was found, and what to do.
        passed: Whether all is well.
        is_error: Whether it is more than a warning, where it is not.
        numbers: Behind the text.
    """

    text: str
    passed: bool
    is_error: bool = False
    numbers: Mapping[str, int | float] = field(default_factory=dict)


def check_age(engine: Engine, names: InventoryNames, limits: AgeLimits) -> Verdict:
    """Warn of a stale inventory; fail past the second limit, since every hit then costs a call."""
    age, _ = inventory_age(
        engine, source_system=names.source_system, entity_types=names.entity_types
    )
    judged = limits.judge(age)
    if age is None:
        said = "Assets were never loaded: run `tdx-dagster ingest`."
        return Verdict(said, passed=False, is_error=True)
    hours = age.total_seconds() / 3600
    advice = {
        Freshness.FRESH: ".",
        Freshness.STALE: ": look at the schedule of loads.",
        Freshness.DISTRUSTED: ": every computer found is confirmed by a TDX call until they are.",
    }
    return Verdict(
        passed=judged is Freshness.FRESH,
        is_error=judged is Freshness.DISTRUSTED,
        text=f"Assets were loaded {hours:.1f} hours ago{advice[judged]}",
        numbers={"age_hours": round(hours, 2)},
    )


def check_current(engine: Engine, names: InventoryNames) -> Verdict:
    """Warn where bronze has assets that silver was not made from: then TDX is asked about each computer."""
    is_behind = is_silver_behind(
        engine,
        source_system=names.source_system,
        entity_types=names.entity_types,
        schema=names.schema,
    )
    said = "Computers were made from the newest rows of bronze."
    if is_behind:
        said = (
            "Bronze is newer than the computers made from it: materialise silver, or run "
            "`tdx-dagster ingest`. Until then TDX is asked about each computer that is found."
        )
    return Verdict(said, passed=not is_behind)


def check_not_empty(engine: Engine, schema: str = DEFAULT_SCHEMA) -> Verdict:
    """Fail where no computer is known: all load goes to the rate-limited API (case E05)."""
    with engine.connect() as connection:
        count: int = connection.execute(in_schema(SQL, "computers", schema)).scalar_one()
    advice = "" if count else ": load assets, and see that their entity type is one of those read."
    return Verdict(
        text=f"{count:,} computers{advice}",
        passed=count > 0,
        is_error=True,
        numbers={"computers": count},
    )


def check_unique_ids(engine: Engine, names: InventoryNames) -> Verdict:
    """Warn of assets under two names: two loads contradict each other."""
    values = {"source_system": names.source_system, "entity_types": list(names.entity_types)}
    with engine.connect() as connection:
        found = connection.execute(SQL["shared_ids"], values).one()
    said = "Every asset has one name in bronze."
    if found.assets:
        said = (
            f"{found.assets:,} assets are in bronze under several entity types (for example asset "
            f"{found.example}): the version stored last counts. Stop one of the loads."
        )
    return Verdict(said, passed=found.assets == 0, numbers={"assets": found.assets})


def check_drop(engine: Engine, names: InventoryNames, most_dropped: float) -> Verdict:
    """Fail on a sudden drop: usually the TDX account lost access, and the computers are still there."""
    values = {"source_system": names.source_system, "entity_type": REBUILD}
    with engine.connect() as connection:
        rebuilds = connection.execute(SQL["last_loads"], values).all()
    counts = [int(rebuild.metadata.get("active", 0)) for rebuild in rebuilds]
    if len(counts) < 2 or not counts[1]:  # noqa: PLR2004  this one and the one before
        return Verdict("Nothing to compare with yet.", passed=True)
    now, before = counts
    dropped = 1 - now / before
    return Verdict(
        passed=dropped <= most_dropped,
        is_error=True,
        text=f"{now:,} active computers, {before:,} before.",
        numbers={"active": now, "before": before, "dropped": round(dropped, 4)},
    )


def check_serials(engine: Engine, most_without: float, schema: str = DEFAULT_SCHEMA) -> Verdict:
    """Warn of computers without a serial number: they are found by name alone."""
    with engine.connect() as connection:
        found = connection.execute(in_schema(SQL, "serials", schema)).one()
    share = found.without / found.active if found.active else 0.0
    return Verdict(
        passed=share <= most_without,
        text=f"{found.without:,} of {found.active:,} active computers have no usable serial number.",
        numbers={"without": found.without, "active": found.active, "share": round(share, 4)},
    )
