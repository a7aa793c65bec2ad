"""A desk over the small tenant."""

from collections.abc import Iterator

import pytest

from tdx_dagster.simulator import Simulator
from tests.tenant import small_tenant


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A TDX with tickets 31 to 33."""
    with Simulator(small_tenant()) as running:
        yield running
