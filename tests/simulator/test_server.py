"""The HTTP side: paths, keep-alive, starting and stopping."""

import socket
import subprocess
import sys

import pytest
import requests

from tdx_dagster.simulator import Simulator, blank_state, settings_for
from tests.simulator.client import Client


@pytest.mark.parametrize(
    "path",
    [
        "/TDWebApi/api/46/tickets/7001",
        "/SBTDWebApi/api/46/tickets/7001",
        "/tdwebapi/API/46/Tickets/7001/",
        "/TDWebAPI//api/46//tickets//7001",
    ],
)
def test_production_and_sandbox_paths_match_whatever_their_case_and_slashes(
    client: Client, simulator: Simulator, path: str
) -> None:
    """Must-have 1: one client in daily use sends empty segments."""
    answer = client.session.get(simulator.url.removesuffix("/TDWebApi") + path, timeout=5)
    assert (answer.status_code, answer.json()["ID"]) == (200, 7001)


def test_a_path_outside_the_api_is_a_web_page(client: Client, simulator: Simulator) -> None:
    """A wrong base address reaches a web server, not an API: the 404 is no JSON."""
    answer = client.session.get(simulator.url + "/46/tickets/7001", timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_known_path_with_another_method_answers_405(client: Client) -> None:
    """A client that confuses methods must see that the path is right."""
    answer = client.call("PUT", "/46/tickets/7001")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PATCH, POST")


def test_a_connection_carries_several_calls(client: Client) -> None:
    """Clients re-use connections; a server that closes them hides what goes wrong then."""
    sockets = set()
    for _ in range(3):
        url = f"{client.simulator.url}/api/46/tickets/7001"
        answer = client.session.get(url, stream=True, timeout=5)
        sockets.add(answer.raw.connection.sock.getsockname())
        assert answer.json()["ID"] == 7001
    assert len(sockets) == 1


def test_a_stopped_simulator_refuses_and_a_restarted_one_goes_on(
    client: Client, simulator: Simulator
) -> None:
    """TDX goes down and comes back: same address, same state, tokens still good."""
    client.post("/46/tickets/7001/feed", {"Comments": "before"})
    simulator.stop()
    with pytest.raises(requests.ConnectionError):
        client.get("/46/tickets/7001")
    simulator.start()
    assert client.get("/46/tickets/7001/feed").json()[0]["Body"] == "before"


def test_the_settings_point_at_it(simulator: Simulator) -> None:
    """The one place where the names of the settings and the tenant's ids meet."""
    settings = settings_for(simulator)
    assert settings["TDX_BASE_URL"] == simulator.url
    assert (settings["TDX_TICKET_APP_ID"], settings["TDX_ASSET_APP_ID"]) == ("46", "48")


def test_a_body_above_four_megabytes_is_refused(client: Client) -> None:
    """The limit is the real one's; the next call must work again."""
    long = {"Comments": "x" * (4 * 1024 * 1024)}
    assert client.post("/46/tickets/7001/feed", long).status_code == 413
    client.simulator.options.too_large_status = 404
    assert client.post("/46/tickets/7001/feed", long).status_code == 404
    assert client.get("/46/tickets/7001").status_code == 200


def test_a_chunked_body_is_read(client: Client) -> None:
    """Clients that stream send no length."""
    answer = client.call(
        "POST", "/46/tickets/7001/feed", data=iter([b'{"Comments":', b'"in parts"}'])
    )
    assert answer.json()["Body"] == "in parts"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: -5", b""),
        ("Content-Length: five", b""),
        ("Transfer-Encoding: chunked", b"zz\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"\r\n\r\n"),
    ],
)
def test_a_request_whose_length_is_nonsense_answers_400(
    client: Client, simulator: Simulator, head: str, body: bytes
) -> None:
    """What follows could be the next request, so the connection ends with it."""
    request = f"POST /TDWebApi/api/46/tickets/7001/feed HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        connection.sendall(request.encode() + body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert client.get("/46/tickets/7001").status_code == 200


def test_a_request_that_ends_in_the_middle_has_no_effect(
    client: Client, simulator: Simulator
) -> None:
    """A client that was killed while sending has not commented."""
    request = (
        "POST /TDWebApi/api/46/tickets/7001/feed HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {simulator.token()}\r\nContent-Length: 500\r\n\r\n"
        '{"Comments":"half"}'
    )
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert client.get("/46/tickets/7001/feed").json() == []


def test_it_needs_nothing_of_dagster() -> None:
    """Whoever writes another client wants a TDX, not an orchestrator."""
    code = "import sys, tdx_dagster.simulator; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("base_path", ["SBTDWebApi", "TDDev/TDWebApi/", ""])
def test_it_can_have_one_base_path_only(base_path: str) -> None:
    """A sandbox, an installed server, a client that omits the path; any other is a web page."""
    with Simulator(blank_state(), base_path=base_path) as simulator:
        origin = f"http://127.0.0.1:{simulator.port}"
        assert simulator.url == f"{origin}/{base_path}".rstrip("/")
        headers = {"Authorization": f"Bearer {simulator.token()}"}
        address = f"{simulator.url}/api/applications"
        assert requests.get(address, headers=headers, timeout=10).status_code == 200
        answer = requests.get(f"{origin}/TDWebApi/api/applications", headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (
            404,
            "text/html; charset=utf-8",
        )


def test_production_and_sandbox_are_the_same_tenant(client: Client, simulator: Simulator) -> None:
    """The sandbox is a copy with the same ids; which one a client means is seen in its address only."""
    root = f"{simulator.sandbox_url}/api/46/tickets/7001"
    client.session.post(f"{root}/feed", json={"Comments": "To the sandbox"}, timeout=10)
    assert client.get("/46/tickets/7001/feed").json()[0]["Body"] == "To the sandbox"
