"""TDX as the rest of the project sees it: one method a call, records in and out.

Belongs here: which calls there are, what they send, what their answers become, and which setting to
blame for a 404. Does not: how a call is made (`transport`) or what a record looks like (`models`).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo

from tdx_dagster.tdx.address import asset_link, normalise_base_url, ticket_link
from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxBadAnswer, TdxRefused, TdxSettingError
from tdx_dagster.tdx.http import Http
from tdx_dagster.tdx.models import (
    Account,
    Asset,
    AssetSearch,
    FeedEntry,
    FeedPost,
    Report,
    Status,
    Ticket,
    TicketItem,
)
from tdx_dagster.tdx.parse import (
    oldest_first,
    parse_account,
    parse_asset,
    parse_feed_entry,
    parse_id,
    parse_list,
    parse_report,
    parse_status,
    parse_ticket,
    parse_ticket_item,
)
from tdx_dagster.tdx.rate_limit import Limiter, MemoryLimiter
from tdx_dagster.tdx.sign_in import Credentials, Shelf, SignIn
from tdx_dagster.tdx.transport import Call, CallLimits, Transport

T = TypeVar("T")

TICKET_APP = "TDX_TICKET_APP_ID"
ASSET_APP = "TDX_ASSET_APP_ID"
REPORT = "report_id (or DAEMON_REPORT_ID)"
TIME_ZONE = "TDX_TIME_ZONE"

# Shorter ones, and empty filters, find the whole inventory (case A33).
SHORTEST_SEARCH = 2
# What the old daemon put into `notify` to say "nobody"; TDX does not document what it makes of it.
NOBODY = "null"
_DENIED = frozenset({401, 403, 404})
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Connection:
    """Where TDX is and who we are.

    Args:
        base_url: As people write it, see `address.normalise_base_url`.
        ticket_app_id: The ticketing application.
        asset_app_id: The asset application; never the same number (case A35).
        credentials: Ways to sign in.
        time_zone: IANA name of the tenant's zone, for dates that TDX sends without one (case A50).
    """

    base_url: str
    ticket_app_id: int
    asset_app_id: int
    credentials: Credentials = field(repr=False)
    time_zone: str = "UTC"


class Tdx:
    """A TDX tenant. Safe to share between threads; `create` makes one.

    Every method raises only `TdxError`s. Each documents the bound of `CallLimits`: a call has
    returned or raised after `patience.bound()` seconds, whatever the server does. Only the
    resolving of its name and silent further addresses of its host come on top.

    Args:
        transport: Makes calls.
        base_url: Normalised.
        ticket_app_id: The ticketing application.
        asset_app_id: The asset application.
        zone: The tenant's.
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        ticket_app_id: int,
        asset_app_id: int,
        zone: tzinfo,
    ) -> None:
        self._transport = transport
        self.base_url = base_url
        self._ticket_app = ticket_app_id
        self._asset_app = asset_app_id
        self._zone = zone
        self._account: Account | None = None
        self._account_lock = threading.Lock()

    @classmethod
    def create(
        cls,
        connection: Connection,
        *,
        limiter: Limiter | None = None,
        shelf: Shelf | None = None,
        patience: CallLimits | None = None,
        clock: Clock = REAL_CLOCK,
    ) -> "Tdx":
        """Put a client together; nothing is called yet.

        Args:
            connection: Where and who.
            limiter: Shared with all who call this TDX; without one, this client's own.
            shelf: Where the token is shared with other processes; without one it is this client's own.
            patience: How long a call may take; `SENSOR_LIMITS` for a sensor.
            clock: Time and waiting.

        Raises:
            TdxSettingError: A setting is missing or malformed; the message names it.
        """
        base_url = normalise_base_url(connection.base_url)
        ticket_app = _app_id(TICKET_APP, connection.ticket_app_id)
        asset_app = _app_id(ASSET_APP, connection.asset_app_id)
        zone = _zone(connection.time_zone)
        transport = Transport(
            base_url,
            SignIn(connection.credentials, clock, shelf),
            limiter=limiter or MemoryLimiter(clock),
            patience=patience or CallLimits(),
            clock=clock,
            http=Http(clock),
        )
        return cls(transport, base_url, ticket_app, asset_app, zone)

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent since the last reset by `METHOD template`, with sign-ins and repeats."""
        return self._transport.calls

    def reset_calls(self) -> None:
        """Count from zero."""
        self._transport.reset_calls()

    def report(self, report_id: int) -> Report:
        """A report with all its rows; TDX applies no cap (reference, section 6.4).

        Raises:
            TdxSettingError: There is no such report, or it is not shared with this account.
        """
        call = Call(
            "GET",
            "/reports/{id}",
            {"id": report_id},
            query={"withData": "true", "dataSortExpression": ""},
            slow=True,
        )
        with _blaming(f"{REPORT} {report_id} is no report this account can see", _DENIED):
            report = self._read(call, parse_report)
        _check_id("report", report_id, report.id)
        return report

    def ticket(self, ticket_id: int) -> Ticket:
        """A ticket in full.

        Raises:
            TdxRefused: There is no such ticket in this application (case A11), or no permission
                (case A10).
        """
        ticket = self._of_ticket(
            "/{app}/tickets/{id}", ticket_id, lambda data: parse_ticket(data, self._zone)
        )
        _check_id("ticket", ticket_id, ticket.id)
        return ticket

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """A ticket's feed, oldest first, without replies (case A25)."""
        return oldest_first(
            self._of_ticket(
                "/{app}/tickets/{id}/feed", ticket_id, _list_of("feed entries", self._feed_entry)
            )
        )

    def feed_entry(self, entry_id: int) -> FeedEntry:
        """One feed entry with its replies, oldest first."""
        entry = self._read(Call("GET", "/feed/{id}", {"id": entry_id}), self._feed_entry)
        _check_id("feed entry", entry_id, entry.id)
        return entry

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """The configuration items linked to a ticket: assets, services and others (case A14)."""
        return self._of_ticket(
            "/{app}/tickets/{id}/assets",
            ticket_id,
            _list_of("configuration items", parse_ticket_item),
        )

    def attach_asset(
        self, ticket_id: int, asset_id: int, *, before_send: Callable[[], None] | None = None
    ) -> bool:
        """Link an asset to a ticket.

        Args:
            ticket_id: The ticket.
            asset_id: The asset.
            before_send: See `Call.before_send`.

        Returns:
            True where TDX says that it did; False where its answer does not say (204 for an asset
            already linked, or an empty body), so that the caller has to read back (case A13).

        Raises:
            TdxUnclear: It may have been done.
            TdxRefused: It was not, and never will be.
        """
        values = {"app": self._ticket_app, "id": ticket_id, "asset": asset_id}
        call = Call(
            "POST",
            "/{app}/tickets/{id}/assets/{asset}",
            values,
            body={},
            writes=True,
            before_send=before_send,
        )
        return not self._transport.write(call).is_empty

    def post_feed(
        self, ticket_id: int, post: FeedPost, *, before_send: Callable[[], None] | None = None
    ) -> FeedEntry | None:
        """Post a new entry to a ticket's feed, never a reply (case A44).

        Args:
            ticket_id: The ticket.
            post: What to post.
            before_send: See `Call.before_send`.

        Returns:
            The entry; None where TDX accepted the post but its answer is no readable entry.

        Raises:
            TdxUnclear: It may have been posted.
            TdxRefused: It was not, and never will be.
        """
        values = {"app": self._ticket_app, "id": ticket_id}
        call = Call(
            "POST",
            "/{app}/tickets/{id}/feed",
            values,
            body=_entry(post),
            writes=True,
            before_send=before_send,
        )
        answer = self._transport.write(call)
        try:
            return self._feed_entry(answer.json())
        except TdxBadAnswer:
            return None

    def asset(self, asset_id: int) -> Asset:
        """An asset in full.

        Raises:
            TdxRefused: There is no such asset in this application, or no permission.
        """
        values = {"app": self._asset_app, "id": asset_id}
        call = Call("GET", "/{app}/assets/{id}", values)
        with _hinting(f"{ASSET_APP} {self._asset_app}"):
            asset = self._read(call, self._asset)
        _check_id("asset", asset_id, asset.id)
        return asset

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        """All assets that match, without attributes; LIKE searches find too much (case A32).

        Raises:
            ValueError: A filter is so empty that it would find the whole inventory (case A33).
            TdxSettingError: The asset application is wrong.
        """
        with self._blaming_asset_app():
            return self._read(self._asset_search(search), _list_of("assets", self._asset))

    def asset_records(self, search: AssetSearch) -> Iterator[object]:
        """All assets that match as TDX sent them, one by one, for whoever keeps out a bad one alone.

        Raises:
            ValueError: See `search_assets`.
            TdxSettingError: The asset application is wrong.
        """
        with self._blaming_asset_app():
            return self._transport.read_list(self._asset_search(search))

    def _asset_search(self, search: AssetSearch) -> Call:
        values, body = {"app": self._asset_app}, _asset_search(search)
        return Call("POST", "/{app}/assets/search", values, body=body, slow=True)

    def _blaming_asset_app(self) -> AbstractContextManager[None]:
        return _blaming(f"{ASSET_APP} {self._asset_app} is no asset application")

    def asset_status_records(self) -> list[object]:
        """The statuses of the asset application as TDX sent them.

        Raises:
            TdxSettingError: The asset application is wrong (case A35).
        """
        return list(self._statuses("/{app}/assets/statuses", self._asset_app, ASSET_APP, _unread))

    def person_record(self, uid: str) -> object:
        """Give a person as TDX sent them, by UID.

        Raises:
            TdxRefused: There is no such person, or this account has no access to TDPeople.
        """
        return self._read(Call("GET", "/people/{uid}", {"uid": uid}), _unread)

    def people_records(self) -> Iterator[object]:
        """Everybody as TDX sent them, one by one, without attributes."""
        return self._transport.read_list(Call("POST", "/people/search", body={}, slow=True))

    @property
    def zone(self) -> tzinfo:
        """The tenant's time zone: that of dates which TDX sends without one."""
        return self._zone

    def ticket_statuses(self) -> tuple[Status, ...]:
        """The active statuses of the ticketing application.

        Raises:
            TdxSettingError: The ticketing application is wrong (case A35).
        """
        path = "/{app}/tickets/statuses"
        return self._statuses(path, self._ticket_app, TICKET_APP, parse_status)

    def asset_statuses(self) -> tuple[Status, ...]:
        """The statuses of the asset application, inactive ones perhaps among them.

        Raises:
            TdxSettingError: The asset application is wrong (case A35).
        """
        return self._statuses("/{app}/assets/statuses", self._asset_app, ASSET_APP, parse_status)

    def _statuses(
        self, template: str, app_id: int, setting: str, reader: Callable[[object], T]
    ) -> tuple[T, ...]:
        with _blaming(f"{setting} {app_id} is no such application"):
            call = Call("GET", template, {"app": app_id})
            return self._read(call, _list_of("statuses", reader))

    def account(self) -> Account:
        """Give the account that is signed in; it is asked for once in this client's life."""
        with self._account_lock:
            if self._account is None:
                self._account = self._read(Call("GET", "/auth/getuser"), parse_account)
            return self._account

    def ticket_link(self, ticket_id: int) -> str:
        """Where people see a ticket."""
        return ticket_link(self.base_url, self._ticket_app, ticket_id)

    def asset_link(self, asset_id: int) -> str:
        """Where people see an asset."""
        return asset_link(self.base_url, self._asset_app, asset_id)

    def _of_ticket(self, template: str, ticket_id: int, parser: Callable[[object], T]) -> T:
        call = Call("GET", template, {"app": self._ticket_app, "id": ticket_id})
        with _hinting(f"{TICKET_APP} {self._ticket_app}"):
            return self._read(call, parser)

    def _read(self, call: Call, parser: Callable[[object], T]) -> T:
        data = self._transport.read(call)
        try:
            return parser(data)
        except TdxBadAnswer as error:
            raise TdxBadAnswer(f"{call.shown}: {error}", call=call.name) from error

    def _feed_entry(self, data: object) -> FeedEntry:
        return parse_feed_entry(data, self._zone)

    def _asset(self, data: object) -> Asset:
        return parse_asset(data, self._zone)


