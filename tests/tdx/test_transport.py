"""What the transport makes of each answer and fault: repeat, give back, or ask to look first."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.clock import REAL_CLOCK
from tdx_dagster.tdx.errors import (
    TdxBadAnswer,
    TdxError,
    TdxRateLimited,
    TdxRefused,
    TdxRetryLater,
    TdxSettingError,
    TdxUnclear,
)
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tdx.sign_in import Credentials
from tests.tdx.conftest import FakeTime, MakeTdx
from tests.tdx.scripted_server import (
    TOKEN,
    ScriptedServer,
    Step,
    answer,
    drip,
    raw,
    reset,
    silence,
)

# How late a busy machine may wake a thread; what is not cut off at its bound would last far longer.
BUSY = 1.0

TICKET = {"ID": 31, "Title": "Slow", "StatusClass": 1}
POST = FeedPost("Hello", is_private=True)
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
NOT_FOUND = {"ID": -1, "Message": "Not found."}
RESET_IN_14_S = {"X-RateLimit-Reset": "Wed, 28 Mar 2018 16:08:14 GMT"}


def test_a_429_is_waited_out_until_the_reset_it_names(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """Case A01: the original crashed on this header. It names whole seconds: one more is safe."""
    server.play(answer(429, None, RESET_IN_14_S), answer(200, TICKET))
    assert tdx.ticket(31).title == "Slow"
    assert time.slept == [15.0]
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-RateLimit-Reset": "Wed, 28 Mar 2018 15:08:00 GMT"}, 5.0),
        # Our clock is an hour behind the server's.
        (
            {
                "Date": "Wed, 28 Mar 2018 17:08:00 GMT",
                "X-RateLimit-Reset": "Wed, 28 Mar 2018 17:08:20 GMT",
            },
            21.0,
        ),
        ({"Date": "gestern", **RESET_IN_14_S}, 15.0),
        ({}, 5.0),
        ({"X-RateLimit-Reset": "mer., 28 mars 2018 16:08:14 GMT"}, 5.0),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "21"}, 21.0),
        ({"X-RateLimit-Reset": "2018-03-28T16:08:30Z"}, 31.0),
        ({"X-RateLimit-Reset": "1522253299"}, 20.0),
    ],
)
def test_a_wait_is_read_from_whatever_a_429_carries(
    server: ScriptedServer, tdx: Tdx, time: FakeTime, headers: dict[str, str], wait: float
) -> None:
    """Case A03: skewed clocks, missing and foreign headers must not wait too little or crash."""
    server.play(answer(429, None, headers), answer(200, TICKET))
    tdx.ticket(31)
    assert time.slept == [wait]


def test_the_offset_of_the_servers_clock_is_that_of_the_last_answer(
    server: ScriptedServer, tdx: Tdx
) -> None:
    assert tdx.clock_offset is None
    server.play(answer(200, TICKET, {"Date": "Wed, 28 Mar 2018 17:08:00 GMT"}))
    tdx.ticket(31)
    assert tdx.clock_offset == 3600.0


def test_a_reset_hours_ahead_is_given_back_and_not_slept_through(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """Case A03: a run that sleeps for a day holds a worker for a day."""
    server.play(answer(429, None, {"X-RateLimit-Reset": "Thu, 29 Mar 2018 18:08:00 GMT"}))
    with pytest.raises(TdxRateLimited) as caught:
        tdx.ticket(31)
    assert time.slept == []
    assert len(server.calls) == 1
    assert caught.value.wait_seconds == 3600


def test_a_429_for_ever_ends_after_a_bounded_number_of_tries(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """Case A04: the original called itself without end."""
    server.play(answer(429, None, {"X-RateLimit-Reset": "Wed, 28 Mar 2018 16:08:01 GMT"}))
    with pytest.raises(TdxRateLimited, match=r"GET /\{app\}/tickets/\{id\}"):
        make_tdx(attempts=4).ticket(31)
    assert len(server.calls) == 4


def test_429s_without_headers_are_waited_out_over_a_whole_window(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """A proxy may strip the headers; the window of 60 s is still there."""
    server.play(*[answer(429)] * 4, answer(200, TICKET))
    tdx.ticket(31)
    assert time.slept == [5.0, 10.0, 20.0, 40.0]


def test_an_answer_without_rate_headers_is_a_good_answer(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """Case A06: some methods are not limited and say nothing; then nothing limits us either."""
    server.play(answer(200, TICKET))
    for _ in range(100):
        assert tdx.ticket(31).id == 31
    assert time.slept == []


def test_the_limiter_learns_from_the_headers_of_answers_of_tdx_alone(
    server: ScriptedServer, time: FakeTime
) -> None:
    """Case A05: one need not hit a limit to know it. Gateways answer for TDX, and know nothing of it."""
    limiter = Notes()
    tdx = Tdx.create(
        Connection(server.url, 46, 32, Credentials(api_token=TOKEN)),
        limiter=limiter,
        clock=time.clock,
    )
    left = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", **RESET_IN_14_S}
    server.play(answer(200, TICKET, left), answer(404, NOT_FOUND), answer(200, TICKET))
    tdx.ticket(31)
    with pytest.raises(TdxRefused):
        tdx.ticket(31)
    tdx.ticket(31)
    assert limiter.learned == [(60, 0, 15.0), (None, None, None)]
    assert limiter.acquired == [("GET /{app}/tickets/{id}", 60)] * 3


def test_a_429_holds_back_everybody_who_shares_the_limiter(
    server: ScriptedServer, time: FakeTime
) -> None:
    """One process meets it; the others need not find out each for itself."""
    limiter = Notes()
    connection = Connection(server.url, 46, 32, Credentials(api_token=TOKEN))
    tdx = Tdx.create(connection, limiter=limiter, clock=time.clock)
    server.play(answer(429, None, RESET_IN_14_S), answer(200, TICKET))
    tdx.ticket(31)
    assert limiter.penalties == [15.0]


@dataclass
class Notes:
    """A limiter that grants everything and keeps what it is given."""

    acquired: list[tuple[str, int]] = field(default_factory=list)
    learned: list[tuple[object, ...]] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)

    def acquire(self, key: str, calls: int, _period: float, _max_wait: float) -> None:
        self.acquired.append((key.partition(" at ")[0], calls))

    def learn(self, _key: str, *headers: object) -> None:
        self.learned.append(headers)

    def penalise(self, _key: str, wait_seconds: float) -> None:
        self.penalties.append(wait_seconds)


def test_a_token_refused_in_the_middle_is_renewed_once(server: ScriptedServer, tdx: Tdx) -> None:
    """Case A07: the original worked for a day and then failed until a restart."""
    server.play(answer(200, TICKET), answer(200, TICKET), answer(401), answer(200, TICKET))
    server.play_sign_in(answer(200, TOKEN.encode()), answer(200, b'"second.token.x"'))
    for _ in range(3):
        tdx.ticket(31)
    assert server.signed_in == 2
    assert server.seen[-1].headers["authorization"] == "Bearer second.token.x"


def test_a_401_also_with_a_new_token_is_a_missing_permission(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Case A07: TDX answers 401 for a missing permission too; signing in again is futile."""
    server.play(answer(200, TICKET), answer(401))
    tdx.ticket(31)
    with pytest.raises(TdxRefused, match="not authorised") as caught:
        tdx.ticket(31)
    assert caught.value.status == 401
    assert server.signed_in == 2


