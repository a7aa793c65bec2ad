"""Tickets: reading, searching, creating, editing, patching."""

from typing import Any

import pytest

from tdx_dagster.simulator import Simulator
from tests.simulator.client import Client
from tests.simulator.conftest import PERSON

TICKET = "/46/tickets/7001"
SEARCH = "/46/tickets/search"
NEW, IN_PROCESS, CLOSED, ON_HOLD = 101, 102, 103, 105
LAB, LAB_ROOM_4, LAB_ROOM_5 = 18375, "9001", "9002"


def found(client: Client, **filters: Any) -> list[int]:
    return sorted(ticket["ID"] for ticket in client.post(SEARCH, filters).json())


def whole(client: Client) -> dict[str, Any]:
    ticket: dict[str, Any] = client.get(TICKET).json()
    ticket |= {"TypeID": 801, "AccountID": 201, "PriorityID": 851, "RequestorUid": PERSON}
    return ticket


@pytest.mark.parametrize("path", ["/48/tickets/7001", "/47/tickets/7001", "/9/tickets/7001"])
def test_a_ticket_is_not_found_through_another_application(client: Client, path: str) -> None:
    """Must-have 5, case A35: a wrong app id resembles a deleted ticket."""
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/46/assets/1001", "/46/assets/statuses", "/48/tickets/statuses", "/46/assets/search"]
)
def test_ticket_and_asset_applications_are_separate(client: Client, path: str) -> None:
    """Must-have 5: the same for every call below an application."""
    method = "POST" if path.endswith("search") else "GET"
    assert client.call(method, path, json={}).status_code == 404


def test_an_application_can_be_denied(client: Client, simulator: Simulator) -> None:
    """401 does not always mean that one should sign in again."""
    simulator.options.denied_apps = (46,)
    assert client.get(TICKET).status_code == 403
    simulator.options.denied_status = 401
    assert client.get(TICKET).status_code == 401
    assert 46 not in [app["AppID"] for app in client.get("/applications").json()]


def test_a_ticket_without_an_app_id_is_found_or_not(client: Client, simulator: Simulator) -> None:
    """Newer versions look through all applications, older ones answered 404."""
    assert client.get("/tickets/7001").json()["AppID"] == 46
    simulator.options.ticket_without_app = False
    assert client.get("/tickets/7001").status_code == 404


def test_unset_fields_have_the_values_that_surprise(client: Client, simulator: Simulator) -> None:
    """Must-have 10: year 1, zero, `None`, null and empty, each where the tables say so."""
    ticket = client.get(TICKET).json()
    seen = [
        ticket[name] for name in ("CompletedDate", "LocationName", "ServiceName", "ResponsibleUid")
    ]
    assert seen == ["0001-01-01T05:00:00Z", "None", "", None]
    simulator.options.unset_date = "0001-01-01T00:00:00"
    assert client.get(TICKET).json()["CompletedDate"] == "0001-01-01T00:00:00"


def test_search_stops_at_three_hundred_unless_told(client: Client, simulator: Simulator) -> None:
    """Must-have 7: without a word the rest is missing."""
    for _ in range(310):
        simulator.state.add_ticket(Title="Bulk")
    assert len(client.post(SEARCH, {}).json()) == 300
    assert len(client.post(SEARCH, {"MaxResults": 0}).json()) == 313
    assert len(client.post(SEARCH, {"MaxResults": "25"}).json()) == 25


