"""The simulator as an HTTP server in a thread of its own: sockets, keep-alive, starting and stopping.

The standard library's server carries it, since Werkzeug's closes the connection after every answer and a
client's re-use of connections is one of the things to try.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from tdx_dagster.simulator.app import LARGEST_REQUEST, App
from tdx_dagster.simulator.calls import CallLog
from tdx_dagster.simulator.constants import (
    ASSET_APP_ID,
    BEID,
    REPORT_ID,
    TICKET_APP_ID,
    USER_NAME,
    WEB_SERVICES_KEY,
)
from tdx_dagster.simulator.control import Control
from tdx_dagster.simulator.faults import Faults
from tdx_dagster.simulator.limits import Limiter, LimitMode
from tdx_dagster.simulator.messages import Dropped, Incoming, Outgoing
from tdx_dagster.simulator.model import State
from tdx_dagster.simulator.options import Options
from tdx_dagster.simulator.sample import sample_state
from tdx_dagster.simulator.tenant import Tenant

_POLL_SECONDS = 0.02
_READ_CHUNK = 64 * 1024


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Callable[[Incoming], Outgoing]) -> None:
        self.respond = respond
        self.open_sockets: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is no error of a server that drops connections itself."""

    def close_connections(self) -> None:
        """End every connection that is open, idle ones too."""
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the client.
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open_sockets.add(self.connection)

    def finish(self) -> None:
        self.server.open_sockets.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def version_string(self) -> str:
        """Name the server without the version of Python."""
        return "TdxSimulator"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Write nothing: the call log is the log."""

    def _respond(self) -> None:
        body = self._read_body()
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
        """The body; of one that is too long only as much as shows that it is, and then no more calls."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        text = self.headers.get("Content-Length", "0").strip()
        length = int(text) if text.isdecimal() else 0
        if length > LARGEST_REQUEST:
            self.close_connection = True
            self._discard(length - LARGEST_REQUEST - 1)
            length = LARGEST_REQUEST + 1
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = int(self.rfile.readline(100).split(b";")[0].strip() or b"0", 16)
            body += self.rfile.read(size)
            self.rfile.readline(100)
            if size == 0 or len(body) > LARGEST_REQUEST:
                self.close_connection = self.close_connection or size > 0
                return bytes(body)

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
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        if answer.cut:
            self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Simulator:
    """A TDX to try things on.

    Use it as a context manager, or call `start` and `stop`. It may be stopped and started again on the
    same state, as a server that is restarted.

    Args:
        state: What the tenant holds; sample data where it is left out.
        port: Port on the loopback interface; 0 takes a free one, which a restart keeps.
        limits: `off`, `real`, or a factor for the length of the windows (see `limits.Limiter`).
        options: Switches for what the reference leaves open.
        clock: Gives the time now, with a zone.
    """

    def __init__(
        self,
        state: State | None = None,
        port: int = 0,
        limits: LimitMode = "off",
        *,
        options: Options | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.options = Options() if options is None else options
        self.faults = Faults()
        self.calls = CallLog()
        self._port = port
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

    @property
    def state(self) -> State:
        """What the tenant holds."""
        return self.tenant.state

    @property
    def url(self) -> str:
        """Base address of production, without `/api`."""
        return f"http://127.0.0.1:{self._port}/TDWebApi"

    @property
    def control_url(self) -> str:
        """Address below which the control paths are."""
        return f"http://127.0.0.1:{self._port}/_simulator"

    def respond(self, incoming: Incoming) -> Outgoing:
        """Answer a request without a socket, control paths included.

        Args:
            incoming: The request.

        Returns:
            The answer.
        """
        answer = self._control.handle(incoming)
        return self.app.handle(incoming) if answer is None else answer

    def token(self, user_name: str = USER_NAME) -> str:
        """A token for a user, as if they had signed in.

        Args:
            user_name: Whose.

        Returns:
            The token.
        """
        return self.tenant.issue_token(user_name)

    def start(self) -> Self:
        """Listen for calls. Returns once the port accepts connections.

        Returns:
            The simulator.
        """
        self._stopping.clear()
        self._server = _Server(("127.0.0.1", self._port), self.respond)
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
    """The environment variables that point a client at a simulator.

    Args:
        simulator: A simulator that runs.

    Returns:
        Values by name.
    """
    return {
        "TDX_BASE_URL": simulator.url,
        "TDX_TICKET_APP_ID": str(TICKET_APP_ID),
        "TDX_ASSET_APP_ID": str(ASSET_APP_ID),
        "TDX_BEID": BEID,
        "TDX_WEB_SERVICES_KEY": WEB_SERVICES_KEY,
        "DAEMON_REPORT_ID": str(REPORT_ID),
    }
