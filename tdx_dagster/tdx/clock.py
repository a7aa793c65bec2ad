"""Time as an input: what the port reads and how it waits.

Every part that waits or looks at the time takes a `Clock`, so that tests move time instead of
spending it. Nothing else belongs here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The time and a way to let it pass.

    Args:
        monotonic: Seconds that never run backwards; for spans.
        now: Unix seconds; only for comparing with times that TDX names.
        sleep: Waits for so many seconds.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


REAL_CLOCK = Clock()
