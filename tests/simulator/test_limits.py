"""Rate limits, with a clock that the tests move."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tdx_dagster.simulator import Options, Simulator, State
from tdx_dagster.simulator.messages import Incoming, Outgoing

START = datetime(2026, 11, 2, 12, 0, 0, 400_000, UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limited(
    state: State, clock: Clock, limits: str | float, options: Options | None = None
) -> Callable[..., Outgoing]:
    simulator = Simulator(state, limits=limits, clock=clock, options=options)
    token = simulator.token()

    def call(method: str, path: str, address: str = "127.0.0.1") -> Outgoing:
        headers = {"authorization": f"Bearer {token}"}
        incoming = Incoming(method, f"/TDWebApi/api{path}", headers=headers, address=address)
        return simulator.respond(incoming)

    return call


def test_the_sixty_first_call_in_a_window_answers_429_until_it_ends(
    state: State, clock: Clock
) -> None:
    """Must-have 4: the window begins with the first call and has fixed length."""
    call = limited(state, clock, "real")
    answers = [call("GET", "/46/tickets/7001") for _ in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [429]
    assert (answers[60].body, answers[60].headers["X-RateLimit-Remaining"]) == (b"", "0")
    clock.now = START + timedelta(seconds=59.9)
    assert call("GET", "/46/tickets/7001").status == 429
    clock.now = START + timedelta(seconds=60)
    assert call("GET", "/46/tickets/7001").status == 200


def test_every_answer_of_a_limited_method_carries_three_headers(state: State, clock: Clock) -> None:
    """Also an error; the reset is cut to the second, so that it may come a little early."""
    call = limited(state, clock, "real")
    assert call("GET", "/46/tickets/1").headers == {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "59",
        "X-RateLimit-Reset": "Mon, 02 Nov 2026 12:01:00 GMT",
    }


def test_methods_and_addresses_do_not_share_a_window_but_ids_do(state: State, clock: Clock) -> None:
    """The limit is per method template and caller, whatever the ids in the path."""
    call = limited(state, clock, "real")
    remaining = [
        call(*what).headers["X-RateLimit-Remaining"]
        for what in (
            ("GET", "/46/tickets/7001"),
            ("GET", "/46/tickets/7002"),
            ("GET", "/46/tickets/7001/feed"),
            ("GET", "/46/tickets/7001", "127.0.0.2"),
            ("POST", "/46/tickets/search"),
            ("GET", "/reports/67890"),
            ("GET", "/reports/67890", "127.0.0.2"),
        )
    ]
    assert remaining == ["59", "58", "59", "59", "29", "29", "28"]


def test_a_scaled_limit_has_shorter_windows(state: State, clock: Clock) -> None:
    """Tests run against the real numbers of calls without waiting for minutes."""
    call = limited(state, clock, 0.05)
    for _ in range(60):
        assert call("GET", "/46/tickets/7001").status == 200
    assert call("GET", "/46/tickets/7001").status == 429
    clock.now = START + timedelta(seconds=3)
    assert call("GET", "/46/tickets/7001").status == 200


def test_the_end_of_a_window_can_be_rounded_up(state: State, clock: Clock) -> None:
    """No source says which way TDX rounds; cut off, a client that trusts it comes too early."""
    call = limited(state, clock, "real", Options(reset_rounded_up=True))
    reset = call("GET", "/46/tickets/7001").headers["X-RateLimit-Reset"]
    assert reset == "Mon, 02 Nov 2026 12:01:01 GMT"


def test_without_limits_there_are_no_headers_unless_switched_on(state: State, clock: Clock) -> None:
    """Case A06: some methods are not limited and carry none."""
    call = limited(state, clock, "off")
    assert call("GET", "/46/tickets/7001").headers == {}


@pytest.mark.parametrize("limits", ["some", 0, -1])
def test_a_mode_that_makes_no_sense_is_refused(state: State, limits: Any) -> None:
    """A typo on the command line must not switch the limits off."""
    with pytest.raises(ValueError, match="factor above 0"):
        Simulator(state, limits=limits)
