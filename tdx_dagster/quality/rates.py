"""Rates of verdicts: precision and recall with their uncertainty, by kind of evidence.

Belongs here: counting, Wilson's interval, Fisher's test, and the verdict of the check. Does not: Dagster.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import comb, sqrt
from statistics import NormalDist
from typing import Any

from tdx_dagster.inventory.checks import Verdict
from tdx_dagster.quality.verdicts import WRONG, Judgement, Outcome

QUARTER = timedelta(days=91)

ENOUGH = 50
"""So many verdicts of a kind say something."""

SIGNIFICANT = 0.01
"""Chance of a false alarm at most, over all kinds together, where nothing has worsened."""

ALL = "all"
Z95 = NormalDist().inv_cdf(0.975)


def wilson(right: int, number: int) -> tuple[float, float]:
    """Give the 95 % interval of a rate (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927); 0 to 1 for no number.

    Unlike the textbook interval it stays within 0 and 1 and says something where nothing was wrong.
    """
    if not number:
        return 0.0, 1.0
    rate, z2 = right / number, Z95**2 / number
    middle, half = rate + z2 / 2, Z95 * sqrt(rate * (1 - rate) / number + z2 / number / 4)
    low = (middle - half) / (1 + z2) if right else 0.0
    high = (middle + half) / (1 + z2) if right < number else 1.0
    return low, high


def chance_of_as_few(right: int, number: int, right_before: int, number_before: int) -> float:
    """Give the chance of so few right ones by luck alone (Fisher's exact test, one-sided)."""
    everything, all_right = number + number_before, right + right_before
    fewest = max(0, all_right - number_before)
    as_few = sum(
        comb(all_right, k) * comb(everything - all_right, number - k)
        for k in range(fewest, right + 1)
    )
    return as_few / comb(everything, number)


@dataclass(frozen=True, slots=True)
class Rates:
    """Verdicts of one kind of evidence, counted."""

    kind: str
    counts: Mapping[Outcome, int] = field(default_factory=dict)

    def of(self, outcome: Outcome) -> int:
        """Give how many."""
        return self.counts.get(outcome, 0)

    @property
    def judged(self) -> int:
        """How many attached computers somebody has seen."""
        return self.of(Outcome.KEPT) + sum(self.of(one) for one in WRONG)

    @property
    def precision(self) -> float | None:
        """Share of those that were kept; None where nobody has seen any."""
        return self.of(Outcome.KEPT) / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the precision."""
        return wilson(self.of(Outcome.KEPT), self.judged)

    @property
    def recall(self) -> float | None:
        """Share of the right computers that were found; None where there is none."""
        right = self.of(Outcome.KEPT) + self.of(Outcome.MISS)
        return self.of(Outcome.KEPT) / right if right else None

    def as_json(self) -> dict[str, Any]:
        """Give it for `--json` and for metadata."""
        low, high = self.interval
        return {
            "evidence": self.kind,
            "kept": self.of(Outcome.KEPT),
            "removed": self.of(Outcome.REMOVED),
            "replaced": self.of(Outcome.REPLACED),
            "missed": self.of(Outcome.MISS),
            "unseen": self.of(Outcome.UNSEEN),
            "rightly_none": self.of(Outcome.NONE),
            "precision": rounded(self.precision),
            "precision_low": rounded(low) if self.judged else None,
            "precision_high": rounded(high) if self.judged else None,
            "recall": rounded(self.recall),
        }


def rounded(rate: float | None) -> float | None:
    """Round a rate for people."""
    return None if rate is None else round(rate, 4)


def rates_of(judgements: Iterable[Judgement]) -> list[Rates]:
    """Count by kind of evidence; the first is that of all."""
    counted: dict[str, Counter[Outcome]] = {ALL: Counter()}
    for one in judgements:
        counted[ALL][one.outcome] += 1
        counted.setdefault(one.evidence, Counter())[one.outcome] += 1
    return [Rates(kind, counts) for kind, counts in sorted(counted.items(), key=_all_first)]


def _all_first(counted: tuple[str, object]) -> tuple[bool, str]:
    return counted[0] != ALL, counted[0]


def check_precision(
    judgements: Sequence[Judgement], now: datetime, min_precision: float
) -> Verdict:
    """Judge each kind: fail where its precision is surely too low, or has surely worsened in a quarter.

    Args:
        judgements: What people did, of all times.
        now: The end of the quarter.
        min_precision: The precision wanted.
    """
    kinds = {kind: _seen(judgements, kind) for kind in {one.evidence for one in judgements}}
    faults = [
        text
        for kind, seen in sorted(kinds.items())
        for text in (
            _too_low(kind, seen, now, min_precision),
            _worsened(kind, seen, now, SIGNIFICANT / len(kinds)),
        )
        if text
    ]
    enough = sum(len(seen) >= ENOUGH for seen in kinds.values())
    said = f"{enough} of {len(kinds)} kinds of evidence have {ENOUGH} verdicts or more; none is too low."
    if faults:
        said = (
            f"{' '.join(faults)} See the removed ones in the metadata of the last materialisation, or run "
            "`tdx-dagster quality`."
        )
    numbers = {"kinds": len(kinds), "kinds_with_enough": enough, "faults": len(faults)}
    return Verdict(said, passed=not faults, is_error=True, numbers=numbers)


def _seen(judgements: Sequence[Judgement], kind: str) -> list[Judgement]:
    """Give what somebody has seen of a kind, newest first."""
    wanted = {Outcome.KEPT, *WRONG}
    seen = [one for one in judgements if one.evidence == kind and one.outcome in wanted]
    return sorted(seen, key=lambda one: (one.at, one.ticket_id, one.asset_id), reverse=True)


def _right(seen: Sequence[Judgement]) -> int:
    return sum(one.outcome is Outcome.KEPT for one in seen)


def _quarter(seen: Sequence[Judgement], now: datetime) -> list[Judgement]:
    return [one for one in seen if now - QUARTER < one.at]


def _too_low(kind: str, seen: Sequence[Judgement], now: datetime, wanted: float) -> str:
    # A small site waits longer than a quarter for enough of them.
    recent = seen[: max(ENOUGH, len(_quarter(seen, now)))]
    low, high = wilson(_right(recent), len(recent))
    if len(recent) < ENOUGH or high >= wanted:
        return ""
    return (
        f"{kind}: {_right(recent)} of {len(recent)} were kept, so that the precision is between {low:.1%} and "
        f"{high:.1%}; at least {wanted:.1%} is wanted."
    )


def _worsened(kind: str, seen: Sequence[Judgement], now: datetime, chance: float) -> str:
    recent, before = _quarter(seen, now), _quarter(seen, now - QUARTER)
    before = before[len(recent) :]
    if len(recent) < ENOUGH or len(before) < ENOUGH:
        return ""
    if chance_of_as_few(_right(recent), len(recent), _right(before), len(before)) >= chance:
        return ""
    return (
        f"{kind}: {_right(recent)} of {len(recent)} were kept in the last quarter, {_right(before)} of "
        f"{len(before)} in the one before: it has worsened."
    )
