"""How the inventory is filled and judged, as plain values.

Belongs here: what can be set, with its defaults and the reasons for them. Does not: where the values come from
(`tdx_dagster.settings` reads the environment), nor what is done with them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tdx_dagster.inventory.freshness import AgeLimits
from tdx_dagster.inventory.records import ASSET_TYPES, SOURCE_SYSTEM
from tdx_dagster.inventory.schema import DEFAULT_SCHEMA

ASSET_NAMES = ("assets", "people", "statuses", "computers")
"""What INVENTORY_ASSET_KEYS may name."""

KEY_PATTERN = re.compile(r"[\w.-]+(/[\w.-]+)*")


@dataclass(frozen=True, slots=True)
class InventorySettings:
    """How the inventory is filled and judged.

    Args:
        source: `tdx`, or `external` where somebody else's job fills bronze.
        source_system: Name of the source in bronze.
        entity_types: Names of assets in bronze that are read.
        limits: Ages at which the inventory is stale or distrusted.
        most_dropped: Largest share of active computers that may vanish between two rebuilds.
        most_without_serial: Largest share of active computers without a serial number.
        full_cron: When everything is loaded. At night, when TDX and its users rest; not on the hour,
            when everybody's jobs begin.
        incremental_cron: When changes are loaded: in office hours, when computers change hands.
        time_zone: Of these times.
        tdx_time_zone: Of dates in bronze that have none.
        schema: Where our table `tdx_computers` is.
        asset_keys: Keys of our Dagster assets, by `assets`, `people`, `statuses` and `computers`, where they
            are not the usual ones: another code location may have them, or have taken ours.
        group: Of all of them in Dagster.
    """

    source: Literal["tdx", "external"] = "tdx"
    source_system: str = SOURCE_SYSTEM
    entity_types: tuple[str, ...] = ASSET_TYPES
    limits: AgeLimits = field(default_factory=AgeLimits)
    most_dropped: float = 0.2
    most_without_serial: float = 0.1
    full_cron: str = "23 3 * * *"
    incremental_cron: str = "41 7-18 * * 1-5"
    time_zone: str = "UTC"
    tdx_time_zone: str = "UTC"
    schema: str = DEFAULT_SCHEMA
    asset_keys: Mapping[str, str] = field(default_factory=dict)
    group: str = "inventory"

    @property
    def is_observed(self) -> bool:
        """Whether we observe bronze: a cron job fills it, no code location that says so itself."""
        return self.is_external and not any(
            name in self.asset_keys for name in ("assets", "people", "statuses")
        )

    @property
    def is_external(self) -> bool:
        """Whether somebody else's job fills bronze."""
        return self.source == "external"
