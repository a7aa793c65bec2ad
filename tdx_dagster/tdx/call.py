"""A call to make and how long it may take.

Belongs here: what is known of a call before it is made, and the time it has left. Does not: making it
(`transport`), which calls there are (`client`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from tdx_dagster.tdx.clock import Clock


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call may take. See `bound`.

    Args:
        max_wait_seconds: For all waiting between requests: rate limit, 429, pauses. With 0 a call
            never sleeps and is never repeated, which is what a sensor wants.
        connect_seconds: For a connection to each address of the host.
        answer_seconds: For the whole answer of one request that reads.
        write_seconds: For the whole answer of one request that writes; after it the outcome is unclear.
        slow_answer_seconds: The same for reports (TDX allows their SQL 90 s) and searches that return an
            inventory.
        attempts: Requests of one call at most, sign-in apart.
    """

    max_wait_seconds: float = 120.0
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    write_seconds: float = 60.0
    slow_answer_seconds: float = 300.0
    attempts: int = 6

    def bound(self, *, slow: bool = False) -> float:
        """Give the seconds after which a call has returned or raised, whatever the server does."""
        return self.max_wait_seconds + self.answer(slow=slow)

    def answer(self, *, slow: bool = False, writes: bool = False) -> float:
        """Give the seconds that the answer of one request may take."""
        if slow:
            return self.slow_answer_seconds
        return min(self.write_seconds, self.answer_seconds) if writes else self.answer_seconds


# A sensor's tick must end, limited or not: no waiting, no repeats, and half of Dagster's 60 s a tick.
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


class Budget:
    """The time one call has left, across all its requests."""

    def __init__(self, clock: Clock, limits: CallLimits, call: Call) -> None:
        self._clock = clock
        started = clock.monotonic()
        self._waits_until = started + limits.max_wait_seconds
        self._ends = started + limits.bound(slow=call.slow)
        self.refusals = 0

    @property
    def wait_left(self) -> float:
        """Seconds that may still be spent waiting."""
        return max(self._waits_until - self._clock.monotonic(), 0.0)

    @property
    def time_left(self) -> float:
        """Seconds in which the call must have ended."""
        return self._ends - self._clock.monotonic()
