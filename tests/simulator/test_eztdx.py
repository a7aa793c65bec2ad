"""The public client EzTDX 2021.11.16, unmodified, does its job on the simulator.

It signs in, searches and posts with form-encoded bodies, which TDX's documentation does not mention.
"""

import json

import pytest
from EzTDX import EzTDX

from tdx_dagster.simulator import BEID, WEB_SERVICES_KEY, Simulator
from tests.simulator.conftest import PERSON


@pytest.fixture
def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> EzTDX:
    """The client; it sleeps more than a second before most calls, which nothing here depends on."""
    monkeypatch.setattr("EzTDX.sleep", lambda _seconds: None)
    host = simulator.url.removesuffix("/TDWebApi")
    return EzTDX(host, BEID, WEB_SERVICES_KEY, 46, sandbox=False)


def test_it_signs_in_to_production_and_to_the_sandbox(simulator: Simulator) -> None:
    """Both are paths of one host; a failed sign-in it only prints."""
    host = simulator.url.removesuffix("/TDWebApi")
    for sandbox in (True, False):
        client = EzTDX(host, BEID, WEB_SERVICES_KEY, 46, sandbox=sandbox)
        assert client.get_ticket_by_id("7001")["Title"] == "Laptop slow"


def test_it_reads_tickets_people_and_lists(client: EzTDX, simulator: Simulator) -> None:
    """Everything it can ask of what is simulated."""
    simulator.state.tickets[7001] |= {"Attributes": {18375: "9001"}, "Description": "It is slow."}
    simulator.technician().add_asset(7001, 1001)
    assert client.get_ticket_attribute(7001, "Lab") == "Room 4"
    assert client.get_ticket_description("7001") == "It is slow."
    assert [item["BackingItemID"] for item in client.get_ticket_config_items(7001)] == [1001]
    assert client.get_ticket_feed("7001")[0]["CreatedFullName"] == "Tess Tech"
    assert client.get_person(PERSON)["UserName"] == "zchem"
    assert [person["UID"] for person in client.search_people("zoe")] == [PERSON]
    assert client.get_group(861)["Name"] == "Service Desk"
    assert client.get_location_by_id(301)["Name"] == "Old Hall"


def test_it_searches_by_status_name(client: EzTDX, simulator: Simulator) -> None:
    """A form with a list of several ids in it."""
    simulator.technician().change_status(7002, "Closed")
    found = client.search_tickets("n", ["New", "In Process"])
    assert {ticket["ID"] for ticket in found} == {7003}
    custom = client.search_tickets_custom({"RequestorUids": [PERSON]}, ["Closed"])
    assert [ticket["ID"] for ticket in custom] == [7002]


def test_it_comments_and_changes_the_status(client: EzTDX, simulator: Simulator) -> None:
    """It insists on 201."""
    done = client.update_ticket_feed(7001, "Done & dusted", "Closed", is_private=True)
    assert done == "Ticket 7001 updated successfully!"
    entry = simulator.state.feed_of_ticket(7001)[0]
    assert (entry["IsPrivate"], simulator.state.tickets[7001]["StatusID"]) == (True, 103)
    assert entry["Body"].endswith("Done &amp; dusted")


def test_it_patches_a_ticket(client: EzTDX) -> None:
    """The one body it sends as JSON."""
    patch = json.dumps([{"op": "replace", "path": "/Title", "value": "New title"}])
    assert client.update_ticket(7001, patch)["Title"] == "New title"
