"""A hub of other people's jobs over the small tenant."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.simulator import Simulator
from tests.hub.hub import build, load
from tests.tenant import small_tenant


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A TDX with tickets 31 to 33."""
    with Simulator(small_tenant()) as running:
        yield running


@pytest.fixture
def hub(bare_url: str, simulator: Simulator) -> Iterator[Engine]:
    """The hub before any migration of ours, filled from that TDX."""
    made = make_engine(bare_url)
    build(made)
    load(made, simulator.state.assets.values(), simulator.state.people.values())
    yield made
    made.dispose()
