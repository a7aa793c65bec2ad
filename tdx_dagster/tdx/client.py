"""TDX as the rest of the project sees it: one method a call, records in and out.

Belongs here: which calls there are, what they send, what their answers become, and which setting to
blame for a 404. Does not: how a call is made (`transport`) or what a record looks like (`models`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeVar

from tdx_dagster.tdx.address import asset_link, normalise_base_url, ticket_link
from tdx_dagster.tdx.blame import (
    ASSET_APP,
    DENIED,
    REPORT,
    TICKET_APP,
    blaming,
    hinting,
    read_app_id,
    read_zone,
)
from tdx_dagster.tdx.bodies import asset_search_body, ticket_search_body
from tdx_dagster.tdx.call import Call, CallLimits
from tdx_dagster.tdx.choices import TicketChoices
from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.http import Http
from tdx_dagster.tdx.models import (
    Account,
    Asset,
    AssetSearch,
    Choice,
    FeedEntry,
    Report,
    Status,
    Ticket,
    TicketItem,
    TicketSearch,
)
from tdx_dagster.tdx.rate_limit import Limiter, Unlimited
from tdx_dagster.tdx.records import (
    oldest_first,
    parse_account,
    parse_asset,
    parse_feed_entry,
    parse_list,
    parse_person_choice,
    parse_report,
    parse_status,
    parse_ticket,
    parse_ticket_item,
)
from tdx_dagster.tdx.sign_in import Credentials, SignIn
from tdx_dagster.tdx.transport import Transport
from tdx_dagster.tdx.writes import TicketWrites

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where TDX is and who we are.

    Args:
        base_url: As people write it, see `address.normalise_base_url`.
        ticket_app_id: The ticketing application.
        asset_app_id: The asset application; never the same number (case A35).
        credentials: Ways to sign in.
        time_zone: IANA name of the tenant's zone, for dates that TDX sends without one (case A50).
        allow_http: Whether http:// may lead to another machine.
    """

    base_url: str
    ticket_app_id: int
    asset_app_id: int
    credentials: Credentials = field(repr=False)
    time_zone: str = "UTC"
    allow_http: bool = False


