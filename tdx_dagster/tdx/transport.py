"""How a call is made: rate limit, sign-in, repeats within a bound, and what each answer means.

Belongs here: every decision between a call and its result or one of our errors. Does not: which
calls there are (`facade`), how bytes travel (`exchange`). The one rule of repeating:
`TdxRetryLater` says that nothing was done or only read, so it is repeated; nothing else ever is.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from tdx_dagster.tdx.clock import Clock
from tdx_dagster.tdx.errors import (
    TdxBadAnswer,
    TdxRateLimited,
    TdxRefused,
    TdxRetryLater,
    TdxSettingError,
    TdxUnclear,
)
from tdx_dagster.tdx.http import Answer, Http, NoAnswer, Request
from tdx_dagster.tdx.json_list import iter_list
from tdx_dagster.tdx.rate_headers import (
    LONGEST_HOLD,
    LONGEST_WAIT,
    SHORTEST_WAIT,
    RateHeaders,
    wait_after_429,
)
from tdx_dagster.tdx.rate_limit import Limiter
from tdx_dagster.tdx.sign_in import SignIn

log = logging.getLogger(__name__)

T = TypeVar("T")

# TDX takes no request above 4 MB (reference, section 1.3) and does not say how it refuses one.
LARGEST_REQUEST = 4_000_000
# Reference, section 4.2: calls and seconds of every method the client uses, where they are not 60
# in 60.
DEFAULT_LIMIT = (60, 60.0)
LIMITS = {"GET /reports/{id}": (30, 60.0)}

# Each pause is longer than the one before, whatever the jitter.
_PAUSE = wait_exponential_jitter(multiplier=0.5, max=15, jitter=0.5)
_OK, _MOVED, _REFUSED, _BROKEN = 200, 300, 400, 500
_UNAUTHORISED, _TIMED_OUT, _TOO_MANY = 401, 408, 429


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call may take. See `bound`.

    Args:
        max_wait_seconds: For all waiting between requests: rate limit, 429, pauses. With 0 a call
            never sleeps and is never repeated, which is what a sensor wants.
        connect_seconds: For a connection to each address of the host.
        answer_seconds: For the whole answer of one request.
        slow_answer_seconds: The same for reports (TDX allows their SQL 90 s) and searches that
        return
            an inventory.
        attempts: Requests of one call at most, sign-in apart.
    """

    max_wait_seconds: float = 120.0
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    slow_answer_seconds: float = 300.0
    attempts: int = 6

    def bound(self, *, slow: bool = False) -> float:
        """Seconds after which a call has returned or raised, whatever the server does."""
        return self.max_wait_seconds + (self.slow_answer_seconds if slow else self.answer_seconds)


