"""HTTP on a socket: reads requests, writes answers, and breaks them where a fault says so.

Contains: the threading server and its handler. The standard library's parser carries it; how the end of a
body is marked is written by hand, because faults need every way of getting it wrong.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tdx_dagster.simulator.app import LARGEST_REQUEST
from tdx_dagster.simulator.messages import Dropped, Incoming, Outgoing

_READ_CHUNK = 64 * 1024
_TRICKLE_PIECES = 100
_CHUNK = 512
_LONGEST_LINE = 10_000
_EARLY_HINTS = {"Link": "</style.css>; rel=preload; as=style"}


class HttpServer(ThreadingHTTPServer):
    """Serve each connection in a thread of its own.

    Args:
        address: Host and port.
        respond: Answers a request.
        tls: Context for https, None for http.
        stopping: Set when pauses are to end.
    """

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

    @property
    def is_quiet(self) -> bool:
        """Whether no connection waits to be accepted, and none has sent anything that was not read yet."""
        sockets = [self.socket, *self.open_sockets]
        try:
            readable, _, _ = select.select([one for one in sockets if one.fileno() >= 0], [], [], 0)
        except (OSError, ValueError):
            return False  # one was closed meanwhile
        return not readable

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as the base class says
        """Count a connection from its acceptance on, before its thread runs."""
        self.open_sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  as the base class says
        """Forget a connection that has ended, however it has."""
        self.open_sockets.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End every open connection, idle ones too."""
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the client.
    disable_nagle_algorithm = True
    server: HttpServer

    def setup(self) -> None:
        # The handshake belongs into the connection's own thread: a client that never finishes it must
        # not block others.
        if self.server.tls is not None:
            self.server.open_sockets.discard(self.request)
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
        path, _, query = self._target().partition("?")
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

    def _target(self) -> str:
        """Return the path and query, also of a client that takes the simulator for a proxy."""
        if not self.path.lower().startswith(("http://", "https://")):
            return self.path
        parts = urlsplit(self.path)
        return f"{parts.path or '/'}?{parts.query}"

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
            size = _whole_number(self._line().partition(";")[0], 16)
            if size == 0:
                while self._line():
                    """Trailers say nothing that is needed."""
                return bytes(body)
            body += self._read_exactly(min(size, LARGEST_REQUEST + 1))
            if len(body) > LARGEST_REQUEST:
                self.close_connection = True
                return bytes(body)
            self._line()

    def _line(self) -> str:
        return self.rfile.readline(_LONGEST_LINE).decode("latin-1").strip()

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
        self._send_interim(answer.interim)
        if answer.only_interim:
            self._drop()
            return
        has_body = self.command != "HEAD" and answer.status not in (
            HTTPStatus.NO_CONTENT,
            HTTPStatus.NOT_MODIFIED,
        )
        self._send_headers(answer, has_body=has_body)
        if has_body:
            for piece in _framed(answer):
                self.wfile.write(piece)
                self._pause(answer)
        if has_body and answer.framing not in ("length", "chunked"):
            self._drop()

    def _send_interim(self, statuses: tuple[int, ...]) -> None:
        for status in statuses:
            self.send_response_only(status)
            for name, value in _EARLY_HINTS.items() if status == HTTPStatus.EARLY_HINTS else ():
                self.send_header(name, value)
            self.end_headers()

    def _send_headers(self, answer: Outgoing, *, has_body: bool) -> None:
        headers: dict[str, str | None] = {"Content-Type": answer.content_type}
        if answer.framing.startswith("chunk"):
            headers["Transfer-Encoding"] = "chunked" if has_body else None
        elif answer.framing != "close" and (has_body or self.command == "HEAD"):
            headers["Content-Length"] = str(len(answer.body))
        if self.close_connection or answer.framing == "close":
            headers["Connection"] = "close"
        elif self.request_version == "HTTP/1.0":
            headers["Connection"] = "keep-alive"
        self.send_response(answer.status)
        for name, value in (headers | answer.headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _pause(self, answer: Outgoing) -> None:
        if answer.trickle_seconds:
            self.wfile.flush()
            self.server.stopping.wait(answer.trickle_seconds / _TRICKLE_PIECES)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _framed(answer: Outgoing) -> Iterator[bytes]:
    """Split a body into the pieces that are written, with their frames."""
    body = answer.body[: len(answer.body) // 2] if answer.framing == "cut" else answer.body
    if not answer.framing.startswith("chunk"):
        size = len(body) // _TRICKLE_PIECES if answer.trickle_seconds else len(body)
        yield from _pieces(body, max(1, size))
        return
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _pieces(body, _CHUNK)]
    match answer.framing:
        case "chunk_cut":
            yield from chunks[:-1]
            yield from (chunk[: len(chunk) // 2] for chunk in chunks[-1:])
        case "chunk_endless":
            yield from chunks
        case "chunk_garbled":
            yield from (*chunks[:-1], b"no number\r\n")
        case _:
            yield from (*chunks, b"0\r\n\r\n")


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def _whole_number(text: str, base: int) -> int:
    """Parse a length: digits and nothing else.

    Raises:
        ValueError: It is something else.
    """
    digits = text.strip()
    if not digits.isalnum():
        raise ValueError(f"no length: {text!r}")
    return int(digits, base)
