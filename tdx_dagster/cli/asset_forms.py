"""Whether the asset form of a pipeline's computers is one of this TDX: a wrong one attaches nothing, silently.

Belongs here: the part of `check` that asks TDX for assets of the form, and names the likely forms instead.
"""

from collections import Counter
from collections.abc import Sequence

from tdx_dagster.inventory.statuses import Listed
from tdx_dagster.settings import SettingsError
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.models import AssetSearch
from tdx_dagster.tickets.actions.add_asset import AddAsset

# Enough to tell which forms are common; a tenant may have hundreds of thousands of assets.
ASSETS_COUNTED = 1000
FORMS_NAMED = 5
COMPUTER_WORDS = ("computer", "laptop", "desktop", "notebook", "workstation", "pc")


def check_form(tdx: Tdx, action: AddAsset, listed: Listed) -> str:
    """Check that TDX has an asset that the action may attach by its form and status.

    Args:
        tdx: A client that does not wait.
        action: The action.
        listed: The asset statuses of TDX.

    Raises:
        SettingsError: There is none; the text names the forms that have some.
    """
    statuses = _statuses(action, listed)
    form = action.computer_form_id
    if form is None:
        return "any form"
    if tdx.search_assets(AssetSearch(form_ids=(form,), status_ids=statuses, max_results=1)):
        return f"form {form} has {_kind(action)}"
    raise SettingsError(
        f"{action.label}: computer_form_id: {form}: no asset of TDX has this form{_and_status(action)}, so "
        f"nothing would ever be attached. {_others(tdx, statuses)}"
    )


def _statuses(action: AddAsset, listed: Listed) -> tuple[int, ...] | None:
    """Give the ids of the statuses that count; None where all do, or where no name is known."""
    if not action.active_status_only:
        return None
    active = action.active_statuses(listed)
    by_name = tuple(key for key, status in listed.items() if active.counts(key, status.name))
    return active.ids or by_name or None


def _kind(action: AddAsset) -> str:
    return "active assets" if action.active_status_only else "assets"


def _and_status(action: AddAsset) -> str:
    return " and an active status" if action.active_status_only else ""


def _others(tdx: Tdx, statuses: tuple[int, ...] | None) -> str:
    found = tdx.search_assets(AssetSearch(status_ids=statuses, max_results=ASSETS_COUNTED))
    counts = Counter((asset.form_id, str(asset.raw.get("FormName") or "")) for asset in found)
    if not counts:
        return "This account sees no asset of another form either: see TDX_ASSET_APP_ID."
    forms = sorted(counts.items(), key=lambda one: (not _is_like_computer(one[0][1]), -one[1]))
    return f"Forms among the first {len(found)} such assets: {_named(forms[:FORMS_NAMED])}."


def _named(forms: Sequence[tuple[tuple[int, str], int]]) -> str:
    return ", ".join(f"{form} {name!r} ({count})" for (form, name), count in forms)


def _is_like_computer(name: str) -> bool:
    words = name.casefold()
    return any(word in words for word in COMPUTER_WORDS)
