"""Signing in: which way, which token, how long, and whom to blame."""

import base64
import json
import threading
from dataclasses import replace

import pytest

from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.errors import TdxRefused, TdxRetryLater, TdxSettingError
from tdx_dagster.tdx.http import Response
from tdx_dagster.tdx.sign_in import Credentials, SignIn
from tests.tdx.conftest import START, FakeTime, MakeTdx
from tests.tdx.scripted_server import TOKEN, ScriptedServer, Step, answer

BEID = "aaaaaaaa-1111-2222-3333-444444444444"
KEY = "bbbbbbbb-1111-2222-3333-444444444444"
EVERYTHING = Credentials(BEID, KEY, "robot", "Hunter-2", "static.token.x")
TICKET = answer(200, {"ID": 31})
PERSON = answer(200, {"UID": BEID})


def jwt(expires: object) -> bytes:
    """A token that says when it ends; nobody here looks at its signature."""
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).rstrip(b"=")
    return b"aaa." + payload + b".ccc"


@pytest.mark.parametrize(
    ("credentials", "path", "body"),
    [
        (EVERYTHING, "/auth/loginadmin", {"BEID": BEID, "WebServicesKey": KEY}),
        (replace(EVERYTHING, beid=""), "/auth", {"UserName": "robot", "Password": "Hunter-2"}),
    ],
)
def test_the_first_complete_way_to_sign_in_is_taken(
    server: ScriptedServer,
    make_tdx: MakeTdx,
    credentials: Credentials,
    path: str,
    body: dict[str, str],
) -> None:
    """Settings left over from an earlier try must not decide by chance."""
    server.play(TICKET)
    make_tdx(credentials).ticket(31)
    assert server.seen[0].path == f"/TDWebApi/api{path}"
    assert server.seen[0].json == body


def test_a_static_token_needs_no_sign_in(server: ScriptedServer, make_tdx: MakeTdx) -> None:
    """It is what people have who may not sign in by themselves."""
    server.play(TICKET)
    make_tdx(Credentials(api_token=' "static.token.x"\n')).ticket(31)
    assert server.signed_in == 0
    assert server.seen[0].headers["authorization"] == "Bearer static.token.x"


@pytest.mark.parametrize(
    ("credentials", "named"),
    [
        (Credentials(), "TDX_BEID.*TDX_USERNAME.*TDX_API_TOKEN"),
        (Credentials(beid=BEID), "TDX_BEID is set but TDX_WEB_SERVICES_KEY is not"),
        (Credentials(web_services_key=KEY), "TDX_WEB_SERVICES_KEY is set but TDX_BEID is not"),
        (Credentials(username="robot"), "TDX_USERNAME is set but TDX_PASSWORD is not"),
        (Credentials(api_token="two words"), "TDX_API_TOKEN is malformed"),
        (Credentials(api_token="line\r\nInjected: yes"), "TDX_API_TOKEN is malformed"),
        (Credentials(api_token=" "), "TDX_API_TOKEN is malformed"),
    ],
)
def test_an_incomplete_way_to_sign_in_is_named(
    make_tdx: MakeTdx, credentials: Credentials, named: str
) -> None:
    """Whoever sets this up has the names in front of them, not the code."""
    with pytest.raises(TdxSettingError, match=named):
        make_tdx(credentials)


@pytest.mark.parametrize("body", [TOKEN.encode(), f'"{TOKEN}"'.encode(), f" {TOKEN}\r\n".encode()])
def test_a_token_may_come_bare_or_in_quotes(server: ScriptedServer, tdx: Tdx, body: bytes) -> None:
    """Quotes would spoil the header; several clients guard against them."""
    server.play_sign_in(answer(200, body))
    server.play(TICKET)
    tdx.ticket(31)
    assert server.seen[-1].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_sign_in_names_the_settings_and_what_tdx_said(
    server: ScriptedServer, make_tdx: MakeTdx, status: int
) -> None:
    """Which of the three a tenant answers is not documented; all mean the same."""
    server.play_sign_in(answer(status, {"ID": -1, "Message": "Invalid username or password."}))
    server.play(TICKET)
    with pytest.raises(TdxSettingError, match=r"Invalid username.*TDX_USERNAME and TDX_PASSWORD"):
        make_tdx().ticket(31)
    with pytest.raises(TdxSettingError, match="TDX_BEID and TDX_WEB_SERVICES_KEY"):
        make_tdx(EVERYTHING).ticket(31)
    assert server.calls == []
    assert server.signed_in == 2


@pytest.mark.parametrize(
    "step",
    [
        answer(200, b"<!DOCTYPE html><html>Sign in</html>"),
        answer(200, b"Please sign in"),
        answer(200, {"ID": -1, "Message": "no"}),
        answer(200, b""),
        answer(204),
        answer(301, None, {"Location": "https://elsewhere.example.edu/"}),
        answer(404, b"<html>Not found</html>"),
        answer(405),
    ],
)
def test_a_sign_in_that_is_not_tdx_blames_the_address(
    server: ScriptedServer, tdx: Tdx, step: Step
) -> None:
    """A web page with status 200 is what a wrong path and single sign-on look like."""
    server.play_sign_in(step)
    with pytest.raises(TdxSettingError, match="TDX_BASE_URL"):
        tdx.ticket(31)
    assert server.signed_in == 1


