"""How a call is made: rate limit, sign-in, one request after the other within a bound.

Belongs here: the steps between a call and its result. Does not: which calls there are (`client`), what an
answer means (`verdict`), how often a call is repeated (`repeat`), how bytes travel (`http`).
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from tdx_dagster.tdx.call import Budget, Call, CallLimits
from tdx_dagster.tdx.clock import Clock
from tdx_dagster.tdx.errors import (
    TdxRateLimited,
    TdxRefused,
    TdxRetryLater,
    TdxSettingError,
)
from tdx_dagster.tdx.http import Http, NoAnswer, Request, Response
from tdx_dagster.tdx.rate_headers import (
    LONGEST_HOLD,
    LONGEST_WAIT,
    SHORTEST_WAIT,
    RateHeaders,
    server_time,
    wait_after_429,
)
from tdx_dagster.tdx.rate_limit import Limiter
from tdx_dagster.tdx.repeat import repeat
from tdx_dagster.tdx.sign_in import SignIn
from tdx_dagster.tdx.verdict import (
    UNAUTHORISED,
    check_list,
    judge,
    no_answer,
    read_elements,
    read_json,
)

T = TypeVar("T")

# TDX takes no request above 4 MB and does not say how it refuses one.
LARGEST_REQUEST = 4_000_000
# Calls and seconds of every method the client uses, where they are not 60 in 60.
DEFAULT_LIMIT = (60, 60.0)
LIMITS = {"GET /reports/{id}": (30, 60.0)}

_OK, _MOVED, _BROKEN = 200, 300, 500
_TIMED_OUT, _TOO_MANY = 408, 429


class Transport:
    """Makes calls. Safe to share between threads.

    Args:
        base_url: Normalised, see `address`.
        sign_in: Gives tokens.
        limiter: Grants calls.
        limits: How long a call may take.
        clock: Time and waiting.
        http: Sends requests.
    """

    def __init__(
        self,
        base_url: str,
        sign_in: SignIn,
        *,
        limiter: Limiter,
        limits: CallLimits,
        clock: Clock,
        http: Http,
    ) -> None:
        self._base_url = base_url
        self._host = urlsplit(base_url).netloc
        self._sign_in = sign_in
        self._limiter = limiter
        self._limits = limits
        self._clock = clock
        self._http = http
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._clock_offset: float | None = None

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which the server's clock was ahead of ours at the last answer; None before the first."""
        return self._clock_offset

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent since the last reset by `METHOD template`, with sign-ins and repeats."""
        with self._lock:
            return dict(self._calls)

    def reset_calls(self) -> None:
        """Count from zero."""
        with self._lock:
            self._calls.clear()

    def read(self, call: Call) -> Any:  # noqa: ANN401  JSON can be anything
        """Make a call that changes nothing and return the JSON it answers.

        Raises:
            TdxRetryLater: There was no usable answer within the time and tries allowed.
            TdxSettingError: No call will work before a setting is right.
            TdxRefused: This one never will.
        """
        return self._repeat(call, lambda budget: read_json(call, self._signed(call, budget)))

    def read_list(self, call: Call) -> Iterator[object]:
        """Make a call that changes nothing and return the elements of the list it answers, one by one.

        Raises:
            TdxRetryLater: See `read`; also while the elements are gone through, where the list is broken.
            TdxSettingError: See `read`.
            TdxRefused: See `read`.
        """
        answer = self._repeat(call, lambda budget: check_list(call, self._signed(call, budget)))
        return read_elements(call, answer)

    def write(self, call: Call) -> Response:
        """Make a call that changes something and return its answer, a 2xx that is no web page.

        It is repeated only while TDX cannot have done it: refused connection, 429, 401.

        Raises:
            TdxRetryLater: It was not done.
            TdxUnclear: It may have been done: look before repeating.
            TdxSettingError: It was not done, and no call will work before a setting is right.
            TdxRefused: It was not done and never will be.
        """
        return self._repeat(call, lambda budget: self._signed(call, budget))

    def _repeat(self, call: Call, attempt: Callable[[Budget], T]) -> T:
        return repeat(call, attempt, self._limits, self._clock)

    def _signed(self, call: Call, budget: Budget) -> Response:
        """Give one attempt with a token, renewed once where TDX refuses it (case A07)."""
        sign_in = _SignInCall(self, budget)
        token = self._sign_in.token(sign_in, budget.time_left)
        answer = self._request(call, token, budget)
        if answer.status == UNAUTHORISED:
            if self._sign_in.is_static:
                self._check_static(token, sign_in)
            else:
                token = self._sign_in.renew(token, sign_in, budget.time_left)
                answer = self._request(call, token, budget)
        self.judge(call, answer)
        return answer

    def judge(self, call: Call, answer: Response) -> None:
        """See `verdict.judge`; no secret is shown."""
        judge(call, answer, self._sign_in.redact(answer.message))

    def _check_static(self, token: str, sign_in: "_SignInCall") -> None:
        """Find out whether a static token is refused everywhere or only lacks a permission here."""
        answer = sign_in("GET", "/auth/getuser", token=token)
        if answer.status == UNAUTHORISED:
            raise TdxSettingError(
                "TDX refuses TDX_API_TOKEN: it has expired or is wrong. Set a new one, or sign in "
                "with TDX_BEID and TDX_WEB_SERVICES_KEY, which renew themselves.",
                call="GET /auth/getuser",
                status=UNAUTHORISED,
            )

    def _request(self, call: Call, token: str | None, budget: Budget) -> Response:
        """Send one request under the rate limit and tell the limiter what came back.

        Raises:
            TdxRetryLater: Nothing was done, or it was a read: no slot, no answer, 429.
            TdxUnclear: It was a write and there was no answer.
        """
        key = f"{call.name} at {self._host}"
        request = self._prepare(call, token)
        self._limiter.acquire(key, *LIMITS.get(call.name, DEFAULT_LIMIT), budget.wait_left)
        if call.before_send is not None:
            call.before_send()
        if budget.time_left <= 0:
            raise TdxRetryLater(f"Out of time before {call.shown} was sent.", call=call.name)
        with self._lock:
            self._calls[call.name] += 1
        try:
            answer = self._http.send(
                request,
                connect_seconds=self._limits.connect_seconds,
                total_seconds=min(
                    budget.time_left,
                    self._limits.answer(slow=call.slow, writes=call.writes),
                ),
            )
        except NoAnswer as failure:
            raise no_answer(call, failure, self._host) from failure
        self._learn(call, key, answer, budget)
        return answer

    def _prepare(self, call: Call, token: str | None) -> Request:
        query = f"?{urlencode(call.query)}" if call.query else ""
        body = None if call.body is None else json.dumps(call.body).encode()
        if body is not None and len(body) > LARGEST_REQUEST:
            raise TdxRefused(
                f"{call.shown} was not sent: its {len(body)} bytes are more than the 4 MB "
                "that TDX takes.",
                call=call.name,
            )
        return Request(call.method, f"{self._base_url}/api{call.path}{query}", body, token)

    def _learn(self, call: Call, key: str, answer: Response, budget: Budget) -> None:
        now = self._clock.now()
        self._clock_offset = server_time(answer.headers, now) - now
        if answer.status != _TOO_MANY:
            seen = RateHeaders.of(answer.headers, now)
            # A gateway's error has no headers, but that does not mean the method has no limit.
            if seen.limit is not None or _OK <= answer.status < _MOVED:
                self._limiter.learn(key, seen.limit, seen.remaining, seen.reset_in)
            return
        # Where nothing names the reset: 5, 10, 20, 40 s, which outlasts a window of 60 s.
        wait = wait_after_429(answer.headers, now) or SHORTEST_WAIT * 2**budget.refusals
        budget.refusals += 1
        self._limiter.penalise(key, min(wait, LONGEST_HOLD))
        raise TdxRateLimited(
            f"The rate limit of {call.name} is used up (429); try again in {wait:.0f} s.",
            call=call.name,
            status=_TOO_MANY,
            wait_seconds=min(wait, LONGEST_WAIT),
        )


class _SignInCall:
    """Calls of the auth section on the budget of the call that needs them."""

    def __init__(self, transport: Transport, budget: Budget) -> None:
        self._transport = transport
        self._budget = budget

    def __call__(
        self, method: str, template: str, *, body: object = None, token: str | None = None
    ) -> Response:
        call = Call(method, template, body=body)
        answer = self._transport._request(call, token, self._budget)  # noqa: SLF001  its own part
        if answer.status >= _BROKEN or answer.status == _TIMED_OUT:
            self._transport.judge(call, answer)
        return answer
