"""Open one session: how it is set up, and why it was refused.

Belongs here: everything between an address and a driver connection that any server, pooler or
default may change. Does not: pools, transactions, or SQL about a table.
"""

import contextlib
import os
import re
import socket
import struct
from typing import Any

import psycopg2
from psycopg2.extensions import connection as DriverConnection  # noqa: N812  a class, whatever its name
from sqlalchemy.engine import URL

from tdx_dagster.postgres.errors import (
    SETTING_CLASSES,
    DatabaseError,
    DatabaseSettingError,
    DatabaseUnavailable,
    ReadOnlyServer,
    first_line,
)

CONNECT_SECONDS = 10

# Without them a connection whose other end vanished behind a firewall hangs for two hours.
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}

# What is committed must outlive the server's crash: an intent that is lost lets a write be made twice.
# Databases and roles may have it off by default; a stricter value than ours stays.
DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)

# Databases limit people's queries; a load of many assets takes longer, and waits for TDX in between.
PATIENT = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
PATIENT_SESSION = (
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; "
    "SET idle_session_timeout = 0"
)
NO_LONGER_PATIENT = (
    "RESET statement_timeout; RESET idle_in_transaction_session_timeout; RESET idle_session_timeout"
)

PROTOCOL = 196608
ANSWER_LIMIT = 4096

# PgBouncer signs people in by itself and only then finds that its server is away.
POOLER_TEXTS = ("pgbouncer", "server login", "query_wait_timeout")


def place(url: URL) -> str:
    """Give where a URL points, for messages: user, host, port and database, nothing secret."""
    host, port = _endpoint(url)
    shown_port = f":{port}" if url.port else ""
    return f"{url.username or 'default user'}@{host or 'local socket'}{shown_port}/{url.database or ''}"


def libpq_form(url: URL) -> str:
    """Give the form that libpq's programs understand, which take `+` for itself and not for a blank."""
    shown = url.set(drivername="postgresql").render_as_string(hide_password=False)
    before, mark, query = shown.rpartition("?")
    return before + mark + query.replace("+", "%20") if url.query else shown


def shell_variables(url: URL) -> str:
    """Name the variables of the environment that libpq reads beside a URL, as a sentence's end; or nothing."""
    given = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    apply = sorted(
        name
        for name in os.environ
        if re.fullmatch("PG[A-Z]+|PGCONNECT_TIMEOUT", name) and not given.get(name)
    )
    return f" (from the environment, {', '.join(apply)} applied as well)" if apply else ""


def open_session(url: URL, application_name: str) -> DriverConnection:
    """Open a session in UTF-8 and UTC whose transactions are READ COMMITTED and READ WRITE.

    Nothing of this is a start-up option, which poolers in transaction mode refuse. The isolation is
    said by each BEGIN: such poolers give the next transaction to another session of the server.

    Raises:
        DatabaseUnavailable: Nothing answers there now, or it is a standby.
        DatabaseSettingError: It answers and refuses us, or its encoding is not UTF-8.
    """
    opened = _connect(url, application_name)
    try:
        _require_utf8_and_primary(opened, url)
        # Year 1 dates in another zone become years that Python cannot show (case E10).
        if opened.info.parameter_status("TimeZone") != "UTC":
            opened.autocommit = True
            with opened.cursor() as cursor:
                cursor.execute("SET TimeZone TO 'UTC'")
            opened.autocommit = False
        opened.set_session(isolation_level="READ COMMITTED", readonly=False)
    except BaseException:
        opened.close()
        raise
    return opened


def _require_utf8_and_primary(opened: DriverConnection, url: URL) -> None:
    if opened.info.parameter_status("in_hot_standby") == "on":
        raise ReadOnlyServer(
            f"The server of {place(url)} is a standby, which takes no writes: "
            "point DATABASE_URL at the primary."
        )
    encoding = opened.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        name = opened.info.dbname
        raise DatabaseSettingError(
            f"The database {name!r} of {place(url)} has the encoding {encoding}, but tickets need UTF8: "
            f"make another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, "
            "and point DATABASE_URL at it."
        )


def connect_arguments(url: URL, application_name: str) -> dict[str, Any]:
    """Give what each connection is opened with; the URL's own query comes before ours.

    The encoding alone is ours in any case.
    """
    ours = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": application_name,
        **KEEPALIVE,
    }
    given = url.normalized_query
    return {k: v for k, v in ours.items() if k not in given} | {"client_encoding": "UTF8"}


def _connect(url: URL, application_name: str) -> DriverConnection:
    try:
        return _connect_once(url, application_name)
    except (psycopg2.Error, UnicodeError) as error:
        refused = _why(url, error)
        if isinstance(refused, DatabaseUnavailable):
            raise refused from None
    # The server answers by now: what it refused while it started or was full may work.
    try:
        return _connect_once(url, application_name)
    except (psycopg2.Error, UnicodeError):
        raise refused from None


def _connect_once(url: URL, application_name: str) -> DriverConnection:
    opened: DriverConnection = psycopg2.connect(
        libpq_form(url), **connect_arguments(url, application_name)
    )
    return opened


def _why(url: URL, error: Exception) -> DatabaseError:
    """Tell a wrong setting from a server that is away, without reading a translated message.

    The driver gives no SQLSTATE for a refused connection. So the server is asked: where it answers a
    start-up by asking for the password, then address and server are right and the rest of the URL
    is not.
    """
    text = first_line(error) if isinstance(error, psycopg2.Error) else "it is not readable as text"
    state = None if any(words in text for words in POOLER_TEXTS) else _answer(url)
    if isinstance(error, psycopg2.ProgrammingError | UnicodeError):
        state = ""
    if state is not None and (not state or state[:2] in (*SETTING_CLASSES, "08", "22", "42")):
        return DatabaseSettingError(
            f"PostgreSQL refuses DATABASE_URL ({place(url)}): {text}{shell_variables(url)}. Correct the user, "
            "password, database or connection parameters in DATABASE_URL."
        )
    return DatabaseUnavailable(
        f"PostgreSQL cannot be reached now at {place(url)}: {text}{shell_variables(url)}. See that the server "
        "runs and that DATABASE_URL names it."
    )


def _answer(url: URL) -> str | None:
    """Ask for a session without signing in.

    Returns:
        The SQLSTATE of the refusal, empty where the server goes on to sign us in, None where
        nothing answers.
    """
    words = {"user": url.username or "", "database": url.database or url.username or ""}
    body = b"".join(f"{k}\0{v}\0".encode(errors="replace") for k, v in words.items()) + b"\0"
    message = struct.pack("!ii", len(body) + 8, PROTOCOL) + body
    with contextlib.suppress(OSError, ValueError), _socket(url) as wire:
        wire.sendall(message)
        answer = wire.recv(ANSWER_LIMIT)
        if answer[:1] == b"R":
            return ""
        if answer[:1] == b"E":
            fields = answer[5:].split(b"\0")
            return next((f[1:].decode() for f in fields if f[:1] == b"C"), "")
    return None


def _socket(url: URL) -> socket.socket:
    host, port = _endpoint(url)
    if host.startswith("/"):
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(CONNECT_SECONDS)
        local.connect(f"{host}/.s.PGSQL.{port}")
        return local
    return socket.create_connection((host or "localhost", port), CONNECT_SECONDS)


def _endpoint(url: URL) -> tuple[str, int]:
    host = url.host or url.normalized_query.get("host", ("",))[0]
    port = url.port or url.normalized_query.get("port", ("5432",))[0]
    return host, int(port)
