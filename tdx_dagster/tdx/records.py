"""From the JSON that TDX sends to the frozen records of `models`.

One function a record. Whatever the JSON holds, the result is the right record or `TdxBadAnswer` naming the
place. Single values are read by `parse`; how the JSON got here is not known here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar

from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.models import (
    Account,
    Application,
    Asset,
    Choice,
    FeedEntry,
    Form,
    Reply,
    Report,
    ReportColumn,
    ReportInfo,
    Status,
    StatusClass,
    Ticket,
    TicketAttribute,
    TicketItem,
)
from tdx_dagster.tdx.parse import (
    parse_date,
    parse_flag,
    parse_guid,
    parse_id,
    parse_text,
    parse_whole,
)

R = TypeVar("R")

_SHOWN = 60


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
    """Read every element of a JSON array; only a real empty array is empty (case A30).

    Raises:
        TdxBadAnswer: It is no array, or an element is unreadable.
    """
    if not isinstance(data, list):
        raise TdxBadAnswer(f"TDX sent no list of {kind} but {_shown(data)}.")
    return tuple(reader(element) for element in data)


def parse_ticket(data: object, zone: tzinfo) -> Ticket:
    """Read a `Ticket`.

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
        raw=fields.data,
    )


def _status_class(value: object) -> StatusClass:
    return StatusClass(parse_whole(value))


def parse_reply(data: object, zone: tzinfo) -> Reply:
    """Read a `Reply`.

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
    """Read an `ItemUpdate` with its replies, oldest first.

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
    """Sort feed entries or replies by time, then by id; those without a time first."""
    unset = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(entries, key=lambda entry: (entry.created_at or unset, entry.id)))


def parse_ticket_item(data: object) -> TicketItem:
    """Read a `ConfigurationItem` linked to a ticket.

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
        is_active=fields.flag("IsActive"),
    )


def parse_asset(data: object, zone: tzinfo) -> Asset:
    """Read an `Asset`.

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
    """Read a `TicketStatus` or an `AssetStatus`.

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
        needs_off_hold_date=fields.flag("RequireGoesOffHold"),
    )


def parse_choice(data: object) -> Choice:
    """Read what a field may be set to: a type, a priority, a group, a location, a choice of an attribute.

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("list entry", data)
    return Choice(fields.id(), fields.text("Name"))


def parse_person_choice(data: object) -> Choice:
    """Read a `User` as one who may be responsible.

    Raises:
        TdxBadAnswer: It is unreadable, or has no UID.
    """
    fields = _Fields.of("person", data)
    uid = fields.guid("UID")
    if uid is None:
        raise TdxBadAnswer("TDX sent a person without UID.")
    names = tuple(filter(None, (fields.text(name) for name in ("PrimaryEmail", "UserName"))))
    return Choice(uid, fields.text("FullName"), names)


def parse_attribute(data: object) -> TicketAttribute:
    """Read a `CustomAttribute` with its choices.

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("custom attribute", data)
    return TicketAttribute(fields.id(), fields.text("Name"), fields.many("Choices", parse_choice))


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
    """Read a `Report` with its data; rows stay as TDX sent them.

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


def parse_columns(data: object) -> tuple[ReportColumn, ...]:
    """Read the displayed columns of a `Report`, which may have come without its rows.

    Raises:
        TdxBadAnswer: They are unreadable.
    """
    return _Fields.of("report", data).many("DisplayedColumns", _parse_column)


def parse_report_info(data: object) -> ReportInfo:
    """Read a `ReportInfo`.

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("report", data)
    return ReportInfo(
        id=fields.id(),
        name=fields.text("Name"),
        app_id=fields.whole("PlatformAppID"),
        app_class=fields.text("SystemAppName"),
    )


def parse_application(data: object) -> Application:
    """Read an `OrgApplication`.

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("application", data)
    return Application(
        id=fields.id("AppID"),
        name=fields.text("Name"),
        app_class=fields.text("AppClass"),
        is_active=fields.flag("Active"),
    )


def parse_form(data: object) -> Form:
    """Read a `Form`.

    Raises:
        TdxBadAnswer: It is unreadable.
    """
    fields = _Fields.of("form", data)
    return Form(id=fields.id(), name=fields.text("Name"))


def _parse_column(data: object) -> ReportColumn:
    fields = _Fields.of("report column", data)
    return ReportColumn(
        header=fields.text("HeaderText"),
        name=fields.text("ColumnName"),
        sort_name=fields.text("SortColumnName") or None,
    )


def _parse_row(data: object) -> dict[str, Any]:
    return _Fields.of("report row", data).data
