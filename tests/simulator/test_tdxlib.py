"""The public client tdxlib 0.6.1, unmodified, does its job on the simulator over https.

Nobody here wrote it, so what it expects is a second opinion on TDX. Where it and the reference differ, the
test says who is right.
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tdxlib.tdx_api_exceptions import TdxApiObjectNotFoundError
from tdxlib.tdx_asset_integration import TDXAssetIntegration
from tdxlib.tdx_report_integration import TDXReportIntegration
from tdxlib.tdx_ticket_integration import TDXTicketIntegration

from tdx_dagster.simulator import (
    BEID,
    PASSWORD,
    USER_NAME,
    WEB_SERVICES_KEY,
    Options,
    Simulator,
    State,
)
from tests.certificates import server_tls
from tests.simulator.conftest import PERSON

LAB = 18375


@pytest.fixture
def served(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Simulator, dict[str, str]]]:
    """A simulator behind https, and tdxlib's settings for it."""
    tls = server_tls(tmp_path / "authority.pem", "localhost")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    # tdxlib pauses a second after each sign-in; nothing here depends on it.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    # It reads the three rate headers of every answer unguarded.
    options = Options(rate_headers_without_limits=True)
    with Simulator(state, options=options, tls=tls) as simulator:
        settings = {
            "full_host": f"localhost:{simulator.port}", "sandbox": "False", "auth_type": "password",
            "username": USER_NAME, "password": PASSWORD, "ticket_app_id": "46", "asset_app_id": "48",
            "log_level": "ERROR",
        }  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(f"TDXLIB_{name.upper()}", value)
        yield simulator, settings


@pytest.fixture
def tickets(served: tuple[Simulator, dict[str, str]]) -> TDXTicketIntegration:
    """The client for tickets."""
    return TDXTicketIntegration(config=served[1])


def test_it_signs_in_by_password_and_by_key(served: tuple[Simulator, dict[str, str]]) -> None:
    """It decodes the token with a check of the audience, and keeps the expiry.

    With a key it only does so at its first call; that is its own doing, not TDX's.
    """
    simulator, settings = served
    for more in ({}, {"auth_type": "wskey", "beid": BEID, "wskey": WEB_SERVICES_KEY}):
        client = TDXTicketIntegration(config=settings | more)
        assert client.get_ticket_by_id(7001).get_attribute("Title") == "Laptop slow"
        assert client.config.token_exp == pytest.approx(time.time() + 86_400, abs=60)
    assert simulator.calls.count("POST", "/auth/loginadmin") == 1


def test_it_finds_a_ticket_by_text(tickets: TDXTicketIntegration) -> None:
    """It adds the open statuses to the search itself, found by their classes."""
    (ticket,) = tickets.search_tickets("network")
    assert (ticket.get_id(), ticket.get_attribute("StatusName")) == (7002, "New")
    tickets.update_ticket(7002, "Done", "Closed")
    assert tickets.search_tickets("network") == []
    assert [ticket.get_id() for ticket in tickets.search_tickets("network", closed=True)] == [7002]


def test_it_comments_privately_with_a_flag_as_text(
    tickets: TDXTicketIntegration, served: tuple[Simulator, dict[str, str]]
) -> None:
    """Case A43: it sends "True" as text, which TDX turns into a boolean; 201 suits it as 200 does."""
    simulator, _ = served
    for status in (201, 200):
        simulator.options.feed_post_status = status
        entry = tickets.update_ticket(7001, "We look into it", notify=["zchem@example.edu"])
        assert "We look into it" in entry["Body"]
        assert entry["IsPrivate"] is True
        assert entry["NotifiedList"] == "Zoe Chem <zchem@example.edu>"
    assert len(tickets.get_ticket_feed(7001)) == 2


