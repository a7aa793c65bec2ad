"""Fault switches: what reaches the client, and what has happened on the server."""

import gzip
import json
import re
import socket
import time
import zlib
from collections.abc import Callable
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
    simulator.stop()


def test_a_delay_comes_before_or_after_the_effect(client: Client, simulator: Simulator) -> None:
    """A client that gives up in the meantime does not know which."""
    simulator.faults.add("POST", FEED_TEMPLATE, delay_seconds=30, delay="after", on=1)
    with pytest.raises(requests.ReadTimeout):
        client.session.post(simulator.url + "/api" + FEED, json=COMMENT, timeout=0.2)
    while not comments(simulator):
        """The call may still be on its way; the test's own time-out ends a wait in vain."""
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


def test_a_body_can_trickle(client: Client, simulator: Simulator) -> None:
    """A time-out between two reads never fires, however long the whole takes."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", trickle_seconds=0.5)
    began = time.monotonic()
    answer = client.session.get(f"{simulator.url}/api/46/tickets/7001", timeout=0.2)
    assert time.monotonic() - began > 0.45
    assert answer.json()["ID"] == 7001


def raw_post(simulator: Simulator) -> bytes:
    """Post a comment and read everything that comes back until the connection ends."""
    body = json.dumps(COMMENT)
    head = (
        f"POST /TDWebApi/api{FEED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {simulator.token()}\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=30) as wire:
        wire.sendall((head + body).encode())
        return b"".join(iter(lambda: wire.recv(65536), b""))


@pytest.mark.parametrize(
    ("interim", "words"),
    [((100,), b"100 Continue"), ((102,), b"102 Processing"), ((103,), b"103 Early Hints")],
)
def test_an_interim_answer_comes_before_the_final_one_or_in_its_place(
    simulator: Simulator, interim: tuple[int, ...], words: bytes
) -> None:
    """Case F27: what is no answer yet must not be taken for one."""
    simulator.faults.add("POST", FEED_TEMPLATE, interim=interim, on=1)
    simulator.faults.add("POST", FEED_TEMPLATE, interim=interim, only_interim=True, on=2)
    simulator.faults.add(
        "POST", FEED_TEMPLATE, interim=interim, only_interim=True, effect=True, on=3
    )
    first, second, third = (raw_post(simulator) for _ in range(3))
    assert first.startswith(b"HTTP/1.1 " + words + b"\r\n")
    assert b"HTTP/1.1 201 Created" in first
    assert second == third
    assert second.startswith(b"HTTP/1.1 " + words)
    assert second.count(b"HTTP/1.1") == 1
    assert comments(simulator) == ["Hello", "Hello"]


def test_several_interim_answers_come_in_order(simulator: Simulator) -> None:
    """As a server behind two proxies sends them."""
    simulator.faults.add("POST", FEED_TEMPLATE, interim=(100, 103, 103, 102))
    statuses = re.findall(rb"HTTP/1.1 (\d+)", raw_post(simulator))
    assert statuses == [b"100", b"103", b"103", b"102", b"201"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("effect", "left"), [(False, []), (True, ["Hello"])])
def test_a_redirect_can_come_before_or_after_the_effect(
    client: Client, simulator: Simulator, status: int, effect: bool, left: list[str]
) -> None:
    """Case F27: following one that comes after a write sends the write again, or loses it."""
    elsewhere = {"Location": f"/TDWebApi/api{FEED}?again=1"}
    simulator.faults.add(
        "POST", FEED_TEMPLATE, status=status, effect=effect, headers=elsewhere, on=1
    )
    answer = client.session.post(
        f"{simulator.url}/api{FEED}", json=COMMENT, allow_redirects=False, timeout=10
    )
    assert (answer.status_code, answer.headers["Location"]) == (status, elsewhere["Location"])
    assert comments(simulator) == left


@pytest.mark.parametrize("status", [200, 204, 205, 206])
def test_an_empty_answer_can_have_any_status(
    client: Client, simulator: Simulator, status: int
) -> None:
    """The call is done; the connection stays fit for the next."""
    simulator.faults.add("POST", FEED_TEMPLATE, status=status, empty=True, effect=True, on=1)
    for expected, body in ((status, b""), (201, None)):
        answer = client.session.post(f"{simulator.url}/api{FEED}", json=COMMENT, timeout=10)
        assert answer.status_code == expected
        assert body is None or answer.content == body
    assert comments(simulator) == ["Hello", "Hello"]


def test_a_captive_portal_can_ask_for_a_sign_in(client: Client, simulator: Simulator) -> None:
    """Other people's page, with the status made for it and with 200."""
    for status in (511, 200):
        simulator.faults.add("GET", "*", web_page=True, status=status, on=1)
        answer = client.get("/46/tickets/7001")
        assert (answer.status_code, answer.headers["Content-Type"]) == (
            status,
            "text/html; charset=utf-8",
        )


