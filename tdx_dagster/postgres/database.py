"""Reach a database from one URL: addresses, engines, databases made where missing.

Belongs here: everything between the setting DATABASE_URL and a pool of sessions, and the one place
where the driver's errors become ours. Does not: SQL about any table of the project.
"""

import random
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from select import select
from typing import Any, NoReturn, ParamSpec, TextIO, TypeVar

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as DriverConnection  # noqa: N812  a class, whatever its name
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, Engine, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from tdx_dagster.postgres import server
from tdx_dagster.postgres.errors import (
    NOT_SUPPORTED,
    DatabaseSettingError,
    DatabaseUnavailable,
    MissingRight,
    ReadOnlyServer,
    TransactionConflict,
    UnstorableText,
    first_line,
    translated,
)
from tdx_dagster.postgres.rights import missing_rights
from tdx_dagster.postgres.sessions import libpq_form, open_session, place

P = ParamSpec("P")
T = TypeVar("T")

DRIVER = "postgresql+psycopg2"
SCHEMES = ("postgres", "postgresql", DRIVER)

_UNREADABLE = (
    "DATABASE_URL is not readable: it has the form postgresql://user:password@host:5432/database, with "
    "@ : / and % in the password written as %40 %3A %2F and %25."
)

PING_AFTER_SECONDS = 1.0
IDLE_SINCE = "idle_since"

CREATE_TRIES = 50
CREATE_PAUSE_SECONDS = 0.1

CONFLICT_TRIES = 6
CONFLICT_PAUSE_SECONDS = 0.05


def normalise_url(url: str) -> str:
    """Give the one form in which this project passes database addresses on.

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
    """Give the form that psycopg2 itself, psql and pg_dump understand: `postgresql://…`."""
    return libpq_form(_parsed(url))


def shown_url(url: str) -> str:
    """Give where a URL points, for messages: user, host, port and database, nothing secret."""
    return place(_parsed(url))


def _parsed(url: str) -> URL:
    try:
        known = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise DatabaseSettingError(_UNREADABLE) from None
    # An @ of the password that is not escaped: what follows it counts as the host, and would be shown.
    names = (part.partition("=")[0] for part in url.partition("?")[2].split("&"))
    if "@" in "".join((known.host or "", known.database or "", *names)):
        raise DatabaseSettingError(_UNREADABLE)
    if known.drivername not in SCHEMES:
        raise DatabaseSettingError(
            f"DATABASE_URL begins with {known.drivername}://, but this project needs PostgreSQL: "
            "postgresql://user:password@host:5432/database."
        )
    return known.set(drivername=DRIVER)


def engine(url: str) -> Engine:
    """Make an engine with a small pool over sessions as `open_session` opens them.

    Many processes share one server (case C14), so each keeps few connections. The driver's errors
    are raised as those of `postgres.errors` where it has one; all others stay SQLAlchemy's.

    Args:
        url: Any form `normalise_url` takes.
    """
    known = _parsed(url)
    made = create_engine(
        known,
        creator=lambda: open_session(known, "tdx-dagster"),
        # One for each thread of a run; one more is opened for a moment where needed.
        pool_size=4,
        max_overflow=1,
        # Parameters are people's data; they stay out of error texts and so out of logs.
        hide_parameters=True,
    )
    event.listen(made, "handle_error", _raise_translated)
    event.listen(made, "checkin", _note_idle)
    event.listen(made, "checkout", _ping_idle)
    return made


def _note_idle(_: object, record: ConnectionPoolEntry) -> None:
    record.info[IDLE_SINCE] = time.monotonic()


def _ping_idle(connection: Any, record: ConnectionPoolEntry, _: object) -> None:  # noqa: ANN401  DBAPI
    """Ping a pooled connection that has been idle for PING_AFTER_SECONDS or has unread data.

    A fresher one is used as it is: a ping costs three round trips. The end of a connection arrives
    like data.

    Raises:
        DisconnectionError: It is dead; the pool takes another.
    """
    since = record.info.get(IDLE_SINCE)
    if since is None:
        return
    if time.monotonic() - since < PING_AFTER_SECONDS and not _has_unread(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except connection.Error as error:
        raise DisconnectionError("The connection broke while it was idle.") from error


def _has_unread(connection: Any) -> bool:  # noqa: ANN401  DBAPI
    try:
        return bool(select([connection], [], [], 0)[0])
    except ValueError:  # a process with so many files open that this cannot be told
        return True


def _raise_translated(context: ExceptionContext) -> None:
    """Raise our error in place of the driver's, as SQLAlchemy's hook.

    A session on a server that takes no writes is thrown away: the pool's next one may be on the new
    primary.
    """
    if context.is_pre_ping:
        return
    error = context.original_exception
    ours = translated(error)
    if isinstance(error, psycopg2.Error) and _is_refused_begin(error, context.connection):
        ours = ReadOnlyServer(f"The PostgreSQL server takes no writes now: {first_line(error)}.")
    if isinstance(ours, ReadOnlyServer):
        context.is_disconnect = True
    if isinstance(ours, MissingRight) and context.statement and context.engine:
        ours = missing_rights(context.engine.url, context.statement, ours)
    if ours is not None:
        # Dagster shows the last cause alone; the text of these has all there is to say.
        raise ours from (None if isinstance(ours, UnstorableText | DatabaseSettingError) else error)


def _is_refused_begin(error: psycopg2.Error, connection: Connection | None) -> bool:
    """Tell a standby's refusal of BEGIN … READ WRITE from that of a statement."""
    if error.pgcode != NOT_SUPPORTED or connection is None or connection.invalidated:
        return False
    driver = connection.connection.dbapi_connection
    return driver is not None and driver.info.transaction_status == TRANSACTION_STATUS_IDLE


