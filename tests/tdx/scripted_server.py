"""A server that plays a list of answers and faults, one a request, and keeps what it was asked.

For tests of the transport, which need faults down to the byte. How TDX behaves is the simulator's.
"""

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

OPEN = True
CLOSED = False
TOKEN = "aaa.bbb.ccc"


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Wire:
    """What a step plays on: the connection, and whether the server is stopping."""

    connection: socket.socket
    stopping: threading.Event


Step = Callable[[Wire], bool]


def answer(
    status: int = 200, body: object = None, headers: dict[str, str] | None = None, cut: int = 0
) -> Step:
    """A whole answer; with `cut`, so many bytes of it are missing at its end."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if body is None:
        raw = b""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    data = "\r\n".join([*lines, "", ""]).encode() + raw

    def play(wire: Wire) -> bool:
        wire.connection.sendall(data[: len(data) - cut])
        return CLOSED if cut else OPEN

    return play


def raw(data: bytes) -> Step:
    """Bytes that need not be HTTP, then the end."""

    def play(wire: Wire) -> bool:
        wire.connection.sendall(data)
        return CLOSED

    return play


def reset() -> Step:
    """The request is read, then the connection is reset."""

    def play(wire: Wire) -> bool:
        wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return CLOSED

    return play


def silence() -> Step:
    """The request is read, and nothing ever follows."""

    def play(wire: Wire) -> bool:
        wire.stopping.wait()
        return CLOSED

    return play


def drip(start: bytes, every: float = 0.02) -> Step:
    """After a start, one byte now and then, for ever: no time-out of a socket ever fires."""

    def play(wire: Wire) -> bool:
        wire.connection.sendall(start)
        while not wire.stopping.wait(every):
            wire.connection.sendall(b"x")
        return CLOSED

    return play


@dataclass
class ScriptedServer:
    """Plays `script` for all calls but sign-ins, and `sign_ins` for those.

    The last step of each is played again for every further request.
    """

    script: deque[Step] = field(default_factory=deque)
    sign_ins: deque[Step] = field(default_factory=lambda: deque([answer(200, TOKEN.encode())]))
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/TDWebApi"

    @property
    def calls(self) -> list[str]:
        """Requests apart from sign-ins, as `METHOD path`."""
        return [f"{s.method} {s.path}" for s in self.seen if "/api/auth" not in s.path]

    @property
    def signed_in(self) -> int:
        return sum(s.method == "POST" and "/api/auth" in s.path for s in self.seen)

    def play(self, *steps: Step) -> None:
        """Replace the script."""
        self.script = deque(steps)

    def play_sign_in(self, *steps: Step) -> None:
        """Replace what sign-ins are answered."""
        self.sign_ins = deque(steps)

    def stop(self) -> None:
        if self._stopping.is_set():
            return
        self._stopping.set()
        # Closing alone would let the waiting accept take one more connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                reader = connection.makefile("rb")
                while (request := _read(reader)) is not None:
                    with self._lock:
                        self.seen.append(request)
                        step = self._next(request)
                    if not step(Wire(connection, self._stopping)):
                        # Without this the reader would keep the connection open.
                        reader.close()
                        return
        except OSError:
            return

    def _next(self, request: Seen) -> Step:
        signs_in = request.method == "POST" and "/api/auth" in request.path
        steps = self.sign_ins if signs_in else self.script
        return steps.popleft() if len(steps) > 1 else steps[0]


def _read(reader: BinaryIO) -> Seen | None:
    line = reader.readline().decode().split()
    if len(line) < 2:
        return None
    headers: dict[str, str] = {}
    while (text := reader.readline().decode().strip()) != "":
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Seen(line[0], line[1], headers, reader.read(int(headers.get("content-length", "0"))))