def test_search_results_are_partial(client: Client, simulator: Simulator) -> None:
    """Must-have 7: descriptions and attributes need one more call a ticket."""
    simulator.state.tickets[7001]["Description"] = "long story"
    (ticket,) = client.post(SEARCH, {"TicketID": 7001}).json()
    names = ("Description", "Attributes", "Attachments", "Notify", "Tasks")
    assert [ticket[name] for name in names] == [None] * 5
    simulator.options.partial_lists = "empty"
    (ticket,) = client.post(SEARCH, {"TicketID": 7001}).json()
    assert ticket["Attributes"] == []


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"StatusIDs": [NEW]}, [7001, 7002]),
        ({"StatusClassIDs": [3]}, [7003]),
        ({"PastStatusIDs": [NEW]}, [7001, 7002, 7003]),
        ({"SearchText": "NETWORK"}, [7002]),
        ({"SearchText": "in the feed"}, [7003]),
        ({"SearchText": "room 4"}, [7001]),
        ({"RequestorUids": [PERSON.upper()]}, [7001, 7002, 7003]),
        ({"RequestorNameSearch": "zoe"}, [7001, 7002, 7003]),
        ({"RequestorEmailSearch": "nobody"}, []),
        ({"TicketClassification": [9]}, [7001, 7002, 7003]),
        ({"TicketClassification": [46]}, [7002]),
        ({"PrimaryResponsibilityGroupIDs": [862]}, [7001]),
        ({"AssignmentStatus": False}, [7001, 7002, 7003]),
        ({"ClosedDateFrom": "2026-01-01T00:00:00Z"}, [7003]),
        ({"CreatedDateTo": "2026-11-01T05:00:00-05:00"}, [7001, 7002, 7003]),
        ({"CreatedDateTo": "2026-11-01T09:00:00-0000"}, []),
        ({"CustomAttributes": [{"ID": LAB, "Value": [9001, 9002]}]}, [7001]),
        ({"CustomAttributes": [{"ID": LAB, "Value": "9003"}]}, []),
        ({"IsOnHold": True}, []),
        ({"StatusIDs": [NEW], "SearchText": "network"}, [7002]),
        ({"StatusIDs": []}, [7001, 7002, 7003]),
        ({"search": {"StatusIDs": [CLOSED]}}, [7001, 7002, 7003]),
        ({"statusids": ["103"]}, [7003]),
        ({"DaysOldFrom": 100000}, []),
    ],
)
def test_filters_narrow_a_search(
    client: Client, simulator: Simulator, filters: Any, wanted: list[int]
) -> None:
    """AND between fields, OR within a list; unknown members do nothing, as one client found out."""
    tickets = simulator.state.tickets
    tickets[7001] |= {"ResponsibleGroupID": 862, "Attributes": {LAB: LAB_ROOM_4}}
    tickets[7002]["Classification"] = 46
    client.post("/46/tickets/7003/feed", {"Comments": "said in the feed", "NewStatusID": CLOSED})
    assert found(client, **filters) == wanted


def test_tickets_are_found_by_configuration_item_and_not_by_asset(
    client: Client, simulator: Simulator
) -> None:
    """Asking for an asset's tickets with the asset's id finds nothing."""
    client.post("/46/tickets/7002/assets/1001")
    item = simulator.state.assets[1001]["ConfigurationItemID"]
    assert found(client, ConfigurationItemIDs=[item]) == [7002]
    assert found(client, ConfigurationItemIDs=[1001]) == []
    assert found(client, ExcludeConfigurationItemIDs=[item]) == [7001, 7003]


def test_statuses_list_the_active_ones_with_their_classes(client: Client) -> None:
    """Ids are per application; whether a date is needed is a flag, not the class."""
    rows = client.get("/46/tickets/statuses").json()
    needing = {row["Name"]: row["RequireGoesOffHold"] for row in rows if row["StatusClass"] == 5}
    assert needing == {"On Hold": True, "Waiting for Customer": False}
    assert "Escalated" not in [row["Name"] for row in rows]
    every = client.post(
        "/46/tickets/statuses/search", {"SearchText": "e", "IsActive": False}
    ).json()
    assert [row["Name"] for row in every] == ["Escalated"]
    assert client.get("/46/tickets/statuses/103").json()["AppName"] == "IT Tickets"


def test_a_created_ticket_answers_201_with_defaults(client: Client) -> None:
    """Seen live: status, priority, form and group are filled in."""
    body = {"Title": "New one", "RequestorEmail": "ZCHEM@example.edu", "TypeID": 801}
    answer = client.post("/46/tickets?NotifyRequestor=false", body)
    ticket = answer.json()
    assert answer.status_code == 201
    seen = [ticket[name] for name in ("StatusName", "PriorityName", "RequestorUid", "FormName")]
    assert seen == ["New", "Low", PERSON, "General Help Form"]
    assert client.get(f"/46/tickets/{ticket['ID']}/feed").json()[0]["UpdateType"] == 4


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", {}),
        ("", {"AccountID": 201}),
        ("", {"Title": "x" * 301, "AccountID": 201}),
        ("", {"Title": "x", "AccountID": 201, "StatusID": 201}),
        ("?applyDefaults=false", {"Title": "x", "AccountID": 201}),
        ("?applyDefaults=perhaps", {"Title": "x", "AccountID": 201}),
    ],
)
def test_an_incomplete_ticket_answers_400(
    client: Client, simulator: Simulator, query: str, body: Any
) -> None:
    """With a message that names what is wrong, and without a ticket."""
    answer = client.post(f"/46/tickets{query}", body)
    assert (answer.status_code, answer.json()["ID"]) == (400, -1)
    assert len(simulator.state.tickets) == 3


