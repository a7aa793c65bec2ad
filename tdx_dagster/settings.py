"""Every environment variable of this project, by name, once; secrets as secrets.

Read from the environment or from `.env` in the working folder, in this order, when first used: importing
and loading definitions needs none of them. Nothing here ever prints a value.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tdx_dagster.inventory.freshness import AgeLimits
from tdx_dagster.inventory.schema import NAME_PATTERN
from tdx_dagster.inventory.settings import ASSET_NAMES, KEY_PATTERN, InventorySettings
from tdx_dagster.postgres.database import database_url
from tdx_dagster.tdx.client import Connection
from tdx_dagster.tdx.sign_in import Credentials
from tdx_dagster.tickets.once.writer import Times

# A call may wait for a rate limit and then for its answer; a claim must outlive both (DESIGN 4).
LONGEST_WAIT_SECONDS = 120.0


class SettingsError(Exception):
    """A setting is missing or malformed; the text names it and the fix."""


FROM_ENVIRONMENT = SettingsConfigDict(
    env_file=".env",
    env_file_encoding="utf-8",
    env_ignore_empty=True,
    extra="ignore",
    hide_input_in_errors=True,
)


class Settings(BaseSettings):
    """What needs a TDX or a database; each field is the environment variable of its name in capitals."""

    model_config = FROM_ENVIRONMENT

    tdx_base_url: str | None = Field(None, description="https://<host>/TDWebApi, or /SBTDWebApi")
    tdx_app_id: int | None = Field(None, description="serves for either app id that is missing")
    tdx_ticket_app_id: int | None = None
    tdx_asset_app_id: int | None = None
    tdx_beid: SecretStr | None = None
    tdx_web_services_key: SecretStr | None = None
    tdx_username: str | None = None
    tdx_password: SecretStr | None = None
    tdx_api_token: SecretStr | None = None
    tdx_time_zone: str = Field("UTC", description="zone of TDX dates that have none")
    database_url: SecretStr | None = None
    dagster_database_url: SecretStr | None = None
    dagster_home: Path | None = None
    tdx_celery_url: SecretStr | None = Field(None, description="the broker of Celery workers")
    daemon_report_id: int | None = None

    tdx_settle_seconds: float = Field(120.0, ge=0)
    tdx_lease_seconds: float = Field(300.0, gt=0)
    tdx_retry_pause_seconds: float = Field(60.0, ge=0)
    tdx_max_attempts: int = Field(8, ge=1)
    tdx_rate_share: float = Field(1.0, gt=0, le=1)

    def times(self) -> Times:
        """Give how long things are believed."""
        return Times(
            settle=self.tdx_settle_seconds,
            lease=self.tdx_lease_seconds,
            retry_pause=self.tdx_retry_pause_seconds,
            max_attempts=self.tdx_max_attempts,
        )

    @property
    def longest_wait(self) -> float:
        """Seconds a call may wait for a rate limit: well within a claim's lease."""
        return min(LONGEST_WAIT_SECONDS, self.tdx_lease_seconds / 2)

    def connection(self) -> Connection:
        """Give what the TDX client needs.

        Raises:
            SettingsError: Naming everything that is missing.
        """
        missing = self._missing()
        if missing:
            raise SettingsError(
                f"Missing settings: {'; '.join(missing)}. Set them in the environment or in .env in "
                f"{Path.cwd()} (.env.example lists them all), then try `tdx-dagster check`."
            )
        ticket_app = self.tdx_ticket_app_id or self.tdx_app_id
        asset_app = self.tdx_asset_app_id or self.tdx_app_id
        return Connection(
            base_url=str(self.tdx_base_url),
            ticket_app_id=int(ticket_app or 0),
            asset_app_id=int(asset_app or 0),
            credentials=Credentials(
                beid=_plain(self.tdx_beid),
                web_services_key=_plain(self.tdx_web_services_key),
                username=self.tdx_username or "",
                password=_plain(self.tdx_password),
                api_token=_plain(self.tdx_api_token),
            ),
            time_zone=self.tdx_time_zone,
        )

    def report_id(self, of_pipeline: int | None) -> int:
        """Give the report of a pipeline.

        Raises:
            SettingsError: Neither the pipeline nor DAEMON_REPORT_ID names one.
        """
        report_id = of_pipeline or self.daemon_report_id
        if not report_id:
            raise SettingsError(
                "No report: give the pipeline a report_id in its defs.yaml, or set DAEMON_REPORT_ID."
            )
        return report_id

    def _missing(self) -> list[str]:
        missing = [] if self.tdx_base_url else ["TDX_BASE_URL"]
        if not (self.tdx_ticket_app_id or self.tdx_app_id):
            missing.append("TDX_TICKET_APP_ID (or TDX_APP_ID)")
        if not (self.tdx_asset_app_id or self.tdx_app_id):
            missing.append("TDX_ASSET_APP_ID (or TDX_APP_ID)")
        if not (self._has_key or self._has_password or self.tdx_api_token):
            halves = [f"{absent} (since {present} is set)" for present, absent in self._pairs()]
            choice = "TDX_BEID and TDX_WEB_SERVICES_KEY, or TDX_USERNAME and TDX_PASSWORD, or TDX_API_TOKEN"
            missing.append(", ".join(halves) or choice)
        return missing

    @property
    def _has_key(self) -> bool:
        return bool(self.tdx_beid and self.tdx_web_services_key)

    @property
    def _has_password(self) -> bool:
        return bool(self.tdx_username and self.tdx_password)

    def _pairs(self) -> list[tuple[str, str]]:
        """Give each half of a sign-in that stands alone, with the half that is missing."""
        pairs = (("tdx_beid", "tdx_web_services_key"), ("tdx_username", "tdx_password"))
        found = []
        for one, other in pairs:
            for present, absent in ((one, other), (other, one)):
                if getattr(self, present) and not getattr(self, absent):
                    found.append((present.upper(), absent.upper()))
        return found


