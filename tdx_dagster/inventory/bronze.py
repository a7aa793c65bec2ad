"""Load raw records into `bronze.raw_entities`: append-only, one row for each changed version.

Belongs here: one load from its lock to its row in `meta.ingestion_runs`. Does not: what is done
with a single record (`records`), what is made of the rows (`silver`), Dagster (`assets`). Rows are
staged where nobody sees them and appended in one transaction, so a load that is killed leaves
nothing behind.
"""

import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tdx_dagster.inventory.load_result import SHOWN_REJECTED, LoadResult, Mode, Rejected
from tdx_dagster.inventory.ownership import refuse_foreign
from tdx_dagster.inventory.records import (
    ASSET,
    PERSON,
    SOURCE_SYSTEM,
    STATUS,
    BadRecord,
    EntityKind,
    Record,
    external_id_of,
    make_record,
)
from tdx_dagster.inventory.source import InventorySource
from tdx_dagster.postgres.database import copy_in, require_own_session
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.postgres.sessions import NO_LONGER_PATIENT, PATIENT_SESSION

SQL = Queries(Path(__file__).with_name("bronze.sql"))
LOG = logging.getLogger(__name__)

CHUNK_ROWS = 1000
CHUNK_BYTES = 8_000_000

OVERLAP = timedelta(days=1)
"""How far before the start of the last load an incremental one asks: further than clocks and
time zones of servers differ. What it sees twice it does not write twice."""

MOST_GONE = 0.2
"""A full load that misses a larger share than this did not see everything, and marks nothing as gone."""

FEW = 10
"""So few missing entities are marked as gone in any inventory."""


class LoadRunning(Exception):
    """Another load of the same source and kind runs at this moment."""


def ingest_assets(
    engine: Engine,
    source: InventorySource,
    *,
    mode: Mode = Mode.FULL,
    source_system: str = SOURCE_SYSTEM,
    zone: tzinfo = UTC,
    log: logging.Logger = LOG,
) -> LoadResult:
    """Load the assets that a source has.

    Args:
        engine: The database.
        source: Where they come from.
        mode: Incremental asks for what was modified since the start of the last completed load,
        with an
            overlap, and is a full load where there was none. Only a full load notices what is gone.
        source_system: Name of the source in bronze.
        zone: Of dates without one.
        log: Takes progress and each rejected record.

    Raises:
        LoadRunning: Another load of assets runs.
        ForeignBronze: Another loader fills bronze; nothing was changed.
        DatabaseUnavailable: The database cannot be asked; nothing was stored.
    """
    load = _Load(engine, ASSET, source_system, zone, log)
    with load.exclusively() as connection:
        since = load.modified_since(connection) if mode is Mode.INCREMENTAL else None
        mode = Mode.INCREMENTAL if since else Mode.FULL
        return load.run(connection, source.iter_assets(since), mode, since)


def ingest_statuses(
    engine: Engine,
    source: InventorySource,
    *,
    source_system: str = SOURCE_SYSTEM,
    log: logging.Logger = LOG,
) -> LoadResult:
    """Load the statuses that assets may have. See `ingest_assets`."""
    load = _Load(engine, STATUS, source_system, UTC, log)
    with load.exclusively() as connection:
        return load.run(connection, source.asset_statuses(), Mode.FULL, None)


def ingest_people(
    engine: Engine,
    source: InventorySource,
    *,
    source_system: str = SOURCE_SYSTEM,
    log: logging.Logger = LOG,
) -> LoadResult:
    """Load the people who own an asset that bronze knows. See `ingest_assets`.

    Nobody is marked gone: a person without a computer has not left.
    """
    load = _Load(engine, PERSON, source_system, UTC, log)
    with load.exclusively() as connection:
        values = {"source_system": source_system, "asset_types": [ASSET.entity_type]}
        uids = [row.owner for row in connection.execute(SQL["owners"], values)]
        connection.commit()
        people = source.people(uids) if uids else ()
        return load.run(connection, people, Mode.INCREMENTAL, None)


