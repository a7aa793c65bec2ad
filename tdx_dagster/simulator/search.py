"""Searching tickets, assets, people and configuration items: which record fits which filter.

Filters are AND between fields and OR within one list; an empty list, a null and (where a filter cannot be
null) a zero or year 1 do not filter (reference, sections 8.2, 10.2, 11 and 12.1).
"""

from collections.abc import Callable, Iterable
from typing import Any

from tdx_dagster.simulator import present
from tdx_dagster.simulator.model import Record
from tdx_dagster.simulator.shapes import UNSET_DATE, parse_date
from tdx_dagster.simulator.tenant import Tenant

Test = Callable[[Record], bool]

ANY_CLASSIFICATION = 9

_TICKET_LISTS = {
    "StatusIDs": "StatusID",
    "StatusClassIDs": "StatusClass",
    "PriorityIDs": "PriorityID",
    "UrgencyIDs": "UrgencyID",
    "ImpactIDs": "ImpactID",
    "AccountIDs": "AccountID",
    "TypeIDs": "TypeID",
    "SourceIDs": "SourceID",
    "FormIDs": "FormID",
    "SlaIDs": "SlaID",
    "KBArticleIDs": "ArticleID",
    "LocationIDs": "LocationID",
    "LocationRoomIDs": "LocationRoomID",
    "ServiceIDs": "ServiceID",
    "ResponsibilityUids": "ResponsibleUid",
    "ResponsibilityGroupIDs": "ResponsibleGroupID",
    "PrimaryResponsibilityUids": "ResponsibleUid",
    "PrimaryResponsibilityGroupIDs": "ResponsibleGroupID",
    "RequestorUids": "RequestorUid",
}
_TICKET_EQUALS = {
    "TicketID": "ID",
    "ParentTicketID": "ParentID",
    "UpdatedByUid": "StatusChangedUid",
    "ModifiedByUid": "ModifiedUid",
    "RespondedByUid": "RespondedUid",
    "ClosedByUid": "CompletedUid",
    "CreatedByUid": "CreatedUid",
    "ReviewerUid": "ReviewerUid",
}
_TICKET_RANGES = {
    "UpdatedDate": "StatusChangedDate",
    "ModifiedDate": "ModifiedDate",
    "StartDate": "StartDate",
    "EndDate": "EndDate",
    "RespondedDate": "RespondedDate",
    "ClosedDate": "CompletedDate",
    "RespondByDate": "RespondByDate",
    "CloseByDate": "ResolveByDate",
    "CreatedDate": "CreatedDate",
    "GoesOffHold": "GoesOffHoldDate",
}
_TICKET_TRUTHS = {
    "SlaViolationStatus": "IsSlaViolated",
    "ConvertedToTask": "IsConvertedToTask",
    "IsOnHold": "IsOnHold",
    "AssignmentStatus": "ResponsibleUid",
    "HasReferenceCode": "RefCode",
}
_TICKET_TEXTS = {
    "RequestorNameSearch": "RequestorName",
    "RequestorEmailSearch": "RequestorEmail",
    "RequestorPhoneSearch": "RequestorPhone",
}
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


def tickets(tenant: Tenant, app: int, wanted: Record) -> list[Record]:
    """Search the tickets of an application.

    Args:
        tenant: The tenant.
        app: The application's id.
        wanted: A `TicketSearch`.

    Returns:
        The records that fit, newest first, no more than `MaxResults` (0 for all).
    """
    tests = list(_ticket_tests(tenant, wanted))
    found = [
        ticket
        for ticket in tenant.state.tickets.values()
        if ticket["AppID"] == app and all(test(ticket) for test in tests)
    ]
    found.sort(key=lambda ticket: -ticket["ID"])
    return _capped(found, wanted["MaxResults"])


def _capped(found: list[Record], most: int | None) -> list[Record]:
    return found[:most] if most is not None and most > 0 else found


