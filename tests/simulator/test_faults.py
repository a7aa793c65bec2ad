"""Fault switches: what reaches the client, and what has happened on the server."""

import time
from typing import Any

import pytest
import requests

from tdx_dagster.simulator import Simulator
from tests.simulator.client import Client

FEED = "/46/tickets/7001/feed"
FEED_TEMPLATE = "/{app}/tickets/{id}/feed"
COMMENT = {"Comments": "Hello"}


def comments(simulator: Simulator, ticket: int = 7001) -> list[str]:
    return [entry["Body"] for entry in simulator.state.feed_of_ticket(ticket)]


def test_a_status_hides_a_call_that_was_not_done(client: Client, simulator: Simulator) -> None:
    """A refused call; the next one goes through."""
    simulator.faults.add("POST", FEED_TEMPLATE, status=503, on=1)
    assert client.post(FEED, COMMENT).status_code == 503
    assert comments(simulator) == []
    assert client.post(FEED, COMMENT).status_code == 201


def test_a_status_can_hide_a_call_that_was_done(client: Client, simulator: Simulator) -> None:
    """Case D08: a gateway error says nothing about the outcome of a POST."""
    simulator.faults.add("POST", FEED_TEMPLATE, status=502, effect=True)
    assert client.post(FEED, COMMENT).status_code == 502
    assert comments(simulator) == ["Hello"]


@pytest.mark.parametrize(("moment", "left"), [("before", []), ("after", ["Hello"])])
def test_a_connection_is_dropped_before_or_after_the_effect(
    client: Client, simulator: Simulator, moment: Any, left: list[str]
) -> None:
    """Case D01: never sent and answer lost look the same to the client."""
    simulator.faults.add("POST", FEED_TEMPLATE, drop=moment, on=1)
    with pytest.raises(requests.ConnectionError):
        client.post(FEED, COMMENT)
    assert comments(simulator) == left
    assert client.post(FEED, COMMENT).status_code == 201


def test_a_call_can_be_held_for_ever(client: Client, simulator: Simulator) -> None:
    """Case A51: one silent connection must not hold a run; stopping the server ends it."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", hold="before")
    with pytest.raises(requests.ReadTimeout):
        client.session.get(f"{simulator.url}/api/46/tickets/7001", timeout=0.2)
    began = time.monotonic()
    simulator.stop()
    assert time.monotonic() - began < 1


def test_a_delay_comes_before_or_after_the_effect(client: Client, simulator: Simulator) -> None:
    """A client that gives up in the meantime does not know which."""
    simulator.faults.add("POST", FEED_TEMPLATE, delay_seconds=30, delay="after", on=1)
    with pytest.raises(requests.ReadTimeout):
        client.session.post(simulator.url + "/api" + FEED, json=COMMENT, timeout=0.2)
    assert comments(simulator) == ["Hello"]


def test_a_body_can_end_in_the_middle(client: Client, simulator: Simulator) -> None:
    """The headers promise more than comes."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", cut_body=True, on=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get("/46/tickets/7001")
    assert client.get("/46/tickets/7001").status_code == 200


def test_a_web_page_or_nothing_can_come_instead_of_json(
    client: Client, simulator: Simulator
) -> None:
    """Proxies and maintenance pages answer 200."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", web_page=True, on=1)
    simulator.faults.add("GET", "/{app}/tickets/{id}", empty=True, on=2)
    assert client.get("/46/tickets/7001").text.startswith("<!DOCTYPE html>")
    empty = client.get("/46/tickets/7001")
    assert (empty.status_code, empty.content) == (200, b"")


def test_headers_can_be_added_and_taken_away(client: Client, simulator: Simulator) -> None:
    """Cases A01 to A06: resets missing, unreadable, in the past or hours ahead."""
    simulator.options.rate_headers_without_limits = True
    given = {"X-RateLimit-Reset": "mer., 28 mars 2018 16:08:14 GMT", "X-RateLimit-Limit": None}
    simulator.faults.add("GET", "/{app}/tickets/{id}", status=429, headers=given)
    answer = client.get("/46/tickets/7001")
    assert answer.headers["X-RateLimit-Reset"].startswith("mer.")
    assert "X-RateLimit-Limit" not in answer.headers


def test_a_fault_can_be_for_one_ticket_only(client: Client, simulator: Simulator) -> None:
    """Case A10: one ticket is forbidden, the others are not."""
    simulator.faults.add("GET", "/46/tickets/7002", status=403)
    statuses = [client.get(f"/46/tickets/{number}").status_code for number in (7001, 7002, 7003)]
    assert statuses == [200, 403, 200]
    simulator.faults.clear()
    assert client.get("/46/tickets/7002").status_code == 200


def test_every_call_is_logged_with_its_outcome(client: Client, simulator: Simulator) -> None:
    """Work is counted in calls, also those that never got an answer."""
    simulator.faults.add("POST", FEED_TEMPLATE, drop="after")
    with pytest.raises(requests.ConnectionError):
        client.post(FEED, COMMENT)
    client.get("/46//tickets/7001?x=1")
    client.get("/46/nothing")
    seen = [(call.name, call.path, call.status) for call in simulator.calls]
    assert seen == [
        ("POST /{app}/tickets/{id}/feed", "/46/tickets/7001/feed", 0),
        ("GET /{app}/tickets/{id}", "/46/tickets/7001", 200),
        ("GET ", "/46/nothing", 404),
    ]
    assert '"Comments": "Hello"' in simulator.calls.matching("POST")[0].body
    assert simulator.calls.count("GET", "/{a}/tickets/{b}") == 1


def test_all_of_it_can_be_driven_over_http(client: Client, simulator: Simulator) -> None:
    """Clients in other languages are tried on it, too."""
    control = simulator.control_url
    fault = {"method": "GET", "path": "/{app}/tickets/{id}", "status": 500, "on": [1]}
    assert requests.post(f"{control}/faults", json=fault, timeout=5).status_code == 200
    assert client.get("/46/tickets/7001").status_code == 500
    client.post(FEED, COMMENT)
    state = requests.get(f"{control}/state", timeout=5).json()
    assert [entry["Body"] for entry in state["feed"].values()] == ["Hello"]
    assert [call["status"] for call in requests.get(f"{control}/calls", timeout=5).json()] == [
        500,
        201,
    ]
    requests.delete(f"{control}/calls", timeout=5)
    requests.patch(f"{control}/options", json={"feed_post_status": 200}, timeout=5)
    assert client.post(FEED, COMMENT).status_code == 200
    assert len(simulator.calls) == 1
    requests.post(f"{control}/expire-tokens", timeout=5)
    assert client.get("/46/tickets/7001").status_code == 401


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [("options", "PATCH", {"feed_pots": 1}), ("faults", "POST", {"path": "/x", "dorp": "after"})],
)
def test_a_misspelt_switch_is_refused_with_the_reason(
    simulator: Simulator, path: str, method: str, body: Any
) -> None:
    """A fault that silently does nothing makes a test pass for the wrong reason."""
    answer = requests.request(method, f"{simulator.control_url}/{path}", json=body, timeout=5)
    assert answer.status_code == 400
    assert next(iter(set(body) - {"path"})) in answer.json()["error"]