class SensorSettings(BaseSettings):
    """What `tdx-dagster dev` sets for its sensors. Read while definitions load, so nothing else is in it."""

    tdx_sensors: Literal["on", "off"] = Field("off", description="whether sensors run unasked")
    tdx_poll_seconds: int | None = Field(None, ge=5, description="instead of interval_seconds")


class InventoryVariables(BaseSettings):
    """How the inventory is filled and judged. Read while definitions load: it decides what assets there are."""

    model_config = FROM_ENVIRONMENT

    inventory_source: Literal["tdx", "external"] = Field(
        "tdx", description="tdx: we load it; external: another job fills bronze.raw_entities"
    )
    inventory_source_system: str = Field(
        InventorySettings().source_system, max_length=50, description="its source_system in bronze"
    )
    # A list with commas, not the JSON that pydantic would want.
    inventory_entity_types: Annotated[tuple[str, ...], NoDecode] = Field(
        InventorySettings().entity_types, description="its entity_type in bronze"
    )
    inventory_stale_hours: float = Field(AgeLimits().stale / timedelta(hours=1), gt=0)
    inventory_distrusted_hours: float = Field(AgeLimits().distrusted / timedelta(hours=1), gt=0)
    inventory_most_dropped: float = Field(InventorySettings().most_dropped, ge=0, le=1)
    inventory_most_without_serial: float = Field(
        InventorySettings().most_without_serial, ge=0, le=1
    )
    inventory_full_cron: str = InventorySettings().full_cron
    inventory_incremental_cron: str = InventorySettings().incremental_cron
    inventory_time_zone: str | None = Field(None, description="left out: TDX_TIME_ZONE")
    tdx_time_zone: str = "UTC"
    inventory_schema: str = Field(
        InventorySettings().schema,
        pattern=f"^{NAME_PATTERN}$",
        description="schema of our table tdx_computers, where silver is somebody else's",
    )

    inventory_asset_keys: Annotated[dict[str, str], NoDecode] = Field(
        {},
        description="Dagster keys of our assets: assets=hub/tdx_assets, people=..., computers=...",
    )
    inventory_group: str = Field(
        InventorySettings().group, pattern=r"^\w+$", description="in Dagster"
    )

    @field_validator("inventory_asset_keys", mode="before")
    @classmethod
    def _read_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {name.strip(): key.strip() for name, _, key in pairs}

    @field_validator("inventory_asset_keys")
    @classmethod
    def _name_known_assets(cls, value: dict[str, str]) -> dict[str, str]:
        for name, key in value.items():
            if name not in ASSET_NAMES or not KEY_PATTERN.fullmatch(key):
                raise ValueError(
                    f"pairs like assets=hub/tdx_assets are wanted, of {', '.join(ASSET_NAMES)}"
                )
        computers = value.get("computers", "silver/computers")
        if computers in {key for name, key in value.items() if name != "computers"}:
            raise ValueError(f"computers is made of the others and cannot be {computers} too")
        return value

    @field_validator("inventory_entity_types", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    @field_validator("inventory_entity_types")
    @classmethod
    def _name_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one, like asset,computer")
        return value

    @field_validator("inventory_time_zone", "tdx_time_zone")
    @classmethod
    def _be_a_zone(cls, value: str | None) -> str | None:
        try:
            ZoneInfo(value or "UTC")
        except (KeyError, ValueError, OSError):
            raise ValueError("a time zone like America/New_York is wanted") from None
        return value

    @field_validator("inventory_full_cron", "inventory_incremental_cron")
    @classmethod
    def _be_a_time(cls, value: str) -> str:
        from dagster._utils.schedules import is_valid_cron_string  # noqa: PLC0415  imports Dagster

        if not is_valid_cron_string(value):
            raise ValueError("five fields of cron are wanted, like 23 3 * * *")
        return value

    @model_validator(mode="after")
    def _be_in_order(self) -> "InventoryVariables":
        if self.inventory_distrusted_hours < self.inventory_stale_hours:
            raise ValueError("INVENTORY_DISTRUSTED_HOURS is less than INVENTORY_STALE_HOURS")
        return self

    def settings(self) -> InventorySettings:
        """Give the values as the inventory takes them."""
        return InventorySettings(
            source=self.inventory_source,
            source_system=self.inventory_source_system,
            entity_types=self.inventory_entity_types,
            limits=AgeLimits(
                stale=timedelta(hours=self.inventory_stale_hours),
                distrusted=timedelta(hours=self.inventory_distrusted_hours),
            ),
            most_dropped=self.inventory_most_dropped,
            most_without_serial=self.inventory_most_without_serial,
            full_cron=self.inventory_full_cron,
            incremental_cron=self.inventory_incremental_cron,
            time_zone=self.inventory_time_zone or self.tdx_time_zone,
            tdx_time_zone=self.tdx_time_zone,
            schema=self.inventory_schema,
            asset_keys=self.inventory_asset_keys,
            group=self.inventory_group,
        )


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: A value is malformed; the variable is named, its value is not.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise _unreadable(error) from None


def load_sensor_settings() -> SensorSettings:
    """Read whether and how often sensors look by themselves.

    Raises:
        SettingsError: A value is malformed.
    """
    try:
        return SensorSettings()
    except ValidationError as error:
        raise _unreadable(error, {"tdx_sensors": ("on", "off")}) from None


def load_inventory_settings() -> InventorySettings:
    """Read how the inventory is filled and judged.

    Raises:
        SettingsError: A value is malformed, or a name is almost one of ours.
    """
    ours = (name.upper() for name in InventoryVariables.model_fields)
    known = [name for name in ours if name.startswith("INVENTORY_")]
    for place, names in (("the environment", os.environ), (".env", dotenv_values(".env"))):
        for name in names:
            if not name.upper().startswith("INVENTORY_") or name.upper() in known:
                continue
            # The environment may hold other programs' variables; the file is ours.
            close = get_close_matches(name.upper(), known, n=1, cutoff=0.8)
            if close or place == ".env":
                meant = f"Did you mean {close[0]}? " if close else ""
                raise SettingsError(
                    f"{name} in {place} is no setting. {meant}Those of the inventory are "
                    f"{', '.join(known)}."
                )
    try:
        return InventoryVariables().settings()
    except ValidationError as error:
        raise _unreadable(error, {"inventory_source": ("tdx", "external")}) from None


def _unreadable(
    error: ValidationError, choices: Mapping[str, tuple[str, ...]] = {}
) -> SettingsError:
    """Name each variable and its fault; a value only where it can be no secret."""
    return SettingsError(
        f"Settings that cannot be read: {'; '.join(_fault(one, choices) for one in error.errors())}."
    )


def _fault(fault: Any, choices: Mapping[str, tuple[str, ...]]) -> str:  # noqa: ANN401  pydantic's dict
    text = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return str(text)
    name = str(fault["loc"][0])
    close = get_close_matches(str(fault["input"]), choices.get(name, ()), n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"{name.upper()}: {text[0].lower()}{text[1:]}{meant}"


def embedded_folder() -> Path:
    """Give the folder of the embedded PostgreSQL: `.tdx/postgres` of the working folder."""
    return Path.cwd() / ".tdx" / "postgres"


def find_database(name: str = "tdx") -> str:
    """Give the database: DATABASE_URL where it is set, else one on the embedded server, started if need be.

    Args:
        name: Database on the embedded server.

    Raises:
        DatabaseError: The URL is unreadable, or there is no server to start.
    """
    given = load_settings().database_url
    known = {"DATABASE_URL": given.get_secret_value()} if given else {}
    return database_url(known, embedded_folder(), name)


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
