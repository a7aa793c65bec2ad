"""Calls on people: read one, search, look up, list.

The filters of the search are in `tenant.search_people`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present, shapes
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.search_people import search_people
from tdx_dagster.simulator.tenant.tenant import ADMIN_NAME, Call, Tenant, denied

LONGEST_SEARCH_TEXT = 50
_LOOKUP_DEFAULT, _LOOKUP_MOST = 50, 100
_LOOKUP_FIELDS = (
    "UID", "ReferenceID", "IsActive", "FullName", "FirstName", "LastName", "PrimaryEmail", "WorkPhone",
    "DefaultAccountID", "Title",
)  # fmt: skip


def _require_people(tenant: Tenant) -> None:
    if not tenant.options.people_application:
        raise denied(tenant)


def _get(tenant: Tenant, call: Call) -> Outgoing:
    _require_people(tenant)
    wanted = call.ids["uid"]
    person: Record | None = tenant.state.people.get(wanted.lower())
    if person is None and tenant.options.user_names_as_uid:
        person = tenant.state.person_named(wanted)
    if person is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the person.")
    return json_answer(present.person(tenant, person))


def _uid(tenant: Tenant, call: Call) -> Outgoing:
    person = tenant.state.person_named(call.ids["username"])
    if person is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the person.")
    return json_answer(person["UID"])


def _search(tenant: Tenant, call: Call) -> Outgoing:
    _require_people(tenant)
    wanted = call.read("UserSearch")
    if (
        tenant.options.long_people_search_refused
        and len(wanted["SearchText"] or "") > LONGEST_SEARCH_TEXT
    ):
        raise Refusal(HTTPStatus.BAD_REQUEST, "SearchText is too long.")
    return json_answer(present.people(tenant, search_people(tenant, wanted)))


def _lookup(tenant: Tenant, call: Call) -> Outgoing:
    asked = call.parameters(searchText="string", maxResults="int")
    most = min(max(asked["maxResults"] or _LOOKUP_DEFAULT, 1), _LOOKUP_MOST)
    found = [
        person
        for person in tenant.state.people_holding(asked["searchText"] or "")
        if person.get("IsActive", True)
    ]
    return json_answer([_restricted(tenant, person) for person in found[:most]])


def _restricted(tenant: Tenant, person: Record) -> Record:
    """Return the fields of a person that every caller may read; a live tenant left `UserName` blank."""
    seen = {name: person[name] for name in _LOOKUP_FIELDS if name in person}
    if tenant.options.lookup_user_names:
        seen["UserName"] = person["UserName"]
    return shapes.render("User", seen, full=False)


def _list(tenant: Tenant, call: Call) -> Outgoing:
    if call.user["UserName"] != ADMIN_NAME:
        raise denied(tenant)
    asked = call.parameters(
        isActive="bool", isConfidential="bool", isEmployee="bool", userType="int"
    )
    names = (("isActive", "IsActive"), ("isConfidential", "IsConfidential"),
             ("isEmployee", "IsEmployee"), ("userType", "TypeID"))  # fmt: skip
    found = [
        person
        for person in tenant.state.people.values()
        if all(asked[name] in (None, person.get(field, False)) for name, field in names)
    ]
    return json_answer(present.people(tenant, found))


ROUTES = (
    Route("POST", "/people/search", _search, takes="UserSearch", gives="[User]"),
    Route("GET", "/people/lookup", _lookup, gives="[User]"),
    Route("GET", "/people/userlist", _list, gives="[User]"),
    Route("GET", "/people/getuid/{username}", _uid, gives="string"),
    Route("GET", "/people/{uid}", _get, gives="User"),
)
