"""The public client tdxapi 0.10.0, unmodified, does its job on the simulator over https.

Its address is fixed to a host of the vendor's, so that name is made to mean the loopback interface here. Its
models were generated from the official documentation.
"""

import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from requests import adapters
from tdxapi.client import TdxClient
from tdxapi.enums.ticket_class import TicketClass

from tdx_dagster.simulator import BEID, WEB_SERVICES_KEY, Simulator, State
from tests.certificates import server_tls
from tests.simulator.conftest import PERSON

HOST = "simulated.teamdynamix.com"
LAB = 18375


@pytest.fixture
def simulator(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator behind https under the vendor's host name."""
    authority = tmp_path / "authority.pem"
    tls = server_tls(authority, HOST)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    # Its repeat after a 401 takes a way through requests that does not look at that variable.
    monkeypatch.setattr(adapters, "DEFAULT_CA_BUNDLE_PATH", str(authority))
    with Simulator(state, tls=tls) as running:
        known = socket.getaddrinfo

        def loopback_only(host: str, _port: Any, *more: Any, **named: Any) -> Any:
            assert host == HOST, f"only the simulator may be contacted, not {host}"
            return known("127.0.0.1", running.port, *more, **named)

        monkeypatch.setattr(socket, "getaddrinfo", loopback_only)
        yield running


@pytest.fixture
def client(simulator: Simulator) -> TdxClient:
    """The client, signed in with the key."""
    assert simulator.port
    return TdxClient("simulated", beid=BEID, wskey=WEB_SERVICES_KEY)


def test_it_signs_in_and_finds_the_applications(client: TdxClient) -> None:
    """It distinguishes ticket and asset applications by their class."""
    kinds = {number: type(app).__name__ for number, app in client.apps.items()}
    assert kinds == {46: "TicketApplication", 47: "TicketApplication", 48: "AssetApplication"}


def test_it_reads_and_searches_tickets(client: TdxClient) -> None:
    """Year 1 and zero GUIDs become None, other dates local ones."""
    tickets = client.ticket_app(46).tickets
    ticket = tickets.get(7001)
    assert (ticket.title, ticket.completed_date, ticket.responsible_uid) == (
        "Laptop slow",
        None,
        None,
    )
    assert isinstance(ticket.created_date, datetime)
    found = tickets.search(search_text="network", ticket_classification_ids=[TicketClass.TICKET])
    assert [each.id for each in found] == [7002]
    assert len(tickets.search()) == 3
    assert tickets.get(1) is None


def test_a_search_with_every_field_null_is_not_filtered(client: TdxClient) -> None:
    """It sends all fields, null where unset, `MaxResults` too, although that cannot be null in TDX's type.

    Who is right: the documentation gives 300 as the default for a member that is left out, and says nothing
    of null. The simulator treats null as left out, as a client in use relies on it.
    """
    assert len(client.ticket_app(46).tickets.search()) == 3


def test_it_saves_a_ticket(client: TdxClient) -> None:
    """It sends the whole record back; attributes by choice id."""
    tickets = client.ticket_app(46).tickets
    new = tickets.new(
        title="By tdxapi", account_id=201, type_id=801, status_id=101, priority_id=851
    )
    new.requestor_uid = PERSON
    new.attributes.update(LAB, 9001)
    tickets.save(new)
    assert new.id > 7003
    new.title = "Changed"
    tickets.save(new)
    again = tickets.get(new.id)
    assert (again.title, again.requestor_name) == ("Changed", "Zoe Chem")
    assert again.attributes.get(LAB).value == 9001


def test_it_comments(client: TdxClient) -> None:
    """It turns the body back into text."""
    tickets = client.ticket_app(46).tickets
    entry = tickets.add_feed_entry("Done & dusted\nBye", 7001, new_status_id=103)
    assert entry.body_text == 'Changed Status from "New" to "Closed".Done & dustedBye'
    assert [each.id for each in tickets.get_feed_entries(7001)] == [entry.id]
    assert tickets.get(7001).status_name == "Closed"


def test_it_attaches_an_asset_twice(client: TdxClient, simulator: Simulator) -> None:
    """It takes any success, so the 204 of a repeat is none of its worries."""
    tickets = client.ticket_app(46).tickets
    for _ in range(2):
        tickets.add_asset(1001, 7001)
    (item,) = tickets.get_configuration_items(7001)
    assert (item.backing_item_id, item.backing_item_type_id) == (1001, 27)
    client.asset_app(48).assets.remove_from_ticket(7001, 1001)
    assert simulator.state.asset_ids_of(7001) == []


def test_it_reads_searches_and_saves_assets(client: TdxClient) -> None:
    """An asset of a search is partial, and it refuses to save that."""
    assets = client.asset_app(48).assets
    (partial,) = assets.search(serial_like="5CG2381LQT")
    with pytest.raises(ValueError, match="may not be complete"):
        assets.save(partial)
    asset = assets.get(partial.id)
    assert (asset.service_tag, asset.acquisition_date, asset.owning_customer_id) == (
        "104233",
        None,
        PERSON,
    )
    asset.name = "RENAMED"
    assets.save(asset)
    assert [each.id for each in assets.search(search_text="renamed")] == [1003]


def test_it_runs_a_report(client: TdxClient) -> None:
    """Rows stay plain objects, keyed by column name."""
    report = client.reports.get(67890, with_data=True)
    assert [row["TicketID"] for row in report.data] == [7001, 7002, 7003]
    assert "TicketID" in [column.column_name for column in report.columns]
    assert [each.id for each in client.reports.search(search_text="open")] == [67890]


def test_it_signs_in_again_once_on_401(client: TdxClient, simulator: Simulator) -> None:
    """A token that ran out costs one more sign-in and is not noticed otherwise."""
    simulator.tenant.expire_tokens()
    assert client.ticket_app(46).tickets.get(7001).id == 7001
    assert simulator.calls.count("POST", "/auth/loginadmin") == 2


def test_an_error_reaches_its_caller_with_the_message(client: TdxClient) -> None:
    """It reads `Message` and `ID` of the error object."""
    with pytest.raises(RuntimeError, match=r"400: .*not valid.* \(ID: -1\)"):
        client.ticket_app(46).tickets.add_feed_entry("x", 7001, new_status_id=999)


def test_it_reads_groups_locations_and_accounts(client: TdxClient) -> None:
    """Its models of them follow the official documentation."""
    assert [group.name for group in client.groups.search(name_like="desktop")] == [
        "Desktop Support"
    ]
    assert {place.id for place in client.locations.all()} == {301, 302, 303, 304}
    assert {account.name for account in client.accounts.all()} >= {"Chemistry", "Music"}
