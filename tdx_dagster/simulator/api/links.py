"""Calls that link tickets with assets or other configuration items, from either side.

Each change adds the system entries that TDX writes to the feeds of the ticket and the asset.
"""

import html
from http import HTTPStatus

from tdx_dagster.simulator.api.changes import noun
from tdx_dagster.simulator.api.feed import add_entry, touch
from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer, text_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present
from tdx_dagster.simulator.tenant.constants import ItemType, UpdateType
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, asset_in, require_app, ticket_in


def _items_of_ticket(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    linked = tenant.state.links.get(ticket["ID"], ())
    rows = [present.item(tenant, number, full=False) for number in linked]
    return json_answer([row for row in rows if row is not None])


def _link_asset(tenant: Tenant, call: Call) -> Outgoing:
    return _link(tenant, call, ticket_in(tenant, call), _item_of_asset(tenant, call.ids["asset"]))


def _unlink_asset(tenant: Tenant, call: Call) -> Outgoing:
    return _unlink(tenant, call, ticket_in(tenant, call), _item_of_asset(tenant, call.ids["asset"]))


def _link_item(tenant: Tenant, call: Call) -> Outgoing:
    return _link(tenant, call, ticket_in(tenant, call), call.ids["item"])


def _unlink_item(tenant: Tenant, call: Call) -> Outgoing:
    return _unlink(tenant, call, ticket_in(tenant, call), call.ids["item"])


def _link_from_asset(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    return _link(tenant, call, _any_ticket(tenant, call), asset["ConfigurationItemID"])


def _unlink_from_asset(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    return _unlink(tenant, call, _any_ticket(tenant, call), asset["ConfigurationItemID"])


def _link_from_item(tenant: Tenant, call: Call) -> Outgoing:
    require_app(tenant, call.ids["app"], "TDAssets")
    return _link(tenant, call, _any_ticket(tenant, call), call.ids["id"])


def _unlink_from_item(tenant: Tenant, call: Call) -> Outgoing:
    require_app(tenant, call.ids["app"], "TDAssets")
    return _unlink(tenant, call, _any_ticket(tenant, call), call.ids["id"])


def _any_ticket(tenant: Tenant, call: Call) -> Record:
    ticket = tenant.state.tickets.get(call.ids["ticket"])
    if ticket is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the ticket.")
    return ticket


def _item_of_asset(tenant: Tenant, asset_id: int) -> int:
    asset = tenant.state.assets.get(asset_id)
    if asset is None:
        message = f"Could not find an asset with an ID of {asset_id}."
        raise Refusal(tenant.options.unknown_link_target_status, message)
    number: int = asset["ConfigurationItemID"]
    return number


def _link(tenant: Tenant, call: Call, ticket: Record, number: int) -> Outgoing:
    item = present.item(tenant, number)
    if item is None:
        raise Refusal(tenant.options.unknown_link_target_status, "Could not find the item.")
    linked = tenant.state.links.setdefault(ticket["ID"], [])
    if number in linked:
        return Outgoing(tenant.options.repeated_link_status)
    linked.append(number)
    _add_entries(tenant, call, ticket, item, ("Added", "to"))
    return _done(tenant, f"Successfully added {item['Name']} to ticket {ticket['ID']}.")


def _unlink(tenant: Tenant, call: Call, ticket: Record, number: int) -> Outgoing:
    linked = tenant.state.links.get(ticket["ID"], [])
    if number not in linked:
        if tenant.options.unlink_missing_status >= HTTPStatus.BAD_REQUEST:
            message = "The item is not associated with the ticket."
            raise Refusal(tenant.options.unlink_missing_status, message)
        return _done(tenant, "Nothing to remove.")
    linked.remove(number)
    item = present.item(tenant, number) or {"Name": "", "BackingItemType": 0}
    _add_entries(tenant, call, ticket, item, ("Removed", "from"))
    return _done(tenant, f"Successfully removed {item['Name']} from ticket {ticket['ID']}.")


def _add_entries(
    tenant: Tenant, call: Call, ticket: Record, item: Record, words: tuple[str, str]
) -> None:
    """Add the system entry for a link to the feeds of the ticket and the asset."""
    done, where = words
    is_asset = item["BackingItemType"] == ItemType.ASSET
    what = "asset" if is_asset else "configuration item"
    name, title = html.escape(item["Name"], quote=False), html.escape(ticket["Title"], quote=False)
    line = f'{done} the "{name}" {what} {where} this {noun(ticket)}.'
    add_entry(tenant, ticket, call.user, line, update=UpdateType.EDIT)
    touch(tenant, ticket, call.user)
    if is_asset:
        line = f'{done} this asset {where} the "{title}" {noun(ticket)} (ID: {ticket["ID"]}).'
        asset = tenant.state.assets[item["BackingItemID"]]
        add_entry(tenant, asset, call.user, line, update=UpdateType.EDIT, item_type=ItemType.ASSET)


def _done(tenant: Tenant, message: str) -> Outgoing:
    match tenant.options.link_body:
        case "message":
            return json_answer(message)
        case "text":
            return text_answer(message)
        case _:
            return Outgoing(HTTPStatus.OK)


ROUTES = (
    Route("GET", "/{app}/tickets/{id}/assets", _items_of_ticket, gives="[ConfigurationItem]"),
    Route(
        "GET",
        "/{app}/tickets/{id}/configurationItems",
        _items_of_ticket,
        gives="[ConfigurationItem]",
    ),
    Route("POST", "/{app}/tickets/{id}/assets/{asset}", _link_asset, gives="string"),
    Route("DELETE", "/{app}/tickets/{id}/assets/{asset}", _unlink_asset, gives="string"),
    Route("POST", "/{app}/tickets/{id}/configurationItems/{item}", _link_item, gives="string"),
    Route("DELETE", "/{app}/tickets/{id}/configurationItems/{item}", _unlink_item, gives="string"),
    Route("POST", "/{app}/assets/{id}/tickets/{ticket}", _link_from_asset, gives="string"),
    Route("DELETE", "/{app}/assets/{id}/tickets/{ticket}", _unlink_from_asset, gives="string"),
    Route("POST", "/{app}/cmdb/{id}/tickets/{ticket}", _link_from_item, gives="string"),
    Route("DELETE", "/{app}/cmdb/{id}/tickets/{ticket}", _unlink_from_item, gives="string"),
)
