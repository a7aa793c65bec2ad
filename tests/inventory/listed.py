"""Assets and a source to load them from, for tests of the inventory."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

OWNER = "6f1d2a10-0000-4000-8000-00000000000a"


def asset(number: object, name: object = "LIB-PC-1", **more: object) -> dict[str, Any]:
    """An asset as TDX sends it."""
    return {
        "ID": number,
        "AppID": 48,
        "Name": name,
        "SerialNumber": f"5cd{number}",
        "Tag": None,
        "StatusID": 1,
        "StatusName": "Active",
        "FormID": 2448,
        "FormName": "Computer",
        "OwningCustomerID": OWNER,
        "OwningCustomerName": "Ada Example",
        "ConfigurationItemID": 70001,
        "ModifiedDate": "2026-11-01T08:00:00Z",
        **more,
    }


class Listed:
    """A source that gives what it was made with, and remembers what it was asked."""

    def __init__(self, assets: Iterable[object] = (), statuses: Iterable[object] = ()) -> None:
        self.assets = assets
        self.statuses = statuses
        self.asked_from: list[datetime | None] = []
        self.asked_people: list[str] = []

    def iter_assets(self, modified_from: datetime | None) -> Iterable[object]:
        self.asked_from.append(modified_from)
        return self.assets

    def asset_statuses(self) -> Iterable[object]:
        return self.statuses

    def people(self, uids: Sequence[str]) -> Iterable[object]:
        self.asked_people += uids
        return [{"UID": OWNER.upper(), "PrimaryEmail": "ada@example.edu"}]
