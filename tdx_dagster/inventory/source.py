"""Where raw records come from: the protocol that loads ask, and TeamDynamix behind it.

Belongs here: which calls give all assets, their statuses and their owners. Does not: reading the
records, which are passed on as they came so that a bad one is kept out alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import AssetSearch

MOST_SINGLE_PEOPLE = 60
"""One minute's worth of `GET /people/{uid}`; for more, one search for everybody is cheaper."""


class InventorySource(Protocol):
    """Gives raw records, each a JSON object if all is well."""

    def iter_assets(self, modified_from: datetime | None) -> Iterable[object]:
        """All assets, or those modified or created since a moment, or whose date is unknown."""

    def asset_statuses(self) -> Iterable[object]:
        """All statuses that an asset may have."""

    def people(self, uids: Sequence[str]) -> Iterable[object]:
        """The people of these UIDs, as far as they exist."""


class TdxClient(Protocol):
    """What of the TDX facade is used here."""

    def search_assets(self, search: AssetSearch) -> Sequence[Any]:
        """Assets, with `raw`."""

    def asset_statuses(self) -> Sequence[Any]:
        """Asset statuses."""

    def person(self, uid: str) -> Any:  # noqa: ANN401  a person, with `raw`
        """A person, with `raw`."""

    def search_people(self) -> Sequence[Any]:
        """All people, with `raw`."""


class TdxSource:
    """TeamDynamix as a source.

    Args:
        client: The TDX facade.
    """

    def __init__(self, client: TdxClient) -> None:
        self._client = client

    def iter_assets(self, modified_from: datetime | None) -> Iterator[object]:
        """See `InventorySource`. One call, since TDX caps no asset search (reference, 10.2)."""
        for asset in self._client.search_assets(AssetSearch(modified_from=modified_from)):
            yield asset.raw

    def asset_statuses(self) -> Iterator[object]:
        """See `InventorySource`."""
        for status in self._client.asset_statuses():
            yield {
                "ID": status.id,
                "Name": status.name,
                "IsActive": status.is_active,
                "IsOutOfService": status.is_out_of_service,
            }

    def people(self, uids: Sequence[str]) -> Iterator[object]:
        """See `InventorySource`."""
        if len(uids) > MOST_SINGLE_PEOPLE:
            wanted = set(uids)
            yield from (p.raw for p in self._client.search_people() if p.uid in wanted)
            return
        for uid in uids:
            try:
                yield self._client.person(uid).raw
            except TdxRefused:
                continue  # left, or not visible to this account