def _app_id(setting: str, value: object) -> int:
    number = parse_id(value)
    if number is None:
        raise TdxSettingError(
            f"{setting} is missing or no number. It is the number after /Apps/ in the address of "
            "that application in TDNext; tickets and assets have different ones."
        )
    return number


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        # Needs no zone files, which slim images lack.
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise TdxSettingError(
            f"{TIME_ZONE} {name!r} is no time zone; it should look like America/New_York."
        ) from error


@contextmanager
def _blaming(what: str, statuses: frozenset[int] = frozenset({_NOT_FOUND})) -> Iterator[None]:
    """Turn a refusal that can only come from a setting into an error that names it."""
    try:
        yield
    except TdxRefused as error:
        if error.status not in statuses:
            raise
        raise TdxSettingError(f"{what}: {error}", call=error.call, status=error.status) from error


@contextmanager
def _hinting(setting: str) -> Iterator[None]:
    """Add to a 404 that the application may be the wrong one for this item."""
    try:
        yield
    except TdxRefused as error:
        if error.status != _NOT_FOUND:
            raise
        raise TdxRefused(
            f"{error} It does not exist, or not in the application of {setting}.",
            call=error.call,
            status=error.status,
        ) from error


def _list_of(kind: str, parser: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    return lambda data: parse_list(data, kind, parser)


def _check_id(kind: str, asked: int, got: int) -> None:
    if asked != got:
        raise TdxBadAnswer(f"TDX was asked for {kind} {asked} and sent {got}.")


def _entry(post: FeedPost) -> Mapping[str, object]:
    """The body of a feed post: every field, so that no default of TDX decides (A42, A43)."""
    return {
        "Comments": post.comments,
        "NewStatusID": post.new_status_id,
        "CascadeStatus": post.cascade_status,
        "IsPrivate": post.is_private,
        "IsRichHtml": post.is_rich_html,
        "IsCommunication": post.is_communication,
        "Notify": [address for address in post.notify if address.strip().lower() != NOBODY],
    }


def _unread(record: object) -> object:
    return record


def _asset_search(search: AssetSearch) -> Mapping[str, object]:
    body: dict[str, object] = {}
    if search.search_text is not None:
        body["SearchText"] = _term("search_text", search.search_text)
    if search.serial_like is not None:
        body["SerialLike"] = _term("serial_like", search.serial_like)
    lists = {
        "StatusIDs": search.status_ids,
        "FormIDs": search.form_ids,
        "OwningCustomerIDs": search.owner_uids,
    }
    for name, values in lists.items():
        if values is not None:
            if not values:
                raise ValueError(f"An empty {name} would find every asset; leave it None for that.")
            body[name] = list(values)
    if search.modified_from is not None:
        body["ModifiedDateFrom"] = search.modified_from.astimezone(UTC).isoformat()
    if search.created_from is not None:
        body["CreatedDateFrom"] = search.created_from.astimezone(UTC).isoformat()
    if search.max_results is not None:
        body["MaxResults"] = search.max_results
    return body


def _term(name: str, text: str) -> str:
    term = text.strip()
    if len(term) < SHORTEST_SEARCH:
        raise ValueError(f"{name} {text!r} would find everything.")
    return term
