"""Look computers up: in PostgreSQL, or in a list in memory.

Belongs here: implementations of `Inventory`, proved alike by one contract test. Does not: what is
done with the answers (`discovery`).
"""

import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.inventory.computers import (
    Computer,
    Field,
    InventoryUnavailable,
    keys_of,
)
from tdx_dagster.inventory.freshness import Freshness, inventory_age, is_silver_behind
from tdx_dagster.inventory.keys import fold_key, host_key
from tdx_dagster.inventory.records import STATUS
from tdx_dagster.inventory.schema import in_schema
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.inventory.statuses import ActiveStatuses, AssetStatus, Listed
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.tdx.parse import as_guid, parse_flag, parse_id

log = logging.getLogger(__name__)

QUERIES = Queries(Path(__file__).with_name("lookup.sql"))

Found = Mapping[str, tuple[Computer, ...]]


class PostgresInventory:
    """The inventory in `tdx_computers`, of silver or of INVENTORY_SCHEMA.

    Args:
        engine: Where the table is.
        settings: What bronze calls its rows, and from which age on they are not trusted.
    """

    def __init__(self, engine: Engine, settings: InventorySettings | None = None) -> None:
        self._engine = engine
        self._settings = settings or InventorySettings()

    def find(
        self, keys: Collection[str], *, active_only: bool = False, form_id: int | None = None
    ) -> Found:
        """See `Inventory`. One statement, whatever the number of keys (case E08)."""
        if not keys:
            return {}
        rows = self._rows(
            "find_computers", keys=sorted(set(keys)), active_only=active_only, form_id=form_id
        )
        return _by_key((str(row.key), _computer(row)) for row in rows)

    def owned_by(
        self, uids: Collection[str], *, active_only: bool = True, form_id: int | None = None
    ) -> Found:
        """See `Inventory`. One statement; what is no GUID owns nothing."""
        known = sorted({guid for uid in uids if (guid := as_guid(uid))})
        if not known:
            return {}
        rows = self._rows(
            "computers_owned_by", uids=known, active_only=active_only, form_id=form_id
        )
        return _by_key((str(row.key), _computer(row)) for row in rows)

    def is_empty(self) -> bool:
        """See `Inventory`."""
        return bool(self._rows("is_empty")[0][0])

    def is_distrusted(self) -> bool:
        """See `Inventory`."""
        settings = self._settings
        with _asking():
            age, _ = inventory_age(
                self._engine,
                source_system=settings.source_system,
                entity_types=settings.entity_types,
                schema=settings.schema_name,
            )
            if settings.limits.judge(age) is Freshness.DISTRUSTED:
                return True
            return is_silver_behind(
                self._engine,
                source_system=settings.source_system,
                entity_types=settings.entity_types,
                schema=settings.schema_name,
            )

    def statuses(self) -> Listed:
        """See `Inventory`."""
        with _asking(), self._engine.connect() as connection:
            return read_statuses(connection, self._settings.source_system)

    def _rows(self, query: str, **parameters: object) -> Sequence[Row[Any]]:
        with _asking(), self._engine.connect() as connection:
            return connection.execute(
                in_schema(QUERIES, query, self._settings.schema_name), parameters
            ).all()


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, DatabaseError) as error:
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise InventoryUnavailable(
            f"The inventory of computers could not be asked, so nothing is decided: {said} "
            "(`tdx-dagster check` looks at the database and its schema.)"
        ) from error


def read_statuses(connection: Connection, source_system: str) -> dict[int, AssetStatus]:
    """Give the asset statuses that were loaded, by id; empty where none were."""
    values = {"source_system": source_system, "entity_type": STATUS.entity_type}
    return {
        status_id: AssetStatus(
            str(row.Name or "").strip(), _flag(row.IsActive), _flag(row.IsOutOfService)
        )
        for row in connection.execute(QUERIES["latest_statuses"], values)
        if (status_id := parse_id(row.ID)) is not None
    }


def _flag(value: str | None) -> bool:
    try:
        return bool(parse_flag(value))
    except ValueError:
        return False


def _computer(row: Row[Any]) -> Computer:
    return Computer(
        asset_id=row.asset_id,
        name=row.name or "",
        serial_number=row.serial_number or "",
        tag=row.tag or "",
        status_id=row.status_id,
        status_name=row.status_name or "",
        is_active=row.is_active,
        form_id=row.form_id,
        owner_uid=str(row.owner_uid) if row.owner_uid else None,
        matched_field=cast("Field", row.matched_field),
        is_gone=row.is_gone,
    )


