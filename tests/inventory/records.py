"""Tickets, feed entries, computers and assets with everything filled in, for tests of discovery."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tdx_dagster.inventory.computers import Computer
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import Asset, AssetSearch, FeedEntry, Reply, StatusClass, Ticket

REQUESTOR = "11111111-2222-3333-4444-555555555555"
COLLEAGUE = "22222222-2222-3333-4444-555555555555"
NOON = datetime(2026, 4, 3, 12, tzinfo=UTC)


def ticket(**fields: Any) -> Ticket:
    """A new ticket about nothing in particular."""
    blank = Ticket(
        id=31,
        title="",
        description="",
        is_rich_html=False,
        status_id=1,
        status_name="New",
        status_class=StatusClass.NEW,
        requestor_uid=REQUESTOR,
        requestor_name="Robin Example",
        requestor_email="robin@example.edu",
        modified_at=None,
    )
    return replace(blank, **fields)


def entry(number: int, body: str = "", **fields: Any) -> FeedEntry:
    """A comment by a colleague, one minute after the one numbered before it."""
    blank = FeedEntry(
        id=number,
        body=body,
        created_uid=COLLEAGUE,
        created_name="Sam Example",
        created_at=NOON + timedelta(minutes=number),
        update_type=1,
        item_type=9,
        is_private=False,
        replies_count=0,
    )
    return replace(blank, **fields)


def reply(number: int, body: str, **fields: Any) -> Reply:
    """A reply by a colleague."""
    made = Reply(number, body, COLLEAGUE, "Sam Example", NOON + timedelta(minutes=number))
    return replace(made, **fields)


def computer(**fields: Any) -> Computer:
    """A computer of the computer form, active unless another status is given."""
    status = fields.get("status_name", "Active")
    blank = Computer(
        asset_id=1001,
        name="",
        serial_number="",
        tag="",
        status_id=38,
        status_name=status,
        is_active=status == "Active",
        form_id=2448,
        owner_uid=None,
        matched_field="name",
    )
    return replace(blank, **fields)


def asset(**fields: Any) -> Asset:
    """An active asset of the computer form as TDX sends it."""
    blank = Asset(
        id=1001,
        name="",
        serial_number="",
        tag="",
        form_id=2448,
        status_id=38,
        status_name="Active",
        owner_uid=None,
        owner_name="",
        configuration_item_id=900001,
        modified_at=None,
    )
    return replace(blank, **fields)


class ScriptedSearch:
    """A search of TDX over given assets, LIKE as TDX does it, with a list of what was asked."""

    def __init__(self, *assets: Asset) -> None:
        self.assets = assets
        self.asked: list[AssetSearch] = []
        self.read: list[int] = []

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        """Give assets with the text anywhere in a field."""
        self.asked.append(search)
        term = (search.search_text or search.serial_like or "").casefold()
        owners = search.owner_uids
        hits = [
            one
            for one in self.assets
            if (owners is None or one.owner_uid in owners)
            and term in f"{one.name}\n{one.serial_number}\n{one.tag}".casefold()
        ]
        return tuple(hits[: search.max_results])

    def asset(self, asset_id: int) -> Asset:
        """Give one of them."""
        self.read.append(asset_id)
        for one in self.assets:
            if one.id == asset_id:
                return one
        raise TdxRefused("GET asset answered 404.", status=404)
