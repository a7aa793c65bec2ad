"""A desk over the small tenant."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tdx_dagster.simulator import Simulator
from tests.tenant import small_tenant

if TYPE_CHECKING:
    import dagster as dg


@pytest.fixture
def instance(tmp_path: Path) -> "Iterator[dg.DagsterInstance]":
    """A real instance in a folder of its own."""
    import dagster as dg  # noqa: PLC0415  unit tests of this folder do without

    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A TDX with tickets 31 to 33."""
    with Simulator(small_tenant()) as running:
        yield running
