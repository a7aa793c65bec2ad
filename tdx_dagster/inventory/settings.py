"""How the inventory is filled and judged: each value once, with its variable and its default.

Belongs here: what can be set, and the reasons for the defaults. Does not: what is done with it.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from tdx_dagster.environment import EnvironmentSettings
from tdx_dagster.inventory.freshness import AgeLimits
from tdx_dagster.inventory.records import ASSET_TYPES, SOURCE_SYSTEM
from tdx_dagster.inventory.schema import DEFAULT_SCHEMA, NAME_PATTERN

ASSET_NAMES = ("assets", "people", "statuses", "computers")
"""What INVENTORY_ASSET_KEYS may name."""

KEY_PATTERN = re.compile(r"[\w.-]+(/[\w.-]+)*")


def _require_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("a time zone like America/New_York is wanted") from None
    return value


def _require_cron(value: str) -> str:
    from tdx_dagster.dagster_internals import is_cron  # noqa: PLC0415  imports Dagster

    if not is_cron(value):
        raise ValueError("five fields of cron are wanted, like 23 3 * * *")
    return value


TimeZoneName = Annotated[str, AfterValidator(_require_zone)]
Cron = Annotated[str, AfterValidator(_require_cron)]


def _same_as_tdx(values: dict[str, Any]) -> str:
    return str(values.get("tdx_time_zone", "UTC"))


class InventorySettings(EnvironmentSettings):
    """How the inventory is filled and judged; each field is a variable INVENTORY_<FIELD>.

    Read while definitions load: it decides which assets there are.
    """

    model_config = SettingsConfigDict(env_prefix="INVENTORY_", frozen=True)

    # Given by who loads the settings, never by the environment: see `settings.load_inventory_settings`.
    tdx: str = Field("", description="name of the TDX environment; empty: that of TDX_BASE_URL")
    source: Literal["tdx", "external"] = Field(
        "tdx", description="tdx: we load it; external: another job fills bronze.raw_entities"
    )
    source_system: str = Field(
        SOURCE_SYSTEM, max_length=50, description="its source_system in bronze"
    )
    # A list with commas, not the JSON that pydantic would want.
    entity_types: Annotated[tuple[str, ...], NoDecode] = Field(
        ASSET_TYPES, description="its entity_type in bronze"
    )
    stale_hours: float = Field(AgeLimits().stale / timedelta(hours=1), gt=0, le=87600)
    distrusted_hours: float = Field(AgeLimits().distrusted / timedelta(hours=1), gt=0, le=87600)
    most_dropped: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of active computers that may vanish between two rebuilds",
    )
    most_without_serial: float = Field(
        0.1, ge=0, le=1, description="share of active computers without a serial number"
    )
    # At night, when TDX and its users rest; not on the hour, when everybody's jobs begin.
    full_cron: Cron = "23 3 * * *"
    # In office hours, when computers change hands.
    incremental_cron: Cron = "41 7-18 * * 1-5"
    tdx_time_zone: TimeZoneName = Field(
        "UTC", validation_alias="TDX_TIME_ZONE", description="of dates in bronze that have none"
    )
    time_zone: TimeZoneName = Field(default_factory=_same_as_tdx, description="of the schedules")

    schema_name: str = Field(
        DEFAULT_SCHEMA,
        validation_alias="INVENTORY_SCHEMA",
        pattern=f"^{NAME_PATTERN}$",
        description="schema of our table tdx_computers, where silver is somebody else's",
    )
    asset_keys: Annotated[Mapping[str, str], NoDecode] = Field(
        {},
        description="Dagster keys of our assets: assets=hub/tdx_assets, people=..., computers=...",
    )
    asset_keys_in_project: bool = Field(
        default=False, description="whether this very project makes those of bronze that are named"
    )
    group: str = Field("inventory", pattern=r"^\w+$", description="group of our assets in Dagster")

    @classmethod
    def variables(cls) -> list[str]:
        """Give the names of the environment variables that are read, in capitals."""
        return [cls.variable(field) for field in cls.model_fields if field != "tdx"]

    @field_validator("asset_keys", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {name.strip(): key.strip() for name, _, key in pairs}

    @field_validator("asset_keys")
    @classmethod
    def _require_known_assets(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, key in value.items():
            if name not in ASSET_NAMES or not KEY_PATTERN.fullmatch(key):
                raise ValueError(
                    f"pairs like assets=hub/tdx_assets are wanted, of {', '.join(ASSET_NAMES)}"
                )
        computers = value.get("computers", "silver/computers")
        if computers in {key for name, key in value.items() if name != "computers"}:
            raise ValueError(f"computers is made of the others and cannot be {computers} too")
        return value

    @field_validator("entity_types", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    @field_validator("entity_types")
    @classmethod
    def _require_one(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one, like asset,computer")
        return value

    @model_validator(mode="after")
    def _require_order(self) -> "InventorySettings":
        if self.distrusted_hours < self.stale_hours:
            raise ValueError("INVENTORY_DISTRUSTED_HOURS is less than INVENTORY_STALE_HOURS")
        return self

    @property
    def limits(self) -> AgeLimits:
        """Ages at which the inventory is stale or distrusted."""
        return AgeLimits(
            stale=timedelta(hours=self.stale_hours),
            distrusted=timedelta(hours=self.distrusted_hours),
        )

    @property
    def is_observed(self) -> bool:
        """Whether we observe bronze: a job fills it that reports nothing to Dagster itself."""
        return self.is_external and not {"assets", "people", "statuses"} & self.asset_keys.keys()

    @property
    def is_external(self) -> bool:
        """Whether somebody else's job fills bronze."""
        return self.source == "external"
