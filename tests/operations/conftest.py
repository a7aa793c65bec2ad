"""A TDX on which one ticket names no computer."""

from collections.abc import Iterator

import pytest

from tdx_dagster.simulator import Simulator
from tests.tenant import BOB, small_tenant


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Tickets 31 to 34; the requestor of the last has two computers, so that none is taken."""
    tenant = small_tenant()
    tenant.add_ticket(ID=34, Title="Need help", RequestorUid=BOB)
    with Simulator(tenant) as running:
        yield running