def test_a_sign_in_that_fails_for_now_is_repeated(server: ScriptedServer, tdx: Tdx) -> None:
    """A gateway's hiccup is no reason to give a run back."""
    server.play_sign_in(answer(503), answer(429), answer(200, TOKEN.encode()))
    server.play(TICKET)
    assert tdx.ticket(31).id == 31
    assert server.calls == ["GET /TDWebApi/api/46/tickets/31"]


def test_a_token_is_used_until_a_minute_before_it_ends(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """A call may take a minute; a token that ends in it is refused."""
    server.play_sign_in(answer(200, jwt(START + 3600)))
    server.play(TICKET)
    tdx.ticket(31)
    time.passed = 3539
    tdx.ticket(31)
    assert server.signed_in == 1
    time.passed = 3541
    tdx.ticket(31)
    assert server.signed_in == 2


def test_the_life_of_a_token_is_measured_by_the_clock_of_tdx(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """With our clock a day ahead, every call would sign in anew."""
    yesterday = {"Date": "Tue, 27 Mar 2018 16:00:00 GMT"}
    server.play_sign_in(answer(200, jwt(START - 3600), yesterday))
    server.play(TICKET)
    tdx.ticket(31)
    tdx.ticket(31)
    assert server.signed_in == 1


@pytest.mark.parametrize("expires", [None, "soon", True, -5, 1e300, [1]])
def test_a_token_without_a_readable_end_is_kept(
    server: ScriptedServer, tdx: Tdx, expires: object
) -> None:
    """Its shape is TDX's business; a 401 tells when it is over."""
    server.play_sign_in(answer(200, jwt(expires)))
    server.play(TICKET)
    tdx.ticket(31)
    tdx.ticket(31)
    assert server.signed_in == 1


def test_threads_share_one_sign_in(server: ScriptedServer, make_tdx: MakeTdx) -> None:
    """Sign-ins are limited too, and forty runs start at once."""
    server.play(TICKET)
    tdx = make_tdx()
    failures: list[Exception] = []

    def run() -> None:
        try:
            for _ in range(5):
                tdx.ticket(31)
        except Exception as error:  # noqa: BLE001  for the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.signed_in == 1
    assert tdx.calls == {"POST /auth": 1, "GET /{app}/tickets/{id}": 40}


def test_a_token_that_another_thread_has_renewed_is_taken_as_it_is() -> None:
    """Forty runs that meet the end of a token sign in once, not forty times."""
    tokens = iter([b"first.token.x", b"second.token.x"])

    def call(
        method: str, template: str, *, body: object = None, token: str | None = None
    ) -> Response:
        assert (method, template, token) == ("POST", "/auth", None)
        assert body == {"UserName": "robot", "Password": "Hunter-2"}
        return Response(200, {}, next(tokens))

    sign_in = SignIn(Credentials(username="robot", password="Hunter-2"))
    assert sign_in.token(call, 1) == "first.token.x"
    for _ in range(3):
        assert sign_in.renew("first.token.x", call, 1) == "second.token.x"


def test_a_static_token_that_has_ended_is_a_setting_to_correct(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """Case A07: it cannot be renewed, so every further call would fail too."""
    server.play(answer(401))
    with pytest.raises(TdxSettingError, match="TDX_API_TOKEN"):
        make_tdx(Credentials(api_token="static.token.x")).ticket(31)


def test_a_static_token_without_a_permission_is_no_wrong_setting(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """TDX answers 401 for a missing permission too; one ticket must not stop all others."""
    server.play(answer(401), PERSON)
    with pytest.raises(TdxRefused, match="not authorised"):
        make_tdx(Credentials(api_token="static.token.x")).ticket(31)
    assert server.seen[-1].path == "/TDWebApi/api/auth/getuser"


def test_waiting_for_the_sign_in_of_another_thread_is_bounded(make_tdx: MakeTdx) -> None:
    """One thread's slow sign-in must not hold the others beyond their own bound."""
    tdx = make_tdx(max_wait_seconds=0, answer_seconds=0.2)
    lock = tdx._transport._sign_in._lock
    with lock, pytest.raises(TdxRetryLater, match="signing in"):
        tdx.ticket(31)


def test_secrets_are_in_no_repr() -> None:
    """Records end up in logs and tracebacks."""
    connection = Connection("https://x.example.edu", 46, 32, EVERYTHING)
    for secret in (BEID, KEY, "Hunter-2", "static.token.x"):
        assert secret not in repr(EVERYTHING) + repr(connection)
