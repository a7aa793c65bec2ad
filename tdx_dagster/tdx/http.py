"""One HTTP request and its answer, within a hard limit of time and size.

Belongs here: sessions (one a thread, kept between requests), the watch that cuts a request off, and
the knowledge whether any of it left this machine. Does not: what an answer means, repeating,
signing in.
"""

import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Self, cast
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxBadAnswer

log = logging.getLogger(__name__)

# The whole inventory of a large university, tens of thousands of assets, is some 100 MB.
LARGEST_ANSWER = 512 * 2**20
# Load balancers drop idle connections after a minute or more; one dropped under a POST leaves its
# outcome unclear (case A49), so one that idled longer than this is not used again.
IDLE_SECONDS = 20.0
# Never the whole message of a server: it may be a web page.
_LONGEST_MESSAGE = 300


class NoAnswer(Exception):
    """There was no complete answer.

    Args:
        reason: What happened, as the end of a sentence.
        sent: Whether any of the request had left this machine; if not, TDX has not seen it.
        untrusted: Whether the server's certificate was refused.
    """

    def __init__(self, reason: str, *, sent: bool, untrusted: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.untrusted = untrusted


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. `body` is JSON or nothing; the token never shows."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

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
    def text(self) -> str:
        """The body as text, whatever its bytes."""
        return self.body.decode("utf-8-sig", "replace")

    def json(self) -> Any:  # noqa: ANN401  JSON can be anything
        """The body as JSON.

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
        largest_answer: Bytes of a body beyond which it is not read on.
    """

    def __init__(self, clock: Clock = REAL_CLOCK, largest_answer: int = LARGEST_ANSWER) -> None:
        self._clock = clock
        self._largest_answer = largest_answer
        self._own = threading.local()

    def send(self, request: Request, *, connect_seconds: float, total_seconds: float) -> Answer:
        """Send a request once and read the whole answer. Redirects are not followed.

        Args:
            request: What to send.
            connect_seconds: How long to wait for a connection to each address of the host.
            total_seconds: After this long it is cut off, whatever the server does, even if it
                sends a byte now and then.

        Raises:
            NoAnswer: There was no complete answer.
        """
        watch = _Watch(total_seconds)
        limits = (min(connect_seconds, total_seconds), total_seconds)
        try:
            with watch:
                answer = self._receive(request, limits)
                watch.finish()
                return answer
        except requests.exceptions.SSLError as error:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise NoAnswer(_reason(error), sent=watch.sent, untrusted=untrusted) from error
        except _FAULTS as error:
            cut = watch.fired or isinstance(error, requests.Timeout)
            reason = f"no complete answer in {total_seconds:.3g} s" if cut else _reason(error)
            raise NoAnswer(reason, sent=watch.sent) from error

    def _receive(self, request: Request, limits: tuple[float, float]) -> Answer:
        headers = {"Accept": "application/json"}
        if request.body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        with self._session().request(
            request.method,
            request.url,
            data=request.body,
            headers=headers,
            auth=_Bearer(request.token),
            timeout=limits,
            proxies=_proxies(request.url),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            for piece in response.iter_content(65536):
                body += piece
                if len(body) > self._largest_answer:
                    raise OSError(f"an answer of more than {self._largest_answer} bytes")
            self._own.used = self._clock.monotonic()
            return Answer(response.status_code, response.headers, bytes(body))

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = _Session()
            session.headers["User-Agent"] = "tdx-dagster"
            for scheme in ("http://", "https://"):
                session.mount(scheme, _WatchedAdapter())
        elif self._clock.monotonic() - self._own.used > IDLE_SECONDS:
            session.close()
        self._own.used = self._clock.monotonic()
        return session


_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


def _reason(error: Exception) -> str:
    """The innermost cause in a few words: requests wraps it in several layers of repr."""
    inner: BaseException = error
    while True:
        deeper = getattr(inner, "reason", None)
        if not isinstance(deeper, BaseException):
            deeper = next((a for a in inner.args if isinstance(a, BaseException)), None)
        if deeper is None:
            return " ".join(f"{type(inner).__name__}: {inner}".split())[:_LONGEST_MESSAGE]
        inner = deeper


def _proxies(url: str) -> dict[str, str] | None:
    """Which proxies to use: those of the environment, but none to get to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    # What requests takes for "none, whatever the environment says".
    return cast("dict[str, str]", {"http": None, "https": None, "all": None}) if is_here else None


class _Bearer(requests.auth.AuthBase):
    """Sets the header. Given even without a token, or requests would look into ~/.netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Watch:
    """Cuts the request of this thread off when its time is up, and sees whether it was sent.

    The time-outs of sockets start anew with every byte; this one does not (case A51).
    """

    of_thread = threading.local()

    def __init__(self, seconds: float) -> None:
        self.sent = False
        self.fired = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _Watch.of_thread.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _Watch.of_thread.watch = None
        with self._lock:
            # The connection may serve another request by now.
            self._socket = None

    def sending(self, connected: socket.socket) -> None:
        """Take note that bytes are about to leave, unless time is already up."""
        with self._lock:
            if self.fired:
                raise TimeoutError("out of time before anything was sent")
            self._socket = connected
            self.sent = True

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


class _Watched(HTTPConnection):
    """A connection that tells the watch of its thread before it sends."""

    def send(self, data: Any) -> None:  # noqa: ANN401  as in http.client
        if self.sock is None:
            self.connect()
        watch: _Watch | None = getattr(_Watch.of_thread, "watch", None)
        if watch is not None and self.sock is not None:
            watch.sending(self.sock)
        super().send(data)


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _WatchedAdapter(requests.adapters.HTTPAdapter):
    """An adapter whose connections are watched, also those through a proxy."""

    _POOLS = {"http": _Pool, "https": _TlsPool}  # noqa: RUF012  a constant

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  handed on
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  handed on
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._POOLS
        return manager