@dataclass
class _Load:
    """Run one load; the methods are called in the order below."""

    engine: Engine
    kind: EntityKind
    source_system: str
    zone: tzinfo
    log: logging.Logger
    rejected: list[Rejected] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)
    processed: int = 0

    @property
    def what(self) -> dict[str, Any]:
        """Give the parameters that most queries share."""
        return {"source_system": self.source_system, "entity_type": self.kind.entity_type}

    @contextmanager
    def exclusively(self) -> Iterator[Connection]:
        """Give a session that holds the lock of this source and kind, or raise `LoadRunning`."""
        key = {"key": f"tdx-dagster: load {self.source_system} {self.kind.entity_type}"}
        with self.engine.connect() as connection:
            require_own_session(connection, "Loading the inventory")
            connection.exec_driver_sql(PATIENT_SESSION)
            if not connection.execute(SQL["try_lock"], key).scalar_one():
                what = f"{self.source_system} {self.kind.entity_type}"
                raise LoadRunning(f"Another load of {what} is running: wait until it ends.")
            connection.commit()
            try:
                refuse_foreign(connection, self.source_system)
                connection.commit()
                yield connection
            finally:
                _clear(connection, key)

    def modified_since(self, connection: Connection) -> datetime | None:
        """Give the modification date from which an incremental load asks."""
        start: datetime | None = connection.execute(SQL["previous_start"], self.what).scalar_one()
        return start - OVERLAP if start else None

    def run(
        self, connection: Connection, raw: Iterable[object], mode: Mode, since: datetime | None
    ) -> LoadResult:
        """Stage what the source gives, store what differs, and record the run."""
        connection.execute(SQL["close_dead_runs"], self.what)
        about = {
            "loader": "tdx-dagster",
            "mode": mode,
            "since": since.isoformat() if since else None,
        }
        begun = connection.execute(SQL["begin_run"], {**self.what, "metadata": json.dumps(about)})
        run_id = str(begun.scalar_one())
        connection.commit()
        try:
            self._stage(connection, raw)
            result = self._store(connection, run_id, mode, since)
        except BaseException as error:
            self._record_failure(run_id, error)
            raise
        if result.created + result.updated > CHUNK_ROWS:
            connection.execute(SQL["analyze"])
            connection.commit()
        return result

    def _stage(self, connection: Connection, raw: Iterable[object]) -> None:
        connection.execute(SQL["make_staging"])
        connection.commit()
        for chunk in self._chunks(raw):
            try:
                with connection.begin():
                    _copy(connection, chunk)
            except DBAPIError:
                with connection.begin():
                    self._stage_each(connection, chunk)
            self.log.info("%s: %d records read", self.kind.entity_type, self.processed)
        connection.execute(SQL["index_staging"])
        connection.commit()

    def _chunks(self, raw: Iterable[object]) -> Iterator[list[tuple[int, Record]]]:
        """Give records with their positions in chunks, bounded in rows and bytes."""
        chunk: list[tuple[int, Record]] = []
        size = 0
        for position, one in enumerate(raw):
            self.processed = position + 1
            try:
                record = make_record(one, self.kind, self.zone, self.repairs)
            except BadRecord as error:
                self._reject(position, _readable_id(one, self.kind), str(error))
                continue
            chunk.append((position, record))
            size += len(record.text)
            if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _stage_each(self, connection: Connection, chunk: list[tuple[int, Record]]) -> None:
        """Stage records one by one, since the database refused one of the chunk."""
        for position, record in chunk:
            values = {
                "position": position,
                "external_id": record.external_id,
                "modified_at": record.modified_at,
                "content_hash": record.content_hash,
                "text": record.text,
            }
            try:
                with connection.begin_nested():
                    connection.execute(SQL["stage_one"], values)
            except DBAPIError as error:
                self._reject(position, record.external_id, _said(error))

    def _store(
        self, connection: Connection, run_id: str, mode: Mode, since: datetime | None
    ) -> LoadResult:
        """Append what differs and close the run, in one transaction."""
        with connection.begin():
            connection.execute(SQL["compare"], self.what)
            self._append(connection, run_id)
            staged = connection.execute(SQL["count_staged"]).one()
            counts = connection.execute(SQL["count_changed"]).one()
            gone, withheld = self._mark_gone(connection, run_id) if mode is Mode.FULL else (0, 0)
            known: int = connection.execute(SQL["count_known"], self.what).scalar_one()
            result = LoadResult(
                run_id=run_id,
                mode=mode,
                since=since,
                processed=self.processed,
                created=counts.created,
                updated=counts.updated,
                unchanged=staged.entities - counts.created - counts.updated,
                repeated=staged.records - staged.entities,
                rejected=tuple(self.rejected),
                repairs=dict(self.repairs),
                gone=gone,
                gone_withheld=withheld,
                known=known,
            )
            connection.execute(SQL["end_run"], result.run_row())
        return result

    def _append(self, connection: Connection, run_id: str) -> None:
        values = {**self.what, "run_id": run_id}
        try:
            with connection.begin_nested():
                connection.execute(SQL["store"], {**values, "only": None})
        except DBAPIError:
            for row in connection.execute(SQL["changed"]).all():
                try:
                    with connection.begin_nested():
                        connection.execute(SQL["store"], {**values, "only": row.position})
                except DBAPIError as error:
                    self._reject(row.position, row.external_id, _said(error))
                    connection.execute(SQL["forget_changed"], {"position": row.position})

    def _mark_gone(self, connection: Connection, run_id: str) -> tuple[int, int]:
        """Mark entities as gone; give the numbers of those marked, and of those withheld as too many."""
        also_seen = [one.external_id for one in self.rejected if one.external_id]
        connection.execute(SQL["find_gone"], {**self.what, "also_seen": also_seen})
        gone, known = connection.execute(SQL["count_gone"]).one()
        if gone > max(FEW, MOST_GONE * known):
            return 0, gone
        if gone:
            connection.execute(SQL["mark_gone"], {"run_id": run_id})
        return gone, 0

    def _reject(self, position: int, external_id: str | None, reason: str) -> None:
        self.rejected.append(Rejected(position, external_id, reason))
        if len(self.rejected) <= SHOWN_REJECTED:
            self.log.warning(
                "%s %s rejected: %s",
                self.kind.entity_type,
                external_id or f"number {position}",
                reason,
            )

    def _record_failure(self, run_id: str, error: BaseException) -> None:
        """Close the run in another session; if that fails too, the next load closes it."""
        values = {
            "run_id": run_id,
            "status": "failed",
            "processed": self.processed,
            "created": 0,
            "updated": 0,
            "message": f"{type(error).__name__}: {error}"[:1000],
            "metadata": "{}",
        }
        try:
            with self.engine.begin() as connection:
                connection.execute(SQL["end_run"], values)
        except Exception:  # the load's own error matters more
            self.log.exception("The failure of a load could not be recorded")


