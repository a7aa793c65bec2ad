"""Bring a database's schema up to date from the numbered files in `sql/`, each applied once.

Belongs here: the runner and its table `public.schema_migrations`. Does not: the schema itself. A file
runs in one transaction; one with named steps runs step by step (`migration_steps`), for what locks a
large table otherwise. A file that has landed is never edited; `sql/online/` holds what runs in its place,
to the same result without the lock. Numbers give the order and may have gaps.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psycopg2

from tdx_dagster.postgres.database import connect, shown_url
from tdx_dagster.postgres.errors import (
    DatabaseSettingError,
    DatabaseUnavailable,
    MigrationEdited,
    MigrationRefused,
    SchemaNewer,
    first_line,
    translated,
)
from tdx_dagster.postgres.migration_steps import Step, run_step, steps_of
from tdx_dagster.postgres.rights import grants_file

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9]+(_[a-z0-9]+)*\.sql")

# A waiting ALTER TABLE makes every reader behind it wait too: better to give up and say why.
TABLE_LOCK_TIMEOUT = "30s"

OTHER_MIGRATION_SECONDS = 600.0
OTHER_MIGRATION_PAUSE = 0.1

Cursor = psycopg2.extensions.cursor

# The transaction ends the lock too, also behind a pooler that keeps the session. The time-outs are
# the server's defaults otherwise, which people set for short statements.
BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT set_config('lock_timeout', %s, true);
"""

# Asked for again and again: a statement that waited would hold a snapshot, for which a concurrent build of an
# index waits in turn.
LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('tdx-dagster: migrate'))"

TABLE = """
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file.

    Args:
        name: Its name.
        statements: What is run.
        sha256: Sum of the file, also where another one is run in its place.
        steps: The named steps of `statements`; none where they run as a whole.
    """

    name: str
    statements: str
    sha256: str
    steps: tuple[Step, ...] = ()


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
    """Give `sql/` of the repository, or its copy inside an installed package."""
    package = Path(__file__).parents[1]
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


def read_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """Read the migrations of a folder in their order.

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
    sha256 = hashlib.sha256(statements.encode()).hexdigest()
    online = path.parent / "online" / path.name
    if online.exists():
        statements = online.read_text(encoding="utf-8")
    return Migration(path.name, statements, sha256, steps_of(statements))


def migrate(url: str, folder: Path | None = None) -> list[Applied]:
    """Apply what is missing. Others who migrate at the same time wait, then find nothing to do.

    Args:
        url: The database, in any form `normalise_url` takes.
        folder: Where the files are; the project's own unless given.

    Returns:
        What was applied now, in order.

    Raises:
        MigrationRefused: See its kinds; nothing of the refused file, or of its refused step, remains.
        DatabaseUnavailable: The database cannot be reached, or another program holds a table.
        DatabaseSettingError: The user may not change the schema.
    """
    migrations = read_migrations(folder)
    with _cursor(url) as cursor:
        waiting = _compare(migrations, _recorded(cursor)).pending
        done = (_apply(url, cursor, migrations, one) for one in migrations if one.name in waiting)
        return [applied for applied in done if applied]


def grant(url: str) -> None:
    """Make the roles of `deploy/grants.sql` and give them their rights.

    Raises:
        MigrationRefused: The server refuses a statement.
        DatabaseSettingError: The user may not make roles, or does not own the tables.
    """
    with _cursor(url) as cursor, _transaction(cursor, grants_file().name):
        cursor.execute(grants_file().read_text(encoding="utf-8"))


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
    """Give the names of the migrations that a database still lacks."""
    return list(schema_state(url, folder).pending)


@contextmanager
def _cursor(url: str) -> Iterator[Cursor]:
    """Open a cursor in autocommit mode, with the driver's errors as ours."""
    connection = connect(url, application_name="tdx-dagster migrate")
    try:
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.errors.LockNotAvailable:
        raise DatabaseUnavailable(
            f"A table in {shown_url(url)} is in use by another program, or another migration runs: "
            "stop the older daemon and long queries, then migrate again."
        ) from None
    except psycopg2.errors.InsufficientPrivilege as error:
        raise DatabaseSettingError(
            f"The user of {shown_url(url)} may not change the schema ({first_line(error)}): "
            "migrate as the owner of the tables."
        ) from None
    except psycopg2.Error as error:
        raise (translated(error) or error) from error
    finally:
        connection.close()


def _recorded(cursor: Cursor) -> dict[str, str]:
    """Read names and sums of what was applied; nothing where the table is missing."""
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


def _apply(
    url: str, cursor: Cursor, migrations: tuple[Migration, ...], migration: Migration
) -> Applied | None:
    """Run one file and record it; None where another process did so meanwhile."""
    began = time.monotonic()
    # What runs outside a transaction is guarded by that of another session.
    with (
        _cursor(url) if migration.steps else nullcontext(cursor) as guard,
        _transaction(guard, migration.name),
    ):
        # First: unlike the wait above it makes the session notice tables that others made meanwhile.
        guard.execute(TABLE)
        if migration.name in _compare(migrations, _recorded(guard)).applied:
            return None
        for step in migration.steps:
            run_step(cursor, step, TABLE_LOCK_TIMEOUT)
        if not migration.steps:
            # Without parameters the driver leaves % and : in the file alone.
            guard.execute(migration.statements)
        guard.execute(
            "INSERT INTO public.schema_migrations (name, sha256) VALUES (%s, %s)",
            (migration.name, migration.sha256),
        )
    return Applied(migration.name, time.monotonic() - began)


@contextmanager
def _transaction(cursor: Cursor, name: str) -> Iterator[None]:
    """Hold the lock of migrations in a transaction; a refused statement names its file."""
    try:
        _begin(cursor)
        yield
        cursor.execute("COMMIT")
    except BaseException as error:
        if not cursor.connection.closed:
            cursor.execute("ROLLBACK")
        is_fault = isinstance(error, psycopg2.errors.UndefinedTable) or translated(error) is None
        if isinstance(error, psycopg2.Error) and is_fault:
            raise MigrationRefused(f"{name}: {_with_hint(error)}") from error
        raise


def _begin(cursor: Cursor) -> None:
    """Begin a transaction with the lock of migrations, after those of other processes."""
    until = time.monotonic() + OTHER_MIGRATION_SECONDS
    while True:
        cursor.execute(BEGIN, (TABLE_LOCK_TIMEOUT,))
        cursor.execute(LOCK)
        if cursor.fetchone() == (True,):
            return
        cursor.execute("ROLLBACK")
        if time.monotonic() > until:
            raise DatabaseUnavailable(
                f"Another process has been migrating this database for {OTHER_MIGRATION_SECONDS / 60:.0f} "
                "minutes: look at what it waits for (pg_stat_activity), then migrate again."
            )
        time.sleep(OTHER_MIGRATION_PAUSE)


def _with_hint(error: psycopg2.Error) -> str:
    more = error.diag.message_hint or error.diag.message_detail
    return f"{first_line(error)}. {more}" if more else first_line(error)
