"""The search of tickets.

Contains: every filter of `TicketSearch`.
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

ANY_CLASSIFICATION = 9

_TICKET_LISTS = {
    "StatusIDs": "StatusID",
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


def search_tickets(tenant: Tenant, app: int, wanted: Record) -> list[Record]:
    """Search the tickets of an application, newest first, no more than `MaxResults` (0 for all).

    Args:
        tenant: The tenant.
        app: The application's id.
        wanted: A `TicketSearch`.
    """
    found = fitting(tenant.state.tickets.values(), app, _ticket_tests(tenant, wanted))
    found.sort(key=lambda ticket: -ticket["ID"])
    return capped(found, wanted["MaxResults"])


def _ticket_tests(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    yield from members(_TICKET_LISTS, wanted)
    if classes := set(wanted["StatusClassIDs"] or ()):
        statuses = tenant.state.ticket_statuses
        yield lambda ticket: statuses.get(ticket["StatusID"], {}).get("StatusClass", 0) in classes
    for name, field in _TICKET_EQUALS.items():
        if wanted[name] is not None:
            yield member(field, [wanted[name]])
    for name, field in _TICKET_RANGES.items():
        yield from date_range(field, wanted[f"{name}From"], wanted[f"{name}To"])
    for name, field in _TICKET_TRUTHS.items():
        if wanted[name] is not None:
            yield truth(field, is_set=wanted[name])
    for name, field in _TICKET_TEXTS.items():
        if wanted[name]:
            yield _shown_contains(tenant, field, wanted[name])
    yield from _ticket_specials(tenant, wanted)


def _ticket_specials(tenant: Tenant, wanted: Record) -> Iterable[Test]:
    classes = wanted["TicketClassification"]
    if classes and ANY_CLASSIFICATION not in classes:
        yield member("Classification", classes)
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
    yield from attribute_tests(wanted)
    if text := (wanted["SearchText"] or "").strip().lower():
        yield lambda ticket: any(text in words for words in _words_of(tenant, ticket))


def _unmet(ticket: Record) -> int:
    """Return the flags of UnmetConstraintSearchType: 1 for the response, 2 for the resolution."""
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


def _shown_contains(tenant: Tenant, field: str, text: str) -> Test:
    wanted = text.lower()
    return lambda record: wanted in present.ticket(tenant, record, full=False)[field].lower()
