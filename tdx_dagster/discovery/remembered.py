"""A cache in front of the inventory for one run, so that nothing is asked twice.

Belongs here: remembering answers and asking for a batch at once. Does not: where answers come from
(`inventory.lookup`), what is made of them (`discover`).
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable

from tdx_dagster.discovery.identifiers import IdentifierSettings, candidates
from tdx_dagster.inventory.computers import Computer, Inventory
from tdx_dagster.inventory.lookup import Found, filtered
from tdx_dagster.inventory.statuses import Listed, listed_by_tdx
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tdx.models import Status
from tdx_dagster.tdx.parse import as_guid

log = logging.getLogger(__name__)


class RememberingInventory:
    """Cache in front of an inventory for one run; `prefetch` fills it with one query per batch.

    Made anew for each batch: what it remembers is not looked at again.

    Args:
        inventory: Whom to ask. It is asked without filters, which are applied to what is remembered.
        ask_statuses: Gives TDX's list of asset statuses where the inventory does not know it; one call.
    """

    def __init__(
        self, inventory: Inventory, ask_statuses: Callable[[], Iterable[Status]] = tuple
    ) -> None:
        self._inventory = inventory
        self._ask_statuses = ask_statuses
        self._lock = threading.Lock()
        self._distrusted: bool | None = None
        self._statuses: Listed | None = None
        self._found: dict[str, tuple[Computer, ...]] = {}
        self._owned: dict[str, tuple[Computer, ...]] = {}

    def prefetch(
        self, texts: Iterable[str], settings: IdentifierSettings, uids: Iterable[str] = ()
    ) -> None:
        """Ask for all candidates of many texts in one statement, for people's computers in another.

        Args:
            texts: Visible texts of a batch of tickets.
            settings: What the installation adds to the rules.
            uids: Requestors whose computers will be asked for.

        Raises:
            InventoryUnavailable: It could not be asked.
        """
        seen = (candidate for text in texts for candidate in candidates(text, settings))
        self._learn({key for candidate in seen for key in candidate.keys})
        self._learn_owners({guid for uid in uids if (guid := as_guid(uid))})

    def find(
        self, keys: Collection[str], *, active_only: bool = False, form_id: int | None = None
    ) -> Found:
        """See `Inventory`."""
        self._learn(set(keys))
        found = ((key, self._found[key]) for key in sorted(set(keys)))
        return filtered(found, active_only=active_only, form_id=form_id)

    def owned_by(
        self, uids: Collection[str], *, active_only: bool = True, form_id: int | None = None
    ) -> Found:
        """See `Inventory`."""
        wanted = {guid for uid in uids if (guid := as_guid(uid))}
        self._learn_owners(wanted)
        owned = ((uid, self._owned[uid]) for uid in sorted(wanted))
        return filtered(owned, active_only=active_only, form_id=form_id)

    def is_empty(self) -> bool:
        """See `Inventory`."""
        return self._inventory.is_empty()

    def is_distrusted(self) -> bool:
        """See `Inventory`."""
        with self._lock:
            if self._distrusted is None:
                self._distrusted = self._inventory.is_distrusted()
            return self._distrusted

    def statuses(self) -> Listed:
        """See `Inventory`. Where neither knows it, names are those on the records."""
        with self._lock:
            if self._statuses is None:
                self._statuses = self._inventory.statuses() or self._asked_statuses()
            return self._statuses

    def _asked_statuses(self) -> Listed:
        try:
            return listed_by_tdx(self._ask_statuses())
        except TdxError as error:
            log.warning("The list of asset statuses could not be read: %s", error)
            return {}

    def _learn(self, keys: set[str]) -> None:
        if unknown := keys - self._found.keys():
            found = self._inventory.find(unknown)
            self._found |= {key: found.get(key, ()) for key in unknown}

    def _learn_owners(self, uids: set[str]) -> None:
        if unknown := uids - self._owned.keys():
            owned = self._inventory.owned_by(unknown, active_only=False)
            self._owned |= {uid: owned.get(uid, ()) for uid in unknown}