class MemoryInventory:
    """An inventory in memory, for `explain --inventory FILE` and for tests.

    Args:
        computers: What it knows. `matched_field` is of no meaning here.
        statuses: TDX's list of asset statuses.
        is_distrusted: Whether it passes for old.
    """

    def __init__(
        self,
        computers: Iterable[Computer],
        statuses: Listed | None = None,
        *,
        is_distrusted: bool = False,
    ) -> None:
        self._statuses = statuses or {}
        self._is_distrusted = is_distrusted
        self._computers = sorted(computers, key=lambda computer: computer.asset_id)
        self._by_key = _by_key(
            (key, replace(computer, matched_field=field))
            for computer in self._computers
            for field, key in _keys_in_memory(computer)
        )

    @classmethod
    def from_json(cls, text: str) -> "MemoryInventory":
        """Read a JSON list of assets with TDX's own field names.

        `ID`, `Name`, `SerialNumber`, `Tag` and `StatusName` are used, and `StatusID`, `FormID` and
        `OwningCustomerID` where they are given.

        Raises:
            ValueError: It is no such list; the text says which entry is at fault.
        """
        try:
            records = json.loads(text)
        except ValueError as error:
            raise ValueError(f"The inventory is no JSON: {error}") from error
        if not isinstance(records, list):
            raise ValueError(  # noqa: TRY004  callers expect one kind of error of a file
                "The inventory must be a JSON list of assets: "
                "[{ID, Name, SerialNumber, Tag, StatusName}]"
            )
        return cls(_from_record(number, record) for number, record in enumerate(records))

    @property
    def knows_forms(self) -> bool:
        """Whether any record says what form it is of."""
        return any(computer.form_id is not None for computer in self._computers)

    def find(
        self, keys: Collection[str], *, active_only: bool = False, form_id: int | None = None
    ) -> Found:
        """See `Inventory`."""
        found = ((key, self._by_key.get(key, ())) for key in sorted(set(keys)))
        return filtered(found, active_only=active_only, form_id=form_id)

    def owned_by(
        self, uids: Collection[str], *, active_only: bool = True, form_id: int | None = None
    ) -> Found:
        """See `Inventory`."""
        wanted = {guid for uid in uids if (guid := as_guid(uid))}
        owned = _by_key(
            (guid, replace(computer, matched_field="owner"))
            for computer in self._computers
            if (guid := as_guid(computer.owner_uid)) in wanted and guid
        )
        return filtered(owned.items(), active_only=active_only, form_id=form_id)

    def is_empty(self) -> bool:
        """See `Inventory`."""
        return not self._computers

    def is_distrusted(self) -> bool:
        """See `Inventory`."""
        return self._is_distrusted

    def statuses(self) -> Listed:
        """See `Inventory`."""
        return self._statuses


def _keys_in_memory(computer: Computer) -> Iterator[tuple[Field, str]]:
    """Give all keys under which a computer is found: its fields, and the first label of a full domain name."""
    yield from keys_of(computer.name, computer.serial_number, computer.tag)
    if short := host_key(fold_key(computer.name)):
        yield "name", short


def _from_record(number: int, record: object) -> Computer:
    if not isinstance(record, dict) or not isinstance(record.get("ID"), int):
        raise ValueError(  # noqa: TRY004  as above
            f"Entry {number} of the inventory is no asset with a whole number as ID"
        )
    status = _text(record.get("StatusName"))
    return Computer(
        asset_id=record["ID"],
        name=_text(record.get("Name")),
        serial_number=_text(record.get("SerialNumber")),
        tag=_text(record.get("Tag")),
        status_id=record.get("StatusID"),
        status_name=status,
        is_active=ActiveStatuses().counts(None, status),
        form_id=record.get("FormID"),
        owner_uid=as_guid(record.get("OwningCustomerID")),
        matched_field="name",
    )


def _text(value: object) -> str:
    """Give a field as text; spreadsheets turn the tag 104233 into a number, or into 104233.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


def filtered(
    found: Iterable[tuple[str, tuple[Computer, ...]]], *, active_only: bool, form_id: int | None
) -> Found:
    """Keep the computers that are active, where asked for, and of the form, where one is given."""
    kept = {
        key: tuple(
            computer
            for computer in computers
            if (computer.is_active or not active_only) and form_id in (None, computer.form_id)
        )
        for key, computers in found
    }
    return {key: computers for key, computers in kept.items() if computers}


def _by_key(pairs: Iterable[tuple[str, Computer]]) -> dict[str, tuple[Computer, ...]]:
    """Give computers of each key, each once, even where its name is also its serial number."""
    found: defaultdict[str, dict[int, Computer]] = defaultdict(dict)
    for key, computer in pairs:
        found[key].setdefault(computer.asset_id, computer)
    return {key: tuple(computers.values()) for key, computers in found.items()}
