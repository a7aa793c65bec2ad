"""The Dagster resources: a few lines around plain objects, which are made from settings when first used.

Belongs here: when things are made and shared within a process. Does not: what they do. No resource has a
config field, so no secret can show in the launchpad or on the resource page (case C22).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.dagster_internals import keep_connections
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.failures import failure_of
from tdx_dagster.inventory.current import CurrentInventory
from tdx_dagster.named_tdx import UNNAMED, resource_key, variable_of
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.settings import (
    Settings,
    SettingsError,
    find_database,
    load_inventory_settings,
    load_settings,
    speaking_of,
)
from tdx_dagster.state.older_daemon import writing_after_takeover
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.rate_limit import PostgresLimiter, ShareLimiter
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.state.store import ActionStore
from tdx_dagster.state.tdx_environment import (
    EnvironmentStore,
    record_environment,
    refuse_other_environment,
)
from tdx_dagster.tdx.call import SENSOR_LIMITS, CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.models import Report
from tdx_dagster.tickets.job import batch_io_manager
from tdx_dagster.tickets.services import NotConfigured, RunServices
from tdx_dagster.tickets.tables import PostgresTables


class DatabaseProvider:
    """Gives the database that settings name, or the embedded one.

    Args:
        tdx: Name of the environment; None means the selected one.
    """

    def __init__(self, tdx: str | None = None) -> None:
        self._tdx = tdx

    def engine(self) -> Engine:
        """Give an engine, shared by all of this process."""
        return _engine(find_database(tdx=self._tdx))


@cache
def _engine(url: str) -> Engine:
    return make_engine(url)


class TdxProvider:
    """Gives the TDX client that settings name.

    Args:
        database: Where the shared rate limiter is kept.
        tdx: Name of the environment; None means the selected one.
        settings: Gives address, sign-in and rate share from another place than the environment's variables.
    """

    def __init__(
        self,
        database: DatabaseProvider,
        tdx: str | None = None,
        settings: Callable[[], Settings] | None = None,
    ) -> None:
        self._database = database
        self.settings = settings or (lambda: load_settings(tdx))
        self._client: Tdx | None = None

    def client(self, *, records: bool = True) -> Tdx:
        """Give the client for runs; one for all ops of a run, so that its count of calls is the run's.

        Args:
            records: Record the environment in the database, for who stores what TDX says. Who acts on tickets
                has an action log that does so with its first write.

        Raises:
            OtherEnvironment: The database belongs to another TDX.
        """
        settings = self.settings()
        engine, connection = self._database.engine(), settings.connection()
        with speaking_of(settings):
            (record_environment if records else refuse_other_environment)(
                engine, connection.base_url
            )
        if self._client is None:
            limits = CallLimits(
                max_wait_seconds=settings.longest_wait, write_seconds=settings.tdx_write_seconds
            )
            self._client = _client(connection, engine, limits, settings.tdx_rate_share)
        return self._client

    def non_waiting_client(self) -> Tdx:
        """Give a client that never waits, for sensor ticks and checks (case C04).

        All ticks of a process share it, so that a tick is one call and not also a sign-in.

        Raises:
            OtherEnvironment: The database belongs to another TDX.
        """
        settings = self.settings()
        engine, connection = self._database.engine(), settings.connection()
        with speaking_of(settings):
            refuse_other_environment(engine, connection.base_url)
        return _non_waiting_client(connection, engine, settings.tdx_rate_share)


def _client(connection: Connection, engine: Engine, limits: CallLimits, share: float) -> Tdx:
    """Make a client that shares its rate limit with all processes of the installation."""
    limiter = ShareLimiter(PostgresLimiter(engine), share)
    return Tdx.create(connection, limiter=limiter, limits=limits)


@cache
def _non_waiting_client(connection: Connection, engine: Engine, share: float) -> Tdx:
    return _client(connection, engine, SENSOR_LIMITS, share)


class SettingsSensorServices:
    """What a sensor needs, from settings.

    Args:
        tdx: Gives the client.
        database: Gives the action log.
        name: Of the environment.
    """

    def __init__(self, tdx: TdxProvider, database: DatabaseProvider, name: str = UNNAMED) -> None:
        self._tdx = tdx
        self._database = database
        self._name = name

    def report(self, report_id: int | None) -> Report:
        """See `SensorServices.report`."""
        try:
            wanted = load_settings(self._name).report_id(report_id)
            return self._tdx.non_waiting_client().report(wanted)
        except (SettingsError, DatabaseError) as error:
            raise NotConfigured(str(error)) from error

    def store(self) -> ActionStore:
        """See `SensorServices.store`."""
        try:
            return PostgresStore(self._database.engine())
        except (SettingsError, DatabaseError) as error:
            raise NotConfigured(str(error)) from error

    def older_daemon(self, taken_over_at: datetime | None) -> str | None:
        """See `SensorServices.older_daemon`."""
        try:
            return writing_after_takeover(self._database.engine(), taken_over_at)
        except (SettingsError, DatabaseError) as error:
            raise NotConfigured(str(error)) from error


def ticket_tools(
    tdx: TdxProvider | None = None,
    database: DatabaseProvider | None = None,
    name: str | None = None,
) -> RunServices:
    """Put together what a run needs, from settings where nothing else is given.

    Args:
        tdx: Gives the client.
        database: Gives action log and inventory.
        name: Of the environment; None means the selected one.

    Raises:
        SettingsError: Something is missing.
    """
    database = database or DatabaseProvider(name)
    tdx = tdx or TdxProvider(database, name)
    # A project may have put a client of its own in the place of ours.
    settings = tdx.settings() if isinstance(tdx, TdxProvider) else load_settings(name)
    engine, client = database.engine(), tdx.client(records=False)
    return RunServices(
        tdx=client,
        store=EnvironmentStore(engine, settings.connection().base_url),
        inventory=RememberingInventory(
            CurrentInventory(engine, load_inventory_settings(name)),
            ask_statuses=client.asset_statuses,
        ),
        times=settings.times(),
        tables=PostgresTables(engine),
    )


@cache
def resources_of(tdx: str) -> Mapping[str, Any]:
    """Give the resources of an environment by key: the same objects each time, so that Dagster merges them.

    Args:
        tdx: Its name.
    """
    database, client = (resource_key(what, tdx) for what in ("database", "client"))

    def given(context: dg.InitResourceContext) -> tuple[TdxProvider, DatabaseProvider]:
        return getattr(context.resources, client), getattr(context.resources, database)

    @dg.resource(
        description=f"The database: {variable_of('DATABASE_URL', tdx)}, or an embedded one."
    )
    def make_database(_: dg.InitResourceContext) -> DatabaseProvider:
        return DatabaseProvider(tdx)

    @dg.resource(
        description=f"The TeamDynamix client, from settings {variable_of('TDX_', tdx)}*.",
        required_resource_keys={database},
    )
    def make_client(context: dg.InitResourceContext) -> TdxProvider:
        return TdxProvider(getattr(context.resources, database), tdx)

    @dg.resource(
        description="What runs on tickets need: TDX, the action log, the inventory.",
        required_resource_keys={client, database},
    )
    def make_tools(context: dg.InitResourceContext) -> RunServices:
        if context.instance is not None:
            keep_connections(context.instance)
        try:
            return ticket_tools(*given(context), tdx)
        except (SettingsError, DatabaseError, StoreUnavailable) as error:
            raise failure_of(error) from None

    @dg.resource(
        description="What sensors need: the report, without waiting, and the action log.",
        required_resource_keys={client, database},
    )
    def make_polling(context: dg.InitResourceContext) -> SettingsSensorServices:
        return SettingsSensorServices(*given(context), tdx)

    made = {
        "database": make_database,
        "client": make_client,
        "tools": make_tools,
        "polling": make_polling,
    }
    by_key: dict[str, Any] = {resource_key(what, tdx): one for what, one in made.items()}
    return by_key | {"tdx_dagster_batch_io": batch_io_manager}


def resources_for(names: Iterable[str]) -> Mapping[str, Any]:
    """Give the resources of several environments, and of the one without a name."""
    return {key: one for name in {UNNAMED, *names} for key, one in resources_of(name).items()}


DEFAULT_RESOURCES = resources_of(UNNAMED)
