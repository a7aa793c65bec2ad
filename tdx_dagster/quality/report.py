"""The measurement for people: numbers, tables and lists, for the command line and the asset.

Belongs here: what is shown, in plain Python. Does not: Dagster (`assets`), printing (`cli.quality`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tdx_dagster.quality.rates import ALL, QUARTER, Rates, rates_of, rounded
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import NOT_FOUND, Judgement, Outcome

_MARKUP = re.compile(r"[|\[\]<>`\n]")

SHOWN = 200
"""So many removed and missed ones are listed, the latest."""

SILENCE = (
    "Silence is not consent: computers on tickets that nobody worked on afterwards are unseen and count "
    "neither for nor against."
)

COLUMNS = {
    "kept": Outcome.KEPT,
    "removed": Outcome.REMOVED,
    "replaced": Outcome.REPLACED,
    "missed": Outcome.MISS,
    "unseen": Outcome.UNSEEN,
}
HEADINGS = ("evidence", *COLUMNS, "precision", "95 % interval", "recall")
# Few columns: the UI cuts off on the right what is wider than half a page.
PAGE_HEADINGS = ("evidence", "what people did", "precision (95 % interval)", "recall")


class SiteLinks(Protocol):
    """Gives the addresses where people see tickets and assets."""

    def ticket_link(self, ticket_id: int) -> str:
        """Give the address of a ticket."""

    def asset_link(self, asset_id: int) -> str:
        """Give the address of an asset."""


@dataclass(frozen=True)
class QualityReport:
    """What is known at a moment.

    Args:
        now: The moment.
        verdicts: What people did, of all times, the latest first.
        answers: What people said who were asked.
        judged: How many tickets were judged.
        waiting: How many wait.
    """

    now: datetime
    verdicts: Sequence[Judgement]
    answers: Sequence[Judgement]
    judged: int
    waiting: int

    @classmethod
    def read(cls, store: QualityStore, now: datetime) -> "QualityReport":
        """Read it from the database."""
        return cls(
            now,
            store.verdicts(),
            store.verdicts("sample"),
            store.count_judged(),
            store.count_waiting(),
        )

    @property
    def quarter(self) -> list[Rates]:
        """The rates of the last quarter."""
        return rates_of(one for one in self.verdicts if one.at > self.now - QUARTER)

    @property
    def always(self) -> list[Rates]:
        """The rates of all times."""
        return rates_of(self.verdicts)

    @property
    def sampled(self) -> list[Rates]:
        """The rates by people's answers."""
        return rates_of(self.answers)

    @property
    def none_found(self) -> str:
        """What people said who were asked about tickets on which no computer was found."""
        asked = [one for one in self.answers if one.evidence == NOT_FOUND]
        right = sum(one.outcome is Outcome.NONE for one in asked)
        return f"Of {len(asked)} tickets on which none was found, {right} have none to find."

    @property
    def faults(self) -> list[Judgement]:
        """The removed, replaced and missed computers, the latest first."""
        return [one for one in self.verdicts if one.outcome.is_fault]

    def as_json(self) -> dict[str, Any]:
        """Give it for `--json`."""
        return {
            "tickets": {"judged": self.judged, "waiting": self.waiting},
            "quarter": [one.as_json() for one in self.quarter],
            "always": [one.as_json() for one in self.always],
            "sample": [one.as_json() for one in self.sampled],
            "faults": [
                {
                    "ticket_id": one.ticket_id,
                    "asset_id": one.asset_id,
                    "name": one.name,
                    "verdict": one.outcome.value,
                    "evidence": one.evidence,
                }
                for one in self.faults
            ],
            "note": SILENCE,
        }

    def numbers(self) -> dict[str, int | float]:
        """Give the numbers that are plotted over time: those of the last quarter."""
        rates = self.quarter
        whole = rates[0]
        plotted: dict[str, int | float | None] = {
            "precision": rounded(whole.precision),
            "precision, lower bound": rounded(whole.interval[0]) if whole.judged else None,
            "recall": rounded(whole.recall),
            **{name: whole.of(outcome) for name, outcome in COLUMNS.items()},
            "tickets judged": self.judged,
            "tickets waiting": self.waiting,
            **{f"precision: {one.kind}": rounded(one.precision) for one in rates[1:]},
        }
        return {name: number for name, number in plotted.items() if number is not None}


def cells(rates: Rates) -> list[str]:
    """Give a row of the table."""
    low, high = rates.interval
    return [
        rates.kind,
        *(str(rates.of(outcome)) for outcome in COLUMNS.values()),
        percent(rates.precision),
        f"{low:.1%} to {high:.1%}" if rates.judged else "",
        percent(rates.recall),
    ]


def percent(rate: float | None) -> str:
    """Write a rate; nothing where there is none."""
    return "" if rate is None else f"{rate:.1%}"


def rates_table(rates: Sequence[Rates]) -> str:
    """Write the rates as a Markdown table."""
    if not rates[0].counts:
        return "Nothing was judged yet."
    rows = [
        PAGE_HEADINGS,
        tuple("---" for _ in PAGE_HEADINGS),
        *(_page_cells(one) for one in rates),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _page_cells(rates: Rates) -> list[str]:
    low, high = rates.interval
    counts = [(rates.of(outcome), name) for name, outcome in COLUMNS.items()]
    interval = f" ({low:.1%} to {high:.1%})" if rates.judged else ""
    return [
        rates.kind,
        ", ".join(f"{count:,} {name}" for count, name in counts if count),
        f"{percent(rates.precision)}{interval}",
        percent(rates.recall),
    ]


def faults_table(faults: Sequence[Judgement], links: SiteLinks) -> str:
    """Write the removed and missed computers as a Markdown table with links."""
    if not faults:
        return "None."
    rows = [
        f"| [{one.ticket_id}]({links.ticket_link(one.ticket_id)}) | "
        f"[{_plain(one.name) or one.asset_id}]({links.asset_link(one.asset_id)}) | {one.outcome} | "
        f"{one.evidence} | {one.at:%Y-%m-%d} |"
        for one in faults[:SHOWN]
    ]
    more = f"\n\n{len(faults) - SHOWN} earlier ones are left out." if len(faults) > SHOWN else ""
    heading = "| ticket | computer | what people did | evidence | attached |\n| --- | --- | --- | --- | --- |"
    return "\n".join([heading, *rows]) + more


def _plain(name: str) -> str:
    """Remove what Markdown would read as a table, a link or HTML."""
    return _MARKUP.sub(" ", name).strip()


__all__ = ["ALL", "HEADINGS", "SILENCE", "QualityReport", "cells", "faults_table", "rates_table"]
