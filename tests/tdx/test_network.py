"""The way to TDX: proxies, certificate authorities, addresses. A setting's fault is named at once."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.errors import TdxRetryLater, TdxSettingError, TdxUnclear
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tdx.sign_in import Credentials
from tests.tdx.conftest import FakeTime, MakeTdx
from tests.tdx.scripted_server import TOKEN, ScriptedServer, Step, answer, raw, reset

POST = FeedPost("Hello", is_private=True)
TICKET = {"ID": 31}
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_NAMES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def far(url: str = "https://tdx.example.edu", time: FakeTime | None = None) -> Tdx:
    """A client of a TDX that only a proxy can reach."""
    connection = Connection(url, 46, 32, Credentials(api_token=TOKEN), allow_http=True)
    return Tdx.create(
        connection, limits=CallLimits(answer_seconds=5), clock=(time or FakeTime()).clock
    )


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port: int = opened.getsockname()[1]
    return port


WANTS_SIGN_IN = raw(b"HTTP/1.1 407 Sign In\r\nContent-Length: 0\r\n\r\n")
FORBIDS = raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("step", "says"),
    [(WANTS_SIGN_IN, "407"), (FORBIDS, "refuses to connect")],
)
def test_a_proxy_that_lets_nobody_through_is_a_setting_and_is_asked_once(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, step: Step, says: str
) -> None:
    """Waiting does not change it, and nothing of a write has left for TDX."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://robot:Hunter-2@127.0.0.1:{server.port}")
    server.play(step)
    for call in (lambda: far().ticket(31), lambda: far().post_feed(31, POST)):
        server.seen.clear()
        with pytest.raises(TdxSettingError, match="HTTPS_PROXY") as caught:
            call()
        assert says in str(caught.value)
        assert "Hunter-2" not in str(caught.value)
        assert [seen.method for seen in server.seen] == ["CONNECT"]


@pytest.mark.parametrize("step", [raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), reset()])
def test_a_proxy_that_does_not_reach_tdx_now_is_asked_again_also_for_a_write(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """The way was never opened, so TDX has seen nothing of it."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
    server.play(step)
    with pytest.raises(TdxRetryLater, match="could not be sent"):
        far().post_feed(31, POST)
    assert len(server.seen) == 6


def test_a_proxy_of_plain_http_that_wants_a_sign_in_is_a_setting(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without a tunnel, where the answer looks like one of TDX."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    server.play(answer(407, b"<html>Sign in</html>"))
    with pytest.raises(TdxSettingError, match="http_proxy"):
        far("http://tdx.example.edu").post_feed(31, POST)
    assert len(server.seen) == 1


def test_user_and_password_of_a_proxy_are_sent_to_it(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its message says to set them."""
    monkeypatch.setenv("HTTP_PROXY", f"http://robot:Hunter-2@127.0.0.1:{server.port}")
    server.play(answer(200, TICKET))
    assert far("http://tdx.example.edu").ticket(31).id == 31
    assert server.seen[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_reached_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, time: FakeTime, name: str
) -> None:
    """Nothing gets out before it is changed."""
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(TdxSettingError, match=name):
        far(time=time).post_feed(31, POST)
    assert time.slept == []


@pytest.mark.parametrize(
    "value", ["ftp://127.0.0.1:9", "http://", "http://user:Hunter-2@[half:9", "http://h:no-port"]
)
def test_a_malformed_proxy_is_a_setting_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Its password would stand in the log."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(TdxSettingError, match="HTTPS_PROXY") as caught:
        far().ticket(31)
    assert "Hunter-2" not in str(caught.value)


def test_a_host_of_no_proxy_is_reached_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not there, which may pass; the proxy would have been a setting's fault."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", ".invalid")
    with pytest.raises(TdxRetryLater, match="TDX_BASE_URL"):
        far("https://tdx.invalid").ticket(31)


def test_a_name_that_nobody_knows_may_be_known_later_and_names_the_setting(time: FakeTime) -> None:
    """A name server that is away says the same; a write was not sent."""
    with pytest.raises(TdxRetryLater, match="TDX_BASE_URL"):
        far("https://tdx.invalid", time).post_feed(31, POST)
    assert time.slept


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, "no certificate", ""])
def test_a_bundle_that_is_not_there_or_is_none_is_a_setting(
    monkeypatch: pytest.MonkeyPatch,
    server: ScriptedServer,
    make_tdx: MakeTdx,
    tmp_path: Path,
    name: str,
    content: str | None,
) -> None:
    """A path of yesterday's image; requests raises an OSError that does not name the variable."""
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(name, str(path))
    with pytest.raises(TdxSettingError, match=name):
        make_tdx().post_feed(31, POST)
    assert server.seen == []


def test_https_to_a_port_without_tls_is_a_setting() -> None:
    """A wrong port, or https where http is meant."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_in_plain_words() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer_in_plain_words, daemon=True).start()
        with pytest.raises(TdxSettingError, match=r"not with TLS.*TDX_BASE_URL"):
            far(f"https://127.0.0.1:{listener.getsockname()[1]}").post_feed(31, POST)
        listener.shutdown(socket.SHUT_RDWR)


def test_http_to_a_port_of_tls_is_a_setting_for_a_read(server: ScriptedServer) -> None:
    """What comes back is TLS's own error message."""
    server.play(raw(b"\x15\x03\x03\x00\x02\x02\x46"))
    with pytest.raises(TdxSettingError, match="https://"):
        far(server.url).ticket(31)
    with pytest.raises(TdxUnclear):
        far(server.url).post_feed(31, POST)


@pytest.mark.parametrize("scheme", ["ftp", "file", "htps"])
def test_another_scheme_is_refused_before_any_call(scheme: str) -> None:
    """Nothing could ever be sent."""
    with pytest.raises(TdxSettingError, match="TDX_BASE_URL"):
        far(f"{scheme}://tdx.example.edu")