def test_a_401_on_a_write_was_not_done_and_is_repeated_with_a_new_token(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Else a comment would wait for the next run only because a day was over."""
    server.play(answer(401), answer(201, {"ID": 9}))
    entry = tdx.post_feed(31, POST)
    assert entry is not None
    assert entry.id == 9


def test_a_403_on_one_ticket_says_so_and_leaves_the_others_alone(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Case A10: a restricted ticket was reported as missing and tried again at every poll."""
    server.play(
        answer(200, {"ID": 11}),
        answer(403, {"ID": -1, "Message": "No access to this ticket."}),
        answer(200, {"ID": 13}),
    )
    tdx.ticket(11)
    with pytest.raises(TdxRefused, match="403: No access to this ticket") as caught:
        tdx.ticket(12)
    assert caught.value.status == 403
    assert tdx.ticket(13).id == 13


def test_a_ticket_moved_to_another_application_is_gone_for_good(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Case A11: a 404 is not worth a second try, and may come from the wrong application."""
    server.play(answer(404, NOT_FOUND))
    with pytest.raises(TdxRefused, match="TDX_TICKET_APP_ID 46"):
        tdx.ticket(21)
    assert server.calls == ["GET /TDWebApi/api/46/tickets/21"]


FAULTS_OF_A_READ: list[Step] = [
    reset(),
    answer(500),
    answer(503, {"Message": "Busy"}),
    answer(408),
    answer(200, TICKET, cut=5),
    answer(200, b'{"ID": 31,'),
    answer(200, PAGE),
    answer(204),
    answer(200),
    raw(b"SSH-2.0-OpenSSH\r\n"),
    answer(200, b"x", {"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("fault", FAULTS_OF_A_READ)
def test_a_read_that_fails_twice_is_repeated_until_it_succeeds(
    server: ScriptedServer, tdx: Tdx, time: FakeTime, fault: Step
) -> None:
    """Case A49: servers drop idle connections; a read can be repeated, with growing pauses."""
    server.play(fault, fault, answer(200, TICKET))
    assert tdx.ticket(31).id == 31
    first, second = time.slept
    assert 0 < first < second < 5


@pytest.mark.parametrize("fault", FAULTS_OF_A_READ)
def test_a_read_that_fails_always_ends_as_retryable(
    server: ScriptedServer, make_tdx: MakeTdx, fault: Step
) -> None:
    """A failure is never an empty answer (cases A22, A30), and never the last word."""
    server.play(fault)
    with pytest.raises(TdxRetryLater):
        make_tdx(attempts=3).ticket_items(31)
    assert len(server.calls) == 3


UNCLEAR: list[Step] = [
    reset(),
    answer(500),
    answer(502, PAGE),
    answer(504),
    answer(408),
    answer(201, {"ID": 9}, cut=3),
    answer(200, PAGE, {"Content-Type": "text/html"}),
    answer(200, b"\xef\xbb\xbf\r\n" + PAGE),
    raw(b"nonsense\r\n\r\n"),
    silence(),
]


@pytest.mark.parametrize("fault", UNCLEAR)
def test_a_write_whose_outcome_is_unclear_is_sent_once_and_says_so(
    server: ScriptedServer, make_tdx: MakeTdx, fault: Step
) -> None:
    """Cases A49, D01, D08: a repeated POST is a second comment."""
    server.play(fault)
    tdx = make_tdx(answer_seconds=0.3)
    with pytest.raises(TdxUnclear):
        tdx.post_feed(31, POST)
    assert server.calls == ["POST /TDWebApi/api/46/tickets/31/feed"]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
def test_a_refused_write_is_final_and_carries_the_words_of_tdx(
    server: ScriptedServer, tdx: Tdx, status: int
) -> None:
    """Case A41: what TDX refuses once it refuses always; people need its reason."""
    server.play(answer(status, {"ID": -1, "Message": "A date is required."}))
    with pytest.raises(TdxRefused, match="A date is required") as caught:
        tdx.post_feed(31, POST)
    assert caught.value.status == status
    assert len(server.calls) == 1


def test_a_limited_write_was_not_done_and_is_repeated(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """Case D08: 429 is the one answer that says a write was not done."""
    server.play(answer(429, None, RESET_IN_14_S), answer(201, {"ID": 9}))
    tdx.post_feed(31, POST)
    assert time.slept == [15.0]


def test_a_write_to_a_closed_port_was_not_done(
    server: ScriptedServer, make_tdx: MakeTdx, time: FakeTime
) -> None:
    """Nothing left this machine, so the next try is no risk; but there are only so many."""
    server.play(answer(200, TICKET))
    tdx = make_tdx(attempts=3)
    tdx.ticket(31)
    time.passed += 3600
    server.stop()
    with pytest.raises(TdxRetryLater, match="could not be sent"):
        tdx.post_feed(31, POST)
    assert tdx.calls["POST /{app}/tickets/{id}/feed"] == 3


@pytest.mark.parametrize("status", [301, 308])
def test_a_moved_address_is_a_setting_and_is_not_followed(
    server: ScriptedServer, tdx: Tdx, status: int
) -> None:
    """Following would send the token who knows where."""
    server.play(answer(status, None, {"Location": "http://[elsewhere.example.edu/"}))
    with pytest.raises(TdxSettingError, match="TDX_BASE_URL"):
        tdx.ticket(31)
    assert len(server.calls) == 1


def test_a_sensor_never_sleeps_and_never_repeats(
    server: ScriptedServer, make_tdx: MakeTdx, time: FakeTime
) -> None:
    """Case C04: a tick that waits is ended by Dagster, and nothing is submitted."""
    tdx = make_tdx(max_wait_seconds=0)
    for fault, error in ((answer(503), TdxRetryLater), (answer(429), TdxRateLimited)):
        server.play(fault)
        with pytest.raises(error):
            tdx.report(5)
    assert len(server.calls) == 2
    assert time.slept == []


HEAD = b"HTTP/1.1 200 OK\r\n"
SLOW: dict[str, Step] = {
    "never answers": silence(),
    "drips headers": drip(HEAD + b"X-Drip: "),
    "drips a body": drip(HEAD + b"Content-Length: 99999\r\n\r\n"),
    "drips a body to the end": drip(HEAD + b"Connection: close\r\n\r\n"),
    "drips the status line": drip(b"HTTP/1.1 2"),
    "drips chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1000\r\n"),
    "fails at once": answer(503),
    "resets": reset(),
    "limits": answer(429, None, {"Retry-After": "5"}),
}


@pytest.mark.parametrize("fault", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("writes", [False, True])
def test_a_call_ends_within_its_bound_whatever_the_server_does(
    server: ScriptedServer, make_tdx: MakeTdx, fault: Step, writes: bool
) -> None:
    """Case A51: one silent connection held a run, and its slot, for ever."""
    server.play(fault)
    tdx = make_tdx(clock=REAL_CLOCK, max_wait_seconds=0.4, answer_seconds=0.3, connect_seconds=0.2)
    started = REAL_CLOCK.monotonic()
    with pytest.raises((TdxRetryLater, TdxUnclear)):
        tdx.post_feed(31, POST) if writes else tdx.feed(31)
    assert REAL_CLOCK.monotonic() - started < 0.4 + 0.3 + BUSY


@pytest.mark.parametrize("fault", SLOW.values(), ids=SLOW.keys())
def test_a_sign_in_ends_within_the_bound_of_the_call_that_needs_it(
    server: ScriptedServer, make_tdx: MakeTdx, fault: Step
) -> None:
    """Case A51 holds for the sign-in as well; a write behind it was not done."""
    server.play_sign_in(fault)
    tdx = make_tdx(clock=REAL_CLOCK, max_wait_seconds=0.2, answer_seconds=0.3)
    started = REAL_CLOCK.monotonic()
    with pytest.raises(TdxRetryLater):
        tdx.post_feed(31, POST)
    assert REAL_CLOCK.monotonic() - started < 0.2 + 0.3 + 0.2
    assert server.calls == []


def test_an_answer_without_end_is_not_read_to_its_end(server: ScriptedServer, tdx: Tdx) -> None:
    """Memory is a limit too."""
    server.play(answer(200, TICKET))
    tdx._transport._http._largest_answer = 10
    with pytest.raises(TdxRetryLater, match="more than 10 bytes"):
        tdx.ticket(31)


def test_a_request_above_the_size_tdx_takes_is_not_sent(server: ScriptedServer, tdx: Tdx) -> None:
    """TDX does not say how it refuses one; a cut connection would look like an unclear write."""
    server.play(answer(201, {"ID": 9}))
    with pytest.raises(TdxRefused, match="4 MB"):
        tdx.post_feed(31, FeedPost("x" * 4_000_001, is_private=True))
    assert server.calls == []


def test_connections_are_used_again_but_not_after_a_long_pause(
    server: ScriptedServer, tdx: Tdx, time: FakeTime
) -> None:
    """A handshake a call is slow; a connection dropped by a balancer makes a POST unclear."""
    server.play(answer(200, TICKET))
    for _ in range(5):
        tdx.ticket(31)
    assert server.connections == 1
    time.passed += 30
    tdx.ticket(31)
    assert server.connections == 2


def test_calls_are_counted_by_method_and_template(server: ScriptedServer, tdx: Tdx) -> None:
    """Work is counted in calls: people see what a pass costs them."""
    server.play(answer(503), answer(200, TICKET))
    tdx.ticket(31)
    assert tdx.calls == {"POST /auth": 1, "GET /{app}/tickets/{id}": 2}
    tdx.reset_calls()
    assert tdx.calls == {}


def test_no_error_ever_shows_a_secret(server: ScriptedServer, tdx: Tdx) -> None:
    """Errors end up in logs, in the database and on people's screens."""
    echo = {"Message": "Bearer aaa.bbb.ccc of robot with Hunter-2 is bad"}
    server.play(answer(400, echo))
    with pytest.raises(TdxRefused) as refused:
        tdx.ticket(31)
    server.play_sign_in(answer(403, echo))
    server.play(answer(401))
    with pytest.raises(TdxSettingError) as not_accepted:
        tdx.ticket(31)
    for caught in (refused, not_accepted):
        error: BaseException | None = caught.value
        while error is not None:
            shown = f"{error} {error!r} {vars(error)}"
            assert "Hunter-2" not in shown
            assert "aaa.bbb.ccc" not in shown
            error = error.__cause__


def test_netrc_does_not_replace_our_token(
    server: ScriptedServer,
    tdx: Tdx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ~/.netrc entry for the host would otherwise silently take the place of the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.play(answer(200, TICKET))
    tdx.ticket(31)
    assert "authorization" not in server.seen[0].headers
    assert server.seen[1].headers["authorization"] == "Bearer aaa.bbb.ccc"


def test_every_error_names_the_call(server: ScriptedServer, make_tdx: MakeTdx) -> None:
    """The log of a run must say which call it was."""
    tdx = make_tdx(attempts=1)
    for step in (answer(500), answer(404), answer(200, b"{"), reset(), answer(302), answer(429)):
        server.play(step)
        with pytest.raises(TdxError) as caught:
            tdx.asset(7)
        assert caught.value.call == "GET /{app}/assets/{id}"


def test_a_bad_answer_is_told_from_no_answer(server: ScriptedServer, make_tdx: MakeTdx) -> None:
    """Who gets web pages for JSON should look at the address."""
    server.play(answer(200, PAGE))
    with pytest.raises(TdxBadAnswer, match="TDX_BASE_URL"):
        make_tdx(attempts=2).ticket(31)


def test_no_proxy_stands_between_us_and_this_machine(
    server: ScriptedServer, tdx: Tdx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines that reach package registries through a proxy run the simulator too."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.play(answer(200, TICKET))
    assert tdx.ticket(31).id == 31


def test_a_call_through_a_proxy_has_the_same_bound(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy everything connects, and then nothing comes."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.play(answer(200, TICKET), drip(HEAD + b"X-Drip: "))
    connection = Connection(
        "http://tdx.example.edu", 46, 32, Credentials(api_token=TOKEN), allow_http=True
    )
    limits = CallLimits(max_wait_seconds=0.2, answer_seconds=1)
    tdx = Tdx.create(connection, limits=limits)
    assert tdx.ticket(31).id == 31
    assert server.calls == ["GET http://tdx.example.edu/TDWebApi/api/46/tickets/31"]
    started = REAL_CLOCK.monotonic()
    with pytest.raises(TdxRetryLater):
        tdx.ticket(31)
    # The server drips for ever; a busy machine takes its time to say that it has been too long.
    assert REAL_CLOCK.monotonic() - started < limits.bound() + 10


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"", b"HTTP/1.1 ", HEAD, HEAD + b"Content-Length: ", HEAD + b"\r\n"]),
    data=st.binary(max_size=60),
    writes=st.booleans(),
)
def test_any_bytes_of_a_server_are_a_result_or_our_error(
    server: ScriptedServer, make_tdx: MakeTdx, start: bytes, data: bytes, writes: bool
) -> None:
    """What is not ours ends a whole run instead of one ticket."""
    server.play(raw(start + data))
    tdx = make_tdx(Credentials(api_token=TOKEN), attempts=1, answer_seconds=1)
    try:
        tdx.post_feed(31, POST) if writes else tdx.feed(31)
    except TdxError as error:
        assert str(error)  # noqa: PT017  some bytes are an answer
