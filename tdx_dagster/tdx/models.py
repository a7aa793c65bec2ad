"""Frozen records of what TDX sends, made from JSON by one function each in `parse`.

Only the fields this project uses. Year-1 dates, zero GUIDs and nulls are settled here, so that no later
code meets them. Parsing never raises anything but `TdxBadAnswer`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal


class StatusClass(IntEnum):
    """Class of a ticket status."""

    NONE = 0
    NEW = 1
    IN_PROCESS = 2
    COMPLETED = 3
    CANCELLED = 4
    ON_HOLD = 5
    REQUESTED = 6


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as `GET /{app}/tickets/{id}` gives it. Text that was null is empty."""

    id: int
    title: str
    description: str
    is_rich_html: bool | None
    status_id: int
    status_name: str
    status_class: StatusClass
    requestor_uid: str | None
    requestor_name: str
    requestor_email: str
    modified_at: datetime | None
    created_at: datetime | None = None
    modified_uid: str | None = None
    modified_name: str = ""
    responsible_uid: str | None = None
    # 0 where no group is responsible.
    responsible_group_id: int = 0
    # The record as TDX sent it, for fields that the settings of an action name.
    raw: dict[str, Any] = field(repr=False, compare=False, hash=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply under a feed entry."""

    id: int
    body: str
    created_uid: str | None
    created_name: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry of a ticket's feed. `replies` is empty unless the entry was read by itself."""

    id: int
    body: str
    created_uid: str | None
    created_name: str
    created_at: datetime | None
    update_type: int
    item_type: int
    is_private: bool
    replies_count: int
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketItem:
    """A configuration item linked to a ticket. It is an asset where `backing_type` is 27."""

    id: int
    backing_id: int
    backing_type: int
    name: str
    modified_at: datetime | None = None
    modified_uid: str | None = None
    is_active: bool = True

    @property
    def asset_id(self) -> int | None:
        """The asset's own id, or None for a service or a stand-alone configuration item (case A14)."""
        return self.backing_id if self.backing_type == ASSET_BACKING_TYPE else None


ASSET_BACKING_TYPE = 27


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset. `raw` is the record as TDX sent it, for bronze."""

    id: int
    name: str
    serial_number: str
    tag: str
    form_id: int
    status_id: int
    status_name: str
    owner_uid: str | None
    owner_name: str
    configuration_item_id: int
    modified_at: datetime | None
    raw: dict[str, Any] = field(repr=False, compare=False, hash=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """A ticket status or an asset status. `status_class` is NONE for assets."""

    id: int
    name: str
    is_active: bool
    status_class: StatusClass = StatusClass.NONE
    is_out_of_service: bool = False
    needs_off_hold_date: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a field may be set to.

    Args:
        id: As the field holds it: a number, or the UID of a person.
        name: As people see it.
        also: Other texts that name it, such as a person's mail address.
    """

    id: int | str
    name: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketAttribute:
    """A custom attribute of tickets; without choices it takes any text."""

    id: int
    name: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The account that is signed in. `uid` is None for one that is no person, as with an admin key."""

    uid: str | None
    full_name: str
    user_name: str


@dataclass(frozen=True, slots=True)
class Application:
    """An application of an organisation. `app_class` is `TDTickets`, `TDAssets` or another."""

    id: int
    name: str
    app_class: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class ReportInfo:
    """A report as a list of reports shows it. `app_id` is 0 where it belongs to no application."""

    id: int
    name: str
    app_id: int
    app_class: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form for assets."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A displayed column of a report; rows are keyed by `name` or `sort_name`, not by `header`."""

    header: str
    name: str
    sort_name: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """A report with its data. `max_results` is a display setting which the API ignores."""

    id: int
    name: str
    max_results: int
    columns: tuple[ReportColumn, ...]
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class FeedPost:
    """What `POST /{app}/tickets/{id}/feed` is sent; every field is always sent (cases A42, A43)."""

    comments: str
    is_private: bool
    is_rich_html: bool = False
    is_communication: bool = False
    notify: tuple[str, ...] = ()
    new_status_id: int = 0
    cascade_status: bool = False


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """A change of one field of a ticket.

    Args:
        op: `remove` clears the field; `add` sets a custom attribute that is unset.
        path: Like `/StatusID`, or `/attributes/1234` with the attribute's id.
        value: Left out of a `remove`.
    """

    op: Literal["add", "replace", "remove"]
    path: str
    value: str | float | bool | None = None


@dataclass(frozen=True, slots=True)
class AssetSearch:
    """A search for assets; fields left at None do not filter.

    `search_text` and `serial_like` are LIKE searches: compare exactly afterwards (case A32).
    """

    search_text: str | None = None
    serial_like: str | None = None
    status_ids: tuple[int, ...] | None = None
    form_ids: tuple[int, ...] | None = None
    owner_uids: tuple[str, ...] | None = None
    modified_from: datetime | None = None
    created_from: datetime | None = None
    max_results: int | None = None


@dataclass(frozen=True, slots=True)
class TicketSearch:
    """A search for tickets; filters left at None do not filter, and one has to be given.

    Args:
        modified_from: Last changed then or later.
        modified_to: Last changed then or before.
        classes: Classes of their status; empty means any.
        requestor_uids: Who asked: any of these.
        item_ids: What is linked: any of these configuration items, by their own ids (case A14).
        max_results: At most so many; 0: all.
    """

    modified_from: datetime | None = None
    modified_to: datetime | None = None
    classes: tuple[StatusClass, ...] = ()
    requestor_uids: tuple[str, ...] | None = None
    item_ids: tuple[int, ...] | None = None
    max_results: int = 0
