"""What tests of the TDX port share: a clock that nobody waits for, a scripted server, a client."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.clock import Clock
from tdx_dagster.tdx.sign_in import Credentials
from tests.tdx.scripted_server import ScriptedServer

TICKET_APP, ASSET_APP = 46, 32
# 2018-03-28 16:08:00 GMT, the moment of case A01.
START = 1_522_253_280.0

MakeTdx = Callable[..., Tdx]


@dataclass
class FakeTime:
    """Time that passes only by sleeping."""

    passed: float = 0.0
    slept: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.passed, lambda: START + self.passed, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.stop()


@pytest.fixture
def make_tdx(server: ScriptedServer, time: FakeTime) -> MakeTdx:
    """Makes clients of the scripted server whose waiting takes no time."""

    def make(
        credentials: Credentials | None = None,
        *,
        clock: Clock | None = None,
        time_zone: str = "UTC",
        attempts: int = 6,
        **seconds: float,
    ) -> Tdx:
        return Tdx.create(
            Connection(
                server.url,
                TICKET_APP,
                ASSET_APP,
                credentials or Credentials(username="robot", password="Hunter-2"),
                time_zone,
            ),
            limits=CallLimits(
                attempts=attempts, **{"answer_seconds": 5, "slow_answer_seconds": 5} | seconds
            ),
            clock=clock or time.clock,
        )

    return make


@pytest.fixture
def tdx(make_tdx: MakeTdx) -> Tdx:
    return make_tdx()
