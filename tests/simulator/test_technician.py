"""People at the desk who change tickets while a client is at work on them."""

from typing import Any

import pytest
import requests

from tdx_dagster.simulator import PASSWORD, Simulator
from tests.simulator.client import Client
from tests.simulator.conftest import PERSON


def newest(client: Client, ticket: int = 7001) -> dict[str, Any]:
    entry: dict[str, Any] = client.get(f"/46/tickets/{ticket}/feed").json()[0]
    return entry


def test_adding_and_removing_assets_writes_what_tdx_writes(
    client: Client, simulator: Simulator
) -> None:
    """On both feeds, under the technician's name and date."""
    tess = simulator.technician("tess.tech")
    tess.add_asset(7001, 1001)
    added = newest(client)
    assert added["Body"] == 'Added the "GEO-FIELD2" asset to this incident.'
    assert (added["CreatedFullName"], added["UpdateType"]) == ("Tess Tech", 3)
    assert added["CreatedUid"] == tess.person["UID"]
    assert simulator.state.asset_ids_of(7001) == [1001]
    tess.remove_asset(7001, 1001)
    assert newest(client)["Body"] == 'Removed the "GEO-FIELD2" asset from this incident.'
    assert simulator.state.asset_ids_of(7001) == []
    assert len(client.get("/48/assets/1001/feed").json()) == 2
    assert client.get("/46/tickets/7001").json()["ModifiedFullName"] == "Tess Tech"


def test_a_status_changes_with_and_without_a_comment(client: Client, simulator: Simulator) -> None:
    """By id or by name, and on hold with a date."""
    tess = simulator.technician()
    line = "Changed Status from &quot;<b>{}</b>&quot; to &quot;<b>{}</b>&quot;.<br />"
    tess.change_status(7001, 102)
    assert newest(client)["Body"] == line.format("New", "In Process")
    tess.change_status(7001, "closed", comment="Solved.")
    assert newest(client)["Body"] == line.format("In Process", "Closed") + "Solved."
    assert newest(client)["UpdateType"] == 2
    with pytest.raises(ValueError, match="GoesOffHoldDate"):
        tess.change_status(7001, "On Hold")
    tess.change_status(7001, "On Hold", goes_off_hold="2026-12-24T00:00:00Z")
    ticket = client.get("/46/tickets/7001").json()
    assert (ticket["IsOnHold"], ticket["GoesOffHoldDate"]) == (True, "2026-12-24T00:00:00Z")
    tess.change_status(7001, "New")
    ticket = client.get("/46/tickets/7001").json()
    assert (ticket["IsOnHold"], ticket["GoesOffHoldDate"]) == (False, None)


def test_a_ticket_is_assigned_and_taken(client: Client, simulator: Simulator) -> None:
    """TDX has a sentence for each."""
    simulator.technician("tess.tech").assign(7001, "tess.tech")
    assert newest(client)["Body"] == "Took primary responsibility for this incident.<br />"
    simulator.technician("tess.tech").assign(7001, "omar.other")
    line = "Reassigned this incident from Tess Tech to Omar Other.<br />"
    assert newest(client)["Body"] == line
    simulator.technician("tess.tech").assign(7001, "tess.tech")
    line = "Took primary responsibility for this incident from Omar Other.<br />"
    assert newest(client)["Body"] == line
    simulator.technician("tess.tech").assign(7001, None)
    assert client.get("/46/tickets/7001").json()["ResponsibleUid"] is None


def test_fields_are_edited(client: Client, simulator: Simulator) -> None:
    """Fields with a list get a line each, others one line together."""
    tess = simulator.technician()
    fields = {
        "PriorityID": 853, "ImpactID": 832, "UrgencyID": 842, "TypeID": 803, "SourceID": 821,
        "LocationID": 302, "ResponsibleGroupID": 862,
    }  # fmt: skip
    tess.edit(7001, **fields)
    ticket, body = client.get("/46/tickets/7001").json(), newest(client)["Body"]
    assert {name: ticket[name] for name in fields} == fields
    assert (
        "Changed Responsible Group from &quot;<b>None</b>&quot; to &quot;<b>Desktop Support</b>"
        in body
    )
    assert body.count("Changed ") == len(fields)
    tess.edit(7001, Title="Better title", **{"attributes/18375": "9001"})
    assert newest(client)["Body"] == "Edited this incident."
    assert client.get("/46/tickets/7001").json()["Attributes"][0]["ValueText"] == "Room 4"
    assert client.get("/46/tickets/7001").json()["RequestorUid"] == PERSON


