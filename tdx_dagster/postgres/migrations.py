"""Brings a database's schema up to date from the numbered files in `sql/`, each once, each whole.

Belongs here: the runner and its table `public.schema_migrations`. Does not: the schema itself. A
file runs in one transaction, so it may hold neither BEGIN nor COMMIT nor CREATE INDEX CONCURRENTLY.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

import psycopg2

from tdx_dagster.postgres.database import connect, in_our_words, shown_url
from tdx_dagster.postgres.errors import (
    DatabaseSettingError,
    DatabaseUnavailable,
    MigrationEdited,
    MigrationRefused,
    SchemaNewer,
)

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9]+(_[a-z0-9]+)*\.sql")

# A waiting ALTER TABLE makes every reader behind it wait too: better to give up and say why.
TABLE_LOCK_TIMEOUT = "30s"

Cursor = psycopg2.extensions.cursor


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file."""

    name: str
    statements: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that has just been applied."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SchemaState:
    """How a database's schema stands to the files: names, in order."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]


def default_folder() -> Path:
    """`sql/` of the repository, or its copy inside an installed package."""
    package = Path(__file__).parents[1]
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


def read_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """The migrations of a folder in their order.

    Raises:
        MigrationRefused: The folder is missing, a name breaks the rule `NNNN_words.sql`, or two
            files have one number.
    """
    folder = folder or default_folder()
    paths = sorted(folder.glob("*.sql"))
    if not paths:
        raise MigrationRefused(f"No migrations in {folder}: the installation is incomplete.")
    for path in paths:
        if not FILE_NAME.fullmatch(path.name):
            raise MigrationRefused(f"{path}: a migration is named like 0007_some_words.sql.")
    for one, next_one in pairwise(paths):
        if one.name[:4] == next_one.name[:4]:
            raise MigrationRefused(f"{one.name} and {next_one.name} in {folder} have one number.")
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> Migration:
    # Line ends are folded in reading, so that a checkout on another system has the same sum.
    statements = path.read_text(encoding="utf-8")
    return Migration(path.name, statements, hashlib.sha256(statements.encode()).hexdigest())


def migrate(
    url: str, folder: Path | None = None, on_applied: Callable[[Applied], None] | None = None
) -> list[Applied]:
    """Apply what is missing. Others who migrate at the same time wait, then find nothing to do.

    Args:
        url: The database, in any form `normalise_url` takes.
        folder: Where the files are; the project's own unless given.
        on_applied: Called after each, for progress.

    Returns:
        What was applied now, in order.

    Raises:
        MigrationRefused: See its kinds; nothing of the refused file remains.
        DatabaseUnavailable: The database cannot be reached, or another program holds a table.
        DatabaseSettingError: The user may not change the schema.
    """
    migrations = read_migrations(folder)
    done_now: list[Applied] = []
    with _cursor(url) as cursor:
        # Freed by the server when its holder is killed.
        cursor.execute("SELECT pg_advisory_lock(hashtext('tdx-dagster: migrate'))")
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (TABLE_LOCK_TIMEOUT,))
        state = _compare(migrations, _recorded(cursor))
        for migration in migrations:
            if migration.name in state.pending:
                done_now.append(_apply(cursor, migration))
                if on_applied is not None:
                    on_applied(done_now[-1])
    return done_now


def schema_state(url: str, folder: Path | None = None) -> SchemaState:
    """Compare a database with the files; changes nothing.

    Raises:
        MigrationRefused: See its kinds.
        DatabaseUnavailable: The database cannot be reached.
    """
    migrations = read_migrations(folder)
    with _cursor(url) as cursor:
        return _compare(migrations, _recorded(cursor))


def pending(url: str, folder: Path | None = None) -> list[str]:
    """Names of the migrations that a database still lacks."""
    return list(schema_state(url, folder).pending)


@contextmanager
def _cursor(url: str) -> Iterator[Cursor]:
    """A cursor in autocommit mode, with the driver's errors in our words."""
    connection = connect(url, application_name="tdx-dagster migrate")
    try:
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.errors.LockNotAvailable:
        raise DatabaseUnavailable(
            f"A table in {shown_url(url)} is in use by another program: stop the older daemon and "
            "long queries, then migrate again."
        ) from None
    except psycopg2.errors.InsufficientPrivilege as error:
        raise DatabaseSettingError(
            f"The user of {shown_url(url)} may not change the schema ({_first_line(error)}): "
            "migrate as the owner of the tables."
        ) from None
    except psycopg2.Error as error:
        raise (in_our_words(error) or error) from error
    finally:
        connection.close()


def _recorded(cursor: Cursor) -> dict[str, str]:
    """Names and sums of what was applied; empty where the table is missing."""
    cursor.execute("SELECT to_regclass('public.schema_migrations')")
    if cursor.fetchone() == (None,):
        return {}
    try:
        cursor.execute("SELECT name, sha256 FROM public.schema_migrations ORDER BY name")
    except psycopg2.errors.UndefinedColumn:
        raise MigrationRefused(
            "The table public.schema_migrations belongs to another program: give tdx-dagster a "
            "database of its own (DATABASE_URL)."
        ) from None
    return dict(cursor.fetchall())


def _compare(migrations: tuple[Migration, ...], recorded: dict[str, str]) -> SchemaState:
    known = {migration.name: migration.sha256 for migration in migrations}
    unknown = [name for name in recorded if name not in known]
    if unknown:
        raise SchemaNewer(
            f"The database was migrated by a newer tdx-dagster (it has {', '.join(unknown)}): "
            "install that version, or use another database."
        )
    for name, sha256 in recorded.items():
        if known[name] != sha256:
            raise MigrationEdited(
                f"{name} was changed after it had been applied to this database: put the file back "
                "as it was and write the change as a new migration."
            )
    return SchemaState(
        applied=tuple(recorded), pending=tuple(name for name in known if name not in recorded)
    )


def _apply(cursor: Cursor, migration: Migration) -> Applied:
    """Run one file and record it, in one transaction."""
    began = time.monotonic()
    cursor.execute("BEGIN")
    try:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS public.schema_migrations (name text PRIMARY KEY, "
            "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        # Without parameters the driver leaves % and : in the file alone.
        cursor.execute(migration.statements)
        cursor.execute(
            "INSERT INTO public.schema_migrations (name, sha256) VALUES (%s, %s)",
            (migration.name, migration.sha256),
        )
        cursor.execute("COMMIT")
    except BaseException as error:
        _roll_back(cursor)
        if _is_about_a_statement(error):
            raise MigrationRefused(f"{migration.name}: {_with_hint(error)}") from error
        raise
    return Applied(migration.name, time.monotonic() - began)


def _roll_back(cursor: Cursor) -> None:
    if not cursor.connection.closed:
        cursor.execute("ROLLBACK")


def _is_about_a_statement(error: BaseException) -> TypeGuard[psycopg2.Error]:
    elsewhere = (psycopg2.errors.LockNotAvailable, psycopg2.errors.InsufficientPrivilege)
    if not isinstance(error, psycopg2.Error) or isinstance(error, elsewhere):
        return False
    return in_our_words(error) is None


def _first_line(error: psycopg2.Error) -> str:
    return error.diag.message_primary or str(error).strip().split("\n", 1)[0]


def _with_hint(error: psycopg2.Error) -> str:
    more = error.diag.message_hint or error.diag.message_detail
    return f"{_first_line(error)}. {more}" if more else _first_line(error)
