"""Define every error of this package, sorted by what to do next, and translate the driver's.

`DatabaseUnavailable`: try again later. `DatabaseSettingError`: a person changes a setting, a
permission or an installation first. `UnstorableText`: the data is at fault. Only SQLSTATEs are
compared, since servers translate their messages. Texts never hold a password.
"""

import psycopg2

# Classes of SQLSTATE by which the server says "not now": connection, resources, operator
# intervention.
UNAVAILABLE_CLASSES = ("08", "53", "57")

# Class 28 is a refused sign-in, 3D a database and 3F a schema that does not exist.
SETTING_CLASSES = ("28", "3D", "3F")

READ_ONLY = "25006"
NOT_SUPPORTED = "0A000"
LOCK_TIMEOUT = "55P03"
NO_TABLE = "42P01"
NO_TABLE_TEXT = (
    "A table is missing; run `tdx-dagster migrate`, also after a change of INVENTORY_SCHEMA"
)
CONFLICTS = ("40001", "40P01")


class DatabaseError(Exception):
    """Something went wrong with PostgreSQL."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or cannot answer now; the same call may work later."""


class TransactionConflict(DatabaseUnavailable):
    """Another transaction got in the way; the same transaction works when it is repeated."""


class ReadOnlyServer(DatabaseUnavailable):
    """The session is on a server that takes no writes, as after a failover."""


class UnstorableText(DatabaseError):
    """A text holds a character that cannot be stored; the statement did not reach the table."""


class DatabaseSettingError(DatabaseError):
    """No call works until a person changes a setting, a permission or an installation."""


class MissingRight(DatabaseSettingError):
    """The database user lacks a right."""


class MigrationRefused(DatabaseSettingError):
    """The schema cannot be brought up to date; nothing of the refused migration remains."""


class MigrationEdited(MigrationRefused):
    """A migration file was changed after it had been applied."""


class SchemaNewer(MigrationRefused):
    """The database has migrations that this version of tdx-dagster does not know."""


def is_setting_fault(error: BaseException) -> bool:
    """Tell whether a setting, a permission or an installation caused an error, which others may wrap."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DatabaseSettingError):
            return True
        cause = cause.__cause__
    return False


def translated(error: BaseException) -> DatabaseError | None:
    """Give our error for one of the driver's, or None where the statement itself is at fault."""
    if isinstance(error, UnicodeError):
        return UnstorableText(_unicode_text(error))
    if not isinstance(error, psycopg2.Error):
        return None
    state, text = error.pgcode or "", first_line(error)
    if not state:
        is_connection = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return (
            DatabaseUnavailable(f"The connection to PostgreSQL broke: {text}")
            if is_connection
            else None
        )
    return _by_state(state, text)


def _by_state(state: str, text: str) -> DatabaseError | None:
    kinds: tuple[tuple[bool, type[DatabaseError], str], ...] = (
        (state in CONFLICTS, TransactionConflict, "Another transaction got in the way"),
        (state == READ_ONLY, ReadOnlyServer, "The PostgreSQL server takes no writes now"),
        (state == LOCK_TIMEOUT, DatabaseUnavailable, "Another session holds a lock for too long"),
        (state == NO_TABLE, DatabaseSettingError, NO_TABLE_TEXT),
        (state == "42501", MissingRight, "The user of DATABASE_URL lacks a right"),
        (state[:2] in SETTING_CLASSES, DatabaseSettingError, "PostgreSQL refuses DATABASE_URL"),
        (state[:2] in UNAVAILABLE_CLASSES, DatabaseUnavailable, "PostgreSQL does not answer now"),
    )
    for is_it, kind, said in kinds:
        if is_it:
            return kind(f"{said}: {text} (SQLSTATE {state}).")
    return None


def _unicode_text(error: UnicodeError) -> str:
    # The error's own text repeats the whole value, which is people's data.
    where = f" (position {error.start})" if isinstance(error, UnicodeEncodeError) else ""
    return f"A text holds a character that PostgreSQL cannot store as UTF-8{where}."


def first_line(error: psycopg2.Error) -> str:
    """Give the server's or the driver's message without its surroundings."""
    said = error.diag.message_primary or str(error)
    return said.strip().replace("\n", " ").rstrip(".")
