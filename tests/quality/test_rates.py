"""Rates and the check, over simulated technicians whose true error rates are known."""

import random
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.quality.judge import judge
from tdx_dagster.quality.rates import (
    ENOUGH,
    QUARTER,
    chance_of_as_few,
    check_precision,
    rates_of,
    wilson,
)
from tdx_dagster.quality.verdicts import Judgement, Outcome
from tdx_dagster.tickets.actions import link_lines
from tests.quality.people import ASKER, ROBOT, START, TECH, Feed, acted, find
from tests.quality.technician import KINDS, ModelDesk

NOW = START + timedelta(days=30)
SEEDS = 200
TICKETS = 150


@pytest.fixture(autouse=True)
def _texts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few texts in many feeds."""
    monkeypatch.setattr(link_lines, "visible_text", cache(link_lines.visible_text))


def judged(feed: Feed) -> Judgement:
    """The verdict about the only computer of a ticket."""
    (found,) = judge(acted(), feed.entries, find)
    return found


def linked() -> Feed:
    return Feed().add(ROBOT, "PC-1")


KEPT = judged(linked().say(TECH, "Done."))
REMOVED = judged(linked().remove(TECH, "PC-1"))
NOBODY = judged(linked().say(ASKER, "Any news?"))


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0.01, 0.02, 0.05, 0.1, 0.2])
def test_the_interval_covers_the_true_precision_in_93_of_100_seeds(wrong: float) -> None:
    """Verdicts are those of the product on feeds, and each is what it must be: nothing unseen is kept."""
    desk, covered = ModelDesk(dict.fromkeys(KINDS, wrong)), 0
    for seed in range(SEEDS):
        worked = list(desk.tickets(random.Random(seed), TICKETS))
        for one in worked:
            assert {it.asset_id: it.outcome for it in one.verdicts} == one.expected
        whole = rates_of(it for one in worked for it in one.verdicts)[0]
        low, high = whole.interval
        covered += low <= 1 - wrong <= high
    assert covered >= 0.93 * SEEDS


@pytest.mark.parametrize("seed", range(20))
def test_a_kind_with_80_percent_precision_turns_the_check_red_within_100_verdicts(
    seed: int,
) -> None:
    bad, *good = KINDS
    desk = ModelDesk({bad: 0.2} | dict.fromkeys(good, 0.005))
    given = [it for one in desk.tickets(random.Random(seed), 700) for it in one.verdicts]
    seen = {Outcome.KEPT, Outcome.REMOVED, Outcome.REPLACED}
    of_bad = [one for one in given if one.evidence == bad and one.outcome in seen][:100]
    assert len(of_bad) == 100
    text = check_precision([one for one in given if one.at <= of_bad[-1].at], NOW, 0.98)
    assert not text.passed
    assert bad in text.text
    assert not any(kind in text.text for kind in good)


def test_fewer_than_50_verdicts_turn_nothing_red() -> None:
    few = [replace(REMOVED, ticket_id=number) for number in range(ENOUGH - 1)]
    assert check_precision(few, NOW, 0.98).passed
    more = [*few, replace(REMOVED, ticket_id=ENOUGH)]
    assert not check_precision(more, NOW, 0.98).passed


def test_a_fault_that_is_corrected_is_green_again_a_quarter_later() -> None:
    old = [replace(REMOVED, ticket_id=number) for number in range(60)]
    later = NOW + 2 * QUARTER
    new = [replace(KEPT, ticket_id=100 + n, at=later - timedelta(days=9)) for n in range(60)]
    assert not check_precision(old, NOW, 0.98).passed
    assert check_precision([*new, *old], later, 0.98).passed


def test_a_precision_that_worsens_turns_the_check_red_above_the_wanted_one() -> None:
    """90 % are wanted; 100 % in one quarter and 92 % in the next are worse all the same."""
    before = [replace(KEPT, ticket_id=n, at=NOW - 1.5 * QUARTER) for n in range(200)]
    now = [replace(KEPT if n % 12 else REMOVED, ticket_id=300 + n, at=NOW) for n in range(200)]
    found = check_precision([*now, *before], NOW, 0.9)
    assert not found.passed
    assert "it has worsened" in found.text
    assert check_precision([*now, *[replace(one, at=before[0].at) for one in now]], NOW, 0.9).passed


def test_unseen_ones_count_neither_for_nor_against() -> None:
    rates = rates_of([KEPT, REMOVED, NOBODY, NOBODY])[0]
    assert (rates.precision, rates.recall, rates.of(Outcome.UNSEEN)) == (0.5, 1.0, 2)
    assert rates_of([NOBODY])[0].precision is None
    assert rates_of([])[0].interval == (0.0, 1.0)


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    """Values of Brown, Cai and DasGupta's formula, worked out by hand."""
    assert wilson(81, 100) == pytest.approx((0.7222, 0.8749), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


@given(st.integers(1, 3000), st.data())
def test_the_interval_holds_the_rate_and_stays_within_0_and_1(
    number: int, data: st.DataObject
) -> None:
    right = data.draw(st.integers(0, number))
    low, high = wilson(right, number)
    assert 0 <= low <= right / number <= high <= 1


def test_fishers_chance_is_that_of_the_lady_who_tastes_tea() -> None:
    """4 cups of each kind, 3 told apart: 17 of 70 ways are as good or better."""
    assert chance_of_as_few(1, 4, 3, 4) == pytest.approx(17 / 70)
    assert chance_of_as_few(10, 10, 10, 10) == pytest.approx(1.0)
