"""Calls that change assets: create, edit, patch, delete, and their users.

An edit replaces all fields, a patch only those it names; both go through `tenant.edits`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.api.feed import add_entry, touch
from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import edits, present
from tdx_dagster.simulator.tenant.constants import COMPUTER_FORM_ID, ItemType, UpdateType
from tdx_dagster.simulator.tenant.edits import Wanted
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, asset_in, require_app

LONGEST_SERIAL = 100
_CLEARED_BY_MINUS_ONE = ("LocationID", "LocationRoomID")
_REMEMBERED = {
    "StatusID": "PastStatusIDs",
    "OwningCustomerID": "PastOwningCustomerIDs",
    "OwningDepartmentID": "PastOwningDepartmentIDs",
}


def _create(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDAssets")
    wanted = edits.replacement(tenant.state, "Asset", call, creating=True)
    values = _checked(tenant, app, wanted.fields)
    now, user = tenant.now(), call.user["UID"]
    asset = tenant.state.add_asset(
        **values, AppID=app, Attributes=wanted.attributes, CreatedDate=now, CreatedUid=user,
        ModifiedDate=now, ModifiedUid=user,
    )  # fmt: skip
    _add_line(tenant, call, asset, "Created this asset.", UpdateType.CREATED)
    return json_answer(present.asset(tenant, asset), tenant.options.asset_create_status)


def _edit(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    return _store(tenant, call, asset, edits.replacement(tenant.state, "Asset", call))


def _patch(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    return _store(tenant, call, asset, edits.patched(tenant.state, "Asset", asset, call))


def _store(tenant: Tenant, call: Call, asset: Record, wanted: Wanted) -> Outgoing:
    values = _checked(tenant, asset["AppID"], wanted.fields)
    for name, past in _REMEMBERED.items():
        if name in asset and asset[name] != values[name]:
            asset.setdefault(past, []).append(asset[name])
    asset |= values | {"Attributes": wanted.attributes}
    touch(tenant, asset, call.user)
    _add_line(tenant, call, asset, "Edited this asset.", UpdateType.EDIT)
    return json_answer(present.asset(tenant, asset))


def _checked(tenant: Tenant, app: int, values: Record) -> Record:
    serial = values["SerialNumber"] or ""
    if not (values["Name"] or serial):
        raise _bad("Name or serial number must be provided for asset records")
    if len(serial) > LONGEST_SERIAL:
        raise _bad(f"SerialNumber must have at most {LONGEST_SERIAL} characters.")
    status = tenant.state.asset_statuses.get(values["StatusID"])
    if status is None or status["AppID"] != app:
        raise _bad("StatusID is not valid for this application.")
    cleared = {name: 0 for name in _CLEARED_BY_MINUS_ONE if values[name] == -1}
    return values | cleared | {"FormID": values["FormID"] or COMPUTER_FORM_ID}


def _bad(message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, message)


def _add_line(tenant: Tenant, call: Call, asset: Record, line: str, update: UpdateType) -> None:
    add_entry(tenant, asset, call.user, line, update=update, item_type=ItemType.ASSET)


def _delete(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    item = asset["ConfigurationItemID"]
    del tenant.state.assets[asset["ID"]], tenant.state.asset_of_item[item]
    for linked in tenant.state.links.values():
        if item in linked:
            linked.remove(item)
    return json_answer("Successfully deleted the asset.")


def _users(tenant: Tenant, call: Call) -> Outgoing:
    people = tenant.state.people
    uids = asset_in(tenant, call).get("UsingCustomerIDs", ())
    return json_answer([_resource(people[uid]) for uid in uids if uid in people])


def _resource(person: Record) -> Record:
    return present.resource(person, "User") | {"Value": person["UID"]}


def _add_user(tenant: Tenant, call: Call) -> Outgoing:
    asset, uid = asset_in(tenant, call), call.ids["uid"].lower()
    person = tenant.state.people.get(uid)
    if person is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the person.")
    users = asset.setdefault("UsingCustomerIDs", [])
    if uid not in users:
        users.append(uid)
    return json_answer(_resource(person))


def _remove_user(tenant: Tenant, call: Call) -> Outgoing:
    users, uid = asset_in(tenant, call).get("UsingCustomerIDs", []), call.ids["uid"].lower()
    if uid not in users:
        raise Refusal(HTTPStatus.NOT_FOUND, "The person does not use the asset.")
    users.remove(uid)
    return json_answer("Successfully removed the user.")


ROUTES = (
    Route("POST", "/{app}/assets", _create, takes="Asset", gives="Asset"),
    Route("POST", "/{app}/assets/{id}", _edit, takes="Asset", gives="Asset"),
    Route("PATCH", "/{app}/assets/{id}", _patch, takes="[any]", gives="Asset"),
    Route("DELETE", "/{app}/assets/{id}", _delete, gives="string"),
    Route("GET", "/{app}/assets/{id}/users", _users, gives="[ResourceItem]"),
    Route("POST", "/{app}/assets/{id}/users/{uid}", _add_user, gives="ResourceItem"),
    Route("DELETE", "/{app}/assets/{id}/users/{uid}", _remove_user, gives="string"),
)
