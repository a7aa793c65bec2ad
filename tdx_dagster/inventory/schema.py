"""The schema that holds `tdx_computers`: `silver`, or the one that INVENTORY_SCHEMA names.

Belongs here: pointing queries at it, and moving the table there. Does not: what the table holds (`silver`).
"""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, TextClause, text

from tdx_dagster.postgres.errors import DatabaseSettingError
from tdx_dagster.postgres.queries import Queries

DEFAULT_SCHEMA = "silver"
NAME_PATTERN = r"[a-z_][a-z0-9_]{0,62}"

SQL = Queries(Path(__file__).with_name("schema.sql"))


def in_schema(queries: Queries, name: str, schema: str) -> TextClause:
    """Give a query over the table in a schema.

    Args:
        queries: The file.
        name: The query, which says `silver.tdx_computers`.
        schema: Where the table is.
    """
    return queries[name] if schema == DEFAULT_SCHEMA else _pointed(str(queries[name].text), schema)


@cache
def _pointed(statement: str, schema: str) -> TextClause:
    return text(statement.replace("silver.tdx_computers", f'"{schema}".tdx_computers'))


def require_table(engine: Engine, schema: str) -> None:
    """Refuse a setting that names another schema than the table is in.

    Raises:
        DatabaseSettingError: Naming both, and the command that moves the table.
    """
    with engine.connect() as connection:
        now: str | None = connection.execute(SQL["schema_of_table"]).scalar_one_or_none()
    if now not in {None, schema}:
        raise DatabaseSettingError(
            f"INVENTORY_SCHEMA is {schema!r}, but tdx_computers is in the schema {now!r}: run `tdx-dagster "
            f"migrate`, which moves it, or set INVENTORY_SCHEMA={now}."
        )


def place_table(engine: Engine, schema: str) -> bool:
    """Move the table, and our view over it, to the schema where they are not there yet.

    A view of the name `computers` that is not ours stays as it is.

    Args:
        engine: The database, migrated.
        schema: The schema, made where it is missing.

    Returns:
        Whether anything was moved.
    """
    with engine.begin() as connection:
        now: str | None = connection.execute(SQL["schema_of_table"]).scalar_one_or_none()
        if now is None or now == schema:
            return False
        if connection.execute(SQL["is_missing"], {"schema": schema}).scalar_one():
            connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
        _move(connection, now, schema)
    return True


def _move(connection: Connection, now: str, schema: str) -> None:
    has_view = connection.execute(SQL["is_our_view"], {"schema": now}).scalar_one()
    if has_view:
        connection.exec_driver_sql(f'DROP VIEW "{now}".computers')
    connection.exec_driver_sql(f'ALTER TABLE "{now}".tdx_computers SET SCHEMA "{schema}"')
    if connection.execute(SQL["is_free"], {"schema": schema}).scalar_one():
        view = f'CREATE VIEW "{schema}".computers AS TABLE "{schema}".tdx_computers'
        connection.exec_driver_sql(view)
