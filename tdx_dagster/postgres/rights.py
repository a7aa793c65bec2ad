"""Tell which right is missing: the table, the right and the statement, for a message.

Belongs here: questions to PostgreSQL about privileges, and `deploy/grants.sql` that gives them.
"""

import re
from pathlib import Path

import psycopg2
from sqlalchemy.engine import URL

from tdx_dagster.postgres.errors import DatabaseError, MissingRight
from tdx_dagster.postgres.sessions import open_session, shell_variables

# What a statement does to a table with a schema, by the words around the table's name.
USES = (
    ("SELECT", re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]+\.[a-z_]+)\b(?!\s*\()", re.IGNORECASE)),
    ("INSERT", re.compile(r"\bINSERT\s+INTO\s+([a-z_]+\.[a-z_]+)", re.IGNORECASE)),
    ("UPDATE", re.compile(r"\bUPDATE\s+([a-z_]+\.[a-z_]+)", re.IGNORECASE)),
    ("DELETE", re.compile(r"\bDELETE\s+FROM\s+([a-z_]+\.[a-z_]+)", re.IGNORECASE)),
    ("TRUNCATE", re.compile(r"\bTRUNCATE\s+(?:TABLE\s+)?([a-z_]+\.[a-z_]+)", re.IGNORECASE)),
    (
        "UPDATE",
        re.compile(r"\bINSERT\s+INTO\s+([a-z_]+\.[a-z_]+)[^;]*\bDO\s+UPDATE\b", re.IGNORECASE),
    ),
)
SHOWN_STATEMENT = 100

LACKS = """
SELECT format('%%s on %%s', wanted.privilege, wanted.name)
FROM unnest(%s::text[], %s::text[]) AS wanted (privilege, name)
WHERE to_regclass(wanted.name) IS NULL
   OR NOT has_schema_privilege(split_part(wanted.name, '.', 1), 'USAGE')
   OR NOT has_table_privilege(wanted.name, wanted.privilege)
"""

HOME = """
SELECT current_user, current_schema(), to_regclass('event_logs') IS NOT NULL,
       current_schema() IS NOT NULL AND has_schema_privilege(current_schema(), 'CREATE'),
       current_setting('search_path')
"""


def missing_rights(url: URL, statement: str, refused: MissingRight) -> MissingRight:
    """Say which rights on which tables a refused statement lacks.

    Args:
        url: The database.
        statement: The SQL text, without its parameters.
        refused: What the server said, kept in the text.
    """
    uses = sorted({(k, t) for k, form in USES for t in form.findall(statement)})
    lacks = _lacking(url, uses)
    named = ", ".join(lacks) or "a right that the statement needs"
    shown = " ".join(line for line in statement.split("\n") if not line.startswith("--"))
    shown = " ".join(shown.split())[:SHOWN_STATEMENT]
    return MissingRight(
        f"The database user {url.username or 'of DATABASE_URL'} lacks {named}. {refused} "
        f"Statement: {shown} … Give the right with `tdx-dagster migrate --grants`, run by the owner of "
        "the tables, and GRANT of one of its roles."
    )


def _lacking(url: URL, uses: list[tuple[str, str]]) -> list[str]:
    try:
        opened = open_session(url, "tdx-dagster rights")
    except DatabaseError:
        return []
    try:
        with opened.cursor() as cursor:
            cursor.execute(LACKS, ([k for k, _ in uses], [t for _, t in uses]))
            return [str(row[0]) for row in cursor.fetchall()]
    except psycopg2.Error:  # without USAGE on the schema even the question is refused
        return [f"{privilege} on {table}" for privilege, table in uses]
    finally:
        opened.close()


def require_home(url: URL, setting: str) -> None:
    """Refuse a database in which Dagster can make no tables, before Dagster tries.

    Raises:
        MissingRight: The user may not create in the schema; the text has the GRANT.
    """
    opened = open_session(url, "tdx-dagster check")
    try:
        with opened.cursor() as cursor:
            cursor.execute(HOME)
            user, schema, is_there, may_create, path = cursor.fetchone() or (
                "",
                None,
                False,
                False,
                "",
            )
    finally:
        opened.close()
    if is_there or may_create:
        return
    if schema is None:
        raise MissingRight(
            f"No schema of the search_path ({path}) exists in the database {url.database!r}: correct "
            f"`options` in {setting}{shell_variables(url)}, or create the schema."
        )
    raise MissingRight(
        f"{user} may not create tables in the schema {schema} of {url.database!r}, where Dagster keeps "
        f'its tables. Ask the administrator for: GRANT CREATE, USAGE ON SCHEMA {schema} TO "{user}" '
        f"in that database; or set {setting} to another."
    )


def grants_file() -> Path:
    """Give `deploy/grants.sql` of the repository, or its copy inside an installed package."""
    package = Path(__file__).parents[1]
    inside = package / "deploy" / "grants.sql"
    return inside if inside.exists() else package.parent / "deploy" / "grants.sql"
