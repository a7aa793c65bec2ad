"""The settings of TDX, databases, leases and sensors, by the names of their variables; secrets as secrets.

Read when first used, in the order of `environment`: importing and loading definitions needs none of
them. No value is ever printed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator
from sqlalchemy import make_url

from tdx_dagster.environment import EnvironmentSettings, SettingsError, refuse_unknown
from tdx_dagster.inventory.settings import InventorySettings, TimeZoneName
from tdx_dagster.named_tdx import (
    UNNAMED,
    in_words_of,
    require_name,
    selected_tdx,
    suffixed,
    variable_of,
)
from tdx_dagster.postgres.database import database_url
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.state.tdx_environment import OtherEnvironment
from tdx_dagster.tdx.address import normalise_base_url
from tdx_dagster.tdx.client import Connection
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tdx.sign_in import Credentials
from tdx_dagster.tickets.once.writer import Times
from tdx_dagster.tickets.site import Site

__all__ = ["InventorySettings", "Settings", "SettingsError", "embedded_folder", "find_database"]

# A call may wait for a rate limit and then for its answer; a claim must outlive both.
LONGEST_WAIT_SECONDS = 120.0

# Of each environment alone: what another one has is never taken in their place.
OWN = frozenset(
    {"tdx_base_url", "tdx_allow_http", "tdx_app_id", "tdx_ticket_app_id", "tdx_asset_app_id"}
    | {"tdx_beid", "tdx_web_services_key", "tdx_username", "tdx_password", "tdx_api_token"}
    | {"database_url", "daemon_report_id"}
)
# Of the installation.
COMMON = frozenset({"dagster_database_url", "dagster_home", "tdx_celery_url", "tdx_alert_urls"})

# TDX's ids are 32-bit integers above 0.
TdxId = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Settings(EnvironmentSettings):
    """What needs a TDX or a database; each field is the environment variable of its name in capitals.

    Of an environment with a name it is TDX_<NAME>_…; times and shares that it lacks are those without a name.
    """

    tdx: ClassVar[str] = UNNAMED

    tdx_base_url: str | None = Field(None, description="https://<host>/TDWebApi, or /SBTDWebApi")
    tdx_allow_http: bool = Field(
        default=False, description="whether TDX_BASE_URL may be http:// to another machine"
    )
    tdx_app_id: TdxId | None = Field(None, description="serves for either app id that is missing")
    tdx_ticket_app_id: TdxId | None = None
    tdx_asset_app_id: TdxId | None = None
    tdx_beid: SecretStr | None = None
    tdx_web_services_key: SecretStr | None = None
    tdx_username: str | None = None
    tdx_password: SecretStr | None = None
    tdx_api_token: SecretStr | None = None
    tdx_time_zone: TimeZoneName = Field("UTC", description="zone of TDX dates that have none")
    database_url: SecretStr | None = None
    dagster_database_url: SecretStr | None = None
    dagster_home: Path | None = None
    tdx_celery_url: SecretStr | None = Field(None, description="the broker of Celery workers")
    daemon_report_id: TdxId | None = None
    tdx_alert_urls: SecretStr | None = Field(
        None, description="where problems are sent: addresses of apprise, separated by blanks"
    )

    tdx_write_seconds: float = Field(60.0, ge=1)
    tdx_settle_seconds: float = Field(120.0, ge=1)
    tdx_lease_seconds: float = Field(300.0, gt=0)
    tdx_retry_pause_seconds: float = Field(60.0, ge=0)
    tdx_max_attempts: int = Field(8, ge=1)
    tdx_rate_share: float = Field(1.0, gt=0, le=1)

    @classmethod
    def variable(cls, field: str) -> str:
        """Give the name of the environment variable of a field."""
        return variable_of(field.upper(), UNNAMED if field in COMMON else cls.tdx)

    @classmethod
    def places(cls) -> Sequence[Mapping[str, str]]:
        """Give the values of each place: those with the environment's name first."""
        places = super().places()
        if not cls.tdx:
            return places
        named = {cls.variable(field): field for field in cls.model_fields}
        return [
            *(
                {named[n.upper()]: v for n, v in one.items() if n.upper() in named}
                for one in places
            ),
            *({n: v for n, v in one.items() if n.lower() not in OWN} for one in places),
        ]

    @model_validator(mode="after")
    def _settles_after_every_write(self) -> Self:
        """Refuse a settle time in which a write may still be on its way: it would be made twice."""
        if self.tdx_settle_seconds < self.tdx_write_seconds:
            raise ValueError(
                f"TDX_SETTLE_SECONDS ({self.tdx_settle_seconds:g}) is shorter than TDX_WRITE_SECONDS "
                f"({self.tdx_write_seconds:g}), the time a write may take: raise the one or lower the other"
            )
        return self

    def times(self) -> Times:
        """Give how long leases, pauses and unclear writes last."""
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
            credentials=self._credentials(),
            time_zone=self.tdx_time_zone,
            allow_http=self.tdx_allow_http,
        )

    def credentials(self) -> Credentials | None:
        """Give the sign-in; None where no way is complete."""
        is_complete = self._has_key or self._has_password or self.tdx_api_token
        return self._credentials() if is_complete else None

    def _credentials(self) -> Credentials:
        return Credentials(
            beid=_plain(self.tdx_beid),
            web_services_key=_plain(self.tdx_web_services_key),
            username=self.tdx_username or "",
            password=_plain(self.tdx_password),
            api_token=_plain(self.tdx_api_token),
        )

    def report_id(self, of_pipeline: int | None) -> int:
        """Give the report of a pipeline.

        Raises:
            SettingsError: Neither the pipeline nor DAEMON_REPORT_ID names one.
        """
        report_id = of_pipeline or self.daemon_report_id
        if not report_id:
            raise SettingsError(
                "No report: give the pipeline a report_id in its defs.yaml, or set "
                f"{self.variable('daemon_report_id')}."
            )
        return report_id

    def _missing(self) -> list[str]:
        def name(field: str) -> str:
            return self.variable(f"tdx_{field}")

        missing = [] if self.tdx_base_url else [name("base_url")]
        missing += [
            f"{name(app)} (or {name('app_id')})"
            for app in ("ticket_app_id", "asset_app_id")
            if not (getattr(self, f"tdx_{app}") or self.tdx_app_id)
        ]
        if not (self._has_key or self._has_password or self.tdx_api_token):
            halves = [f"{absent} (since {present} is set)" for present, absent in self._pairs()]
            choice = (
                f"{name('beid')} and {name('web_services_key')}, or {name('username')} and "
                f"{name('password')}, or {name('api_token')}"
            )
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
                    found.append((self.variable(present), self.variable(absent)))
        return found


