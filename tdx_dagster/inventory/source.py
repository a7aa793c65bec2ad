"""The source of raw records: its protocol, and TeamDynamix behind it.

Belongs here: which calls give all assets, their statuses and their owners. Does not: reading the
records, which are passed on as they came so that a bad one is rejected alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Protocol

from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import AssetSearch
from tdx_dagster.tdx.parse import parse_guid

MOST_SINGLE_PEOPLE = 60
"""One minute's worth of `GET /people/{uid}`; for more, one search for everybody is cheaper."""


class InventorySource(Protocol):
    """Gives raw records, each a JSON object if all is well."""

    def iter_assets(self, modified_from: datetime | None) -> Iterable[object]:
        """Give all assets, or those modified or created since a moment, or whose date is unknown."""

    def asset_statuses(self) -> Iterable[object]:
        """Give all statuses that an asset may have."""

    def people(self, uids: Sequence[str]) -> Iterable[object]:
        """Give the people of these UIDs, as far as they exist."""


class TdxClient(Protocol):
    """What of the TDX facade is used here."""

    @property
    def zone(self) -> tzinfo:
        """Of dates that TDX sends without one."""

    def asset_records(self, search: AssetSearch) -> Iterable[object]:
        """Assets as TDX sent them."""

    def asset_status_records(self) -> list[object]:
        """Asset statuses as TDX sent them."""

    def person_record(self, uid: str) -> object:
        """Give a person as TDX sent them."""

    def people_records(self) -> Iterable[object]:
        """Everybody as TDX sent them."""


class TdxSource:
    """TeamDynamix as a source.

    Args:
        client: The TDX facade.
    """

    def __init__(self, client: TdxClient) -> None:
        self._client = client

    def iter_assets(self, modified_from: datetime | None) -> Iterator[object]:
        """See `InventorySource`.

        One call for all, since TDX caps no asset search, and none by status or
        form, since an asset that changes its status between two such calls would be missed. New
        assets are asked for by the date of creation too, which they have even where they were never
        modified (case E23).
        """
        yield from self._client.asset_records(AssetSearch(modified_from=modified_from))
        if modified_from is not None:
            yield from self._client.asset_records(AssetSearch(created_from=modified_from))

    def asset_statuses(self) -> Iterator[object]:
        """See `InventorySource`."""
        yield from self._client.asset_status_records()

    def people(self, uids: Sequence[str]) -> Iterator[object]:
        """See `InventorySource`."""
        if len(uids) > MOST_SINGLE_PEOPLE:
            wanted = set(uids)
            everybody = self._client.people_records()
            yield from (person for person in everybody if _uid_of(person) in wanted)
            return
        for uid in uids:
            try:
                yield self._client.person_record(uid)
            except TdxRefused:
                continue  # left, or not visible to this account


def _uid_of(person: object) -> str | None:
    try:
        return parse_guid(person.get("UID")) if isinstance(person, dict) else None
    except ValueError:
        return None