def _clear(connection: Connection, key: dict[str, str]) -> None:
    """Release lock and staged rows before the session returns to its pool, or close the session."""
    try:
        connection.rollback()
        with connection.begin():
            connection.execute(SQL["drop_staging"])
            connection.execute(SQL["unlock"], key)
            connection.exec_driver_sql(NO_LONGER_PATIENT)
    except (DBAPIError, DatabaseError):
        connection.invalidate()


def _readable_id(raw: object, kind: EntityKind) -> str | None:
    """Read the id of a rejected record, so that it is not marked as gone."""
    if not isinstance(raw, dict):
        return None
    try:
        return external_id_of(raw, kind)
    except BadRecord:
        return None


def _copy(connection: Connection, chunk: list[tuple[int, Record]]) -> None:
    """Stage records by COPY, ten times as fast as INSERT."""
    lines = io.StringIO()
    for position, record in chunk:
        modified = record.modified_at.isoformat() if record.modified_at else r"\N"
        # JSON is dumped in ASCII, where only its backslashes mean something to COPY.
        text = record.text.replace("\\", "\\\\")
        lines.write(
            f"{position}\t{record.external_id}\t{modified}\t{record.content_hash}\t{text}\n"
        )
    lines.seek(0)
    copy_in(
        connection,
        "COPY incoming (position, external_id, modified_at, content_hash, raw_data) FROM STDIN",
        lines,
    )


def _said(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n", 1)[0]
