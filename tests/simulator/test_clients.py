"""Requests as other people's clients write them on the wire: each gets the answer that a plain one gets."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.simulator import BEID, PASSWORD, USER_NAME, WEB_SERVICES_KEY, Simulator
from tdx_dagster.simulator.forms import CONTENT_TYPE, parse_form
from tests.simulator.client import Client

TICKET = "/TDWebApi/api/46/tickets/7001"
FEED = f"{TICKET}/feed"
FORM = {"Content-Type": CONTENT_TYPE}


@pytest.fixture
def wire(simulator: Simulator) -> Iterator[socket.socket]:
    """A bare connection to the simulator."""
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=30) as connection:
        yield connection


def send(wire: socket.socket, *lines: str, body: str = "") -> None:
    wire.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def answer(wire: socket.socket, method: str = "GET") -> HTTPResponse:
    """Read one answer and nothing after it."""
    found = HTTPResponse(wire, method=method)
    found.begin()
    return found


def bearer(simulator: Simulator, name: str = "Authorization") -> str:
    return f"{name}: Bearer {simulator.token()}"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/auth", {"username": USER_NAME, "password": PASSWORD}),
        ("/auth/login", {"UserName": USER_NAME, "Password": PASSWORD}),
        ("/auth/loginadmin", {"BEID": BEID, "WebServicesKey": WEB_SERVICES_KEY}),
    ],
)
def test_a_form_signs_in(client: Client, path: str, fields: dict[str, str]) -> None:
    """Three of the clients that package indexes hold do it this way."""
    token = client.call("POST", path, data=fields)
    assert token.status_code == 200
    client.session.headers["Authorization"] = f"Bearer {token.text}"
    assert client.get("/auth/getuser").status_code == 200


def test_a_form_posts_to_a_feed(client: Client) -> None:
    """Truth values come as `True`, numbers as text, and an empty list not at all."""
    sent = {"Comments": "From a form\nline 2 &c", "IsPrivate": True, "NewStatusID": 0, "Notify": []}
    entry = client.call("POST", "/46/tickets/7001/feed", data=sent)
    assert entry.status_code == 201
    assert entry.json()["Body"] == "From a form<br />line 2 &amp;c"
    assert entry.json()["IsPrivate"] is True


@pytest.mark.parametrize(
    "form",
    [
        "StatusIDs=101&StatusIDs=103",
        "StatusIDs%5B%5D=101&StatusIDs%5B%5D=103",
        "StatusIDs[0]=101&StatusIDs[1]=103",
    ],
)
def test_a_form_searches_with_every_spelling_of_a_list(client: Client, form: str) -> None:
    """Python repeats the name, PHP and jQuery add brackets, .NET numbers them."""
    client.simulator.state.tickets[7002]["StatusID"] = 102
    found = client.call("POST", "/46/tickets/search", data=form, headers=FORM).json()
    assert {ticket["ID"] for ticket in found} == {7001, 7003}


def test_a_form_holds_objects(client: Client) -> None:
    """A list of objects, as an attribute filter is one."""
    client.simulator.state.tickets[7002]["Attributes"] = {18375: "9001"}
    for name in ("CustomAttributes[0][{}]", "CustomAttributes[0].{}"):
        form = urlencode({name.format("ID"): "18375", name.format("Value"): "9001"})
        found = client.call("POST", "/46/tickets/search", data=form, headers=FORM).json()
        assert [ticket["ID"] for ticket in found] == [7002]


def test_json_is_read_whatever_its_content_type_says(client: Client) -> None:
    """`curl -d` calls everything a form; others say text/json or nothing."""
    for kind in (CONTENT_TYPE, "text/json", "application/json;charset=UTF-8", "TEXT/PLAIN", None):
        sent = json.dumps({"SearchText": "network"})
        found = client.call("POST", "/46/tickets/search", data=sent, headers={"Content-Type": kind})
        assert [ticket["ID"] for ticket in found.json()] == [7002]


def test_another_media_type_is_refused_by_name(client: Client) -> None:
    """The answer says what is wrong; 400 would send people to look for a comma."""
    refused = client.call("POST", "/46/tickets/search", files={"a": ("a.txt", b"x")})
    assert refused.status_code == 415
    assert "multipart/form-data" in refused.json()["Message"]


@given(st.text(alphabet="ab[].=&0%+; ", max_size=60) | st.text(max_size=30))
def test_no_form_breaks_the_parser(text: str) -> None:
    """A form is read or refused."""
    with contextlib.suppress(ValueError):
        assert isinstance(parse_form(text), dict)


def test_a_form_too_deep_is_refused(client: Client) -> None:
    """The way down is bounded."""
    form = f"a{'[b]' * 5000}=1"
    assert client.call("POST", "/46/tickets/search", data=form, headers=FORM).status_code == 400


@pytest.mark.parametrize("header", ["authorization", "AUTHORIZATION", "aUtHoRiZaTiOn"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_header_names_and_the_scheme_match_in_any_case(
    simulator: Simulator, wire: socket.socket, header: str, scheme: str
) -> None:
    """Node writes small letters, .NET capitals."""
    send(wire, f"GET {TICKET} HTTP/1.1", "HOST: x", f"{header}:{scheme}   {simulator.token()}  ")
    assert answer(wire).status == 200


def test_head_answers_like_get_without_the_body(client: Client, simulator: Simulator) -> None:
    """Health checks ask so; the connection must be fit for the next call."""
    connection = HTTPConnection("127.0.0.1", simulator.port, timeout=30)
    headers = {"Authorization": f"Bearer {simulator.token()}"}
    connection.request("HEAD", TICKET, headers=headers)
    head = connection.getresponse()
    length, nothing = head.headers["Content-Length"], head.read()
    connection.request("GET", TICKET, headers=headers)
    body = connection.getresponse().read()
    assert (head.status, nothing, int(length)) == (200, b"", len(body))
    connection.close()
    assert client.session.head(simulator.url + "/api/46/tickets/1").status_code == 404


def test_expect_100_continue_is_answered_before_the_body_comes(
    simulator: Simulator, wire: socket.socket
) -> None:
    """Case F27: .NET and curl wait for it."""
    body = json.dumps({"Comments": "Waited"})
    send(
        wire, f"POST {FEED} HTTP/1.1", "Host: x", bearer(simulator), "Expect: 100-continue",
        f"Content-Length: {len(body)}",
    )  # fmt: skip
    interim = wire.recv(100)
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert simulator.state.feed_of_ticket(7001) == []
    wire.sendall(body.encode())
    assert answer(wire, "POST").status == 201


def test_chunks_may_have_extensions_and_trailers(simulator: Simulator, wire: socket.socket) -> None:
    """What follows a body must not be taken for the next request."""
    for text in ("one", "two"):
        first, second = '{"Comments":', f'"{text}"}}'
        chunks = (
            f"{len(first):X};name=value\r\n{first}\r\n{len(second):x}\r\n{second}\r\n"
            "0\r\nX-Checksum: 1\r\nX-More: 2\r\n\r\n"
        )
        send(
            wire, f"POST {FEED} HTTP/1.1", "Host: x", bearer(simulator), "TE: trailers",
            "Transfer-Encoding: Chunked", body=chunks,
        )  # fmt: skip
        found = answer(wire, "POST")
        assert found.status == 201
        assert json.loads(found.read())["Body"] == text


def test_pipelined_requests_are_answered_in_order(
    simulator: Simulator, wire: socket.socket
) -> None:
    """The second request arrives with the first."""
    requests = [
        f"GET /TDWebApi/api/46/tickets/{number} HTTP/1.1\r\nHost: x\r\n{bearer(simulator)}\r\n\r\n"
        for number in (7001, 7002, 7003)
    ]
    wire.sendall("".join(requests).encode())
    stream = wire.makefile("rb")
    for number in (7001, 7002, 7003):
        assert stream.readline().startswith(b"HTTP/1.1 200")
        length = 0
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert json.loads(stream.read(length))["ID"] == number


def test_an_old_client_keeps_its_connection_only_when_it_asks(
    simulator: Simulator, wire: socket.socket
) -> None:
    """HTTP/1.0 with and without keep-alive."""
    asked = (f"GET {TICKET} HTTP/1.0", bearer(simulator))
    send(wire, *asked, "Connection: Keep-Alive")
    first = answer(wire)
    assert (first.status, first.headers["Connection"]) == (200, "keep-alive")
    first.read()
    send(wire, *asked)
    second = answer(wire)
    assert (second.status, second.headers["Connection"]) == (200, "close")
    second.read()
    assert wire.recv(1) == b""


@pytest.mark.parametrize(
    "target", ["http://elsewhere.example.edu", "HTTPS://elsewhere.example.edu"]
)
def test_a_target_may_name_the_host(simulator: Simulator, wire: socket.socket, target: str) -> None:
    """A client with a proxy configured sends the whole address."""
    send(wire, f"GET {target}{TICKET}?x=1 HTTP/1.1", "Host: x", bearer(simulator))
    assert answer(wire).status == 200


def test_many_connections_are_served_at_once(client: Client, simulator: Simulator) -> None:
    """Every one of them is in the middle of a call before the first is answered."""
    waiting = threading.Barrier(16, timeout=60)

    def post(number: int) -> int:
        connection = HTTPConnection("127.0.0.1", simulator.port, timeout=60)
        body = json.dumps({"Comments": f"Number {number}"}).encode()
        connection.putrequest("POST", FEED)
        connection.putheader("Authorization", client.session.headers["Authorization"])
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:5])
        waiting.wait()
        connection.send(body[5:])
        status = connection.getresponse().status
        connection.close()
        return status

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(post, range(16))) == [201] * 16
    bodies = [entry["Body"] for entry in simulator.state.feed_of_ticket(7001)]
    assert sorted(bodies) == sorted(f"Number {number}" for number in range(16))
