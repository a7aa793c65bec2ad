"""Calls that list what tickets and assets refer to: types, priorities, sources, custom attributes.

All lists of one kind come from `State.lookups`.
"""

from tdx_dagster.simulator.messages import Outgoing, json_answer
from tdx_dagster.simulator.routes import Handler, Route
from tdx_dagster.simulator.tenant import present, shapes
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
    Route("GET", "/attributes/custom", _custom_attributes, gives="[CustomAttribute]"),
)
