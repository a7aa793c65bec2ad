"""Whether bronze is ours to write: a bronze that another loader fills is only read.

Belongs here: recognising rows and runs of another loader, and the refusal. Does not: loading (`bronze`).
Another loader's transform takes the newest version of a record and the newest run as its watermark; a load
of ours on top hides its richer versions and moves that watermark.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine

from tdx_dagster.inventory.records import ASSET_TYPES, PERSON, STATUS
from tdx_dagster.postgres.queries import Queries

SQL = Queries(Path(__file__).with_name("ownership.sql"))

KINDS = (*ASSET_TYPES, PERSON.entity_type, STATUS.entity_type)
"""The kinds of record we load, and the other name under which loaders store assets."""


class ForeignBronze(Exception):
    """Another loader fills bronze under this source: nothing was loaded. The text names the setting."""


def refuse_foreign(connection: Connection, source_system: str) -> None:
    """Refuse to load where another loader fills bronze.

    Raises:
        ForeignBronze: It has rows or runs under this source.
    """
    if found := _describe(connection, source_system):
        raise ForeignBronze(
            f"{found} Loading on top of them would hide their versions from the jobs that read them, so "
            "nothing was loaded or changed. Set INVENTORY_SOURCE=external: then tdx-dagster only reads "
            "bronze, and makes its own computers of it."
        )


def check_ownership(engine: Engine, source_system: str) -> None:
    """Do what `refuse_foreign` does, on a connection of its own."""
    with engine.connect() as connection:
        refuse_foreign(connection, source_system)


def _describe(connection: Connection, source_system: str) -> str | None:
    values = {"source_system": source_system, "entity_types": list(KINDS)}
    rows = connection.execute(SQL["foreign_rows"], values).first()
    runs = connection.execute(SQL["foreign_runs"], values).first()
    if rows is not None:
        return (
            f"bronze.raw_entities has rows of another loader: {rows.entity_type} {rows.external_id!r} of "
            f"source {source_system!r}, stored {rows.ingested_at:%Y-%m-%d %H:%M}."
        )
    if runs is not None:
        return (
            f"meta.ingestion_runs has runs of another loader: {runs.entity_type} of source "
            f"{source_system!r}, started {runs.started_at:%Y-%m-%d %H:%M}."
        )
    return None
