"""The same over TLS, as every real TDX is: trust, and the hard limit of time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tdx_dagster.tdx.clock import REAL_CLOCK
from tdx_dagster.tdx.errors import TdxRetryLater, TdxSettingError, TdxUnclear
from tdx_dagster.tdx.models import FeedPost
from tests.certificates import server_tls
from tests.tdx.conftest import MakeTdx
from tests.tdx.scripted_server import ScriptedServer, Step, answer, drip, silence

# How late a busy machine may wake a thread; what is not cut off at its bound would last far longer.
BUSY = 1.0


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The certificate of an authority that nobody trusts by itself."""
    return tmp_path / "authority.pem"


@pytest.fixture
def server(authority: Path) -> Iterator[ScriptedServer]:
    server = ScriptedServer(tls=server_tls(authority, "127.0.0.1"))
    yield server
    server.stop()


@pytest.fixture
def trusted(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people set whose university has an authority of its own."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))


def test_an_untrusted_certificate_is_a_setting_to_correct(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """Retrying never helps, and switching the check off is not the answer."""
    server.play(answer(200, {"ID": 31}))
    with pytest.raises(TdxSettingError, match="REQUESTS_CA_BUNDLE"):
        make_tdx().ticket(31)
    assert server.seen == []


@pytest.mark.usefixtures("trusted")
def test_a_trusted_certificate_is_trusted_and_its_connection_used_again(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """Private authorities are common at universities."""
    server.play(answer(200, {"ID": 31}))
    tdx = make_tdx()
    for _ in range(3):
        assert tdx.ticket(31).id == 31
    assert server.connections == 1


@pytest.mark.parametrize(
    "fault",
    [
        silence(),
        drip(b"HTTP/1.1 200 OK\r\nX-Drip: "),
        drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.usefixtures("trusted")
def test_a_call_over_tls_ends_within_its_bound(
    server: ScriptedServer,
    make_tdx: MakeTdx,
    fault: Step,
    writes: bool,
) -> None:
    """Case A51: the connection is cut off below the encryption, from another thread."""
    server.play(fault)
    tdx = make_tdx(clock=REAL_CLOCK, max_wait_seconds=0.3, answer_seconds=0.3)
    started = REAL_CLOCK.monotonic()
    with pytest.raises(TdxUnclear if writes else TdxRetryLater):
        tdx.post_feed(31, FeedPost("Hello", is_private=True)) if writes else tdx.feed(31)
    assert REAL_CLOCK.monotonic() - started < 0.3 + 0.3 + BUSY
