"""From the JSON that TDX sends to the frozen records of `models`.

One function a record, and the readers of single values they are made of. Whatever the JSON holds,
the result is the right value or `TdxBadAnswer` naming the place. How the JSON got here is not known
here.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, TypeVar

from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.models import (
    Account,
    Asset,
    FeedEntry,
    Reply,
    Report,
    ReportColumn,
    Status,
    StatusClass,
    Ticket,
    TicketItem,
)

R = TypeVar("R")

# PostgreSQL's bigint, where ids end up (case D23).
LARGEST_ID = 2**63 - 1
# Above it a float no longer tells neighbouring whole numbers apart.
LARGEST_EXACT_FLOAT = 2.0**53
ZERO_GUID = "00000000-0000-0000-0000-000000000000"

_ID_TEXT = re.compile(r"0*([1-9][0-9]{0,18})(?:\.0+)?", re.ASCII)
_WHOLE_TEXT = re.compile(r"[+-]?[0-9]{1,19}(?:\.0+)?", re.ASCII)
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
# Both halves would end the life of a text in PostgreSQL: NUL, and half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SHOWN = 60


def parse_id(value: object) -> int | None:
    """The id a value stands for, or None where it stands for none (case A18).

    Args:
        value: `31`, `31.0`, `"31"`, `" 31 "` and `"31.0"` all mean 31. Booleans, fractions, zero,
            negative numbers, anything beyond a PostgreSQL bigint and other text mean nothing.
    """
    if isinstance(value, str):
        match = _ID_TEXT.fullmatch(value.strip())
        number = int(match[1]) if match else 0
    elif isinstance(value, bool):
        return None
    elif isinstance(value, int):
        number = value
    elif isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT_FLOAT:
        number = int(value)
    else:
        return None
    return number if 0 < number <= LARGEST_ID else None


def parse_guid(value: object) -> str | None:
    """A GUID in lower case; None for null, empty text and the zero GUID (case A38).

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return None
    text = value.strip().strip("{}").lower() if isinstance(value, str) else "?"
    if text in {"", ZERO_GUID}:
        return None
    if not _GUID.fullmatch(text):
        raise ValueError("not a GUID")
    return text


def parse_date(value: object, zone: tzinfo) -> datetime | None:
    """A moment in UTC; None for null, empty text and .NET's year 1 (case A50).

    Args:
        value: ISO 8601 with `Z`, an offset or neither, and a fraction of any length or none.
        zone: Whose wall clock a date without offset shows: the tenant's.

    Raises:
        ValueError: It is no such date, or one that does not exist.
    """
    if value is None:
        return None
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and not value.strip():
            return None
        raise ValueError("not a date")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if year == 1:
        return None
    microsecond = int((match[7] or "")[:6].ljust(6, "0"))
    offset = _offset(match[8]) or zone
    try:
        moment = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=offset)
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def parse_text(value: object) -> str:
    """Text; null is empty (case A24) and a number its digits.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("not a text")


def parse_whole(value: object) -> int:
    """A whole number that may be zero or negative; null and empty text are 0.

    Raises:
        ValueError: It is something else, or no bigint.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0
    if isinstance(value, str) and _WHOLE_TEXT.fullmatch(value.strip()):
        number = int(value.strip().partition(".")[0])
    elif isinstance(value, float) and math.isfinite(value) and value.is_integer():
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError("not a whole number")
    if abs(number) > LARGEST_ID:
        raise ValueError("too large a number")
    return number


def parse_flag(value: object) -> bool:
    """A boolean, also as text; null is False.

    Raises:
        ValueError: It is something else.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    known = {"true": True, "false": False, "": False}
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise ValueError("neither true nor false")


@dataclass(frozen=True, slots=True)
class _Fields:
    """A JSON object whose fields are read with an error that names the record and the field."""

    kind: str
    data: dict[str, Any]

    @classmethod
    def of(cls, kind: str, data: object) -> "_Fields":
        if not isinstance(data, dict):
            raise TdxBadAnswer(f"TDX sent no {kind} but {_shown(data)}.")
        return cls(kind, data)

    def read(self, name: str, reader: Callable[[object], R]) -> R:
        value = self.data.get(name)
        try:
            return reader(value)
        except ValueError as error:
            place = f"field {name} of a TDX {self.kind}"
            raise TdxBadAnswer(f"{place} is {_shown(value)}: {error}.") from error

    def id(self, name: str = "ID") -> int:
        return self.read(name, _required_id)

    def text(self, name: str) -> str:
        return self.read(name, parse_text)

    def whole(self, name: str) -> int:
        return self.read(name, parse_whole)

    def flag(self, name: str) -> bool:
        return self.read(name, parse_flag)

    def guid(self, name: str) -> str | None:
        return self.read(name, parse_guid)

    def date(self, name: str, zone: tzinfo) -> datetime | None:
        return self.read(name, lambda value: parse_date(value, zone))

    def many(self, name: str, reader: Callable[[object], R]) -> tuple[R, ...]:
        value = self.data.get(name)
        return () if value is None else parse_list(value, f"{name} of a TDX {self.kind}", reader)


def _required_id(value: object) -> int:
    number = parse_id(value)
    if number is None:
        raise ValueError("not an id")
    return number


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, (str, int, float, type(None))) else type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def parse_list(data: object, kind: str, reader: Callable[[object], R]) -> tuple[R, ...]:
    """Every element of a JSON array, read; only a real empty array is empty (case A30).

    Raises:
        TdxBadAnswer: It is no array, or an element is unreadable.
    """
    if not isinstance(data, list):
        raise TdxBadAnswer(f"TDX sent no list of {kind} but {_shown(data)}.")
    return tuple(reader(element) for element in data)


def parse_ticket(data: object, zone: tzinfo) -> Ticket:
    """A `Ticket` (reference, section 7).

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("ticket", data)
    return Ticket(
        id=fields.id(),
        title=fields.text("Title"),
        description=fields.text("Description"),
        # Left out by older tenants, where nothing says whether the text is HTML.
        is_rich_html=None if fields.data.get("IsRichHtml") is None else fields.flag("IsRichHtml"),
        status_id=fields.whole("StatusID"),
        status_name=fields.text("StatusName"),
        status_class=fields.read("StatusClass", _status_class),
        requestor_uid=fields.guid("RequestorUid"),
        requestor_name=fields.text("RequestorName"),
        requestor_email=fields.text("RequestorEmail"),
        modified_at=fields.date("ModifiedDate", zone),
        created_at=fields.date("CreatedDate", zone),
        modified_uid=fields.guid("ModifiedUid"),
        modified_name=fields.text("ModifiedFullName"),
        responsible_uid=fields.guid("ResponsibleUid"),
        responsible_group_id=fields.whole("ResponsibleGroupID"),
    )


