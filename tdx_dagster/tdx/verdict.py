"""What an answer means for the call that got it: yes, no, not now, unclear, or a setting's fault.

Only a clear yes or a clear no of TDX to this call counts as one. Everything else (an interim or partial answer,
a redirect, a page of a proxy or a captive portal, an error of a gateway) says nothing about the call: a read is
repeated later, and the effect of a write is looked for. Belongs here: that rule. Does not: what is repeated
when (`repeat`), how bytes travel (`http`). The table stands in `docs/exactly-once.md`.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tdx_dagster.tdx.call import Call
from tdx_dagster.tdx.errors import (
    TdxBadAnswer,
    TdxError,
    TdxRefused,
    TdxRetryLater,
    TdxSettingError,
    TdxUnclear,
)
from tdx_dagster.tdx.http import NoAnswer, Response
from tdx_dagster.tdx.json_list import iter_list
from tdx_dagster.tdx.network import sign_in_wanted

_OK, _PARTIAL, _MOVED, _REFUSED, _BROKEN = 200, 206, 300, 400, 500
UNAUTHORISED, _PROXY_SIGN_IN = 401, 407
_MOVED_FOR_GOOD = frozenset({301, 308})
# Time-out, wrong server, too early: the answer of a gateway that gave up, not of TDX to the call.
_NOT_OF_TDX = frozenset({408, 421, 425})


def judge(call: Call, answer: Response, said: str) -> None:
    """Return where an answer may be a yes; the body of a read is still to be read.

    Args:
        call: The call.
        answer: Of TDX, or of whoever stands between.
        said: Its message without secrets.

    Raises:
        TdxError: It is anything else.
    """
    status = answer.status
    if _OK <= status < _MOVED and status != _PARTIAL:
        if call.writes and answer.is_web_page:
            raise unclear(call, "a web page came instead of TDX's answer", status)
        return
    if status == _PROXY_SIGN_IN:
        raise _error(TdxSettingError, call, answer, sign_in_wanted(answer.proxy))
    if status in _MOVED_FOR_GOOD and not call.writes:
        raise _error(
            TdxSettingError,
            call,
            answer,
            f"{call.shown} was redirected ({status}): the TDX Web API is not at this address. "
            "Set TDX_BASE_URL to where it is; it should end in /TDWebApi.",
        )
    text = f"answered {status}{': ' + said if said else ''}"
    if not _is_clear_no(answer):
        raise _none(call, answer, text)
    if status == UNAUTHORISED:
        text += ": not authorised, also with a fresh token; the account lacks the permission"
    raise _error(TdxRefused, call, answer, f"{call.shown} {text.removesuffix('.')}.")


def _is_clear_no(answer: Response) -> bool:
    """Tell whether TDX says no, by its error record or bare text; an empty no has to show that it is TDX's."""
    status = answer.status
    if not _REFUSED <= status < _BROKEN or status in _NOT_OF_TDX or answer.is_web_page:
        return False
    if answer.message:
        return True
    return answer.is_empty and (status == UNAUTHORISED or answer.has_rate_headers)


def _none(call: Call, answer: Response, text: str) -> TdxError:
    """Give the error for an answer that says nothing about the call."""
    status = answer.status
    if _MOVED <= status < _REFUSED:
        text += f" (redirected to {_host(answer)}: a sign-in page? See that TDX_BASE_URL is right)"
    elif status < _BROKEN:
        text += ", and not in the way TDX does: a proxy, gateway or sign-in page stands between"
    if call.writes:
        return unclear(call, f"TDX {text}", status)
    kind = TdxRetryLater if status >= _BROKEN else TdxBadAnswer
    return _error(kind, call, answer, f"{call.shown} {text}; try again later.")


def _host(answer: Response) -> str:
    try:
        return urlsplit(answer.headers.get("Location", "")).hostname or "another address"
    except ValueError:
        return "another address"


def _error(kind: type[TdxError], call: Call, answer: Response, text: str) -> TdxError:
    return kind(text, call=call.name, status=answer.status)


def unclear(call: Call, why: str, status: int | None = None) -> TdxUnclear:
    """Give the error for a write of which nobody knows whether it was done."""
    return TdxUnclear(
        f"{call.shown} may or may not have been done: {why}. Look before repeating it.",
        call=call.name,
        status=status,
    )


def no_answer(call: Call, failure: NoAnswer, host: str) -> TdxError:
    """Give the error for a call without a complete answer."""
    if failure.is_setting and not (failure.sent and call.writes):
        return TdxSettingError(f"{call.shown} was not sent. {failure}", call=call.name)
    if failure.sent and call.writes:
        return unclear(call, str(failure))
    what = "gave no answer" if failure.sent else f"could not be sent to {host}"
    hint = "" if failure.sent else " See that TDX_BASE_URL is right and its host can be reached."
    return TdxRetryLater(f"{call.shown} {what}: {failure}.{hint}", call=call.name)


def read_json(call: Call, answer: Response) -> Any:  # noqa: ANN401  JSON can be anything
    """Read the JSON of a good answer.

    Raises:
        TdxBadAnswer: It is none.
    """
    try:
        return answer.json()
    except TdxBadAnswer as error:
        raise _bad(call, answer, str(error)) from error


def check_list(call: Call, answer: Response) -> Response:
    """See that a list begins, since what is no list is no answer and may be asked for again.

    Raises:
        TdxBadAnswer: It is none.
    """
    if not answer.begins_list:
        read_json(call, answer)
        raise _bad(call, answer, "not with a list")
    return answer


def read_elements(call: Call, answer: Response) -> Iterator[object]:
    """Read a list element by element.

    Raises:
        TdxBadAnswer: It is broken; perhaps after some elements were given.
    """
    try:
        yield from iter_list(answer.body)
    except TdxBadAnswer as error:
        raise _bad(call, answer, str(error)) from error


def _bad(call: Call, answer: Response, why: str) -> TdxBadAnswer:
    return TdxBadAnswer(
        f"{call.shown} answered {answer.status}, but {why}.", call=call.name, status=answer.status
    )