def _ticket_tests(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    state = tenant.state

    def status_class(ticket: Record) -> int:
        found: int = state.ticket_statuses.get(ticket["StatusID"], {}).get("StatusClass", 0)
        return found

    for name, field in _TICKET_LISTS.items():
        if values := wanted[name]:
            if field == "StatusClass":
                yield lambda ticket, values=set(values): status_class(ticket) in values
            else:
                yield _member(field, values)
    for name, field in _TICKET_EQUALS.items():
        if wanted[name] is not None:
            yield _member(field, [wanted[name]])
    for name, field in _TICKET_RANGES.items():
        yield from _range(field, wanted[f"{name}From"], wanted[f"{name}To"])
    for name, field in _TICKET_TRUTHS.items():
        if wanted[name] is not None:
            yield _truth(field, is_set=wanted[name])
    for name, field in _TICKET_TEXTS.items():
        if wanted[name]:
            yield _shown_contains(tenant, field, wanted[name])
    yield from _ticket_specials(tenant, wanted)


def _ticket_specials(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    classes = wanted["TicketClassification"]
    if classes and ANY_CLASSIFICATION not in classes:
        yield _member("Classification", classes)
    if past := set(wanted["PastStatusIDs"] or ()):
        yield lambda ticket: bool(past & {ticket["StatusID"], *ticket.get("PastStatusIDs", ())})
    links = tenant.state.links
    if linked := set(wanted["ConfigurationItemIDs"] or ()):
        yield lambda ticket: not linked.isdisjoint(links.get(ticket["ID"], ()))
    if unlinked := set(wanted["ExcludeConfigurationItemIDs"] or ()):
        yield lambda ticket: unlinked.isdisjoint(links.get(ticket["ID"], ()))
    low, high = wanted["DaysOldFrom"], wanted["DaysOldTo"]
    if low is not None:
        yield lambda ticket: present.days_old(tenant, ticket) >= low
    if high is not None:
        yield lambda ticket: present.days_old(tenant, ticket) <= high
    if unmet := wanted["SlaUnmetConstraints"]:
        yield lambda ticket: bool(unmet & _unmet(ticket))
    yield from _attribute_tests(wanted)
    if text := (wanted["SearchText"] or "").strip().lower():
        yield lambda ticket: any(text in words for words in _words_of(tenant, ticket))


def _unmet(ticket: Record) -> int:
    """Flags of UnmetConstraintSearchType: 1 for the response, 2 for the resolution."""
    response = bool(ticket.get("IsSlaRespondByViolated"))
    return response + 2 * bool(ticket.get("IsSlaResolveByViolated"))


def _words_of(tenant: Tenant, ticket: Record) -> Iterable[str]:
    for name in ("Title", "Description", "RefCode"):
        yield str(ticket.get(name) or "").lower()
    for number, value in ticket.get("Attributes", {}).items():
        definition = tenant.state.attributes.get(number, {})
        yield (present.choice_text(definition, value) or str(value)).lower()
    for entry in tenant.state.feed_of_ticket(ticket["ID"]):
        yield str(entry.get("Body") or "").lower()


def _member(field: str, values: Iterable[Any]) -> Test:
    chosen = set(values)
    return lambda record: record.get(field, 0) in chosen


def _truth(field: str, *, is_set: bool) -> Test:
    return lambda record: bool(record.get(field)) is is_set


def _shown_contains(tenant: Tenant, field: str, text: str) -> Test:
    wanted = text.lower()
    return lambda record: wanted in present.ticket(tenant, record, full=False)[field].lower()


def _range(field: str, low: str | None, high: str | None) -> Iterable[Test]:
    if low is not None and not low.startswith("0001-"):
        since = parse_date(low)
        yield lambda record: (at := _date(record, field)) is not None and at >= since
    if high is not None and not high.startswith("0001-"):
        until = parse_date(high)
        yield lambda record: (at := _date(record, field)) is not None and at <= until


def _date(record: Record, field: str) -> Any:  # noqa: ANN401  datetime or None
    text = record.get(field) or UNSET_DATE
    return None if text.startswith("0001-") else parse_date(text)


def _attribute_tests(wanted: Record) -> Iterable[Test]:
    for asked in wanted["CustomAttributes"] or ():
        number = asked.get("ID", 0)
        chosen = {part.strip() for part in (asked.get("Value") or "").split(",")}
        yield (
            lambda record, number=number, chosen=chosen: (
                not chosen.isdisjoint(
                    part.strip()
                    for part in str(record.get("Attributes", {}).get(number, "")).split(",")
                )
            )
        )


def assets(tenant: Tenant, app: int, wanted: Record) -> list[Record]:
    """Search the assets of an application.

    Args:
        tenant: The tenant.
        app: The application's id.
        wanted: An `AssetSearch`.

    Returns:
        The records that fit, all of them unless `MaxResults` says otherwise; with a `SearchText` the
        best matches come first.
    """
    tests = list(_asset_tests(tenant, wanted))
    found = [
        asset
        for asset in tenant.state.assets.values()
        if asset["AppID"] == app and all(test(asset) for test in tests)
    ]
    if text := (wanted["SearchText"] or "").strip().lower():
        found.sort(key=lambda asset: (_irrelevance(asset, text), asset["ID"]))
    return _capped(found, wanted["MaxResults"])


def _irrelevance(asset: Record, text: str) -> int:
    """0 where a field equals the text, 1 where one begins with it, else 2."""
    values = [str(asset.get(name) or "").lower() for name in _ASSET_TEXTS]
    if text in values:
        return 0
    return 1 if any(value.startswith(text) for value in values) else 2


def _asset_tests(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    for name, field in _ASSET_LISTS.items():
        if wanted[name]:
            yield _member(field, wanted[name])
    for name, (field, current) in _ASSET_MEMBERS.items():
        if chosen := set(wanted[name] or ()):
            yield _any_member(field, current, chosen)
    for name in _ASSET_RANGES:
        yield from _range(name, wanted[f"{name}From"], wanted[f"{name}To"])
    yield from _asset_numbers(wanted)
    yield from _asset_texts(tenant, wanted)
    yield from _asset_specials(tenant, wanted)
    yield from _attribute_tests(wanted)


def _any_member(field: str, current: str | None, chosen: set[Any]) -> Test:
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
        yield _member("LocationRoomID", [room])
    if provider := wanted["ContractProviderID"]:
        yield _member("ContractProviderID", [provider])


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


def people(tenant: Tenant, wanted: Record) -> list[Record]:
    """Search people. Inactive ones are among them unless `IsActive` is sent.

    Args:
        tenant: The tenant.
        wanted: A `UserSearch`.

    Returns:
        The records that fit.
    """
    everybody = tenant.state.people_holding((wanted["SearchText"] or "")[:50].strip())
    tests = list(_people_tests(wanted))
    found = [person for person in everybody if all(test(person) for test in tests)]
    return _capped(found, wanted["MaxResults"])


def _people_tests(wanted: Record) -> Iterable[Test]:
    for name in ("IsActive", "IsConfidential", "IsEmployee"):
        if wanted[name] is not None:
            yield _truth(name, is_set=wanted[name])
    for name, field in (("AccountIDs", "DefaultAccountID"), ("ReferenceIDs", "ReferenceID")):
        if wanted[name]:
            yield _member(field, wanted[name])
    for name in ("ExternalID", "AlternateID", "UserName"):
        if value := (wanted[name] or "").lower():
            yield (
                lambda person, name=name, value=value: str(person.get(name) or "").lower() == value
            )
    if phone := wanted["PhoneNumber"]:
        yield lambda person: phone in str(person.get("WorkPhone") or "")
    if role := wanted["SecurityRoleID"]:
        yield _member("SecurityRoleID", [role])
    if app := wanted["AppName"]:
        yield lambda person: app in person.get("Applications", ())


def items(tenant: Tenant, app: int, wanted: Record) -> list[Record]:
    """Search the configuration items of an application; there is no cap (reference, section 11).

    Args:
        tenant: The tenant.
        app: The application's id.
        wanted: A `ConfigurationItemSearch`.

    Returns:
        The records that fit, those behind assets among them.
    """
    state = tenant.state
    everything = [*map(present.asset_item, state.assets.values()), *state.items.values()]
    tests = list(_item_tests(wanted))
    return [
        item for item in everything if item["AppID"] == app and all(test(item) for test in tests)
    ]


def _item_tests(wanted: Record) -> Iterable[Test]:
    if text := (wanted["NameLike"] or "").strip().lower():
        yield lambda item: text in item["Name"].lower()
    if wanted["IsActive"] is not None:
        yield _truth("IsActive", is_set=wanted["IsActive"])
    for name, field in (
        ("TypeIDs", "TypeID"),
        ("MaintenanceScheduleIDs", "MaintenanceScheduleID"),
    ):
        if wanted[name]:
            yield _member(field, wanted[name])
    yield from _attribute_tests(wanted)