def _status_class(value: object) -> StatusClass:
    return StatusClass(parse_whole(value))


def parse_reply(data: object, zone: tzinfo) -> Reply:
    """A `Reply` (reference, section 9.5).

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("reply", data)
    return Reply(
        id=fields.id(),
        body=fields.text("Body"),
        created_uid=fields.guid("CreatedUid"),
        created_name=fields.text("CreatedFullName"),
        created_at=fields.date("CreatedDate", zone),
    )


def parse_feed_entry(data: object, zone: tzinfo) -> FeedEntry:
    """An `ItemUpdate` with its replies, oldest first (reference, section 9.5).

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("feed entry", data)
    return FeedEntry(
        id=fields.id(),
        body=fields.text("Body"),
        created_uid=fields.guid("CreatedUid"),
        created_name=fields.text("CreatedFullName"),
        created_at=fields.date("CreatedDate", zone),
        update_type=fields.whole("UpdateType"),
        item_type=fields.whole("ItemType"),
        is_private=fields.flag("IsPrivate"),
        replies_count=fields.whole("RepliesCount"),
        replies=oldest_first(fields.many("Replies", lambda reply: parse_reply(reply, zone))),
    )


E = TypeVar("E", FeedEntry, Reply)


def oldest_first(entries: Iterable[E]) -> tuple[E, ...]:
    """Feed entries or replies by time, then by id; those without a time first."""
    unset = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(entries, key=lambda entry: (entry.created_at or unset, entry.id)))


def parse_ticket_item(data: object) -> TicketItem:
    """A `ConfigurationItem` linked to a ticket (reference, section 11).

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("configuration item", data)
    return TicketItem(
        id=fields.id(),
        backing_id=fields.whole("BackingItemID"),
        backing_type=fields.whole("BackingItemType"),
        name=fields.text("Name"),
        modified_at=fields.date("ModifiedDateUtc", UTC),
        modified_uid=fields.guid("ModifiedUid"),
    )


def parse_asset(data: object, zone: tzinfo) -> Asset:
    """An `Asset` (reference, section 10.1).

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("asset", data)
    return Asset(
        id=fields.id(),
        name=fields.text("Name"),
        serial_number=fields.text("SerialNumber"),
        tag=fields.text("Tag"),
        form_id=fields.whole("FormID"),
        status_id=fields.whole("StatusID"),
        status_name=fields.text("StatusName"),
        owner_uid=fields.guid("OwningCustomerID"),
        owner_name=fields.text("OwningCustomerName"),
        configuration_item_id=fields.whole("ConfigurationItemID"),
        modified_at=fields.date("ModifiedDate", zone),
        raw=fields.data,
    )


def parse_status(data: object) -> Status:
    """A `TicketStatus` or an `AssetStatus` (reference, sections 8.6 and 10.3).

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("status", data)
    return Status(
        id=fields.id(),
        name=fields.text("Name"),
        is_active=fields.flag("IsActive"),
        status_class=fields.read("StatusClass", _status_class),
        is_out_of_service=fields.flag("IsOutOfService"),
    )


def parse_account(data: object) -> Account:
    """Read the `User` that is signed in; that of an admin key may be no person with a UID.

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("account", data)
    if "UID" not in fields.data:
        raise TdxBadAnswer("TDX sent an account without the field UID.")
    return Account(
        uid=fields.guid("UID"),
        full_name=fields.text("FullName"),
        user_name=fields.text("UserName"),
    )


def parse_report(data: object) -> Report:
    """A `Report` read with its data; rows stay as TDX sent them (reference, section 6.2).

    Raises:
        TdxBadAnswer: It is unreadable, or came without data: that is not an empty report (case
        A22).
    """
    fields = _Fields.of("report", data)
    if fields.data.get("DataRows") is None:
        raise TdxBadAnswer("TDX sent a report without data rows, not even an empty list of them.")
    return Report(
        id=fields.id(),
        name=fields.text("Name"),
        max_results=fields.whole("MaxResults"),
        columns=fields.many("DisplayedColumns", _parse_column),
        rows=fields.many("DataRows", _parse_row),
    )


def _parse_column(data: object) -> ReportColumn:
    fields = _Fields.of("report column", data)
    return ReportColumn(
        header=fields.text("HeaderText"),
        name=fields.text("ColumnName"),
        sort_name=fields.text("SortColumnName") or None,
    )


def _parse_row(data: object) -> dict[str, Any]:
    return _Fields.of("report row", data).data
