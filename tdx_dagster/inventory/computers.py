"""A computer as the inventory has it, and the protocol of an inventory.

Belongs here: the record, the protocol of an inventory, and its error. Does not: SQL
(`lookup`), nor which computer a ticket is about (`discovery`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.inventory.statuses import ActiveStatuses, Listed
from tdx_dagster.tdx.models import Asset

Field = Literal["name", "serial number", "tag", "owner"]


class InventoryUnavailable(Exception):
    """The inventory could not be asked.

    That says nothing about any computer: decide nothing and try again later (case E20).
    """


@dataclass(frozen=True, slots=True)
class Computer:
    """A TDX asset as the inventory has it.

    Args:
        asset_id: TDX id of the asset.
        name: As TDX has it; empty where there is none. The same goes for the next two.
        serial_number: See `name`.
        tag: See `name`.
        status_id: TDX id of its status, where known.
        status_name: Name of its status.
        is_active: Whether that status is the one named Active; discovery decides by its own settings.
        form_id: TDX id of its form, where known.
        owner_uid: Person who owns it, where known.
        matched_field: By which field it was found.
        is_gone: Whether TDX no longer has it, as a full load noticed.
        is_confirmed: Whether this is what TDX itself says now, not the inventory.
    """

    asset_id: int
    name: str
    serial_number: str
    tag: str
    status_id: int | None
    status_name: str
    is_active: bool
    form_id: int | None
    owner_uid: str | None
    matched_field: Field
    is_gone: bool = False
    is_confirmed: bool = False

    @property
    def label(self) -> str:
        """What people call it."""
        return (
            self.name.strip()
            or self.serial_number.strip()
            or self.tag.strip()
            or f"asset {self.asset_id}"
        )


class Inventory(Protocol):
    """The port to an inventory of computers: PostgreSQL, or a list in memory."""

    def find(
        self, keys: Collection[str], *, active_only: bool = False, form_id: int | None = None
    ) -> Mapping[str, tuple[Computer, ...]]:
        """Find computers whose name, serial number or tag equals a key.

        Args:
            keys: Folded keys, see `fold_key`.
            active_only: Leave out those whose status is not active.
            form_id: Leave out those of other forms; None keeps all.

        Returns:
            For each key that has any, its computers by asset id, each once.

        Raises:
            InventoryUnavailable: It could not be asked.
        """

    def owned_by(
        self, uids: Collection[str], *, active_only: bool = True, form_id: int | None = None
    ) -> Mapping[str, tuple[Computer, ...]]:
        """Find the computers that people own, by asset id.

        Args:
            uids: People, as lower-case GUIDs.
            active_only: See `find`.
            form_id: See `find`.

        Raises:
            InventoryUnavailable: It could not be asked.
        """

    def is_empty(self) -> bool:
        """Tell whether it knows no computer at all, which means that nothing was ingested (case E05).

        Raises:
            InventoryUnavailable: It could not be asked.
        """

    def is_distrusted(self) -> bool:
        """Tell whether TDX is to be asked about every record: the inventory is too old, or older than bronze.

        Raises:
            InventoryUnavailable: It could not be asked.
        """

    def statuses(self) -> Listed:
        """TDX's own list of asset statuses; empty where it is not known.

        Raises:
            InventoryUnavailable: It could not be asked.
        """


def from_asset(
    asset: Asset, matched_field: Field = "name", *, is_confirmed: bool = False
) -> Computer:
    """Give an asset as TDX sent it, in the inventory's form."""
    return Computer(
        asset_id=asset.id,
        name=asset.name,
        serial_number=asset.serial_number,
        tag=asset.tag,
        status_id=asset.status_id,
        status_name=asset.status_name,
        is_active=ActiveStatuses().counts(asset.status_id, asset.status_name),
        form_id=asset.form_id,
        owner_uid=asset.owner_uid,
        matched_field=matched_field,
        is_confirmed=is_confirmed,
    )


def keys_of(name: str | None, serial: str | None, tag: str | None) -> tuple[tuple[Field, str], ...]:
    """Give the fields of a record that can be matched, with their keys; fillers and blanks cannot."""
    fields: tuple[tuple[Field, str | None], ...] = (
        ("name", fold_key(name)),
        ("serial number", fold_key(serial)),
        ("tag", fold_key(tag)),
    )
    return tuple((field, key) for field, key in fields if key)
