"""A data hub as other people's jobs fill it, with the older daemon's log; and what must stay as it was."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from tdx_dagster.tickets.actions.action import Action

TABLES = Path(__file__).with_name("tables.sql")

SCHEMAS = ("bronze", "silver", "gold", "meta")


@dataclass(frozen=True)
class OldRow:
    """A row as the older daemon leaves it.

    Args:
        ticket_id: The ticket.
        action: The action, whose id the daemon computes as we do.
        status: `completed` or `failed`.
        details: What it notes about the result.
        error: Its error message.
        hours_ago: When it ran.
    """

    ticket_id: int
    action: Action
    status: str = "completed"
    details: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    hours_ago: float = 48.0


def build(engine: Engine) -> None:
    """Make the tables."""
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLES.read_text())


def load(
    engine: Engine, assets: Iterable[Mapping[str, Any]], people: Iterable[Mapping[str, Any]]
) -> None:
    """Load as its jobs do: a first version of each asset, a richer one with attributes, people, and silver."""
    with engine.begin() as connection:
        run = _run(connection, "asset")
        for asset in assets:
            basic = {**asset, "_content_hash_basic": _digest(asset)}
            _store(connection, run, "asset", str(asset["ID"]), basic)
        richer = _run(connection, "asset")
        for asset in assets:
            attributes = [
                {
                    "ID": 994,
                    "Name": "MAC Address(es)",
                    "Value": f"02:00:00:00:00:{asset['ID'] % 90:02d}",
                }
            ]
            full = {
                **asset,
                "Attributes": attributes,
                "_enriched_by": "asset details",
                "_content_hash_basic": _digest(asset),
            }
            _store(connection, richer, "asset", str(asset["ID"]), full)
        of_people = _run(connection, "user")
        for person in people:
            _store(
                connection,
                of_people,
                "user",
                str(person["UID"]).upper(),
                {**person, "_content_hash": _digest(person)},
            )
        directory = _run(connection, "computer", "active_directory")
        _store(
            connection,
            directory,
            "computer",
            "S-1-5-21-1",
            {"cn": "LIB-AD-1", "_sync": 1},
            "active_directory",
        )
        _transform(connection)


def _run(connection: Connection, entity_type: str, source: str = "tdx") -> str:
    inserted = connection.execute(
        text(
            "INSERT INTO meta.ingestion_runs (source_system, entity_type, status, completed_at, metadata) "
            "VALUES (:source, :kind, 'completed', now(), '{\"ingestion_type\": \"search\"}') "
            "RETURNING CAST(run_id AS text)"
        ),
        {"source": source, "kind": entity_type},
    )
    return str(inserted.scalar_one())


def _store(
    connection: Connection,
    run: str,
    kind: str,
    external_id: str,
    raw: Mapping[str, Any],
    source: str = "tdx",
) -> None:
    connection.execute(
        text(
            "INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, "
            "ingestion_run_id, ingested_at) VALUES (:kind, :source, :id, CAST(:raw AS jsonb), "
            "CAST(:run AS uuid), clock_timestamp())"
        ),
        {
            "kind": kind,
            "source": source,
            "id": external_id,
            "raw": json.dumps(raw, default=str),
            "run": run,
        },
    )


def _transform(connection: Connection) -> None:
    """Make silver of the newest versions; the MAC address comes from the attributes of that version alone."""
    connection.exec_driver_sql(
        """
        INSERT INTO silver.tdx_assets (tdx_asset_id, name, serial_number, app_id, form_id, status_id,
                                       status_name, configuration_item_id, attributes, attr_mac_address, raw_id)
        SELECT CAST(external_id AS integer), raw_data ->> 'Name', raw_data ->> 'SerialNumber', 1,
               CAST(raw_data ->> 'FormID' AS integer), CAST(raw_data ->> 'StatusID' AS integer),
               raw_data ->> 'StatusName', 1, raw_data -> 'Attributes',
               raw_data -> 'Attributes' -> 0 ->> 'Value', raw_id
        FROM (SELECT DISTINCT ON (external_id) * FROM bronze.raw_entities
              WHERE entity_type = 'asset' AND source_system = 'tdx'
              ORDER BY external_id, ingested_at DESC) AS newest
        ON CONFLICT (tdx_asset_id) DO UPDATE
        SET attr_mac_address = excluded.attr_mac_address, raw_id = excluded.raw_id;
        INSERT INTO silver.tdx_users (tdx_user_uid, full_name, primary_email, is_active)
        SELECT CAST(external_id AS uuid), raw_data ->> 'FullName', raw_data ->> 'PrimaryEmail', true
        FROM bronze.raw_entities WHERE entity_type = 'user' AND source_system = 'tdx'
        ON CONFLICT DO NOTHING;
        INSERT INTO silver.users (uniqname, tdx_user_uid, full_name)
        SELECT left(CAST(tdx_user_uid AS text), 8), tdx_user_uid, full_name FROM silver.tdx_users
        ON CONFLICT DO NOTHING;
        INSERT INTO silver.computers (computer_id, computer_name, serial_number, tdx_asset_id)
        SELECT lower(name), name, serial_number, tdx_asset_id FROM silver.tdx_assets
        ON CONFLICT DO NOTHING;
        """
    )


def write_log(engine: Engine, rows: Iterable[OldRow], **changes: Any) -> None:
    """Write rows as the daemon does: one a ticket and action id, replaced by each later attempt."""
    statement = text(
        "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, action_hash, "
        "executed_at, status, error_message, metadata) "
        "VALUES (:ticket_id, :action_type, :action_id, :action_hash, "
        "now() - make_interval(secs => :seconds), :status, :error, CAST(:metadata AS jsonb)) "
        "ON CONFLICT (ticket_id, action_id) DO UPDATE SET status = excluded.status, "
        "executed_at = excluded.executed_at, error_message = excluded.error_message, "
        "metadata = excluded.metadata"
    )
    with engine.begin() as connection:
        for row in rows:
            identity = row.action.identity()
            config = row.action.hashed_settings() | changes
            connection.execute(
                statement,
                {
                    "ticket_id": row.ticket_id,
                    "action_type": identity.action_type,
                    "action_id": identity.action_id,
                    "action_hash": identity.action_hash,
                    "seconds": row.hours_ago * 3600,
                    "status": row.status,
                    "error": row.error,
                    "metadata": json.dumps({"details": row.details, "config": config}),
                },
            )


OBJECTS = """
SELECT 'relation ' || c.oid::regclass || ' ' || c.relkind::text || ' ' || coalesce(
    CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN pg_get_indexdef(c.oid) END, '')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = ANY (%(schemas)s)
