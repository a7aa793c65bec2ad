"""Questions to TDX itself: what the inventory does not know, and what an old one may have wrong.

Belongs here: searches within the budget of a ticket, reading records again, the requestor's
computers. Does not: the order of the phases (`discover`). No error becomes "nothing found" (case E20).
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from tdx_dagster.discovery.identifiers import Candidate, Reading
from tdx_dagster.discovery.matching import matched_field
from tdx_dagster.discovery.results import DiscoverySettings
from tdx_dagster.inventory.computers import Computer, Field, Inventory, from_asset
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import Asset, AssetSearch
from tdx_dagster.tdx.parse import as_guid

log = logging.getLogger(__name__)

# Hits are sorted by relevance, an exact one comes first. As many as this without one: a search too
# wide to say that there is none.
SEARCH_RESULTS = 100


class SearchAssets(Protocol):
    """Asks TDX for assets; an error raises, it is never an empty answer."""

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        """Give the assets that match, perhaps too many (case A32)."""

    def asset(self, asset_id: int) -> Asset:
        """Give one asset as it is now."""


class TdxLookup:
    """What one discovery asks TDX, at most once for each thing.

    Args:
        inventory: Where it is distrusted, its records and the requestor's computers are read from TDX.
        search: Who asks TDX; None: nobody.
        settings: How many searches a ticket may cost.
    """

    def __init__(
        self, inventory: Inventory, search: SearchAssets | None, settings: DiscoverySettings
    ) -> None:
        self._search = search
        self._settings = settings
        self._confirmed_by = search if search is not None and inventory.is_distrusted() else None
        self._asked: dict[tuple[Reading, ...], tuple[Computer, ...]] = {}
        self._read: dict[int, Asset | None] = {}
        self.not_searched: list[str] = []
        self.searches = 0

    @property
    def is_inventory_distrusted(self) -> bool:
        """Whether TDX is asked about every record."""
        return self._confirmed_by is not None

    def confirmed(
        self, candidate: Candidate, computers: Sequence[Computer]
    ) -> tuple[Computer, ...]:
        """Give what TDX says today of records of an old inventory that still bear such a key."""
        tdx = self._confirmed_by
        if tdx is None:
            return tuple(computers)
        now = []
        for computer in computers:
            try:
                asset = self._asset_now(tdx, computer.asset_id)
            except TdxRefused as error:
                log.warning("%s is neither used nor searched for: %s", candidate.token, error)
                self.not_searched.append(candidate.token)
                self._asked.setdefault(candidate.readings, ())
                continue
            if asset is not None and (matched := _field_equal(asset, candidate)):
                now.append(from_asset(asset, matched, is_confirmed=True))
        return tuple(now)

    def _asset_now(self, tdx: SearchAssets, asset_id: int) -> Asset | None:
        """Give an asset as it is now, read once; None where there is none any more.

        Raises:
            TdxRefused: It may not be seen, or enough were read for this ticket.
        """
        settings = self._settings
        if asset_id not in self._read:
            if len(self._read) >= settings.max_assets + settings.max_api_searches:
                raise TdxRefused("too many computers to confirm for one ticket")
            try:
                self._read[asset_id] = tdx.asset(asset_id)
            except TdxRefused as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                self._read[asset_id] = None
        return self._read[asset_id]

    def search_for(
        self, unknown: Sequence[Candidate]
    ) -> dict[tuple[Reading, ...], tuple[Computer, ...]]:
        """Search TDX for candidates that the inventory does not know, labelled ones first."""
        if self._search is None:
            return {}
        known = {c.readings: self._asked[c.readings] for c in unknown if c.readings in self._asked}
        unknown = [candidate for candidate in unknown if candidate.readings not in known]
        # Labelled ones first: where the budget ends, they are the better guess.
        wanted = sorted(unknown, key=lambda candidate: not candidate.is_labelled)
        budget = max(0, self._settings.max_api_searches - self.searches)
        if cut := [candidate.token for candidate in wanted[budget:]]:
            self.not_searched += cut
            log.warning("Search of TDX cut after %d; not asked for: %s", budget, ", ".join(cut))
        for candidate in wanted[:budget]:
            self._asked[candidate.readings] = self._searched(self._search, candidate)
        return known | {c.readings: self._asked[c.readings] for c in wanted[:budget]}

    def _searched(self, search: SearchAssets, candidate: Candidate) -> tuple[Computer, ...]:
        """Ask TDX for a candidate; `SearchText` covers name, serial number and tag in one call."""
        self.searches += 1
        assets = search.search_assets(
            AssetSearch(
                search_text=candidate.search_text,
                form_ids=self._form_ids,
                max_results=SEARCH_RESULTS,
            )
        )
        found = tuple(
            from_asset(asset, matched)
            for asset in sorted(assets, key=lambda asset: asset.id)
            if (matched := _field_equal(asset, candidate))
        )
        if not found and len(assets) >= SEARCH_RESULTS:
            self.not_searched.append(candidate.token)
        return found

    @property
    def _form_ids(self) -> tuple[int, ...] | None:
        form_id = self._settings.form_id
        return None if form_id is None else (form_id,)

    def owned_by(self, uid: str) -> Sequence[Computer] | None:
        """Give all computers of a person; None where the searches of the ticket are used up.

        An old inventory lacks what was bought since, so that its "only one" says nothing.
        """
        if self._confirmed_by is None or self.searches >= self._settings.max_api_searches:
            return None
        self.searches += 1
        search = AssetSearch(owner_uids=(uid,), form_ids=self._form_ids, max_results=SEARCH_RESULTS)
        return [
            from_asset(asset, "owner", is_confirmed=True)
            for asset in self._confirmed_by.search_assets(search)
            if as_guid(asset.owner_uid) == uid
        ]


def _field_equal(asset: Asset, candidate: Candidate) -> Field | None:
    """Tell which field of a search hit equals a reading; most hits are merely alike (case A32)."""
    fields = (
        matched_field(reading, asset.name, asset.serial_number, asset.tag)
        for reading in candidate.readings
    )
    return next((field for field in fields if field), None)
