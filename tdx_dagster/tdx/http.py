"""One HTTP request and its answer, within a hard limit of time and size.

Belongs here: sessions (one a thread, kept between requests), the deadline that cuts a request off, and
the knowledge whether any of it left this machine. Does not: what an answer means, repeating,
signing in.
"""

import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.network import (
    SettingFault,
    ca_bundle,
    is_loopback,
    proxy_setting,
    reason_of,
    setting_at_fault,
)

log = logging.getLogger(__name__)

# The whole inventory of a large university, tens of thousands of assets, is some 100 MB.
LARGEST_ANSWER = 512 * 2**20
# Load balancers drop idle connections after a minute or more; one dropped under a POST leaves its
# outcome unclear (case A49), so one that idled longer than this is not used again.
IDLE_SECONDS = 20.0
# Never the whole message of a server: it may be a web page.
_LONGEST_MESSAGE = 300
# Statuses below announce an answer and are none.
_FINAL = 200


class NoAnswer(Exception):
    """There was no complete answer.

    Args:
        reason: What happened, as the end of a sentence.
        sent: Whether any of the request had left this machine; if not, TDX has not seen it.
        is_setting: Whether it cannot work before a setting is changed, which the reason then names.
    """

    def __init__(self, reason: str, *, sent: bool, is_setting: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.is_setting = is_setting


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. `body` is JSON or nothing; the token never shows."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    # The setting of the proxy it came through.
    proxy: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the body says nothing at all."""
        return self.body.strip() in {b"", b'""', b"null"}

    @property
    def is_web_page(self) -> bool:
        """Whether this is HTML, which no TDX method sends: a sign-in page, a proxy's words.

        Judged by the body alone: frameworks label even an empty answer as HTML.
        """
        return self.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"

    @property
    def begins_list(self) -> bool:
        """Whether a JSON list begins here."""
        return self.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["

    @property
    def has_rate_headers(self) -> bool:
        """Whether TDX's rate headers are there, which nobody between us and TDX adds."""
        return "X-RateLimit-Limit" in self.headers

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes."""
        return self.body.decode("utf-8-sig", "replace")

    def json(self) -> Any:  # noqa: ANN401  JSON can be anything
        """Give the body as JSON.

        Raises:
            TdxBadAnswer: It is none.
        """
        if self.is_web_page:
            raise TdxBadAnswer("a web page came instead of JSON (is TDX_BASE_URL right?)")
        try:
            return json.loads(self.body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            what = "an empty body" if not self.body.strip() else "a body that is not JSON"
            raise TdxBadAnswer(f"{what} came instead of JSON") from error

    @property
    def message(self) -> str:
        """What TDX says in `Message` or as bare text, shortened; empty for web pages."""
        if self.is_web_page:
            return ""
        try:
            data = self.json()
        except TdxBadAnswer:
            data = self.text
        said = data.get("Message") if isinstance(data, dict) else data
        text = " ".join(said.split()) if isinstance(said, str) else ""
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class Http:
    """Sends requests, each within its limits. Safe to share between threads.

    Args:
        clock: Tells how long a session has idled.
    """

    def __init__(self, clock: Clock = REAL_CLOCK) -> None:
        self._clock = clock
        # Bytes of a body beyond which it is not read on.
        self._largest_answer = LARGEST_ANSWER
        self._own = threading.local()

    def send(self, request: Request, *, connect_seconds: float, total_seconds: float) -> Response:
        """Send a request once and read the whole answer. Redirects are not followed.

        Args:
            request: What to send.
            connect_seconds: How long to wait for a connection to each address of the host.
            total_seconds: After this long it is cut off, whatever the server does, even if it
                sends a byte now and then.

        Raises:
            NoAnswer: There was no complete answer.
        """
        deadline = _Deadline(total_seconds)
        limits = (min(connect_seconds, total_seconds), total_seconds)
        try:
            with deadline:
                answer = self._receive(request, limits)
                deadline.finish()
                return answer
        except SettingFault as fault:
            raise NoAnswer(str(fault), sent=False, is_setting=True) from fault
        except _FAULTS as error:
            raise _no_answer(error, deadline, request.url) from error

    def _receive(self, request: Request, limits: tuple[float, float]) -> Response:
        headers = {"Accept": "application/json"}
        if request.body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        session, verify = self._session()
        with session.request(
            request.method,
            request.url,
            data=request.body,
            headers=headers,
            auth=_Bearer(request.token),
            timeout=limits,
            proxies=_proxies(request.url),
            verify=verify,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            for piece in response.iter_content(65536):
                body += piece
                if len(body) > self._largest_answer:
                    raise OSError(f"an answer of more than {self._largest_answer} bytes")
            self._own.used = self._clock.monotonic()
            if response.status_code < _FINAL:
                # The answer proper would be read as that of the next request.
                self._own.session.close()
                raise OSError(
                    f"an interim answer ({response.status_code}) instead of the final one"
                )
            proxy = proxy_setting(request.url)
            return Response(response.status_code, response.headers, bytes(body), proxy)

    def _session(self) -> tuple[requests.Session, str | bool]:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            bundle = ca_bundle()
            session = self._own.session = _Session()
            self._own.verify = bundle or True
            session.headers["User-Agent"] = "tdx-dagster"
            for scheme in ("http://", "https://"):
                session.mount(scheme, _TimedAdapter())
        elif self._clock.monotonic() - self._own.used > IDLE_SECONDS:
            session.close()
        self._own.used = self._clock.monotonic()
        return session, self._own.verify


def _no_answer(error: Exception, deadline: "_Deadline", url: str) -> NoAnswer:
    if deadline.fired or isinstance(error, requests.Timeout):
        reason = f"no complete answer in {deadline.seconds:.3g} s"
        return NoAnswer(reason, sent=deadline.sent)
    setting = setting_at_fault(error, url)
    if setting is not None:
        return NoAnswer(setting, sent=deadline.sent, is_setting=True)
    return NoAnswer(reason_of(error), sent=deadline.sent)


_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


def _proxies(url: str) -> dict[str, str] | None:
    """Give the proxies to use: those of the environment, but none to get to this machine."""
    if not is_loopback(urlsplit(url).hostname or ""):
        return None
    # What requests takes for "none, whatever the environment says".
    return cast("dict[str, str]", {"http": None, "https": None, "all": None})


class _Bearer(requests.auth.AuthBase):
    """Sets the header. Given even without a token, or requests would look into ~/.netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Deadline:
    """Cuts the request of this thread off when its time is up, and sees whether it was sent.

    The time-outs of sockets start anew with every byte; this one does not (case A51).
    """

    of_thread = threading.local()

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.sent = False
        self.fired = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _Deadline.of_thread.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _Deadline.of_thread.deadline = None
        with self._lock:
            # The connection may serve another request by now.
            self._socket = None

    def sending(self, connected: socket.socket, *, is_request: bool) -> None:
        """Take note that bytes are about to leave, unless time is already up."""
        with self._lock:
            if self.fired:
                raise TimeoutError("out of time before anything was sent")
            self._socket = connected
            self.sent = self.sent or is_request

    def finish(self) -> None:
        """Say that the answer is complete; cut off, a body without length only looks complete."""
        with self._lock:
            self._socket = None
            if self.fired:
                raise TimeoutError("cut off")

    def _cut(self) -> None:
        with self._lock:
            self.fired = True
            if self._socket is not None:
                try:
                    # Not the method of an SSL socket, which is not made for a second thread.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError as error:
                    log.debug("The connection was gone before it could be cut off: %s", error)


class _Session(requests.Session):
    """A session that leaves redirects alone, even so far as to work out where they lead."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:  # noqa: ANN401  unused
        return iter(())


class _Timed(HTTPConnection):
    """A connection that passes itself to the deadline of its thread before it sends."""

    _is_tunnelling = False

    def _tunnel(self) -> None:
        """Ask a proxy for a connection to TDX; nothing of the request itself leaves with it."""
        self._is_tunnelling = True
        try:
            super()._tunnel()
        finally:
            self._is_tunnelling = False

    def send(self, data: Any) -> None:  # noqa: ANN401  as in http.client
        if self.sock is None:
            self.connect()
        deadline: _Deadline | None = getattr(_Deadline.of_thread, "deadline", None)
        if deadline is not None and self.sock is not None:
            deadline.sending(self.sock, is_request=not self._is_tunnelling)
        super().send(data)


class _TimedTls(_Timed, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TimedTls


class _TimedAdapter(requests.adapters.HTTPAdapter):
    """An adapter whose connections have a deadline, also those through a proxy."""

    _POOLS = {"http": _Pool, "https": _TlsPool}  # noqa: RUF012  a constant

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  passed on
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passed on
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._POOLS
        return manager
