"""Calls that read assets, their statuses and forms, and configuration items.

The filters are in `tenant.search_assets`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present
from tdx_dagster.simulator.tenant.search_assets import search_assets, search_items
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, asset_in, require_app


def _search(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDAssets")
    found = search_assets(tenant, app, call.read("AssetSearch"))
    return json_answer([present.asset(tenant, asset, full=False) for asset in found])


def _get(tenant: Tenant, call: Call) -> Outgoing:
    return json_answer(present.asset(tenant, asset_in(tenant, call)))


def _statuses(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDAssets")
    every = tenant.options.inactive_asset_statuses_listed
    rows = [
        status
        for status in tenant.state.asset_statuses.values()
        if status["AppID"] == app and (every or status.get("IsActive", True))
    ]
    return json_answer([present.named(tenant, "AssetStatus", status) for status in rows])


def _forms(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDAssets")
    rows = [
        form
        for form in tenant.state.forms.values()
        if form["AppID"] == app and form.get("IsActive", True)
    ]
    return json_answer([present.named(tenant, "Form", form) for form in rows])


def _search_items(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDAssets")
    found = search_items(tenant, app, call.read("ConfigurationItemSearch"))
    return json_answer([present.item(tenant, item["ID"], full=False) for item in found])


def _get_item(tenant: Tenant, call: Call) -> Outgoing:
    require_app(tenant, call.ids["app"], "TDAssets")
    item = present.item(tenant, call.ids["id"])
    if item is None or item["AppID"] != call.ids["app"]:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the configuration item.")
    return json_answer(item)


def _tickets_of_item(tenant: Tenant, call: Call) -> Outgoing:
    require_app(tenant, call.ids["app"], "TDAssets")
    number, state = call.ids["id"], tenant.state
    found = [state.tickets[t] for t, linked in state.links.items() if number in linked]
    return json_answer([present.ticket(tenant, ticket, full=False) for ticket in found])


ROUTES = (
    Route("POST", "/{app}/assets/search", _search, takes="AssetSearch", gives="[Asset]"),
    Route("GET", "/{app}/assets/statuses", _statuses, gives="[AssetStatus]"),
    Route("GET", "/{app}/assets/forms", _forms, gives="[Form]"),
    Route("GET", "/{app}/assets/{id}", _get, gives="Asset"),
    Route(
        "POST",
        "/{app}/cmdb/search",
        _search_items,
        takes="ConfigurationItemSearch",
        gives="[ConfigurationItem]",
    ),
    Route("GET", "/{app}/cmdb/{id}", _get_item, gives="ConfigurationItem"),
    Route("GET", "/{app}/cmdb/{id}/tickets", _tickets_of_item, gives="[Ticket]"),
)
