"""Calls that read tickets, their statuses, forms and contacts.

The filters of the search are in `tenant.search_tickets`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.api.changes import noun
from tdx_dagster.simulator.api.feed import add_entry
from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present
from tdx_dagster.simulator.tenant.constants import UpdateType
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.search_tickets import search_tickets
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, require_app, ticket_in


def _get(tenant: Tenant, call: Call) -> Outgoing:
    return json_answer(present.ticket(tenant, ticket_in(tenant, call)))


def _get_anywhere(tenant: Tenant, call: Call) -> Outgoing:
    ticket = tenant.state.tickets.get(call.ids["id"])
    known = ticket is not None and ticket["AppID"] not in tenant.options.denied_apps
    if ticket is None or not known or not tenant.options.ticket_without_app:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the ticket.")
    return json_answer(present.ticket(tenant, ticket))


def _search(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDTickets")
    found = search_tickets(tenant, app, call.read("TicketSearch"))
    return json_answer([present.ticket(tenant, ticket, full=False) for ticket in found])


def _statuses(tenant: Tenant, call: Call) -> Outgoing:
    rows = _statuses_of(tenant, call)
    active = [status for status in rows if status.get("IsActive", True)]
    return json_answer([present.named(tenant, "TicketStatus", status) for status in active])


def _status(tenant: Tenant, call: Call) -> Outgoing:
    for status in _statuses_of(tenant, call):
        if status["ID"] == call.ids["id"]:
            return json_answer(present.named(tenant, "TicketStatus", status))
    raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the status.")


def _search_statuses(tenant: Tenant, call: Call) -> Outgoing:
    wanted = call.read("TicketStatusSearch")
    text = (wanted["SearchText"] or "").lower()
    pairs = (
        ("IsActive", "IsActive"), ("IsDefault", "IsDefault"), ("StatusClass", "StatusClass"),
        ("RequiresGoesOffHold", "RequireGoesOffHold"),
    )  # fmt: skip
    found = [
        status
        for status in _statuses_of(tenant, call)
        if text in status["Name"].lower()
        and all(
            wanted[name] is None or wanted[name] == status.get(field, False)
            for name, field in pairs
        )
    ]
    return json_answer([present.named(tenant, "TicketStatus", status) for status in found])


def _statuses_of(tenant: Tenant, call: Call) -> list[Record]:
    app = call.ids["app"]
    require_app(tenant, app, "TDTickets")
    rows = [status for status in tenant.state.ticket_statuses.values() if status["AppID"] == app]
    return sorted(rows, key=lambda status: (status.get("Order", 0.0), status["ID"]))


def _forms(tenant: Tenant, call: Call) -> Outgoing:
    require_app(tenant, call.ids["app"], "TDTickets")
    forms = [f for f in tenant.state.forms.values() if f["AppID"] == call.ids["app"]]
    return json_answer([present.named(tenant, "Form", form) for form in forms])


def _resources(tenant: Tenant, call: Call) -> Outgoing:
    require_app(tenant, call.ids["app"], "TDTickets")
    text = call.incoming.parameter("searchText") or ""
    found = [p for p in tenant.state.people_holding(text) if p.get("IsActive", True)]
    return json_answer([present.resource(person, "Person") for person in found])


def _contacts(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    people = tenant.state.people
    named = [people[uid] for uid in tenant.state.contacts.get(ticket["ID"], ()) if uid in people]
    return json_answer(present.people(tenant, named))


def _add_contact(tenant: Tenant, call: Call) -> Outgoing:
    ticket, uid = ticket_in(tenant, call), call.ids["uid"].lower()
    person = tenant.state.people.get(uid)
    if person is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the person.")
    contacts = tenant.state.contacts.setdefault(ticket["ID"], [])
    if uid in contacts:
        return Outgoing(HTTPStatus.NO_CONTENT)
    contacts.append(uid)
    line = f"Added {person['FullName']} as a contact for this {noun(ticket)}."
    add_entry(tenant, ticket, call.user, line, update=UpdateType.EDIT)
    return json_answer(f"Successfully added {person['FullName']} as a contact.")


def _remove_contact(tenant: Tenant, call: Call) -> Outgoing:
    ticket, uid = ticket_in(tenant, call), call.ids["uid"].lower()
    contacts = tenant.state.contacts.get(ticket["ID"], [])
    if uid not in contacts:
        raise Refusal(HTTPStatus.NOT_FOUND, "The person is not a contact of the ticket.")
    contacts.remove(uid)
    return json_answer("Successfully removed the contact.")


ROUTES = (
    Route("POST", "/{app}/tickets/search", _search, takes="TicketSearch", gives="[Ticket]"),
    Route("GET", "/{app}/tickets/statuses", _statuses, gives="[TicketStatus]"),
    Route(
        "POST",
        "/{app}/tickets/statuses/search",
        _search_statuses,
        takes="TicketStatusSearch",
        gives="[TicketStatus]",
    ),
    Route("GET", "/{app}/tickets/statuses/{id}", _status, gives="TicketStatus"),
    Route("GET", "/{app}/tickets/forms", _forms, gives="[Form]"),
    Route("GET", "/{app}/tickets/resources", _resources, gives="[ResourceItem]"),
    Route("GET", "/{app}/tickets/{id}", _get, gives="Ticket"),
    Route("GET", "/tickets/{id}", _get_anywhere, gives="Ticket"),
    Route("GET", "/{app}/tickets/{id}/contacts", _contacts, gives="[User]"),
    Route("POST", "/{app}/tickets/{id}/contacts/{uid}", _add_contact, gives="string"),
    Route("DELETE", "/{app}/tickets/{id}/contacts/{uid}", _remove_contact, gives="string"),
)
