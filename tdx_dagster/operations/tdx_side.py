"""The pages `tdx_budget` and `connection`: what TDX allows, and to which TDX this leads.

Belongs here: these two pages. Does not: the limits themselves (`state.rate_limit`).
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version

from sqlalchemy import Engine

from tdx_dagster.inventory.freshness import inventory_age
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.operations.page import SQL, Page
from tdx_dagster.tickets.job import report_of
from tdx_dagster.tickets.markdown import table
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.site import Site

BUDGET_HEAD = (
    "call",
    "allowed",
    "in use now",
    "calls today",
    "of them waited",
    "seconds waited",
    "answers 429",
)


@dataclass(frozen=True)
class SensorLag:
    """When a sensor last ran.

    Args:
        name: The sensor.
        interval_seconds: What is set.
        age_seconds: Seconds since its last tick; None where it never ran.
        is_on: Whether it is switched on.
    """

    name: str
    interval_seconds: int
    age_seconds: float | None
    is_on: bool

    @property
    def cells(self) -> Sequence[object]:
        """Give the row of the table."""
        age = "never" if self.age_seconds is None else f"{self.age_seconds:.0f} s ago"
        return self.name, "on" if self.is_on else "off", f"{self.interval_seconds} s", age


def budget_page(engine: Engine, lags: Sequence[SensorLag]) -> Page:
    """Show each limit of TDX, how much of it is used, and how late the sensors are."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["budget"]).all()
    cells = [
        (
            row.key,
            "no limit" if row.is_unlimited else f"{row.allowed} in {row.period:.0f} s",
            "" if row.is_unlimited else row.used,
            row.calls,
            row.waits,
            f"{row.waited:.0f}",
            row.penalties,
        )
        for row in rows
    ]
    calls = table(BUDGET_HEAD, cells) if rows else "No call was made yet."
    sensors = table(("sensor", "switched", "interval", "last tick"), [lag.cells for lag in lags])
    ages = {
        f"{lag.name}: seconds since the last tick": round(lag.age_seconds)
        for lag in lags
        if lag.age_seconds is not None
    }
    return Page(
        f"Days of UTC.\n\n{calls}\n\n{sensors}",
        {
            "today: calls": sum(row.calls for row in rows),
            "today: calls that waited": sum(row.waits for row in rows),
            "today: seconds waited": round(sum(row.waited for row in rows)),
            "today: answers 429": sum(row.penalties for row in rows),
            **ages,
        },
    )


def connection_page(
    engine: Engine,
    site: Site | None,
    account: str,
    pipelines: Sequence[Pipeline],
    settings: InventorySettings,
) -> Page:
    """Show to which TDX this leads, as whom, with which versions.

    Args:
        engine: The database.
        site: The TDX; None where settings name none.
        account: Who is signed in, or why that is not known.
        pipelines: What is polled.
        settings: How the inventory is named.
    """
    age, computers = inventory_age(
        engine,
        source_system=settings.source_system,
        entity_types=settings.entity_types,
        schema=settings.schema_name,
    )
    with engine.connect() as connection:
        database = connection.execute(SQL["versions"]).one()
    facts: list[tuple[str, object]] = [
        ("environment", f"**{site.environment}**" if site else "not set"),
        ("address", site.base_url if site else "TDX_BASE_URL is not set"),
        ("ticketing application", site.ticket_app if site else ""),
        ("asset application", site.asset_app if site else ""),
        ("account", account),
        ("reports", ", ".join(f"{one.name}: {report_of(one, site)}" for one in pipelines)),
        ("inventory", f"{computers:,} computers, {_age(age)}"),
        ("action log", f"{database.actions:,} actions, database of {database.size}"),
        ("tdx-dagster", version("tdx-dagster")),
        ("Dagster", version("dagster")),
        ("PostgreSQL", database.server),
        ("Python", platform.python_version()),
    ]
    hours = {} if age is None else {"inventory: hours old": round(age / timedelta(hours=1), 1)}
    return Page(table(("", ""), facts), {"inventory: computers": computers, **hours})


def _age(age: timedelta | None) -> str:
    if age is None:
        return "never loaded"
    if age < timedelta(hours=1):
        return f"loaded {age // timedelta(minutes=1)} minutes ago"
    return f"loaded {age / timedelta(hours=1):.1f} hours ago"
