"""What each answer means to a read and to a write: status by body, as `docs/exactly-once.md` has it."""

from collections.abc import Iterator
from itertools import product

import pytest

from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.errors import (
    TdxError,
    TdxRateLimited,
    TdxRefused,
    TdxRetryLater,
    TdxSettingError,
    TdxUnclear,
)
from tdx_dagster.tdx.models import FeedPost, PatchOperation
from tests.tdx.conftest import MakeTdx
from tests.tdx.scripted_server import ScriptedServer, Step, answer, raw

POST = FeedPost("Hello", is_private=True)
CLOSE = [PatchOperation("replace", "/StatusID", 4)]
RATE = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59"}

GOOD = {"ID": 31, "StatusClass": 1}
SAYS_NO = {"ID": -1, "Message": "A date is required."}
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
FOREIGN = {"error": "login_required", "redirect": "https://portal.example.edu"}
BODIES: dict[str, object] = {
    "its record": SAYS_NO,
    "text": b"A date is required.",
    "nothing": b"",
    "a page": PAGE,
    "foreign JSON": FOREIGN,
    "a list": [],
}
OF_TDX = {"its record", "text"}

YES, NO, LATER, LIMITED, SETTING = None, TdxRefused, TdxRetryLater, TdxRateLimited, TdxSettingError
UNCLEAR = TdxUnclear
Verdict = type[TdxError] | None
Row = tuple[str, Step, Verdict, Verdict]


def of_success() -> Iterator[Row]:
    """Give 2xx and 1xx: what it is, the answer, and what it means to a read and to a write."""
    for status in (200, 201, 202, 203):
        yield f"{status} with what was asked for", answer(status, GOOD), YES, YES
    for status, (name, body) in product((200, 201, 202, 203, 204, 206), BODIES.items()):
        if status != 204 or name == "nothing":
            yield f"{status} with {name}", answer(status, body), LATER, UNCLEAR
    yield "206 with what was asked for", answer(206, GOOD), LATER, UNCLEAR
    for status in (100, 102, 103):
        interim = f"HTTP/1.1 {status} Wait\r\n\r\n".encode()
        yield f"{status} and then nothing", raw(interim), LATER, UNCLEAR


def of_redirects() -> Iterator[Row]:
    """Give 3xx."""
    for status, (name, body) in product((300, 302, 303, 304, 307), BODIES.items()):
        if status != 304 or name == "nothing":
            to = {"Location": "http://[portal.example.edu/sign-in"}
            yield f"{status} with {name}", answer(status, body, to), LATER, UNCLEAR
    for status in (301, 308):
        yield f"{status}", answer(status, None, {"Location": "/elsewhere"}), SETTING, UNCLEAR


def of_refusals() -> Iterator[Row]:
    """Give 4xx and 5xx."""
    for status, (name, body) in product(
        (400, 403, 404, 405, 409, 410, 413, 415, 422), BODIES.items()
    ):
        means = (NO, NO) if name in OF_TDX else (LATER, UNCLEAR)
        yield f"{status} with {name}", answer(status, body), *means
    for status in (400, 403, 404):
        yield f"{status} with nothing but rate headers", answer(status, b"", RATE), NO, NO
    for name, body in BODIES.items():
        means = (NO, NO) if name in OF_TDX | {"nothing"} else (LATER, UNCLEAR)
        yield f"401 with {name}", answer(401, body), *means
        yield f"407 with {name}", answer(407, body), SETTING, SETTING
        yield f"429 with {name}", answer(429, body), LIMITED, LIMITED
    for status, (name, body) in product(
        (408, 421, 425, 500, 502, 503, 504, 511, 599), BODIES.items()
    ):
        yield f"{status} with {name}", answer(status, body), LATER, UNCLEAR


ROWS = [*of_success(), *of_redirects(), *of_refusals()]


def outcome(call: object, *arguments: object) -> Verdict:
    try:
        call(*arguments)  # type: ignore[operator]
    except TdxError as error:
        return type(error)
    return None


def fits(found: Verdict, wanted: Verdict) -> bool:
    """Whether an outcome is the one wanted; a bad answer is one to ask for again."""
    if found is None or wanted is None:
        return found is wanted
    return issubclass(found, wanted) and (found is not TdxRateLimited or wanted is TdxRateLimited)


@pytest.mark.parametrize(
    ("step", "read", "write"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_an_answer_is_what_it_clearly_says_and_else_no_answer(
    server: ScriptedServer, make_tdx: MakeTdx, step: Step, read: Verdict, write: Verdict
) -> None:
    """A foreign page taken for a no ends a ticket for good; taken for a yes, it loses a comment."""
    server.play(step)
    tdx = make_tdx(attempts=1)
    assert fits(outcome(tdx.ticket, 31), read)
    assert fits(outcome(tdx.post_feed, 31, POST), write)
    assert fits(outcome(tdx.patch_ticket, 31, CLOSE), write)


@pytest.mark.parametrize(
    "step", [step for name, step, _, write in ROWS if write is UNCLEAR and "40" not in name]
)
def test_a_write_without_a_clear_answer_is_sent_once(
    server: ScriptedServer, tdx: Tdx, step: Step
) -> None:
    """Cases A49, D01, D08: a repeated POST is a second comment."""
    server.play(step)
    with pytest.raises(TdxUnclear):
        tdx.post_feed(31, POST)
    assert server.calls == ["POST /TDWebApi/api/46/tickets/31/feed"]


def test_after_an_interim_answer_the_next_call_gets_its_own(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """The final answer comes behind it on the same connection, and belongs to the first call."""
    late = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"ID":9}'
    server.play(
        lambda wire: wire.connection.sendall(b"HTTP/1.1 103 Early\r\n\r\n" + late) is None,
        answer(200, {"ID": 32}),
    )
    with pytest.raises(TdxUnclear, match="interim"):
        tdx.post_feed(31, POST)
    assert tdx.ticket(32).id == 32
    assert server.connections == 2


@pytest.mark.parametrize("body", [GOOD, FOREIGN, b"Sign in first", b"", PAGE, SAYS_NO])
def test_only_what_says_that_it_linked_is_a_clear_answer_to_a_link(
    server: ScriptedServer, make_tdx: MakeTdx, body: object
) -> None:
    """Reading back costs one call; a link that is not there makes the summary untrue."""
    server.play(answer(200, body))
    tdx = make_tdx(attempts=1)
    for change in (tdx.attach_asset, tdx.detach_asset):
        try:
            assert not change(31, 1001)
        except TdxUnclear:
            assert body is PAGE
