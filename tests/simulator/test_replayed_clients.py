"""Clients that cannot run here, replayed: exactly what they put on the wire, in their order.

`tdapi` (npm) has left the registry that this project's machines reach; `mst-tdx` (PyPI) has one university's
address built in and needs that university's own packages.
"""

import json
import socket

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tdx_dagster.simulator import PASSWORD, USER_NAME, Simulator


def raw(
    simulator: Simulator, method: str, path: str, headers: list[str], body: str = ""
) -> tuple[int, str]:
    """Send a request as it stands and read the answer to the end of the connection."""
    head = [f"{method} /TDWebAPI/api{path} HTTP/1.1", *headers]
    if body or method == "POST":
        head.append(f"content-length: {len(body)}")
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=30) as wire:
        wire.sendall(("\r\n".join([*head, "Connection: close"]) + "\r\n\r\n" + body).encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b"")).decode()
    status_line, _, rest = answer.partition("\r\n")
    return int(status_line.split()[1]), rest.partition("\r\n\r\n")[2]


def test_tdapi_signs_in_by_form_and_talks_json(simulator: Simulator) -> None:
    """Its library writes header names in small letters and `host` first; it wraps what it gets."""
    host = f"host: 127.0.0.1:{simulator.port}"
    form = f"UserName={USER_NAME}&Password={PASSWORD}"
    kind = "content-type: application/x-www-form-urlencoded"
    status, token = raw(simulator, "POST", "/auth/login", [host, kind], form)
    assert status == 200
    headers = [host, f"authorization: Bearer {token}", "accept: application/json"]
    status, text = raw(simulator, "GET", "/46/tickets/7001", headers)
    assert (status, json.loads(text)["Title"]) == (200, "Laptop slow")
    as_json = [*headers, "content-type: application/json"]
    status, text = raw(simulator, "POST", "/people/search", as_json, '{"SearchText":"zoe"}')
    assert [person["UserName"] for person in json.loads(text)] == ["zchem"]
    status, text = raw(simulator, "POST", "/46/tickets/search", as_json, "{}")
    assert len(json.loads(text)) == 3
    comment = '{"Comments":"From Node","IsPrivate":false}'
    status, text = raw(simulator, "POST", "/46/tickets/7001/feed", as_json, comment)
    assert (status, json.loads(text)["Body"]) == (201, "From Node")
    status, text = raw(simulator, "POST", "/groups/search", as_json, "{}")
    assert {group["Name"] for group in json.loads(text)} == {"Service Desk", "Desktop Support"}


@pytest.mark.parametrize("sandbox", [False, True])
def test_mst_tdx_signs_in_and_repeats_what_failed(simulator: Simulator, sandbox: bool) -> None:
    """A pooled session whose adapter repeats idempotent calls after a 429 or a 5xx by itself."""
    root = simulator.sandbox_url if sandbox else simulator.url
    retry = Retry(backoff_factor=0, total=7, status_forcelist=[429, 500, 502, 503, 504])
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry, pool_connections=16, pool_maxsize=16))
    sent = json.dumps({"UserName": USER_NAME, "Password": PASSWORD})
    kind = {"Content-Type": "application/json"}
    token = session.post(f"{root}/api/auth/login", data=sent, headers=kind, timeout=30)
    session.headers["Authorization"] = f"Bearer {token.text}"
    simulator.faults.add("GET", "/{app}/tickets/{id}", status=503, on=(1, 2))
    simulator.faults.add("GET", "/{app}/tickets/{id}", status=429, on=3)
    assert session.get(f"{root}/api/46/tickets/7001", timeout=30).json()["ID"] == 7001
    assert simulator.calls.count("GET", "/{app}/tickets/{id}") == 4
