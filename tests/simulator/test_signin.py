"""Sign-in and tokens."""

import base64
import json
import time
from typing import Any

import pytest

from tdx_dagster.simulator import BEID, PASSWORD, USER_NAME, WEB_SERVICES_KEY, Simulator
from tests.simulator.client import Client

PERSON_LOGIN = {"UserName": USER_NAME, "Password": PASSWORD}
ADMIN_LOGIN = {"BEID": BEID, "WebServicesKey": WEB_SERVICES_KEY}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/auth", PERSON_LOGIN), ("/auth/login", PERSON_LOGIN), ("/auth/loginadmin", ADMIN_LOGIN)],
)
def test_sign_in_answers_a_text_token_for_a_day(client: Client, path: str, body: Any) -> None:
    """Must-have 2: clients decode `exp` and come back before it."""
    answer = client.post(path, body)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    payload = answer.text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "==="))
    assert abs(claims["exp"] - time.time() - 86_400) < 60
    client.session.headers["Authorization"] = f"Bearer {answer.text}"
    assert client.get("/auth/getuser").status_code == 200


def test_the_token_can_come_in_quotes(client: Client, simulator: Simulator) -> None:
    """Some tenant seems to send it so; it spoils the header of a client that does not expect it."""
    simulator.options.token_quoted = True
    answer = client.post("/auth", PERSON_LOGIN)
    assert answer.text.startswith('"')
    assert answer.text.endswith('"')


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_wrong_password_is_refused_as_configured(
    client: Client, simulator: Simulator, status: int | None
) -> None:
    """Sources disagree about this status, so a client must be tried against each."""
    simulator.options.bad_credentials_status = status
    answer = client.post("/auth", PERSON_LOGIN | {"Password": "wrong"})
    assert answer.status_code == status


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic abc", "Bearer ééé"])
def test_a_missing_or_garbled_token_answers_401(client: Client, header: str) -> None:
    """Must-have 3: everything but sign-in needs a token."""
    client.session.headers["Authorization"] = header.encode("latin-1")
    for path in (
        "/46/tickets/7001",
        "/reports/67890",
        "/feed/1",
        "/people/lookup",
        "/auth/getuser",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (401, "")


def test_tokens_can_run_out_in_the_middle(client: Client, simulator: Simulator) -> None:
    """Case A07: the first day all is well, then every call gives 401 until one signs in again."""
    simulator.tenant.expire_tokens()
    assert client.get("/46/tickets/7001").status_code == 401
    client.sign_in()
    assert client.get("/46/tickets/7001").status_code == 200


def test_sign_in_data_never_enters_the_call_log(client: Client, simulator: Simulator) -> None:
    """People share call logs when they ask for help."""
    client.post("/auth", PERSON_LOGIN)
    assert PASSWORD not in str(simulator.calls.as_json())


def test_a_401_can_carry_an_error_object(client: Client, simulator: Simulator) -> None:
    """No source says what its body is; a client must read neither as anything but a 401."""
    simulator.options.unauthorized_body = True
    client.session.headers["Authorization"] = "Bearer x"
    assert client.get("/46/tickets/7001").json() == {"ID": -1, "Message": "Unauthorized."}
