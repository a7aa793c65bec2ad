"""The Dagster resources: a few lines around plain objects, which are made from settings when first used.

Belongs here: when things are made and shared within a process. Does not: what they do. No resource has a
config field, so no secret can show in the launchpad or on the resource page (case C22).
"""

from datetime import datetime
from functools import cache

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.dagster_internals import keep_connections
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.failures import failure_of
from tdx_dagster.inventory.current import CurrentInventory
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.settings import (
    SettingsError,
    find_database,
    load_inventory_settings,
    load_settings,
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
    """Gives the database that settings name, or the embedded one."""

    def engine(self) -> Engine:
        """Give an engine, shared by all of this process."""
        return _engine(find_database())


@cache
def _engine(url: str) -> Engine:
    return make_engine(url)


class TdxProvider:
    """Gives the TDX client that settings name.

    Args:
        database: Where the shared rate limiter is kept.
    """

    def __init__(self, database: DatabaseProvider) -> None:
        self._database = database
        self._client: Tdx | None = None

    def client(self, *, records: bool = True) -> Tdx:
        """Give the client for runs; one for all ops of a run, so that its count of calls is the run's.

        Args:
            records: Record the environment in the database, for who stores what TDX says. Who acts on tickets
                has an action log that does so with its first write.

        Raises:
            OtherEnvironment: The database belongs to another TDX.
        """
        (record_environment if records else refuse_other_environment)(
            self._database.engine(), load_settings().connection().base_url
        )
        if self._client is None:
            settings = load_settings()
            limits = CallLimits(
                max_wait_seconds=settings.longest_wait, write_seconds=settings.tdx_write_seconds
            )
            self._client = _client(settings.connection(), self._database.engine(), limits)
        return self._client

    def non_waiting_client(self) -> Tdx:
        """Give a client that never waits, for sensor ticks and checks (case C04).

        All ticks of a process share it, so that a tick is one call and not also a sign-in.

        Raises:
            OtherEnvironment: The database belongs to another TDX.
        """
        connection, engine = load_settings().connection(), self._database.engine()
        refuse_other_environment(engine, connection.base_url)
        return _non_waiting_client(connection, engine)


def _client(connection: Connection, engine: Engine, patience: CallLimits) -> Tdx:
    """Make a client that shares its rate limit with all processes of the installation."""
    return Tdx.create(
        connection,
        limiter=ShareLimiter(PostgresLimiter(engine), load_settings().tdx_rate_share),
        patience=patience,
    )


@cache
def _non_waiting_client(connection: Connection, engine: Engine) -> Tdx:
    return _client(connection, engine, SENSOR_LIMITS)


class SettingsSensorServices:
    """What a sensor needs, from settings.

    Args:
        tdx: Gives the client.
        database: Gives the action log.
    """

    def __init__(self, tdx: TdxProvider, database: DatabaseProvider) -> None:
        self._tdx = tdx
        self._database = database

    def report(self, report_id: int | None) -> Report:
        """See `SensorServices.report`."""
        try:
            return self._tdx.non_waiting_client().report(load_settings().report_id(report_id))
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
    tdx: TdxProvider | None = None, database: DatabaseProvider | None = None
) -> RunServices:
    """Put together what a run needs, from settings where nothing else is given.

    Raises:
        SettingsError: Something is missing.
    """
    database = database or DatabaseProvider()
    tdx = tdx or TdxProvider(database)
    engine, client = database.engine(), tdx.client(records=False)
    return RunServices(
        tdx=client,
        store=EnvironmentStore(engine, load_settings().connection().base_url),
        inventory=RememberingInventory(
            CurrentInventory(engine, load_inventory_settings()),
            ask_statuses=client.asset_statuses,
        ),
        times=load_settings().times(),
        tables=PostgresTables(engine),
    )


@dg.resource(description="The database: DATABASE_URL, or an embedded PostgreSQL.")
def database_resource(_: dg.InitResourceContext) -> DatabaseProvider:
    """Make a `DatabaseProvider`."""
    return DatabaseProvider()


@dg.resource(
    description="The TeamDynamix client, from TDX_* settings.",
    required_resource_keys={"tdx_dagster_database"},
)
def tdx_resource(context: dg.InitResourceContext) -> TdxProvider:
    """Make a `TdxProvider`."""
    return TdxProvider(context.resources.tdx_dagster_database)


@dg.resource(
    description="What runs on tickets need: TDX, the action log, the inventory.",
    required_resource_keys={"tdx_dagster_client", "tdx_dagster_database"},
)
def ticket_tools_resource(context: dg.InitResourceContext) -> RunServices:
    """Make a `RunServices`, or fail the run with the name of what is missing."""
    if context.instance is not None:
        keep_connections(context.instance)
    try:
        return ticket_tools(
            context.resources.tdx_dagster_client, context.resources.tdx_dagster_database
        )
    except (SettingsError, DatabaseError, StoreUnavailable) as error:
        raise failure_of(error) from None


@dg.resource(
    description="What sensors need: the report, without waiting, and the action log.",
    required_resource_keys={"tdx_dagster_client", "tdx_dagster_database"},
)
def polling_resource(context: dg.InitResourceContext) -> SettingsSensorServices:
    """Make a `SettingsSensorServices`."""
    return SettingsSensorServices(
        context.resources.tdx_dagster_client, context.resources.tdx_dagster_database
    )


DEFAULT_RESOURCES = {
    "tdx_dagster_database": database_resource,
    "tdx_dagster_client": tdx_resource,
    "tdx_dagster_tools": ticket_tools_resource,
    "tdx_dagster_polling": polling_resource,
    "tdx_dagster_batch_io": batch_io_manager,
}
