"""The page `activity`: what was done on each day, by pipeline and action.

Belongs here: counting and the table. Does not: the picture's pixels (`picture`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from tdx_dagster.operations.page import SQL, Page
from tdx_dagster.operations.picture import Series, draw_days
from tdx_dagster.tickets.markdown import table

DAYS = 14
# Few columns: the UI cuts off on the right what is wider than half a page.
HEAD = ("day", "pipeline, action", "tickets", "outcomes")


@dataclass(frozen=True)
class Activity:
    """What happened on one day to one action of one pipeline.

    Args:
        tickets: Tickets with an outcome.
        completed: Actions that were completed.
        failed: Attempts that failed.
        attached: Computers attached.
        none_found: Searches that ended without a computer.
    """

    day: date
    pipeline: str
    action: str
    tickets: int
    completed: int
    failed: int
    attached: int
    none_found: int

    @property
    def cells(self) -> Sequence[object]:
        """Give the row of the table."""
        counts = {
            "completed": self.completed,
            "failed": self.failed,
            "computers attached": self.attached,
            "without a computer": self.none_found,
        }
        outcomes = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        where = ", ".join(filter(None, (self.pipeline, self.action)))
        return f"{self.day:%d %b}", where, f"{self.tickets:,}", outcomes


def read_activity(engine: Engine, zone: ZoneInfo, since: datetime) -> Sequence[Activity]:
    """Read what happened, newest day first.

    Args:
        engine: The database.
        zone: Where a day begins.
        since: The first moment that counts.
    """
    with engine.connect() as connection:
        rows = connection.execute(SQL["activity"], {"zone": zone.key, "since": since})
        return [Activity(**row) for row in rows.mappings()]


def activity_page(engine: Engine, zone: ZoneInfo) -> Page:
    """Make the page of the last days, today among them."""
    today = datetime.now(zone).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    since = datetime.combine(days[0], datetime.min.time(), zone)
    found = read_activity(engine, zone, since)
    said = table(HEAD, [one.cells for one in found]) if found else f"Nothing in {DAYS} days."
    text = f"Days of {zone.key}. A ticket counts once for each action.\n\n{said}"
    return Page(text, _numbers(found, today), draw_days(days, _series(found, days)))


def _numbers(found: Sequence[Activity], today: date) -> dict[str, int | float]:
    """Give today's totals; the UI plots them over the day."""
    now = [one for one in found if one.day == today]
    totals: dict[str, int | float] = {
        "today: actions completed": sum(one.completed for one in now),
        "today: computers attached": sum(one.attached for one in now),
        "today: no computer found": sum(one.none_found for one in now),
        "today: failures": sum(one.failed for one in now),
    }
    by_action = {f"today: {one.pipeline} / {one.action}: tickets": one.tickets for one in now}
    return totals | by_action


def _series(found: Sequence[Activity], days: Sequence[date]) -> Sequence[Series]:
    def of(name: str) -> tuple[int, ...]:
        return tuple(sum(getattr(one, name) for one in found if one.day == day) for day in days)

    return (
        Series("actions completed", "#4f6bed", of("completed")),
        Series("computers attached", "#2e8b57", of("attached")),
        Series("no computer found", "#9aa0a6", of("none_found")),
        Series("failures", "#c62828", of("failed")),
    )
