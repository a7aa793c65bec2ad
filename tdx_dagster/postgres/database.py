"""From one URL to a database one can use: addresses, engines, databases made where missing.

Belongs here: everything between the setting DATABASE_URL and a connection, and the one place where
the driver's errors become ours. Does not: SQL about any table of the project.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from select import select
from typing import Any, TextIO

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as DriverConnection  # noqa: N812  a class, whatever its name
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, Engine, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from tdx_dagster.postgres import server
from tdx_dagster.postgres.errors import DatabaseError, DatabaseSettingError, DatabaseUnavailable

DRIVER = "postgresql+psycopg2"
SCHEMES = ("postgres", "postgresql", DRIVER)
CONNECT_SECONDS = 10

PING_AFTER_SECONDS = 1.0
RESTS_SINCE = "rests_since"

# Classes of SQLSTATE by which the server says "not now": connection, resources, operator
# intervention.
UNAVAILABLE_CLASSES = ("08", "53", "57")

# Class 28 is a refused sign-in, 3D a database that does not exist.
SETTING_CLASSES = ("28", "3D")

# Without them a connection whose other end vanished behind a firewall hangs for two hours.
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def normalise_url(url: str) -> str:
    """The one form in which this project passes database addresses on.

    SQLAlchemy 2.1 reads `postgresql://` as another driver than 2.0 does, so the driver is always
    named.

    Args:
        url: `postgres://…`, `postgresql://…` or `postgresql+psycopg2://…`.

    Raises:
        DatabaseSettingError: It is no such URL. The text does not repeat it, for the password in
        it.
    """
    return _parsed(url).render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The form that psycopg2 itself, psql and pg_dump understand: `postgresql://…`."""
    return _parsed(url).set(drivername="postgresql").render_as_string(hide_password=False)


def shown_url(url: str) -> str:
    """Where a URL points, for messages: user, host, port and database, nothing secret."""
    known = _parsed(url)
    host = known.host or known.normalized_query.get("host", ("local socket",))[0]
    port = f":{known.port}" if known.port else ""
    return f"{known.username or 'default user'}@{host}{port}/{known.database or ''}"


def _parsed(url: str) -> URL:
    try:
        known = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise DatabaseSettingError(
            "DATABASE_URL is not readable: it has the form "
            "postgresql://user:password@host:5432/database, with @ : / and % "
            "in the password written as %40 %3A %2F and %25."
        ) from None
    if known.drivername not in SCHEMES:
        raise DatabaseSettingError(
            f"DATABASE_URL begins with {known.drivername}://, but this project needs PostgreSQL: "
            "postgresql://user:password@host:5432/database."
        )
    return known.set(drivername=DRIVER)


def engine(url: str, *, application_name: str = "tdx-dagster", pool_size: int = 4) -> Engine:
    """An engine with a small pool, whose sessions keep time in UTC.

    Many processes share one server (case C14), so each keeps few connections. Errors of the driver
    that mean "not reachable, not now" are raised as `DatabaseUnavailable`, refused sign-ins as
    `DatabaseSettingError`; all others stay SQLAlchemy's.

    Args:
        url: Any form `normalise_url` takes.
        application_name: Shown in the server's list of sessions.
        pool_size: Connections kept, one for each thread of a run; one more is opened for a moment where needed.
    """
    known = _parsed(url)
    made = create_engine(
        known,
        pool_size=pool_size,
        max_overflow=1,
        connect_args=connect_arguments(known, application_name),
        # Parameters are people's data; they stay out of error texts and so out of logs.
        hide_parameters=True,
    )
    event.listen(made, "handle_error", _raise_ours)
    event.listen(made, "checkin", _note_rest)
    event.listen(made, "checkout", _ping_rested)
    return made


def _note_rest(_: object, record: ConnectionPoolEntry) -> None:
    record.info[RESTS_SINCE] = time.monotonic()


