"""`Simulator`, the object that tests use: a tenant, its switches and logs, and the server in a thread.

Contains: starting and stopping, and a client's settings. What happens on a socket is in `wire`.
"""

import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tdx_dagster.simulator.app import App
from tdx_dagster.simulator.call_log import CallLog
from tdx_dagster.simulator.control import Control
from tdx_dagster.simulator.faults import Faults
from tdx_dagster.simulator.limits import Limiter, LimitMode
from tdx_dagster.simulator.messages import Incoming, Outgoing
from tdx_dagster.simulator.routes import BASE_PATHS
from tdx_dagster.simulator.sample.sample import sample_state
from tdx_dagster.simulator.technician import Technician
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
from tdx_dagster.simulator.wire import HttpServer

_POLL_SECONDS = 0.02


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
        base_path: Path below which the API answers, for example `SBTDWebApi`, `TDDev/TDWebApi` or empty; left
            out, those of production and of the sandbox answer, both for the same tenant.
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
        base_path: str | None = None,
    ) -> None:
        self.options = Options() if options is None else options
        self.faults = Faults()
        self.calls = CallLog()
        self._port = port
        self._tls = tls
        bases = BASE_PATHS if base_path is None else (f"/{base_path}".rstrip("/"),)
        self._base_path = bases[0]
        self._stopping = threading.Event()
        self.tenant = Tenant(sample_state() if state is None else state, self.options, clock)
        self.limiter = Limiter(
            limits,
            clock,
            headers_when_off=lambda: self.options.rate_headers_without_limits,
            rounded_up=lambda: self.options.reset_rounded_up,
        )
        self.app = App(self.tenant, self.limiter, self.faults, self.calls, self._stopping, bases)
        self._control = Control(self.app)
        self._server: HttpServer | None = None
        self._thread: threading.Thread | None = None
        self._counting = threading.Lock()
        self._under_way = 0

    @property
    def state(self) -> State:
        """What the tenant holds."""
        return self.tenant.state

    @property
    def url(self) -> str:
        """Base address, without `/api`; of production where both answer."""
        return f"{self._origin}{self._base_path}"

    @property
    def sandbox_url(self) -> str:
        """Base address of the sandbox, without `/api`."""
        return f"{self._origin}{BASE_PATHS[1]}"

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
        """Whether no call is running or on its way; one whose client gave up may still take effect."""
        return self._under_way == 0 and (self._server is None or self._server.is_quiet)

    def token(self, user_name: str = USER_NAME) -> str:
        """Issue a token to a user without a sign-in call."""
        return self.tenant.issue_token(user_name)

    def technician(
        self,
        user_name: str = "tess.tech",
        *,
        update_type: int | str | None = "right",
        at: str | None = None,
    ) -> Technician:
        """Give somebody at the desk an account, to change tickets while a client is running.

        Args:
            user_name: See `Technician`, as the others.
            update_type: `UpdateType` of the entries they cause.
            at: Date of those entries.
        """
        return Technician(self.app, user_name, update_type=update_type, at=at)

    def start(self) -> Self:
        """Listen for calls. Return once the port accepts connections; do nothing if it does already.

        Raises:
            OSError: The port is taken.
        """
        if self._server is not None:
            return self
        self._stopping.clear()
        self._server = HttpServer(
            ("127.0.0.1", self._port), self.respond, self._tls, self._stopping
        )
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
        "TDX_SIMULATOR": simulator.url,
        "TDX_TICKET_APP_ID": str(TICKET_APP_ID),
        "TDX_ASSET_APP_ID": str(ASSET_APP_ID),
        "TDX_BEID": BEID,
        "TDX_WEB_SERVICES_KEY": WEB_SERVICES_KEY,
        "DAEMON_REPORT_ID": str(REPORT_ID),
    }