UNION ALL
SELECT 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v')
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s))
"""


@dataclass(frozen=True)
class Snapshot:
    """Everything of the hub: its objects, and its rows as text."""

    objects: frozenset[str]
    rows: Mapping[str, frozenset[str]]

    @classmethod
    def take(cls, engine: Engine) -> "Snapshot":
        """Read it."""
        with engine.connect() as connection:
            found = connection.exec_driver_sql(OBJECTS, {"schemas": list(SCHEMAS)})
            objects = frozenset(line for (line,) in found)
            tables = connection.exec_driver_sql(
                "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = ANY (%(s)s)",
                {"s": list(SCHEMAS)},
            ).all()
            rows = {name: _rows(connection, name) for (name,) in tables}
        return cls(objects, rows)

    def missing_in(self, later: "Snapshot", *, but: Iterable[str] = ()) -> set[str]:
        """Give what of this is no longer there as it was, but for rows of some tables."""
        gone = set(self.objects - later.objects)
        for name, rows in self.rows.items():
            if name not in but:
                gone |= {f"{name}: {row}" for row in rows - later.rows.get(name, frozenset())}
        return gone


LOG_COLUMNS = (
    "log_id, ticket_id, action_type, action_id, action_hash, executed_at, status, "
    "error_message, metadata"
)


def _rows(connection: Connection, name: str) -> frozenset[str]:
    columns = LOG_COLUMNS if name == "meta.daemon_action_log" else "*"
    statement = f"SELECT CAST(one AS text) FROM (SELECT {columns} FROM {name}) AS one"  # noqa: S608
    found = connection.exec_driver_sql(statement)
    return frozenset(row for (row,) in found)


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
