"""The seeds that every change must survive, and that they would notice a missing protection."""

from collections.abc import Iterator

import pytest

from tests.chaos.mutations import MUTATIONS, first_failure
from tests.chaos.schedule import draw
from tests.chaos.world import CI_SEEDS, World, chaos_world

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos")]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One server for all seeds."""
    with chaos_world() as made:
        yield made


def test_a_seed_gives_the_same_schedule_always() -> None:
    """Or a failing seed could not be replayed."""
    assert draw(7).shown() == draw(7).shown()
    assert draw(7).shown() != draw(8).shown()


def test_whatever_goes_wrong_each_effect_happens_once_and_none_is_lost(world: World) -> None:
    """Faults of TDX, kills, suspensions, a database that goes away, several workers at once."""
    failed = [result.shown() for seed in CI_SEEDS if (result := world.run(seed)).findings]
    assert not failed, "\n\n".join(failed)


@pytest.mark.parametrize("taken_out", MUTATIONS)
def test_without_this_protection_a_seed_fails(world: World, taken_out: str) -> None:
    """A suite that passes without it would prove nothing."""
    assert first_failure(world, taken_out) is not None
