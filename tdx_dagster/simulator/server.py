"""The HTTP server in a thread: sockets, TLS, keep-alive, starting and stopping.

Contains: `Simulator`, the object that tests use. Built on the standard library's server, because faults
need the socket: they drop a connection, hold it, or cut a body.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from tdx_dagster.simulator.app import LARGEST_REQUEST, App
from tdx_dagster.simulator.call_log import CallLog
from tdx_dagster.simulator.control import Control
from tdx_dagster.simulator.faults import Faults
from tdx_dagster.simulator.limits import Limiter, LimitMode
from tdx_dagster.simulator.messages import Dropped, Incoming, Outgoing
from tdx_dagster.simulator.sample.sample import sample_state
from tdx_dagster.simulator.tenant.constants import (
    ASSET_APP_ID,
    BEID,
    REPORT_ID,
    TICKET_APP_ID,
    USER_NAME,
    WEB_SERVICES_KEY,
)
from tdx_dagster.simulator.tenant.model import State
from tdx_dagster.simulator.tenant.options import Options
from tdx_dagster.simulator.tenant.tenant import Tenant

_POLL_SECONDS = 0.02
_READ_CHUNK = 64 * 1024
_TRICKLE_PIECES = 100


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        respond: Callable[[Incoming], Outgoing],
        tls: ssl.SSLContext | None,
        stopping: threading.Event,
    ) -> None:
        self.respond = respond
        self.stopping = stopping
        self.tls = tls
        self.open_sockets: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors of connections: clients and faults end them at any time."""

    def close_connections(self) -> None:
        """End every open connection, idle ones too."""
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the client.
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        # The handshake belongs into the connection's own thread: a client that never finishes it must
        # not keep others out.
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.server.open_sockets.add(self.connection)

    def finish(self) -> None:
        self.server.open_sockets.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def version_string(self) -> str:
        """Name the server without Python's version."""
        return "TdxSimulator"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Write nothing: `CallLog` keeps the calls."""

    def _respond(self) -> None:
        try:
            body = self._read_body()
        except ValueError:
            self.close_connection = True
            self._send(Outgoing(HTTPStatus.BAD_REQUEST))
            return
        except ConnectionError:
            self._drop()
            return
        path, _, query = self.path.partition("?")
        incoming = Incoming(
            method=self.command,
            path=unquote(path, errors="replace"),
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            address=str(self.client_address[0]),
        )
        try:
            self._send(self.server.respond(incoming))
        except (Dropped, ConnectionError):
            self._drop()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _respond

    def _read_body(self) -> bytes:
        """Read the body; of one that is too long only as much as proves it, and then end the connection."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = _whole_number(self.headers.get("Content-Length", "0"), 10)
        if length > LARGEST_REQUEST:
            self.close_connection = True
            self._discard(length - LARGEST_REQUEST - 1)
            length = LARGEST_REQUEST + 1
        return self._read_exactly(length)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = _whole_number(self.rfile.readline(100).decode("latin-1").partition(";")[0], 16)
            body += self._read_exactly(min(size, LARGEST_REQUEST + 1))
            self.rfile.readline(100)
            if size == 0 or len(body) > LARGEST_REQUEST:
                self.close_connection = self.close_connection or size > 0
                return bytes(body)

    def _read_exactly(self, length: int) -> bytes:
        """Read part of a body; a client that ends in the middle of it has made no call."""
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionAbortedError("The request ended in the middle of its body.")
        return data

    def _discard(self, length: int) -> None:
        while length > 0 and (chunk := self.rfile.read(min(length, _READ_CHUNK))):
            length -= len(chunk)

    def _send(self, answer: Outgoing) -> None:
        headers: dict[str, str | None] = {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
        }
        self.send_response(answer.status)
        without_body = answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        if without_body:
            headers["Content-Length"] = None
        for name, value in (headers | answer.headers).items():
            if value is not None:
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD" or without_body:
            return
        self._write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body, answer)
        if answer.cut:
            self._drop()

    def _write(self, body: bytes, answer: Outgoing) -> None:
        if not answer.trickle_seconds or not body:
            self.wfile.write(body)
            return
        size = max(1, len(body) // _TRICKLE_PIECES)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        for piece in pieces:
            self.wfile.write(piece)
            self.server.stopping.wait(answer.trickle_seconds / len(pieces))

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _whole_number(text: str, base: int) -> int:
    """Parse a length: digits and nothing else.

    Raises:
        ValueError: It is something else.
    """
    digits = text.strip()
    if not digits.isalnum():
        raise ValueError(f"no length: {text!r}")
    return int(digits, base)


class Simulator:
    """A TDX server for tests and trials.

    Use it as a context manager, or call `start` and `stop`. It may be stopped and started again on the
    same state, as a server that is restarted.

    Args:
        state: What the tenant holds; sample data where it is left out.
        port: Port on the loopback interface; 0 takes a free one, which a restart keeps.
        limits: `off`, `real`, or a factor for the length of the windows (see `limits.Limiter`).
        options: Switches for what the reference leaves open.
        clock: Gives the time now, with a zone.
        tls: Serve https with it.
    """

    def __init__(
        self,
        state: State | None = None,
        port: int = 0,
        limits: LimitMode = "off",
        *,
        options: Options | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.options = Options() if options is None else options
        self.faults = Faults()
        self.calls = CallLog()
        self._port = port
        self._tls = tls
        self._stopping = threading.Event()
        self.tenant = Tenant(sample_state() if state is None else state, self.options, clock)
        self.limiter = Limiter(
            limits,
            clock,
            headers_when_off=lambda: self.options.rate_headers_without_limits,
            rounded_up=lambda: self.options.reset_rounded_up,
        )
        self.app = App(self.tenant, self.limiter, self.faults, self.calls, self._stopping)
        self._control = Control(self.app)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._counting = threading.Lock()
        self._under_way = 0

    @property
    def state(self) -> State:
        """What the tenant holds."""
        return self.tenant.state

    @property
    def url(self) -> str:
        """Base address of production, without `/api`."""
        return f"{self._origin}/TDWebApi"

    @property
    def control_url(self) -> str:
        """Base address of the control paths."""
        return f"{self._origin}/_simulator"

    @property
    def _origin(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port; 0 until a simulator with a free port has started."""
        return self._port

    def respond(self, incoming: Incoming) -> Outgoing:
        """Answer a request without a socket, control paths included.

        Args:
            incoming: The request.
        """
        with self._counting:
            self._under_way += 1
        try:
            answer = self._control.handle(incoming)
            return self.app.handle(incoming) if answer is None else answer
        finally:
            with self._counting:
                self._under_way -= 1

    @property
    def is_idle(self) -> bool:
        """Whether no call is running; one whose client gave up may still take effect."""
        return self._under_way == 0

    def token(self, user_name: str = USER_NAME) -> str:
        """Issue a token to a user without a sign-in call."""
        return self.tenant.issue_token(user_name)

    def start(self) -> Self:
        """Listen for calls. Return once the port accepts connections; do nothing if it does already.

        Raises:
            OSError: The port is taken.
        """
        if self._server is not None:
            return self
        self._stopping.clear()
        self._server = _Server(("127.0.0.1", self._port), self.respond, self._tls, self._stopping)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True, name="simulator"
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection, held ones too, and free the port."""
        if self._server is None or self._thread is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def settings_for(simulator: Simulator) -> dict[str, str]:
    """Return the environment variables that point a client at a running simulator."""
    return {
        "TDX_BASE_URL": simulator.url,
        "TDX_TICKET_APP_ID": str(TICKET_APP_ID),
        "TDX_ASSET_APP_ID": str(ASSET_APP_ID),
        "TDX_BEID": BEID,
        "TDX_WEB_SERVICES_KEY": WEB_SERVICES_KEY,
        "DAEMON_REPORT_ID": str(REPORT_ID),
    }
