"""Calls that change tickets: create, edit, patch, move, children, tags.

An edit replaces all fields, a patch only those it names; both go through `tenant.edits`.
"""

from http import HTTPStatus

from tdx_dagster.simulator.api.changes import changed_lines, noun
from tdx_dagster.simulator.api.feed import (
    add_entry,
    change_status,
    mail,
    require_free,
    touch,
)
from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import edits, present, shapes
from tdx_dagster.simulator.tenant.constants import UpdateType, Value
from tdx_dagster.simulator.tenant.edits import Wanted
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.shapes import UnreadableInputError
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, require_app, ticket_in

LONGEST_TITLE = 300
_REQUIRED = ("TypeID", "Title", "AccountID", "StatusID", "PriorityID", "RequestorUid")
_DEFAULTS = {"PriorityID": 851, "FormID": 3101, "ResponsibleGroupID": 861, "TypeID": 801}
_DEFAULT_CLASSIFICATION = 32
_FROM_REQUESTOR = (
    "RequestorName", "RequestorFirstName", "RequestorLastName", "RequestorEmail", "RequestorPhone",
)  # fmt: skip


def _create(tenant: Tenant, call: Call) -> Outgoing:
    app = call.ids["app"]
    require_app(tenant, app, "TDTickets")
    asked = call.parameters(
        NotifyRequestor="bool", NotifyResponsible="bool", AllowRequestorCreation="bool",
        applyDefaults="bool",
    )  # fmt: skip
    wanted = edits.replacement(tenant.state, "Ticket", call, creating=True)
    values = wanted.fields
    if not (values["RequestorUid"] or values["RequestorEmail"] or values["AccountID"]):
        raise _bad("One of RequestorUid, RequestorEmail and AccountID is required.")
    _find_requestor(tenant, values, create=bool(asked["AllowRequestorCreation"]))
    if asked["applyDefaults"] is not False:
        _apply_defaults(tenant, app, values)
    _check(tenant, app, values, requestor_needed=False)
    now, user = tenant.now(), call.user["UID"]
    ticket = tenant.state.add_ticket(
        **values | {
            "AppID": app, "Attributes": wanted.attributes, "CreatedDate": now, "CreatedUid": user,
            "ModifiedDate": now, "ModifiedUid": user,
        }
    )  # fmt: skip
    add_entry(tenant, ticket, call.user, f"Created this {noun(ticket)}.", update=UpdateType.CREATED)
    _mail_people(tenant, ticket, asked)
    return json_answer(present.ticket(tenant, ticket), HTTPStatus.CREATED)


def _find_requestor(tenant: Tenant, values: Record, *, create: bool) -> None:
    """Match the requestor by mail address; use the other texts only where no address matches."""
    people, address = tenant.state.people, values["RequestorEmail"].lower()
    if values["RequestorUid"] is None and address:
        found = (uid for uid, p in people.items() if p.get("PrimaryEmail", "").lower() == address)
        values["RequestorUid"] = next(found, None)
        if values["RequestorUid"] is None and create:
            values["RequestorUid"] = _new_person(tenant, values)["UID"]
    if values["RequestorUid"] is not None:
        for name in _FROM_REQUESTOR:
            del values[name]


def _new_person(tenant: Tenant, values: Record) -> Record:
    number = len(tenant.state.people) + 1
    return tenant.state.add_person(
        UID=f"90000000-0000-4000-8000-{number:012d}", UserName=values["RequestorEmail"],
        FullName=values["RequestorName"] or values["RequestorEmail"], TypeID=2,
        FirstName=values["RequestorFirstName"], LastName=values["RequestorLastName"],
        PrimaryEmail=values["RequestorEmail"], ReferenceID=100_000 + number,
    )  # fmt: skip


def _apply_defaults(tenant: Tenant, app: int, values: Record) -> None:
    for name, value in _DEFAULTS.items():
        values[name] = values[name] or value
    values["Classification"] = values["Classification"] or _DEFAULT_CLASSIFICATION
    values["StatusID"] = values["StatusID"] or tenant.state.default_status(app)
    requestor = tenant.state.people.get(values["RequestorUid"] or "", {})
    values["AccountID"] = values["AccountID"] or requestor.get("DefaultAccountID", 0)


def _mail_people(tenant: Tenant, ticket: Record, asked: Record) -> None:
    for flag, name in (
        ("NotifyRequestor", "RequestorUid"),
        ("NotifyResponsible", "ResponsibleUid"),
    ):
        if asked[flag]:
            _mail_person(tenant, ticket, ticket.get(name))


def _mail_person(tenant: Tenant, ticket: Record, uid: str | None) -> None:
    person = tenant.state.people.get(uid or "")
    if person is not None and person.get("PrimaryEmail"):
        mail(tenant, ticket, person["PrimaryEmail"])


def _check(
    tenant: Tenant, app: int, values: Record, *, requestor_needed: bool = True,
    kept: Record | None = None,
) -> None:  # fmt: skip
    """Refuse values that TDX refuses; a patch may leave unset what was (`kept`) unset before it."""
    missing = [
        name
        for name in _REQUIRED
        if not values[name]
        and (requestor_needed or name not in ("RequestorUid", "AccountID"))
        and (kept is None or kept.get(name))
    ]
    if missing:
        raise _bad(f"Required: {', '.join(missing)}.")
    if len(values["Title"]) > LONGEST_TITLE or not values["Title"].strip():
        raise _bad(f"Title must have 1 to {LONGEST_TITLE} characters.")
    status = tenant.state.ticket_statuses.get(values["StatusID"])
    if status is None or status["AppID"] != app:
        raise _bad("StatusID is not valid for this application.")
    if status.get("RequireGoesOffHold") and not values["GoesOffHoldDate"]:
        raise _bad(f"{status['Name']} needs GoesOffHoldDate.")
    for name in ("RequestorUid", "ResponsibleUid"):
        if values[name] and values[name] not in tenant.state.people:
            raise _bad(f"{name} names no known person.")