def test_an_unknown_requestor_stays_as_text_or_is_created(client: Client) -> None:
    """Case A38: the uid is null then, and nobody may be searched by it."""
    body = {
        "Title": "x",
        "RequestorEmail": "new@example.edu",
        "RequestorName": "N. Ew",
        "AccountID": 201,
    }
    ticket = client.post("/46/tickets", body).json()
    assert (ticket["RequestorUid"], ticket["RequestorName"]) == (None, "N. Ew")
    ticket = client.post("/46/tickets?AllowRequestorCreation=True", body).json()
    assert (
        client.get(f"/people/{ticket['RequestorUid']}").json()["PrimaryEmail"] == "new@example.edu"
    )


def test_an_edit_replaces_what_is_not_sent(client: Client) -> None:
    """Clients that do not read first clear fields."""
    sent = {
        "Title": "Changed", "TypeID": 801, "AccountID": 201, "StatusID": NEW, "PriorityID": 851,
        "RequestorUid": PERSON, "Description": "Text", "Attributes": [{"ID": LAB, "Value": 9001}],
    }  # fmt: skip
    ticket = client.post(TICKET, sent).json()
    assert (ticket["Description"], ticket["Attributes"][0]["ValueText"]) == ("Text", "Room 4")
    del sent["Description"], sent["Attributes"]
    ticket = client.post(TICKET, sent).json()
    assert (ticket["Description"], ticket["Attributes"]) == (None, [])


def test_an_edit_keeps_what_people_cannot_set(client: Client) -> None:
    """A client sends back the whole record; the read-only part of it changes nothing."""
    sent = whole(client) | {
        "ID": 9,
        "AppID": 48,
        "CreatedUid": None,
        "StatusName": "x",
        "Classification": 46,
    }
    ticket = client.post(TICKET, sent).json()
    seen = [ticket[name] for name in ("ID", "AppID", "CreatedUid", "StatusName", "Classification")]
    assert seen == [7001, 46, PERSON, "New", 32]


def test_an_edit_can_set_a_status_that_needs_a_date(client: Client) -> None:
    """Case A41: here there is a field for the date."""
    sent = whole(client) | {"StatusID": ON_HOLD}
    assert client.post(TICKET, sent).status_code == 400
    sent["GoesOffHoldDate"] = "2026-12-01T00:00:00-0500"
    ticket = client.post(TICKET, sent).json()
    assert (ticket["IsOnHold"], ticket["GoesOffHoldDate"]) == (True, "2026-12-01T05:00:00Z")


def patch(client: Client, *operations: Any) -> Any:
    return client.call("PATCH", TICKET, json=list(operations))


@pytest.fixture
def editable(client: Client) -> Client:
    """A client whose ticket 7001 is complete."""
    client.post(TICKET, whole(client))
    return client


def test_a_patch_changes_what_it_names_and_nothing_else(editable: Client) -> None:
    """Must-have 11: paths match whatever their case, attributes are addressed by id."""
    answer = patch(
        editable,
        {"op": "replace", "path": "/title", "value": "Patched"},
        {"op": "add", "path": f"/attributes/{LAB}", "value": LAB_ROOM_5},
        {"op": "copy", "from": "/Title", "path": "/Description"},
    )
    ticket = answer.json()
    assert (ticket["Title"], ticket["Description"], ticket["TypeID"]) == ("Patched", "Patched", 801)
    assert ticket["Attributes"][0]["ChoicesText"] == "Room 5"
    ticket = patch(
        editable,
        {"OP": "Remove", "Path": f"/Attributes/{LAB}"},
        {"op": "move", "from": "/Description", "path": "/Title"},
    ).json()
    assert (ticket["Attributes"], ticket["Description"]) == ([], None)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/Title", "value": "Laptop slow"},
        {"op": "replace", "path": "/Nothing", "value": 1},
        {"op": "add", "path": "/Attributes/-", "value": {"ID": LAB}},
        {"op": "add", "path": "/Attributes/1", "value": "x"},
        {"op": "replace", "path": "/StatusID", "value": 999},
        {"op": "replace", "path": "/StatusID", "value": "many"},
        {"op": "remove", "path": "/Title"},
        {"op": "replace", "path": 5},
        "replace",
    ],
)
def test_a_patch_that_cannot_be_done_changes_nothing(editable: Client, operation: Any) -> None:
    """Must-have 11: `test` is unsupported, and an earlier operation of the same patch is undone."""
    before = editable.get(TICKET).json()
    good = {"op": "replace", "path": "/Description", "value": "half"}
    assert patch(editable, good, operation).status_code == 400
    assert editable.get(TICKET).json() == before


def test_a_patched_status_is_told_on_the_feed(editable: Client) -> None:
    """A status can change without a comment; a robot that reads the feed sees how."""
    patch(editable, {"op": "replace", "path": "/StatusID", "value": CLOSED})
    entry = editable.get(f"{TICKET}/feed").json()[0]
    assert (entry["UpdateType"], entry["Body"].count("Closed")) == (2, 1)