class SensorSettings(EnvironmentSettings):
    """What `tdx-dagster dev` sets for its sensors. Read while definitions load, so nothing else is in it."""

    tdx_simulator: str | None = Field(
        None, description="address of a simulator, so that people are not told it is a TDX"
    )
    tdx_sensors: Literal["on", "off"] = Field("off", description="whether sensors run unasked")
    tdx_poll_seconds: int | None = Field(None, ge=5, description="instead of interval_seconds")


@contextmanager
def speaking_of(settings: Settings) -> Iterator[None]:
    """Let the refusal of another environment name the variables of this one."""
    try:
        yield
    except OtherEnvironment as error:
        raise OtherEnvironment(in_words_of(str(error), settings.tdx)) from None


@cache
def settings_of(tdx: str) -> type[Settings]:
    """Give the settings of an environment by its name."""
    return type("Settings", (Settings,), {"tdx": require_name(tdx)}) if tdx else Settings


def load_settings(tdx: str | None = None) -> Settings:
    """Read the settings.

    Args:
        tdx: Name of the environment; None means the selected one.

    Raises:
        SettingsError: A value is malformed, or a name is almost one of ours. The text has no value.
    """
    kind = settings_of(selected_tdx() if tdx is None else tdx)
    if kind.tdx:
        refuse_unknown(f"TDX_{kind.tdx.upper()}_", kind.variables())
    return kind.load()