def test_comments_have_exactly_the_given_words(client: Client, simulator: Simulator) -> None:
    """A canned reply may be equal to what a client would have posted."""
    tess = simulator.technician()
    tess.comment(7001, "Found \u201cGEO-FIELD2\u201d.", private=False, notify=["zchem@example.edu"])
    public = newest(client)
    assert (public["Body"], public["IsPrivate"]) == ("Found \u201cGEO-FIELD2\u201d.", False)
    assert simulator.state.mails[0]["To"] == "zchem@example.edu"
    tess.comment(7001, "<b>Hidden</b>", is_html=True)
    assert (newest(client)["Body"], newest(client)["IsPrivate"]) == ("<b>Hidden</b>", True)
    tess.reply(public["ID"], "Thanks")
    assert client.get(f"/feed/{public['ID']}").json()["Replies"][0]["Body"] == "Thanks"


@pytest.mark.parametrize("update_type", [0, 1, 5, None])
def test_the_update_type_and_the_date_can_be_chosen(
    simulator: Simulator, update_type: int | None
) -> None:
    """Tenants differ, and clocks do: what TDX writes may come with 0 or without the field."""
    at = "2026-01-01T00:00:00Z"
    simulator.technician(update_type=update_type, at=at).add_asset(7001, 1001)
    headers = {"Authorization": f"Bearer {simulator.token()}"}
    address = f"{simulator.url}/api/46/tickets/7001/feed"
    entry = requests.get(address, headers=headers, timeout=10).json()[0]
    assert entry.get("UpdateType", None) == update_type
    assert ("UpdateType" in entry) == (update_type is not None)
    assert entry["CreatedDate"] == at


@pytest.mark.parametrize(("switch", "expected"), [("zero", [0, 0]), ("missing", [None, None])])
def test_the_update_types_of_all_entries_can_be_switched(
    simulator: Simulator, switch: Any, expected: list[int | None]
) -> None:
    """Comments too."""
    simulator.technician().add_asset(7001, 1001)
    simulator.technician().comment(7001, "Hello")
    simulator.options.update_types = switch
    headers = {"Authorization": f"Bearer {simulator.token()}"}
    address = f"{simulator.url}/api/46/tickets/7001/feed"
    entries = requests.get(address, headers=headers, timeout=10).json()
    assert [entry.get("UpdateType") for entry in entries] == expected


def test_an_automation_rule_is_the_system(client: Client, simulator: Simulator) -> None:
    """Its author has the empty id."""
    simulator.technician("System").comment(7001, "Auto-reply")
    assert newest(client)["CreatedFullName"] == "System"
    assert newest(client)["CreatedUid"] == "00000000-0000-0000-0000-000000000000"


def test_several_people_sign_in_and_are_the_authors(client: Client, simulator: Simulator) -> None:
    """The same through the API: each call has the account of its token."""
    for name in ("tess.tech", "omar.other"):
        simulator.technician(name)
        signed_in = client.post("/auth", {"username": name, "password": PASSWORD})
        client.session.headers["Authorization"] = f"Bearer {signed_in.text}"
        client.post("/46/tickets/7001/assets/1001")
        client.call("DELETE", "/46/tickets/7001/assets/1001")
        assert newest(client)["CreatedFullName"] == name.replace(".", " ").title()


def test_a_technician_is_not_limited_logged_or_hit_by_a_fault(
    client: Client, simulator: Simulator
) -> None:
    """Counts and faults are about the client that is tried."""
    simulator.faults.add("*", "*", status=503)
    simulator.technician().add_asset(7001, 1001)
    assert len(simulator.calls) == 0
    assert client.get("/46/tickets/7001").status_code == 503


def test_it_is_driven_over_http(client: Client, simulator: Simulator) -> None:
    """For tests in another process or language."""
    address = f"{simulator.control_url}/technician"

    def do(**what: Any) -> requests.Response:
        return requests.post(address, json={"user": "tess.tech", "ticket": 7001} | what, timeout=10)

    assert do(do="add_asset", asset=1001).status_code == 200
    assert do(do="comment", text="Hi", private=False, update_type=0).json()["Body"] == "Hi"
    assert newest(client)["UpdateType"] == 0
    assert do(do="edit", PriorityID=853).json()["PriorityName"] == "High"
    assert do(do="change_status", status="Closed").json()["StatusID"] == 103
    for wrong, words in (
        ({"do": "add_asset", "asset": 5}, "404"),
        ({"do": "dance"}, "add_asset"),
        ({"do": "comment"}, "text"),
        ({"do": "comment", "text": "x", "ticket": 1}, "There is no ticket 1"),
        ({"do": "change_status", "status": "Nowhere"}, "Nowhere"),
    ):
        refused = do(**wrong)
        assert refused.status_code == 400
        assert words in refused.json()["error"]
    assert newest(client)["CreatedFullName"] == "Tess Tech"
