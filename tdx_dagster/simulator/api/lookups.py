"""Calls that list what tickets and assets refer to: types, priorities, sources, custom attributes.

All lists of one kind come from `State.lookups`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Handler, Route
from tdx_dagster.simulator.tenant import present, shapes
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, require_app


def _lookup(kind: str) -> Handler:
    """Make the handler that lists the active entries of one kind."""

    def handle(tenant: Tenant, call: Call) -> Outgoing:
        require_app(tenant, call.ids["app"], "TDTickets")
        names = tenant.state.lookups.get(kind, {})
        rows = [
            {"ID": number, "Name": name, "IsActive": True, "Order": float(order)}
            for order, (number, name) in enumerate(names.items())
        ]
        return json_answer([shapes.render("LookupItem", row) for row in rows])

    return handle


def _everywhere(kind: str, shape: str) -> Handler:
    """Make the handler that lists the entries of one kind outside any application."""

    def handle(tenant: Tenant, _call: Call) -> Outgoing:
        return json_answer([_entry(shape, *row) for row in _rows(tenant, kind)])

    return handle


def _one(kind: str, shape: str) -> Handler:
    def handle(tenant: Tenant, call: Call) -> Outgoing:
        for number, name in _rows(tenant, kind):
            if number == call.ids["id"]:
                return json_answer(_entry(shape, number, name))
        raise Refusal(HTTPStatus.NOT_FOUND, f"Could not find the {shape.lower()}.")

    return handle


def _search(kind: str, shape: str) -> Handler:
    def handle(tenant: Tenant, call: Call) -> Outgoing:
        wanted = call.read("NamedSearch")
        text = (wanted["NameLike"] or wanted["SearchText"] or "").lower()
        rows = _rows(tenant, kind) if wanted["IsActive"] is not False else []
        return json_answer([_entry(shape, *row) for row in rows if text in row[1].lower()])

    return handle


def _rows(tenant: Tenant, kind: str) -> list[tuple[int, str]]:
    return list(tenant.state.lookups.get(kind, {}).items())


def _entry(shape: str, number: int, name: str) -> Record:
    return shapes.render(shape, {"ID": number, "Name": name, "IsActive": True})


def _custom_attributes(tenant: Tenant, call: Call) -> Outgoing:
    asked = call.parameters(componentId="int")
    wanted = [
        definition
        for definition in tenant.state.attributes.values()
        if asked["componentId"] in (None, definition.get("Component"))
    ]
    return json_answer([present.attribute(definition, None) for definition in wanted])


ROUTES = (
    Route("GET", "/{app}/tickets/types", _lookup("Type"), gives="[LookupItem]"),
    Route("GET", "/{app}/tickets/priorities", _lookup("Priority"), gives="[LookupItem]"),
    Route("GET", "/{app}/tickets/impacts", _lookup("Impact"), gives="[LookupItem]"),
    Route("GET", "/{app}/tickets/urgencies", _lookup("Urgency"), gives="[LookupItem]"),
    Route("GET", "/{app}/tickets/sources", _lookup("Source"), gives="[LookupItem]"),
    Route("GET", "/accounts", _everywhere("Account", "Account"), gives="[Account]"),
    Route(
        "POST",
        "/accounts/search",
        _search("Account", "Account"),
        takes="NamedSearch",
        gives="[Account]",
    ),
    Route("GET", "/accounts/{id}", _one("Account", "Account"), gives="Account"),
    Route("GET", "/locations", _everywhere("Location", "Location"), gives="[Location]"),
    Route(
        "POST",
        "/locations/search",
        _search("Location", "Location"),
        takes="NamedSearch",
        gives="[Location]",
    ),
    Route("GET", "/locations/{id}", _one("Location", "Location"), gives="Location"),
    Route(
        "POST", "/groups/search", _search("Group", "Group"), takes="NamedSearch", gives="[Group]"
    ),
    Route("GET", "/groups/{id}", _one("Group", "Group"), gives="Group"),
    Route("GET", "/attributes/custom", _custom_attributes, gives="[CustomAttribute]"),
)