def require_own_session(connection: Connection, what: str) -> None:
    """Refuse a pooler for what needs one session over several transactions.

    A pooler gives its clients a number of its own to cancel by, in place of the session's.

    Raises:
        DatabaseSettingError: A pooler is between us and the server.
    """
    driver = connection.connection.dbapi_connection
    (pid,) = connection.exec_driver_sql("SELECT pg_backend_pid()").one()
    if driver is not None and driver.info.backend_pid != pid:
        raise DatabaseSettingError(
            f"{what} needs a session of its own, but DATABASE_URL leads through a connection pooler "
            "(as PgBouncer): point DATABASE_URL at the server itself for this command."
        )


def repeats_conflicts(call: Callable[P, T]) -> Callable[P, T]:
    """Repeat a function that is one transaction where another one got in its way (40001, 40P01).

    The conflict may be the cause of what the function raises.
    """

    @wraps(call)
    def repeated(*args: P.args, **named: P.kwargs) -> T:
        for attempt in range(1, CONFLICT_TRIES):
            try:
                return call(*args, **named)
            except Exception as error:
                if not isinstance(error, TransactionConflict) and not isinstance(
                    error.__cause__, TransactionConflict
                ):
                    raise
            time.sleep(random.random() * CONFLICT_PAUSE_SECONDS * attempt)  # noqa: S311  no secret
        return call(*args, **named)

    return repeated


def copy_in(connection: Connection, statement: str, lines: TextIO) -> None:
    """Load lines by COPY, in the transaction of an SQLAlchemy connection.

    Raises:
        DBAPIError: The database refuses a line, as SQLAlchemy raises for any statement.
        DatabaseUnavailable: It cannot be asked.
    """
    driver: psycopg2.extensions.cursor = connection.connection.cursor()  # type: ignore[assignment]
    try:
        driver.copy_expert(statement, lines)
    except (psycopg2.Error, UnicodeError) as error:
        raise (translated(error) or DBAPIError(statement, None, error)) from error
    finally:
        driver.close()


def connect(url: str, application_name: str = "tdx-dagster") -> DriverConnection:
    """Open one plain driver connection in autocommit mode, for statements that pools are in the way of.

    Raises:
        DatabaseUnavailable: Nothing answers there now.
        DatabaseSettingError: It answers and refuses us.
    """
    opened = open_session(_parsed(url), application_name)
    opened.autocommit = True
    with opened.cursor() as cursor:
        cursor.execute(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"
        )
    return opened


def ensure_database(url: str, name: str) -> str:
    """Create a database where it is missing; several at once are safe.

    Args:
        url: Any database of the server.
        name: The database wanted, encoding UTF-8.

    Returns:
        Its normalised URL.

    Raises:
        DatabaseSettingError: The user may not; the text has the statement for the administrator.
    """
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                _create_database(cursor, url, name)
    except psycopg2.Error as error:
        raise (translated(error) or error) from error
    finally:
        connection.close()
    return _parsed(url).set(database=name).render_as_string(hide_password=False)


def _create_database(cursor: psycopg2.extensions.cursor, url: str, name: str) -> None:
    # Tried instead of locked for: a pooler keeps the lock of a session that has ended.
    for _ in range(CREATE_TRIES):
        try:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
                    sql.Identifier(name)
                )
            )
        except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
            return
        except psycopg2.errors.InsufficientPrivilege as error:
            _refuse_creation(url, name, error)
        except psycopg2.errors.ObjectInUse:  # another creates one from the same template
            time.sleep(CREATE_PAUSE_SECONDS)
        except psycopg2.Error as error:
            raise (
                translated(error)
                or DatabaseSettingError(
                    f"The database {name!r} could not be made on {shown_url(url)}: {first_line(error)}."
                )
            ) from error
        else:
            return
    raise DatabaseUnavailable(f"The database {name!r} could not be made: its template is in use.")


def _refuse_creation(url: str, name: str, error: psycopg2.Error) -> NoReturn:
    user = _parsed(url).username or "the user"
    raise MissingRight(
        f"The database {name!r} is missing on {shown_url(url)}, and {user} may not make it "
        f'({first_line(error)}). Ask the administrator for: CREATE DATABASE "{name}" OWNER "{user}" '
        "ENCODING 'UTF8' TEMPLATE template0; or set DAGSTER_DATABASE_URL to a database that exists."
    ) from None


def database_url(environment: Mapping[str, str], base: Path, name: str = "tdx") -> str:
    """Give the database to use: DATABASE_URL where it is set, else one on the embedded server.

    Args:
        environment: `os.environ`, or what stands in for it.
        base: Folder of the embedded server, `.tdx/postgres` of the working folder.
        name: Database on the embedded server, created where missing; DATABASE_URL names its own.
    """
    given = environment.get("DATABASE_URL", "").strip()
    return normalise_url(given) if given else ensure_database(server.start(base), name)
