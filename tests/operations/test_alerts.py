"""Alerts, sent to a local receiver: once for a problem, once for its end, and no secret in a log."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.environment import SettingsError
from tdx_dagster.operations.alert_sensor import watched_since
from tdx_dagster.operations.alerts import NotSent, Problem, sender, tell_changes

SLOW = Problem("tick:p_report", "The last tick of p_report failed: TDX is away.")
TICKET = Problem("ticket:p:32:comment", "Ticket 32 needs a person.")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Receiver(ThreadingHTTPServer):
    """Keeps the messages it gets; answers 500 while it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, Any]] = []
        self.is_broken = False

    @property
    def url(self) -> str:
        return f"json://robot:top-secret@127.0.0.1:{self.server_port}/hook/top-secret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.is_broken:
            self.server.messages.append(json.loads(body))
        self.send_response(500 if self.server.is_broken else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    thread = Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_problem_is_told_once_and_its_end_once(database: Engine, receiver: Receiver) -> None:
    send = sender(receiver.url)
    told = [
        tell_changes(database, "here", problems, "tdx-dagster SANDBOX", send)
        for problems in ([SLOW], [SLOW], [SLOW, TICKET], [TICKET], [], [])
    ]
    assert told == [1, 0, 1, 1, 1, 0]
    assert [message["title"] for message in receiver.messages] == [
        "tdx-dagster SANDBOX: problems: 1 new",
        "tdx-dagster SANDBOX: problems: 1 new",
        "tdx-dagster SANDBOX: problems: 1 ended",
        "tdx-dagster SANDBOX: problems: 1 ended",
    ]
    assert receiver.messages[0]["message"] == f"NEW: {SLOW.text}"
    assert receiver.messages[2]["message"] == f"ENDED: {SLOW.text}"


def test_a_message_that_nobody_took_is_sent_again(database: Engine, receiver: Receiver) -> None:
    send = sender(receiver.url)
    receiver.is_broken = True
    with pytest.raises(NotSent, match="is sent again"):
        tell_changes(database, "here", [SLOW], "x", send)
    receiver.is_broken = False
    assert tell_changes(database, "here", [SLOW], "x", send) == 1
    assert tell_changes(database, "here", [SLOW], "x", send) == 0
    assert len(receiver.messages) == 1


def test_a_problem_that_ends_before_it_was_told_needs_no_word(
    database: Engine, receiver: Receiver
) -> None:
    receiver.is_broken = True
    with pytest.raises(NotSent):
        tell_changes(database, "here", [SLOW], "x", sender(receiver.url))
    receiver.is_broken = False
    assert tell_changes(database, "here", [], "x", sender(receiver.url)) == 0
    assert receiver.messages == []


def test_one_code_location_does_not_end_the_problems_of_another(
    database: Engine, receiver: Receiver
) -> None:
    send = sender(receiver.url)
    tell_changes(database, "here", [SLOW], "x", send)
    assert tell_changes(database, "there", [], "x", send) == 0
    assert tell_changes(database, "here", [SLOW], "x", send) == 0


def test_many_problems_at_once_are_one_message_that_counts_the_rest(
    database: Engine, receiver: Receiver
) -> None:
    many = [Problem(f"ticket:p:{number}:a", f"Ticket {number}.") for number in range(500)]
    assert tell_changes(database, "here", many, "x", sender(receiver.url)) == 500
    (message,) = receiver.messages
    assert message["message"].count("NEW: Ticket") == 20
    assert message["message"].endswith("NEW: and 480 more")


def test_where_one_address_takes_the_message_the_other_is_named_by_its_kind(
    database: Engine, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    send = sender(f"{receiver.url}\njson://robot:other-secret@127.0.0.1:9/gone")
    assert tell_changes(database, "here", [SLOW], "x", send) == 1
    assert "not sent to: 2 (json://…)" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.slow  # the library takes a second to load
@pytest.mark.parametrize("url", ["slack://top-secret", "top-secret", "nothing://top-secret@x"])
def test_an_address_that_cannot_be_read_is_named_without_its_secret(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(
        SettingsError, match="TDX_ALERT_URLS: apprise cannot read address 2"
    ) as error:
        sender(f"json://127.0.0.1/x {url}")
    assert "secret" not in str(error.value)
    assert "secret" not in caplog.text


def test_silence_counts_from_when_somebody_has_watched_without_a_break() -> None:
    """After a night without a daemon, each sensor looks silent in the first minute."""
    begun = NOW - timedelta(hours=3)
    minute_ago, night_ago = NOW - timedelta(minutes=1), NOW - timedelta(hours=2)
    assert watched_since(None, NOW) == NOW
    assert watched_since(f"{begun.isoformat()} {minute_ago.isoformat()}", NOW) == begun
    assert watched_since(f"{begun.isoformat()} {night_ago.isoformat()}", NOW) == NOW