@pytest.mark.parametrize(
    ("shape", "check"),
    [
        ("null", lambda got: got is None),
        ("text", lambda got: got == "OK"),
        ("number", lambda got: got == 0),
        ("list", lambda got: got == []),
        ("object", lambda got: got == {}),
        ("wrapped", lambda got: got["value"]["Title"] == "Laptop slow"),
        ("lower_case", lambda got: got["title"] == "Laptop slow" and "Title" not in got),
    ],
)
def test_json_can_have_another_shape(
    client: Client, simulator: Simulator, shape: str, check: Callable[[Any], bool]
) -> None:
    """Another version of the API, or another server's answer."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", shape=shape)
    answer = client.session.get(f"{simulator.url}/api/46/tickets/7001", timeout=10)
    assert answer.status_code == 200
    assert check(answer.json())


def test_json_can_be_nested_too_deep_to_parse(client: Client, simulator: Simulator) -> None:
    """A parser that recurses must not end the process."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", shape="nested")
    answer = client.session.get(f"{simulator.url}/api/46/tickets/7001", timeout=10)
    with pytest.raises(RecursionError):
        json.loads(answer.content)


@pytest.mark.parametrize("framing", ["cut", "chunk_cut", "chunk_garbled"])
def test_a_body_can_break_off(client: Client, simulator: Simulator, framing: str) -> None:
    """By length or in chunks; the call is done. The next one gets a new connection."""
    simulator.faults.add("POST", FEED_TEMPLATE, framing=framing, on=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.post(FEED, COMMENT)
    assert comments(simulator) == ["Hello"]
    assert client.post(FEED, COMMENT).status_code == 201


def test_the_last_chunk_can_be_missing(simulator: Simulator) -> None:
    """All of the body is there; only its end is not said."""
    simulator.faults.add("POST", FEED_TEMPLATE, framing="chunk_endless", on=1)
    simulator.faults.add("POST", FEED_TEMPLATE, framing="chunked", on=2)
    endless, whole = raw_post(simulator), raw_post(simulator)
    assert not endless.endswith(b"0\r\n\r\n")
    assert whole.endswith(b"}\r\n0\r\n\r\n")


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("coding", [None, "gzip", "bom"])
def test_a_body_can_come_in_every_form_that_is_right(
    client: Client, simulator: Simulator, framing: str, coding: str | None
) -> None:
    """In chunks, up to the end of the connection, packed, with a byte order mark."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", framing=framing, coding=coding)
    for _ in range(2):
        answer = client.session.get(f"{simulator.url}/api/46/tickets/7001", timeout=10)
        assert json.loads(answer.content.decode("utf-8-sig"))["ID"] == 7001


@pytest.mark.parametrize("coding", ["gzip_cut", "gzip_garbled"])
def test_a_packed_body_can_be_broken(simulator: Simulator, coding: str) -> None:
    """Case F27: what cannot be unpacked says nothing about the call, which is done."""
    simulator.faults.add("POST", FEED_TEMPLATE, coding=coding)
    body = raw_post(simulator).partition(b"\r\n\r\n")[2]
    with pytest.raises((EOFError, OSError, zlib.error)):
        gzip.decompress(body)
    assert comments(simulator) == ["Hello"]


def test_text_can_come_in_another_encoding(client: Client, simulator: Simulator) -> None:
    """The header still says UTF-8."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", coding="utf-16")
    answer = client.session.get(f"{simulator.url}/api/46/tickets/7001", timeout=10)
    assert json.loads(answer.content.decode("utf-16"))["ID"] == 7001


@pytest.mark.parametrize("field", ["framing", "coding", "shape", "drop", "hold", "delay"])
def test_a_value_that_a_fault_does_not_know_is_refused(simulator: Simulator, field: str) -> None:
    """A typing error would otherwise be a fault that never happens."""
    with pytest.raises(ValueError, match=field):
        simulator.faults.add("GET", "*", **{field: "sideways"})
