"""Check and clean one raw record before it is stored: id, date, content hash; or reject it.

Belongs here: pure functions over JSON as TDX sent it, and which fields count as its content. Does
not: where records come from (`source`) or go to (`bronze`).
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from tdx_dagster.tdx.parse import parse_date, parse_guid, parse_id

Json = Any
"""What `json.loads` gives: dict, list, str, int, float, bool or None."""

# PostgreSQL's jsonb takes neither NUL nor half of a surrogate pair (case E01).
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# .NET's "not set", in any zone (case E10).
YEAR_ONE = re.compile(r"0001-01-0[12][T ]\d\d:\d\d.*")

LARGEST_RECORD = 16_000_000
"""Bytes of JSON. Real assets have 2 thousand; what is larger than this is a fault of the source."""


class BadRecord(ValueError):
    """A record that is rejected; the text says why."""


@dataclass(frozen=True, slots=True)
class EntityKind:
    """A kind of record in bronze.

    Args:
        entity_type: Its name in `bronze.raw_entities`.
        id_field: The field that names the entity.
        read_id: Makes the id of that field's value, or None where it is none.
        content: Fields whose change makes a new version; all others are noise.
    """

    entity_type: str
    id_field: str
    read_id: Callable[[object], object]
    content: tuple[str, ...]


def _read_guid(value: object) -> str | None:
    try:
        return parse_guid(value)
    except ValueError:
        return None


ASSET = EntityKind(
    entity_type="asset",
    id_field="ID",
    read_id=parse_id,
    content=(
        *("ID", "AppID", "Name", "SerialNumber", "Tag", "ExternalID", "ExternalSourceID"),
        *("FormID", "FormName", "StatusID", "StatusName", "ConfigurationItemID"),
        *("OwningCustomerID", "OwningCustomerName", "OwningDepartmentID", "OwningDepartmentName"),
        *("RequestingCustomerID", "RequestingCustomerName"),
        *("RequestingDepartmentID", "RequestingDepartmentName"),
        *("ProductModelID", "ProductModelName", "ManufacturerID", "ManufacturerName"),
        *("SupplierID", "SupplierName", "PurchaseCost", "AcquisitionDate"),
        *("ExpectedReplacementDate", "LocationID", "LocationName", "LocationRoomID"),
        *("LocationRoomName", "ParentID", "MaintenanceScheduleID", "Attributes", "ModifiedDate"),
    ),
)
PERSON = EntityKind(
    entity_type="user",
    id_field="UID",
    read_id=_read_guid,
    content=(
        *("UID", "ReferenceID", "IsActive", "IsEmployee", "TypeID", "UserName"),
        *("AuthenticationUserName", "FullName", "FirstName", "LastName", "PrimaryEmail"),
        *("AlternateEmail", "ExternalID", "AlternateID", "Title", "Company"),
        *("DefaultAccountID", "DefaultAccountName", "LocationID", "LocationName"),
    ),
)
STATUS = EntityKind(
    entity_type="asset_status",
    id_field="ID",
    read_id=parse_id,
    content=("ID", "AppID", "Name", "Description", "Order", "IsActive", "IsOutOfService"),
)

SOURCE_SYSTEM = "tdx"
"""What bronze calls TeamDynamix."""

ASSET_TYPES = (ASSET.entity_type, "computer")
"""Names under which bronze may hold assets: ours, and that of other people's loads."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record ready to be stored.

    Args:
        external_id: Names the entity within its source and kind.
        modified_at: When it was last changed; None where that is unknown.
        content_hash: Equal for equal content, whatever the order of its fields and lists.
        text: The record as JSON.
    """

    external_id: str
    modified_at: datetime | None
    content_hash: str
    text: str


def make_record(raw: object, kind: EntityKind, zone: tzinfo, repairs: Counter[str]) -> Record:
    """Make a record of what a source gave.

    Args:
        raw: A JSON object.
        kind: What it is.
        zone: Of dates without one.
        repairs: Counts repairs by kind.

    Raises:
        BadRecord: It is rejected.
    """
    if not isinstance(raw, dict):
        raise BadRecord(f"a {type(raw).__name__} instead of an object")
    external_id = external_id_of(raw, kind)
    try:
        cleaned = clean(raw, repairs)
        text = json.dumps(cleaned, allow_nan=False, separators=(",", ":"))
        content_hash = hash_content(cleaned, kind)
    except RecursionError:
        raise BadRecord("nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise BadRecord(f"no JSON: {error}") from None
    if len(text) > LARGEST_RECORD:
        raise BadRecord(f"{len(text):,} bytes, more than {LARGEST_RECORD:,}")
    return Record(external_id, _modified_at(cleaned, zone), content_hash, text)


def external_id_of(raw: dict[str, Json], kind: EntityKind) -> str:
    """Give the id by which a record is stored.

    Raises:
        BadRecord: It has none, or none that can be stored (case E12).
    """
    value = raw.get(kind.id_field)
    external_id = kind.read_id(value)
    if external_id is None:
        raise BadRecord(f"{kind.id_field} {value!r:.40} is no id")
    return str(external_id)


def clean(value: Json, repairs: Counter[str]) -> Json:
    """Give the value without what PostgreSQL refuses or TDX does not mean."""
    if isinstance(value, str):
        return _clean_text(value, repairs)
    if isinstance(value, float) and not math.isfinite(value):
        repairs["NaN or infinity"] += 1
        return None
    if isinstance(value, dict):
        return {_clean_text(str(k), repairs) or "": clean(v, repairs) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(element, repairs) for element in value]
    return value


def _clean_text(text: str, repairs: Counter[str]) -> str | None:
    if text.isascii() and "\0" not in text:
        return None if text.startswith("0001-") and YEAR_ONE.fullmatch(text) else text
    cleaned, count = UNSTORABLE.subn("", text)
    if count:
        repairs["NUL or half a character"] += 1
    return cleaned


def hash_content(record: dict[str, Json], kind: EntityKind) -> str:
    """Give a sum over the content fields of a cleaned record."""
    content = {field: _ordered(record.get(field)) for field in kind.content}
    return hashlib.sha256(_dump(content).encode()).hexdigest()


def _ordered(value: Json) -> Json:
    """Give the value with its lists sorted and 3.0 written as 3, since neither changes what is said."""
    if isinstance(value, dict):
        return {key: _ordered(element) for key, element in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(element) for element in value), key=_dump)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _dump(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _modified_at(record: dict[str, Json], zone: tzinfo) -> datetime | None:
    """Read a date; an unreadable one is unknown and counts as changed (case E23)."""
    try:
        return parse_date(record.get("ModifiedDate"), zone)
    except ValueError:
        return None