def _bad(message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, message)


def _edit(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    return _store(tenant, call, ticket, edits.replacement(tenant.state, "Ticket", call))


def _patch(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    return _store(
        tenant, call, ticket, edits.patched(tenant.state, "Ticket", ticket, call), kept=ticket
    )


def _store(
    tenant: Tenant, call: Call, ticket: Record, wanted: Wanted, *, kept: Record | None = None
) -> Outgoing:
    asked = call.parameters(notifyNewResponsible="bool")
    values = wanted.fields
    _check(tenant, ticket["AppID"], values, kept=kept)
    status = tenant.state.ticket_statuses[values["StatusID"]]
    lines = ""
    if status["ID"] != ticket["StatusID"]:
        require_free(ticket)
        lines = change_status(tenant, ticket, status, call.user)
        if not ticket["IsOnHold"]:
            values["GoesOffHoldDate"] = None
    update = UpdateType.STATUS_CHANGE if lines else UpdateType.EDIT
    lines += changed_lines(tenant, ticket, values, call.user)
    is_new = values["ResponsibleUid"] not in (None, ticket.get("ResponsibleUid"))
    ticket |= values | {"Attributes": wanted.attributes}
    touch(tenant, ticket, call.user)
    add_entry(tenant, ticket, call.user, lines or f"Edited this {noun(ticket)}.", update=update)
    if is_new and asked["notifyNewResponsible"]:
        _mail_person(tenant, ticket, values["ResponsibleUid"])
    return json_answer(present.ticket(tenant, ticket))


def _move(tenant: Tenant, call: Call) -> Outgoing:
    """Move a ticket to another application; its old address then answers 404 (case A11)."""
    ticket = ticket_in(tenant, call)
    given = call.read("MoveTicketOptions")
    app = tenant.state.applications.get(given["NewAppID"])
    if app is None or app["AppClass"] != "TDTickets":
        raise _bad("NewAppID is no ticketing application.")
    status = given["NewStatusID"] or tenant.state.default_status(given["NewAppID"])
    if tenant.state.ticket_statuses.get(status, {}).get("AppID") != given["NewAppID"]:
        raise _bad("NewStatusID is not valid for that application.")
    ticket |= {"AppID": given["NewAppID"], "StatusID": status, "FormID": given["NewFormID"]}
    touch(tenant, ticket, call.user)
    line = f"Moved this {noun(ticket)} to {app['Name']}."
    add_entry(tenant, ticket, call.user, line, update=UpdateType.EDIT)
    return json_answer(present.ticket(tenant, ticket))


def _add_children(tenant: Tenant, call: Call) -> Outgoing:
    ticket, tickets = ticket_in(tenant, call), tenant.state.tickets
    numbers = _whole_list(call, "int")
    if any(number not in tickets or number == ticket["ID"] for number in numbers):
        raise _bad("A child must be another ticket.")
    for number in numbers:
        tickets[number]["ParentID"] = ticket["ID"]
    return json_answer("Successfully added children.")


def _add_tags(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    tags = ticket.setdefault("Tags", [])
    tags += [tag for tag in dict.fromkeys(_whole_list(call, "string")) if tag not in tags]
    return json_answer("")


def _remove_tags(tenant: Tenant, call: Call) -> Outgoing:
    """Remove tags; 304, as seen on a live tenant, where none of them is set."""
    ticket = ticket_in(tenant, call)
    tags, gone = ticket.get("Tags", []), set(_whole_list(call, "string"))
    if gone.isdisjoint(tags):
        return Outgoing(HTTPStatus.NOT_MODIFIED)
    ticket["Tags"] = [tag for tag in tags if tag not in gone]
    return json_answer("")


def _whole_list(call: Call, kind: str) -> list[Value]:
    body = call.incoming.json()
    wanted = shapes.plain_field("body", kind, is_list=True)
    if not isinstance(body, list):
        raise _bad("A list is expected.")
    try:
        values: list[Value] = shapes.read_field(wanted, body)
    except UnreadableInputError as error:
        raise _bad(str(error)) from error
    return values


ROUTES = (
    Route("POST", "/{app}/tickets", _create, takes="Ticket", gives="Ticket"),
    Route("POST", "/{app}/tickets/{id}", _edit, takes="Ticket", gives="Ticket"),
    Route("PATCH", "/{app}/tickets/{id}", _patch, takes="[any]", gives="Ticket"),
    Route(
        "POST", "/{app}/tickets/{id}/application", _move, takes="MoveTicketOptions", gives="Ticket"
    ),
    Route("POST", "/{app}/tickets/{id}/children", _add_children, takes="[int]", gives="string"),
    Route("POST", "/{app}/tickets/{id}/tags", _add_tags, takes="[string]", gives="string"),
    Route("DELETE", "/{app}/tickets/{id}/tags", _remove_tags, takes="[string]", gives="string"),
)