def test_it_attaches_an_asset(
    tickets: TDXTicketIntegration,
    served: tuple[Simulator, dict[str, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A new link gives it the message; a repeat is logged as a failure.

    Who is right: TDX was seen to answer 204 to a repeat, and tdxlib takes 200 and
    201 only. The simulator stays with 204; a client of that sort must not repeat.
    """
    assert "GEO-FIELD2" in tickets.add_asset_to_ticket(7001, 1001)
    (item,) = tickets.get_all_ticket_assets(7001)
    assert (item["BackingItemID"], item["BackingItemType"]) == (1001, 27)
    with caplog.at_level(logging.ERROR):
        assert tickets.add_asset_to_ticket(7001, 1001) is None
    assert "Response code: 204" in caplog.text
    assert served[0].state.asset_ids_of(7001) == [1001]


def test_an_empty_answer_to_a_link_suits_it(
    tickets: TDXTicketIntegration, served: tuple[Simulator, dict[str, str]]
) -> None:
    """Its POST takes an empty body as None, and a bare text as broken JSON."""
    served[0].options.link_body = "empty"
    assert tickets.add_asset_to_ticket(7001, 1001) is None
    assert served[0].state.asset_ids_of(7001) == [1001]


def test_it_edits_by_reading_merging_and_sending_back(tickets: TDXTicketIntegration) -> None:
    """Its export drops zeros and falses, which an edit then resets to the same."""
    tickets.make_patch("/46/tickets/7001", _complete())
    edited = tickets.edit_ticket(
        7001, {"Title": "Edited", "Attributes": [{"ID": LAB, "Value": 9001}]}
    )
    assert edited.get_attribute("Title") == "Edited"
    assert edited.get_attribute("RequestorUid") == PERSON
    assert [each["ValueText"] for each in edited.get_attribute("Attributes")] == ["Room 4"]


def _complete() -> list[dict[str, object]]:
    values = {"TypeID": 801, "AccountID": 201, "PriorityID": 851}
    return [{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]


def test_it_patches(tickets: TDXTicketIntegration) -> None:
    """One field changes, by the path that TDX documents."""
    patched = tickets.make_patch(
        "/46/tickets/7001",
        [*_complete(), {"op": "replace", "path": "/Title", "value": "Patched"}],
    )
    assert (patched["Title"], patched["RequestorUid"]) == ("Patched", PERSON)


def test_it_knows_statuses_types_and_forms_by_name(tickets: TDXTicketIntegration) -> None:
    """It finds ids by name; two of its search bodies are wrapped and so come back unfiltered."""
    assert tickets.search_ticket_status("Closed")["StatusClass"] == 3
    assert tickets.get_ticket_type_by_name_id("Desktop")["ID"] == 801
    assert tickets.get_ticket_form_by_name_id("General")["ID"] == 3101
    assert tickets.get_person_by_name_email("zchem@example.edu")["UID"] == PERSON


def test_it_runs_a_report(served: tuple[Simulator, dict[str, str]]) -> None:
    """With data and a sort, as its query spells them."""
    client = TDXReportIntegration(config=served[1])
    report = client.get_report_by_id(67890, withData=True, dataSortExpression="TicketID DESC")[
        "report_data"
    ]
    assert [row["TicketID"] for row in report["DataRows"]] == [7003, 7002, 7001]
    assert client.get_report_by_id(67890)["report_data"]["DataRows"] is None


@pytest.mark.usefixtures("served")
def test_it_finds_assets_by_serial_and_tag() -> None:
    """It trusts a lone hit of a LIKE search (case A32), and strips leading zeros from tags."""
    client = TDXAssetIntegration()
    assert client.find_asset_by_sn("5CG2381")["ID"] == 1003
    assert client.find_asset_by_tag("0104233")["ID"] == 1003
    with pytest.raises(TdxApiObjectNotFoundError):
        client.find_asset_by_sn("NOTHING")
    (asset,) = client.get_assets_by_owner("zchem@example.edu", all_statuses=True, full_record=True)
    assert (asset["ID"], asset["Attributes"]) == (1003, [])


@pytest.mark.usefixtures("served")
def test_it_changes_an_asset() -> None:
    """It reads, merges and posts the whole record back, read-only fields too."""
    client = TDXAssetIntegration()
    (asset,) = client.update_assets(1003, {"Name": "RENAMED"})
    assert (asset["Name"], asset["Tag"], asset["OwningCustomerName"]) == (
        "RENAMED",
        "104233",
        "Zoe Chem",
    )


def test_its_own_limiter_sees_the_limit_coming(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sleeps when one call is left, until the reset and five seconds more, and meets no 429."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    tls = server_tls(tmp_path / "authority.pem", "localhost")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with Simulator(state, limits="real", tls=tls) as simulator:
        client = TDXTicketIntegration(
            config={
                "full_host": f"localhost:{simulator.port}", "sandbox": "False",
                "auth_type": "password", "username": USER_NAME, "password": PASSWORD,
                "ticket_app_id": "46", "asset_app_id": "48",
            }
        )  # fmt: skip
        for _ in range(60):
            client.get_ticket_by_id(7001)
        assert 429 not in {call.status for call in simulator.calls}
    assert slept[0] == 1
    assert len(slept) == 2
    assert 50 <= slept[1] <= 65