# A sensor's tick must end, limited or not: no waiting, no repeats, and half of Dagster's 60 s a
# tick.
SENSOR_LIMITS = CallLimits(
    max_wait_seconds=0, connect_seconds=5, answer_seconds=30, slow_answer_seconds=30
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call to make.

    Args:
        method: Of HTTP.
        template: Path below `/api` with names in braces; with the method it names the call.
        values: For the names in the template.
        query: Parameters.
        body: JSON.
        writes: Whether it changes something, so that it must not be repeated blindly.
        slow: Whether its answer may take long.
        before_send: Called once its turn has come, right before each attempt is sent; what it raises reaches
            the caller, and nothing is sent.
    """

    method: str
    template: str
    values: Mapping[str, int | str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    writes: bool = False
    slow: bool = False
    before_send: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """As calls are counted and named in errors."""
        return f"{self.method} {self.template}"

    @property
    def shown(self) -> str:
        """The call with its values, for messages."""
        return f"{self.method} {self.path}"

    @property
    def path(self) -> str:
        """The path below `/api`."""
        quoted = {name: quote(str(value), safe="") for name, value in self.values.items()}
        return self.template.format(**quoted)


class _Budget:
    """The time one call has left, across all its requests."""

    def __init__(self, clock: Clock, patience: CallLimits, call: Call) -> None:
        self._clock = clock
        started = clock.monotonic()
        self._waits_until = started + patience.max_wait_seconds
        self._ends = started + patience.bound(slow=call.slow)
        self.refusals = 0

    @property
    def wait_left(self) -> float:
        return max(self._waits_until - self._clock.monotonic(), 0.0)

    @property
    def time_left(self) -> float:
        return self._ends - self._clock.monotonic()


class _stop_before_overtime(stop_base):  # noqa: N801  named as tenacity names its own
    """Give up where the pause would outlast the time for waiting."""

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget

    def __call__(self, retry_state: RetryCallState) -> bool:
        return retry_state.upcoming_sleep > self._budget.wait_left


class Transport:
    """Makes calls. Safe to share between threads.

    Args:
        base_url: Normalised, see `address`.
        sign_in: Gives tokens.
        limiter: Grants calls.
        patience: How long a call may take.
        clock: Time and waiting.
        http: Sends requests.
    """

    def __init__(
        self,
        base_url: str,
        sign_in: SignIn,
        *,
        limiter: Limiter,
        patience: CallLimits,
        clock: Clock,
        http: Http,
    ) -> None:
        self._base_url = base_url
        self._host = urlsplit(base_url).netloc
        self._sign_in = sign_in
        self._limiter = limiter
        self._patience = patience
        self._clock = clock
        self._http = http
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()

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
            TdxSettingError: No call will work before a setting is mended.
            TdxRefused: This one never will.
        """
        return self._repeat(call, lambda budget: self._json(call, self._signed(call, budget)))

    def read_list(self, call: Call) -> Iterator[object]:
        """Make a call that changes nothing and return the elements of the list it answers, one by one.

        Raises:
            TdxRetryLater: See `read`; also while the elements are gone through, where the list is broken.
            TdxSettingError: See `read`.
            TdxRefused: See `read`.
        """
        answer = self._repeat(call, lambda budget: self._list(call, self._signed(call, budget)))
        return self._elements(call, answer)

    def write(self, call: Call) -> Answer:
        """Make a call that changes something and return its answer, any 2xx.

        It is repeated only while TDX cannot have done it: refused connection, 429, 401.

        Raises:
            TdxRetryLater: It was not done.
            TdxUnclear: It may have been done: look before repeating.
            TdxSettingError: It was not done, and no call will work before a setting is mended.
            TdxRefused: It was not done and never will be.
        """

        def attempt(budget: _Budget) -> Answer:
            answer = self._signed(call, budget)
            if answer.is_web_page:
                raise self._unclear(call, "a web page came instead of TDX's answer", answer.status)
            return answer

        return self._repeat(call, attempt)

    def _repeat(self, call: Call, attempt: Callable[[_Budget], T]) -> T:
        budget = _Budget(self._clock, self._patience, call)
        retrying = Retrying(
            retry=retry_if_exception_type(TdxRetryLater),
            wait=_pause,
            stop=stop_any(
                stop_after_attempt(self._patience.attempts), _stop_before_overtime(budget)
            ),
            sleep=self._clock.sleep,
            before_sleep=_tell,
            reraise=True,
        )
        return retrying(attempt, budget)

    def _signed(self, call: Call, budget: _Budget) -> Answer:
        """One attempt with a token, renewed once where TDX refuses it (case A07)."""
        sign_in = _SignInCall(self, budget)
        token = self._sign_in.token(sign_in, budget.time_left)
        answer = self._request(call, token, budget)
        if answer.status == _UNAUTHORISED:
            if self._sign_in.is_static:
                self._check_static(token, sign_in)
            else:
                token = self._sign_in.renew(token, sign_in, budget.time_left)
                answer = self._request(call, token, budget)
        self._judge(call, answer)
        return answer

    def _check_static(self, token: str, sign_in: "_SignInCall") -> None:
        """Find out whether a static token is refused everywhere or only lacks a permission here."""
        answer = sign_in("GET", "/auth/getuser", token=token)
        if answer.status == _UNAUTHORISED:
            raise TdxSettingError(
                "TDX refuses TDX_API_TOKEN: it has expired or is wrong. Set a new one, or sign in "
                "with TDX_BEID and TDX_WEB_SERVICES_KEY, which renew themselves.",
                call="GET /auth/getuser",
                status=_UNAUTHORISED,
            )

    def _request(self, call: Call, token: str | None, budget: _Budget) -> Answer:
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
                connect_seconds=self._patience.connect_seconds,
                total_seconds=min(
                    budget.time_left,
                    self._patience.bound(slow=call.slow) - self._patience.max_wait_seconds,
                ),
            )
        except NoAnswer as failure:
            raise self._no_answer(call, failure) from failure
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

    def _no_answer(self, call: Call, failure: NoAnswer) -> Exception:
        if failure.untrusted:
            return TdxSettingError(
                f"The certificate of {self._host} is not trusted ({failure}). See that "
                "TDX_BASE_URL is right; for a private authority set REQUESTS_CA_BUNDLE.",
                call=call.name,
            )
        if failure.sent and call.writes:
            return self._unclear(call, str(failure))
        what = "gave no answer" if failure.sent else f"could not be sent to {self._host}"
        return TdxRetryLater(f"{call.shown} {what}: {failure}.", call=call.name)

    def _unclear(self, call: Call, why: str, status: int | None = None) -> TdxUnclear:
        return TdxUnclear(
            f"{call.shown} may or may not have been done: {why}. Look before repeating it.",
            call=call.name,
            status=status,
        )

    def _learn(self, call: Call, key: str, answer: Answer, budget: _Budget) -> None:
        now = self._clock.now()
        if answer.status != _TOO_MANY:
            seen = RateHeaders.of(answer.headers, now)
            # A gateway's error has no headers, but that does not mean the method has no limit.
            if seen.limit is not None or _OK <= answer.status < _MOVED:
                self._limiter.learn(key, seen.limit, seen.remaining, seen.reset_in)
            return
        # Without a word about the reset: 5, 10, 20, 40 s, which outlasts a window of 60 s.
        wait = wait_after_429(answer.headers, now) or SHORTEST_WAIT * 2**budget.refusals
        budget.refusals += 1
        self._limiter.penalise(key, min(wait, LONGEST_HOLD))
        raise TdxRateLimited(
            f"The rate limit of {call.name} is used up (429); try again in {wait:.0f} s.",
            call=call.name,
            status=_TOO_MANY,
            wait_seconds=min(wait, LONGEST_WAIT),
        )

    def _judge(self, call: Call, answer: Answer) -> None:
        status = answer.status
        if _OK <= status < _MOVED:
            return
        if status < _REFUSED:
            raise TdxSettingError(
                f"{call.shown} was redirected ({status}): the TDX Web API is not at this address. "
                "Set TDX_BASE_URL to where it is; it should end in /TDWebApi.",
                call=call.name,
                status=status,
            )
        said = self._sign_in.redact(answer.message)
        text = f"answered {status}{': ' + said if said else ''}"
        if status >= _BROKEN or status == _TIMED_OUT:
            if call.writes:
                raise self._unclear(call, f"TDX {text}", status)
            raise TdxRetryLater(
                f"{call.shown} {text}; try again later.", call=call.name, status=status
            )
        if status == _UNAUTHORISED:
            text += ": not authorised, also with a fresh token; the account lacks the permission"
        raise TdxRefused(f"{call.shown} {text}.", call=call.name, status=status)

    def _list(self, call: Call, answer: Answer) -> Answer:
        """See that a list begins; what is no list is no answer, and may be asked for again."""
        if not answer.begins_list:
            self._json(call, answer)
            raise TdxBadAnswer(
                f"{call.shown} answered {answer.status}, but not with a list.",
                call=call.name,
                status=answer.status,
            )
        return answer

    def _elements(self, call: Call, answer: Answer) -> Iterator[object]:
        try:
            yield from iter_list(answer.body)
        except TdxBadAnswer as error:
            raise TdxBadAnswer(
                f"{call.shown} answered {answer.status}, but {error}.",
                call=call.name,
                status=answer.status,
            ) from error

    def _json(self, call: Call, answer: Answer) -> Any:  # noqa: ANN401  JSON can be anything
        try:
            return answer.json()
        except TdxBadAnswer as error:
            raise TdxBadAnswer(
                f"{call.shown} answered {answer.status}, but {error}.",
                call=call.name,
                status=answer.status,
            ) from error


class _SignInCall:
    """Calls of the auth section on the budget of the call that needs them."""

    def __init__(self, transport: Transport, budget: _Budget) -> None:
        self._transport = transport
        self._budget = budget

    def __call__(
        self, method: str, template: str, *, body: object = None, token: str | None = None
    ) -> Answer:
        call = Call(method, template, body=body)
        answer = self._transport._request(call, token, self._budget)  # noqa: SLF001  its own part
        if answer.status >= _BROKEN or answer.status == _TIMED_OUT:
            self._transport._judge(call, answer)  # noqa: SLF001  the same
        return answer


def _pause(state: RetryCallState) -> float:
    """Seconds to the next attempt: what the error says, else growing with jitter."""
    error = state.outcome.exception() if state.outcome else None
    wait = getattr(error, "wait_seconds", None)
    return _PAUSE(state) if wait is None else float(wait)


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("%s Next attempt in %.1f s.", error, state.upcoming_sleep)
