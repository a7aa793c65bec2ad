"""The seeds that every change must survive, and that they would notice a missing protection."""

from collections.abc import Iterator

import pytest

from tests.chaos.mutations import MUTATIONS, first_failure
from tests.chaos.scenes import SCENES
from tests.chaos.schedule import draw
from tests.chaos.world import CI_SEEDS, World, chaos_world

# A busy machine is no fault: the time-out of all tests is far from what a few seeds take.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SEEDS_PER_TEST = 5
OBSERVED = range(1, 3)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One server for all seeds."""
    with chaos_world() as made:
        yield made


def test_a_seed_gives_the_same_schedule_always() -> None:
    """Or a failing seed could not be replayed."""
    assert draw(7).shown() == draw(7).shown()
    assert draw(7).shown() != draw(8).shown()


@pytest.mark.parametrize("first", CI_SEEDS[::SEEDS_PER_TEST])
def test_whatever_goes_wrong_each_effect_happens_once_and_none_is_lost(
    world: World, first: int
) -> None:
    """Faults of TDX, kills, suspensions, a database that goes away, people, several workers at once."""
    seeds = range(first, first + SEEDS_PER_TEST)
    failed = [result.shown() for seed in seeds if (result := world.run(seed)).findings]
    assert not failed, "\n\n".join(failed)


def test_observing_changes_nothing_whatever_goes_wrong_and_acting_then_happens_once(
    world: World,
) -> None:
    """The same troubles twice: first in observe mode, then for real."""
    played = [world.play(draw(seed), observes_first=True) for seed in OBSERVED]
    failed = [result.shown() for result in played if result.findings]
    assert not failed, "\n\n".join(failed)


@pytest.mark.parametrize("taken_out", MUTATIONS)
def test_without_this_protection_a_seed_fails(world: World, taken_out: str) -> None:
    """A suite that passes without it would prove nothing, and so would one that fails with it."""
    for scene in SCENES.get(taken_out, ()):
        assert not world.play(scene).findings
    assert first_failure(world, taken_out) is not None