def test_a_moved_ticket_is_gone_from_its_old_application(client: Client) -> None:
    """Case A11: the id is right, the app id no longer is."""
    assert client.post(f"{TICKET}/application", {"NewAppID": 47}).json()["AppID"] == 47
    assert client.get(TICKET).status_code == 404
    assert client.get("/47/tickets/7001").status_code == 200
    assert client.post("/47/tickets/7001/application", {"NewAppID": 48}).status_code == 400


def test_a_contact_is_added_once_and_removed(client: Client) -> None:
    """Contacts are people; adding one is recorded on the feed."""
    path = f"{TICKET}/contacts/{PERSON.upper()}"
    assert [client.post(path).status_code for _ in range(2)] == [200, 204]
    assert [person["FullName"] for person in client.get(f"{TICKET}/contacts").json()] == [
        "Zoe Chem"
    ]
    assert [client.call("DELETE", path).status_code for _ in range(2)] == [200, 404]


def test_children_and_tags(client: Client) -> None:
    """Taking away a tag that is not there was seen to answer 304."""
    client.post(f"{TICKET}/children", [7002])
    assert client.get("/46/tickets/7002").json()["ParentTitle"] == "Laptop slow"
    client.post(f"{TICKET}/tags", ["lab"])
    statuses = [client.call("DELETE", f"{TICKET}/tags", json=["lab"]).status_code for _ in range(2)]
    assert statuses == [200, 304]


def test_the_lists_behind_the_ids_can_be_read(client: Client) -> None:
    """Whoever creates tickets needs them."""
    for kind, name in (("types", "Desktop Support"), ("priorities", "Low"), ("sources", "Email")):
        assert name in [row["Name"] for row in client.get(f"/46/tickets/{kind}").json()]
    attributes = client.get("/attributes/custom?componentId=9").json()
    assert [row["Name"] for row in attributes] == ["Lab"]
    assert client.get("/46/tickets/forms").json()[0]["ComponentID"] == 9
    people = client.get("/46/tickets/resources?searchText=zoe").json()
    assert [person["Value"] for person in people] == ["zchem@example.edu"]


@pytest.mark.parametrize(
    "body",
    [
        b"{'Comments':'It''s','IsPrivate':'True'}".replace(b"''", b"\\'"),
        b'{Comments: "It\'s", IsPrivate: 1}',
        b'\xef\xbb\xbf{"comments":"It\'s","ISPRIVATE":"true","Other":[1]}',
    ],
)
def test_json_is_read_leniently(client: Client, body: bytes) -> None:
    """Must-have 12: single quotes, bare names, scalars as text, other letter case, unknown members."""
    entry = client.call("POST", f"{TICKET}/feed", data=body).json()
    assert (entry["Body"], entry["IsPrivate"]) == ("It&#39;s", True)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b'{"IsPrivate":"perhaps","Comments":"x"}',
        b'{"NewStatusID":1e400,"Comments":"x"}',
        b'{"NewStatusID":NaN,"Comments":"x"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_json_answers_400(client: Client, body: bytes) -> None:
    """And never 500."""
    assert client.call("POST", f"{TICKET}/feed", data=body).status_code == 400


def test_the_lists_outside_applications_are_searched_and_read(client: Client) -> None:
    """Groups, locations and departments, which tickets name by id."""
    assert [row["ID"] for row in client.get("/locations").json()] == [301, 302, 303, 304]
    assert client.get("/locations/302").json()["Name"] == "Science Centre"
    found = client.post("/locations/search", {"NameLike": "north"}).json()
    assert [row["ID"] for row in found] == [303]
    assert client.get("/groups/862").json()["Name"] == "Desktop Support"
    assert client.get("/groups/1").status_code == 404
    assert len(client.post("/groups/search", {}).json()) == 2
    assert client.post("/groups/search", {"IsActive": False}).json() == []
    assert client.get("/accounts/201").json()["Name"] == "Chemistry"
    assert len(client.get("/accounts").json()) == 12
    found = client.post("/accounts/search", {"SearchText": "mus"}).json()
    assert [row["Name"] for row in found] == ["Music"]


def test_a_patch_may_leave_unset_what_was_unset(client: Client, simulator: Simulator) -> None:
    """But not clear a field that a ticket must have."""
    assert "TypeID" not in simulator.state.tickets[7001]
    raised = [{"op": "replace", "path": "/PriorityID", "value": 853}]
    assert client.call("PATCH", "/46/tickets/7001", json=raised).status_code == 200
    cleared = [{"op": "remove", "path": "/PriorityID"}]
    assert client.call("PATCH", "/46/tickets/7001", json=cleared).status_code == 400