class Tdx(TicketWrites, TicketChoices):
    """A TDX tenant. Safe to share between threads; `create` makes one.

    Every method raises only `TdxError`s. Each documents the bound of `CallLimits`: a call has
    returned or raised after `limits.bound()` seconds, whatever the server does. Only the
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
        super().__init__(transport, ticket_app_id, zone)
        self.base_url = base_url
        self._asset_app = asset_app_id
        self._account: Account | None = None
        self._account_lock = threading.Lock()

    @classmethod
    def create(
        cls,
        connection: Connection,
        *,
        limiter: Limiter | None = None,
        limits: CallLimits | None = None,
        clock: Clock = REAL_CLOCK,
    ) -> "Tdx":
        """Put a client together; nothing is called yet.

        Args:
            connection: Where and who.
            limiter: Shared with all who call this TDX; without one, calls are not held back.
            limits: How long a call may take; `SENSOR_LIMITS` for a sensor.
            clock: Time and waiting.

        Raises:
            TdxSettingError: A setting is missing or malformed; the message names it.
        """
        base_url = normalise_base_url(connection.base_url, allow_http=connection.allow_http)
        ticket_app = read_app_id(TICKET_APP, connection.ticket_app_id)
        asset_app = read_app_id(ASSET_APP, connection.asset_app_id)
        zone = read_zone(connection.time_zone)
        transport = Transport(
            base_url,
            SignIn(connection.credentials, clock),
            limiter=limiter or Unlimited(),
            limits=limits or CallLimits(),
            clock=clock,
            http=Http(clock),
        )
        return cls(transport, base_url, ticket_app, asset_app, zone)

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent since the last reset by `METHOD template`, with sign-ins and repeats."""
        return self._transport.calls

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which TDX's clock was ahead of ours at the last answer; None before the first."""
        return self._transport.clock_offset

    def reset_calls(self) -> None:
        """Count from zero."""
        self._transport.reset_calls()

    def report(self, report_id: int) -> Report:
        """Read a report with all its rows; TDX applies no cap.

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
        with blaming(f"{REPORT} {report_id} is no report this account can see", DENIED):
            report = self._read(call, parse_report)
        _check_id("report", report_id, report.id)
        return report

    def ticket(self, ticket_id: int) -> Ticket:
        """Read a ticket in full.

        Raises:
            TdxRefused: There is no such ticket in this application (case A11), or no permission
                (case A10).
        """
        ticket = self._of_ticket("/{app}/tickets/{id}", ticket_id, self._ticket)
        _check_id("ticket", ticket_id, ticket.id)
        return ticket

    def search_tickets(self, search: TicketSearch) -> tuple[Ticket, ...]:
        """Read all tickets that match; descriptions are left out, as TDX does in every search.

        Raises:
            TdxSettingError: The ticketing application is wrong.
        """
        values, body = {"app": self._ticket_app}, ticket_search_body(search)
        call = Call("POST", "/{app}/tickets/search", values, body=body, slow=True)
        with blaming(f"{TICKET_APP} {self._ticket_app} is no ticketing application"):
            return self._read(call, _list_of("tickets", self._ticket))

    def feed(self, ticket_id: int) -> tuple[FeedEntry, ...]:
        """Read a ticket's feed, oldest first, without replies (case A25)."""
        return oldest_first(
            self._of_ticket(
                "/{app}/tickets/{id}/feed", ticket_id, _list_of("feed entries", self._feed_entry)
            )
        )

    def asset_feed(self, asset_id: int) -> tuple[FeedEntry, ...]:
        """Read an asset's feed, oldest first, without replies."""
        values = {"app": self._asset_app, "id": asset_id}
        call = Call("GET", "/{app}/assets/{id}/feed", values)
        with hinting(f"{ASSET_APP} {self._asset_app}"):
            return oldest_first(self._read(call, _list_of("feed entries", self._feed_entry)))

    def feed_entry(self, entry_id: int) -> FeedEntry:
        """Read one feed entry with its replies, oldest first."""
        entry = self._read(Call("GET", "/feed/{id}", {"id": entry_id}), self._feed_entry)
        _check_id("feed entry", entry_id, entry.id)
        return entry

    def ticket_items(self, ticket_id: int) -> tuple[TicketItem, ...]:
        """Read the configuration items linked to a ticket: assets, services and others (case A14)."""
        return self._of_ticket(
            "/{app}/tickets/{id}/assets",
            ticket_id,
            _list_of("configuration items", parse_ticket_item),
        )

    def configuration_item(self, item_id: int) -> TicketItem:
        """Read a configuration item of the asset application, by its own id."""
        call = Call("GET", "/{app}/cmdb/{id}", {"app": self._asset_app, "id": item_id})
        with hinting(f"{ASSET_APP} {self._asset_app}"):
            item = self._read(call, parse_ticket_item)
        _check_id("configuration item", item_id, item.id)
        return item

    def ticket_contacts(self, ticket_id: int) -> tuple[Choice, ...]:
        """Read the people who are contacts of a ticket."""
        return self._of_ticket(
            "/{app}/tickets/{id}/contacts", ticket_id, _list_of("people", parse_person_choice)
        )

    def asset(self, asset_id: int) -> Asset:
        """Read an asset in full.

        Raises:
            TdxRefused: There is no such asset in this application, or no permission.
        """
        values = {"app": self._asset_app, "id": asset_id}
        call = Call("GET", "/{app}/assets/{id}", values)
        with hinting(f"{ASSET_APP} {self._asset_app}"):
            asset = self._read(call, self._asset)
        _check_id("asset", asset_id, asset.id)
        return asset

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        """Read all assets that match, without attributes; LIKE searches find too much (case A32).

        Raises:
            ValueError: A filter is so empty that it would find the whole inventory (case A33).
            TdxSettingError: The asset application is wrong.
        """
        with self._blaming_asset_app():
            return self._read(self._asset_search(search), _list_of("assets", self._asset))

    def asset_records(self, search: AssetSearch) -> Iterator[object]:
        """Read all assets that match as TDX sent them, one by one, for whoever keeps out a bad one alone.

        Raises:
            ValueError: See `search_assets`.
            TdxSettingError: The asset application is wrong.
        """
        with self._blaming_asset_app():
            return self._transport.read_list(self._asset_search(search))

    def _asset_search(self, search: AssetSearch) -> Call:
        values, body = {"app": self._asset_app}, asset_search_body(search)
        return Call("POST", "/{app}/assets/search", values, body=body, slow=True)

    def _blaming_asset_app(self) -> AbstractContextManager[None]:
        return blaming(f"{ASSET_APP} {self._asset_app} is no asset application")

    def asset_status_records(self) -> list[object]:
        """Read the statuses of the asset application as TDX sent them.

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
        """Read everybody as TDX sent them, one by one, without attributes."""
        return self._transport.read_list(Call("POST", "/people/search", body={}, slow=True))

    @property
    def zone(self) -> tzinfo:
        """The tenant's time zone: that of dates which TDX sends without one."""
        return self._zone

    def ticket_statuses(self) -> tuple[Status, ...]:
        """Read the active statuses of the ticketing application.

        Raises:
            TdxSettingError: The ticketing application is wrong (case A35).
        """
        path = "/{app}/tickets/statuses"
        return self._statuses(path, self._ticket_app, TICKET_APP, parse_status)

    def check_ticket_app(self) -> None:
        """Check that the ticketing application is one, before a 404 or 403 is held against a ticket.

        Raises:
            TdxSettingError: It is none that this account can use; TDX_APP_ID alone is often the assets'.
        """
        hint = (
            f"{TICKET_APP} (or TDX_APP_ID, where that is all there is) {self._ticket_app} is no ticketing "
            "application this account can use; the application of the assets has another number"
        )
        with blaming(hint, DENIED):
            self._read(Call("GET", "/{app}/tickets/statuses", {"app": self._ticket_app}), _unread)

    def asset_statuses(self) -> tuple[Status, ...]:
        """Read the statuses of the asset application, inactive ones perhaps among them.

        Raises:
            TdxSettingError: The asset application is wrong (case A35).
        """
        return self._statuses("/{app}/assets/statuses", self._asset_app, ASSET_APP, parse_status)

    def _statuses(
        self, template: str, app_id: int, setting: str, reader: Callable[[object], T]
    ) -> tuple[T, ...]:
        with blaming(f"{setting} {app_id} is no such application"):
            call = Call("GET", template, {"app": app_id})
            return self._read(call, _list_of("statuses", reader))

    def account(self) -> Account:
        """Give the account that is signed in; it is asked for once in this client's life."""
        with self._account_lock:
            if self._account is None:
                self._account = self._read(Call("GET", "/auth/getuser"), parse_account)
            return self._account

    def ticket_link(self, ticket_id: int) -> str:
        """Give the address where people see a ticket."""
        return ticket_link(self.base_url, self._ticket_app, ticket_id)

    def asset_link(self, asset_id: int) -> str:
        """Give the address where people see an asset."""
        return asset_link(self.base_url, self._asset_app, asset_id)

    def _of_ticket(self, template: str, ticket_id: int, parser: Callable[[object], T]) -> T:
        call = Call("GET", template, {"app": self._ticket_app, "id": ticket_id})
        with hinting(f"{TICKET_APP} {self._ticket_app}"):
            return self._read(call, parser)

    def _read(self, call: Call, parser: Callable[[object], T]) -> T:
        data = self._transport.read(call)
        try:
            return parser(data)
        except TdxBadAnswer as error:
            raise TdxBadAnswer(f"{call.shown}: {error}", call=call.name) from error

    def _ticket(self, data: object) -> Ticket:
        return parse_ticket(data, self._zone)

    def _feed_entry(self, data: object) -> FeedEntry:
        return parse_feed_entry(data, self._zone)

    def _asset(self, data: object) -> Asset:
        return parse_asset(data, self._zone)


def _list_of(kind: str, parser: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    return lambda data: parse_list(data, kind, parser)


def _check_id(kind: str, asked: int, got: int) -> None:
    if asked != got:
        raise TdxBadAnswer(f"TDX was asked for {kind} {asked} and sent {got}.")


def _unread(record: object) -> object:
    return record
