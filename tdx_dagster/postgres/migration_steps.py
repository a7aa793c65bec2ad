"""Run the named steps of a migration, each in a transaction of its own, an index without locking its table.

Belongs here: the form of such a file and its running. Does not: order, checksums and the record of what was
applied (`migrations`). A step begins with `-- name: some_name`. It can be run again, since whoever was stopped
half-way begins with the first; one that builds an index CONCURRENTLY holds that statement alone.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2

from tdx_dagster.postgres.queries import HEADING

Cursor = psycopg2.extensions.cursor

# Nothing waits behind the building of an index, so that it may wait for long transactions of others.
BUILD_LOCK_TIMEOUT = "10min"

BUILD = re.compile(
    r"^\s*CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<index>\w+)\s+ON (?P<schema>\w+)\.",
    re.IGNORECASE | re.MULTILINE,
)

BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = 0;
SELECT set_config('lock_timeout', %s, true);
"""

IS_INVALID = """
SELECT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
               WHERE c.relname = %s AND c.relnamespace = to_regnamespace(%s) AND NOT i.indisvalid)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a migration.

    Args:
        name: For messages.
        statements: SQL text.
    """

    name: str
    statements: str


def steps_of(content: str) -> tuple[Step, ...]:
    """Read the steps of a file; none where it has no `-- name:`, and runs as a whole."""
    _, *parts = HEADING.split(content)
    return tuple(Step(name, body) for name, body in zip(parts[::2], parts[1::2], strict=True))


def run_step(cursor: Cursor, step: Step, lock_timeout: str) -> None:
    """Run one step.

    Args:
        cursor: Of a connection in autocommit mode.
        step: The step.
        lock_timeout: How long it waits for a table that another program holds.
    """
    build = BUILD.search(step.statements)
    if build is None:
        _run_whole(cursor, step, lock_timeout)
        return
    with _time_to_build(cursor):
        cursor.execute(IS_INVALID, (build["index"], build["schema"]))
        # An interrupted build leaves an index that IF NOT EXISTS takes for a good one.
        if cursor.fetchone() == (True,):
            cursor.execute(f"DROP INDEX CONCURRENTLY {build['schema']}.{build['index']}")
        cursor.execute(step.statements)


def _run_whole(cursor: Cursor, step: Step, lock_timeout: str) -> None:
    try:
        cursor.execute(BEGIN, (lock_timeout,))
        # Without parameters the driver leaves % and : in the file alone.
        cursor.execute(step.statements)
        cursor.execute("COMMIT")
    except BaseException:
        if not cursor.connection.closed:
            cursor.execute("ROLLBACK")
        raise


@contextmanager
def _time_to_build(cursor: Cursor) -> Iterator[None]:
    """Lift the session's time-outs, which people set for short statements, and put them back."""
    cursor.execute("SET statement_timeout = 0")
    cursor.execute("SELECT set_config('lock_timeout', %s, false)", (BUILD_LOCK_TIMEOUT,))
    try:
        yield
    finally:
        if not cursor.connection.closed:
            cursor.execute("RESET statement_timeout")
            cursor.execute("RESET lock_timeout")
