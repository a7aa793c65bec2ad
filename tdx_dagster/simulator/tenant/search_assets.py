"""Searches of assets and configuration items.

Contains: every filter of `AssetSearch` and `ConfigurationItemSearch`.
"""

from collections.abc import Iterable

from tdx_dagster.simulator.tenant import present
from tdx_dagster.simulator.tenant.filters import (
    Test,
    attribute_tests,
    capped,
    date_range,
    fitting,
    member,
    members,
    truth,
)
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Tenant

_ASSET_LISTS = {
    "StatusIDs": "StatusID",
    "ExternalIDs": "ExternalID",
    "SupplierIDs": "SupplierID",
    "ManufacturerIDs": "ManufacturerID",
    "ProductModelIDs": "ProductModelID",
    "LocationIDs": "LocationID",
    "ParentIDs": "ParentID",
    "FormIDs": "FormID",
    "MaintenanceScheduleIDs": "MaintenanceScheduleID",
    "RequestingDepartmentIDs": "RequestingDepartmentID",
    "OwningDepartmentIDs": "OwningDepartmentID",
    "RequestingCustomerIDs": "RequestingCustomerID",
    "OwningCustomerIDs": "OwningCustomerID",
}
_ASSET_MEMBERS = {
    "StatusIDsPast": ("PastStatusIDs", "StatusID"),
    "OwningDepartmentIDsPast": ("PastOwningDepartmentIDs", "OwningDepartmentID"),
    "OwningCustomerIDsPast": ("PastOwningCustomerIDs", "OwningCustomerID"),
    "UsingDepartmentIDs": ("UsingDepartmentIDs", None),
    "UsingCustomerIDs": ("UsingCustomerIDs", None),
    "ContractIDs": ("ContractIDs", None),
}
_ASSET_RANGES = (
    "AcquisitionDate", "ExpectedReplacementDate", "ContractEndDate", "CreatedDate", "ModifiedDate",
)  # fmt: skip
_ASSET_TEXTS = ("Tag", "SerialNumber", "Name")


def search_assets(tenant: Tenant, app: int, wanted: Record) -> list[Record]:
    """Search the assets of an application: all that fit, unless `MaxResults` says otherwise.

    With a `SearchText` the best matches come first.

    Args:
        tenant: The tenant.
        app: The application's id.
        wanted: An `AssetSearch`.
    """
    found = fitting(tenant.state.assets.values(), app, _asset_tests(tenant, wanted))
    if text := (wanted["SearchText"] or "").strip().lower():
        found.sort(key=lambda asset: (_irrelevance(asset, text), asset["ID"]))
    return capped(found, wanted["MaxResults"])


def _irrelevance(asset: Record, text: str) -> int:
    """Rank a match: 0 where a field equals the text, 1 where one begins with it, else 2."""
    values = [str(asset.get(name) or "").lower() for name in _ASSET_TEXTS]
    if text in values:
        return 0
    return 1 if any(value.startswith(text) for value in values) else 2


def _asset_tests(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    yield from members(_ASSET_LISTS, wanted)
    for name, (field, current) in _ASSET_MEMBERS.items():
        if chosen := set(wanted[name] or ()):
            yield _any_member(field, current, chosen)
    for name in _ASSET_RANGES:
        yield from date_range(name, wanted[f"{name}From"], wanted[f"{name}To"])
    yield from _asset_numbers(wanted)
    yield from _asset_texts(tenant, wanted)
    yield from _asset_specials(tenant, wanted)
    yield from attribute_tests(wanted)


def _any_member(field: str, current: str | None, chosen: set[object]) -> Test:
    return lambda record: (
        not chosen.isdisjoint(record.get(field, ()))
        or (current is not None and record.get(current, 0) in chosen)
    )


def _asset_numbers(wanted: Record) -> Iterable[Test]:
    low, high = wanted["PurchaseCostFrom"], wanted["PurchaseCostTo"]
    if low:
        yield lambda asset: asset.get("PurchaseCost", 0.0) >= low
    if high:
        yield lambda asset: asset.get("PurchaseCost", 0.0) <= high
    if room := wanted["RoomID"]:
        yield member("LocationRoomID", [room])
    if provider := wanted["ContractProviderID"]:
        yield member("ContractProviderID", [provider])


def _asset_texts(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    if serial := (wanted["SerialLike"] or "").strip().lower():
        yield lambda asset: any(
            serial in str(asset.get(name) or "").lower() for name in ("SerialNumber", "Tag")
        )
    if text := (wanted["SearchText"] or "").strip().lower():
        kinds = ("Supplier", "ProductModel", "Manufacturer")
        named = {kind: _ids_named(tenant, kind, text) for kind in kinds}
        yield (
            lambda asset: (
                any(text in str(asset.get(name) or "").lower() for name in _ASSET_TEXTS)
                or any(asset.get(f"{kind}ID") in ids for kind, ids in named.items())
            )
        )


def _ids_named(tenant: Tenant, kind: str, text: str) -> set[int]:
    names = tenant.state.lookups.get(kind, {})
    return {number for number, name in names.items() if text in name.lower()}


def _asset_specials(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    state = tenant.state
    if wanted["IsInService"] is not None:
        out = {n for n, status in state.asset_statuses.items() if status.get("IsOutOfService")}
        in_service = wanted["IsInService"]
        yield lambda asset: (asset.get("StatusID", 0) not in out) is in_service
    if wanted["OnlyParentAssets"]:
        parents = {asset.get("ParentID", 0) for asset in state.assets.values()}
        yield lambda asset: asset["ID"] in parents
    if wanted["TicketIDs"]:
        linked = {item for number in wanted["TicketIDs"] for item in state.links.get(number, ())}
        yield lambda asset: asset["ConfigurationItemID"] in linked
    if wanted["ExcludeTicketIDs"]:
        kept = {i for number in wanted["ExcludeTicketIDs"] for i in state.links.get(number, ())}
        yield lambda asset: asset["ConfigurationItemID"] not in kept
    if excluded := set(wanted["ExcludeContractIDs"] or ()):
        yield lambda asset: excluded.isdisjoint(asset.get("ContractIDs", ()))


def search_items(tenant: Tenant, app: int, wanted: Record) -> list[Record]:
    """Search the configuration items of an application, those behind assets included. There is no cap.

    Args:
        tenant: The tenant.
        app: The application's id.
        wanted: A `ConfigurationItemSearch`.
    """
    state = tenant.state
    everything = [*map(present.asset_item, state.assets.values()), *state.items.values()]
    return fitting(everything, app, _item_tests(wanted))


def _item_tests(wanted: Record) -> Iterable[Test]:
    if text := (wanted["NameLike"] or "").strip().lower():
        yield lambda item: text in item["Name"].lower()
    if wanted["IsActive"] is not None:
        yield truth("IsActive", is_set=wanted["IsActive"])
    kinds = {"TypeIDs": "TypeID", "MaintenanceScheduleIDs": "MaintenanceScheduleID"}
    yield from members(kinds, wanted)
    yield from attribute_tests(wanted)
