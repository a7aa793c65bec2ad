"""Whether a computer counts, and whether its record still is what the inventory said.

Belongs here: the one rule about status, form and owner for all ways to find a computer. Does not:
which computers a text names (`discover`).
"""

from tdx_dagster.discovery.results import DiscoverySettings
from tdx_dagster.inventory.computers import Computer, from_asset, keys_of
from tdx_dagster.tdx.models import Asset
from tdx_dagster.tdx.parse import as_guid


def is_eligible(computer: Computer, settings: DiscoverySettings) -> bool:
    """Tell whether a computer may be attached: one rule for all ways to find it (case A36)."""
    return why_not_eligible(computer, settings) is None


def why_not_eligible(computer: Computer, settings: DiscoverySettings) -> str | None:
    """Why a computer may not be attached, for people; None where it may."""
    if computer.is_gone:
        return "TDX no longer has it"
    is_active = settings.active.counts(computer.status_id, computer.status_name)
    if settings.active_only and not is_active:
        return f"its status is {computer.status_name or 'unknown'}"
    if settings.form_id is not None and computer.form_id != settings.form_id:
        return "it is not of the computer form"
    return None


def confirm(computer: Computer, asset: Asset, settings: DiscoverySettings) -> str | None:
    """Tell whether the record, read just before attaching, still is what the inventory said.

    Args:
        computer: What was found.
        asset: The record now.
        settings: How to decide.

    Returns:
        None where it is; else why it is not attached, for people.
    """
    if asset.id != computer.asset_id:
        return f"TDX gave asset {asset.id} instead of {computer.asset_id}"
    before = dict(keys_of(computer.name, computer.serial_number, computer.tag))
    now = dict(keys_of(asset.name, asset.serial_number, asset.tag))
    if computer.matched_field != "owner":
        matched = computer.matched_field
        if before.get(matched) != now.get(matched):
            return f"its {matched} is now {getattr(asset, matched.replace(' ', '_')) or 'empty'}"
    elif as_guid(asset.owner_uid) != as_guid(computer.owner_uid):
        return "it now belongs to somebody else"
    return why_not_eligible(from_asset(asset), settings)