def _ping_rested(connection: Any, record: ConnectionPoolEntry, _: object) -> None:  # noqa: ANN401  DBAPI
    """Ask a connection for a sign of life where it may be dead, so that a restart of the server goes unnoticed.

    One that was used a moment ago, and from which nothing has come since, is taken at its word: asking costs
    three round trips, as much as most work does. The end of a connection arrives like data.

    Raises:
        DisconnectionError: It is dead; the pool takes another.
    """
    since = record.info.get(RESTS_SINCE)
    if since is None:
        return
    if time.monotonic() - since < PING_AFTER_SECONDS and not _has_unread(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except connection.Error as error:
        raise DisconnectionError("The connection broke while it rested.") from error


def _has_unread(connection: Any) -> bool:  # noqa: ANN401  DBAPI
    try:
        return bool(select([connection], [], [], 0)[0])
    except ValueError:  # a process with so many files open that this cannot be told
        return True


def connect_arguments(url: URL | str, application_name: str) -> dict[str, Any]:
    """What each connection is opened with; settings in the URL's own query come before ours."""
    given = _parsed(url).normalized_query if isinstance(url, str) else url.normalized_query
    # Year 1 dates in another zone become years that Python cannot show (case E10).
    options = " ".join([*given.get("options", ()), "-c timezone=UTC"])
    ours = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": application_name,
        **KEEPALIVE,
    }
    return {k: v for k, v in ours.items() if k not in given} | {"options": options}


def _raise_ours(context: ExceptionContext) -> None:
    """SQLAlchemy's hook: what it raises takes the place of the driver's error."""
    if context.is_pre_ping:
        return
    ours = in_our_words(context.original_exception)
    if ours is not None:
        raise ours from context.original_exception


def in_our_words(error: BaseException) -> DatabaseError | None:
    """Our error for one of the driver's, or None where it is about a statement alone."""
    if not isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return None
    state = error.pgcode or ""
    said = str(error).strip().replace("\n", " ")
    # A refused sign-in carries no SQLSTATE in this driver, only the server's English words.
    refused = ("authentication failed", "no pg_hba.conf entry", '" does not exist')
    if state[:2] in SETTING_CLASSES or (not state and any(words in said for words in refused)):
        return DatabaseSettingError(f"PostgreSQL refuses DATABASE_URL: {said}")
    if not state or state[:2] in UNAVAILABLE_CLASSES:
        return DatabaseUnavailable(f"PostgreSQL cannot be asked now: {said}")
    return None


def copy_in(connection: Connection, statement: str, lines: TextIO) -> None:
    """Load lines by COPY, in the transaction of an SQLAlchemy connection.

    Raises:
        DBAPIError: The database refuses a line, as SQLAlchemy raises for any statement.
        DatabaseUnavailable: It cannot be asked.
    """
    driver: psycopg2.extensions.cursor = connection.connection.cursor()  # type: ignore[assignment]
    try:
        driver.copy_expert(statement, lines)
    except psycopg2.Error as error:
        raise (in_our_words(error) or DBAPIError(statement, None, error)) from error
    finally:
        driver.close()


def connect(url: str, application_name: str = "tdx-dagster") -> DriverConnection:
    """One plain driver connection in autocommit mode, for work that pools are in the way of.

    Raises:
        DatabaseUnavailable: Nothing answers there now.
        DatabaseSettingError: It answers and refuses us.
    """
    try:
        opened: DriverConnection = psycopg2.connect(
            libpq_url(url), **connect_arguments(url, application_name)
        )
    except psycopg2.Error as error:
        raise (in_our_words(error) or error) from None
    opened.autocommit = True
    return opened


def ensure_database(url: str, name: str) -> str:
    """Create a database where it is missing; several at once are safe.

    Args:
        url: Any database of the server, the same one for all who may do this at once.
        name: The database wanted, encoding UTF-8.

    Returns:
        Its normalised URL.
    """
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext('tdx-dagster: ensure_database'))")
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    finally:
        connection.close()
    return _parsed(url).set(database=name).render_as_string(hide_password=False)


def database_url(environment: Mapping[str, str], base: Path, name: str = "tdx") -> str:
    """The database to use: DATABASE_URL where it is set, else one on the embedded server.

    Args:
        environment: `os.environ`, or what stands in for it.
        base: Folder of the embedded server, `.tdx/postgres` of the working folder.
        name: Database on the embedded server, created where missing; DATABASE_URL names its own.
    """
    given = environment.get("DATABASE_URL", "").strip()
    return normalise_url(given) if given else ensure_database(server.start(base), name)