def load_sensor_settings() -> SensorSettings:
    """Read whether sensors are on without being switched on, and how often they poll.

    Raises:
        SettingsError: A value is malformed.
    """
    return SensorSettings.load()


def load_inventory_settings(tdx: str | None = None) -> InventorySettings:
    """Read how the inventory is filled and judged.

    Args:
        tdx: Name of the environment; None means the selected one.

    Raises:
        SettingsError: A value is malformed, or a name is almost one of ours.
    """
    name = selected_tdx() if tdx is None else tdx
    refuse_unknown("INVENTORY_", InventorySettings.variables())
    given = dict(_declared.get(name, {}))
    if name:
        # Keys that other code locations have are those of their own environment.
        given = {"asset_keys": {}, **_time_zone(name), **given}
    return InventorySettings.load(**(given | {"tdx": name}))


def _time_zone(tdx: str) -> Mapping[str, str]:
    """Read this variable alone: definitions load, whatever is wrong with the others (case C24)."""
    places = settings_of(tdx).places()
    given = (one.get("tdx_time_zone") or one.get("TDX_TIME_ZONE") for one in places)
    return {"tdx_time_zone": zone} if (zone := next(filter(None, given), None)) else {}


_declared: dict[str, Mapping[str, Any]] = {}


def declare_inventory(tdx: str, attributes: Mapping[str, Any]) -> None:
    """Let what the definitions say of an inventory go before the environment's variables, in this process.

    Args:
        tdx: Name of the environment.
        attributes: By the names of the fields of `InventorySettings`.
    """
    _declared[tdx] = attributes


def forget_declared() -> None:
    """Forget what definitions have said of inventories: they are loaded anew."""
    _declared.clear()


def find_site(tdx: str | None = None) -> Site | None:
    """Give the TDX that settings name, for people to see; None where they name none."""
    try:
        settings, simulator = load_settings(tdx), load_sensor_settings().tdx_simulator
        connection = settings.connection()
        address = normalise_base_url(connection.base_url, allow_http=connection.allow_http)
    except (SettingsError, TdxSettingError):
        return None
    return Site(
        address,
        connection.ticket_app_id,
        connection.asset_app_id,
        settings.daemon_report_id,
        is_simulator=address == simulator,
    )


def require_settings(*, needs_tdx: bool) -> None:
    """Read all settings before anything is done with one.

    Raises:
        SettingsError: One is missing or malformed.
        TdxSettingError: TDX_BASE_URL is no address.
    """
    settings = load_settings()
    load_sensor_settings()
    load_inventory_settings()
    if needs_tdx:
        normalise_base_url(settings.connection().base_url)


def embedded_folder() -> Path:
    """Give the folder of the embedded PostgreSQL: `.tdx/postgres` of the working folder."""
    return Path.cwd() / ".tdx" / "postgres"


def find_database(*, tdx: str | None = None) -> str:
    """Give the database: DATABASE_URL where it is set, else one on the embedded server, started if need be.

    An environment with a name has TDX_<NAME>_DATABASE_URL, else `<that without a name>_<name>` beside it.

    Args:
        tdx: Name of the environment; None means the selected one.

    Raises:
        DatabaseError: The URL is unreadable, or there is no server to start.
    """
    of = selected_tdx() if tdx is None else tdx
    given = load_settings(of).database_url
    if of and not given:
        base = make_url(find_database(tdx=UNNAMED))
        beside = base.set(database=suffixed(base.database or "tdx", of))
        return beside.render_as_string(hide_password=False)
    known = {"DATABASE_URL": given.get_secret_value()} if given else {}
    try:
        return database_url(known, embedded_folder())
    except DatabaseError as error:
        raise type(error)(in_words_of(str(error), of)) from None


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
