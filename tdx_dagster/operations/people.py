"""The pages `waiting_for_a_person` and `no_computer_found`: what a desk has to do itself.

Belongs here: these two lists. Does not: the verdict over what waits (`tickets.checks`).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from tdx_dagster.discovery.results import Reason
from tdx_dagster.operations.page import MOST_ROWS, SQL, Page, shown_of, ticket_cell
from tdx_dagster.state.records import FailureKind
from tdx_dagster.tickets.markdown import moment, one_line, table
from tdx_dagster.tickets.metadata import REMEDIES
from tdx_dagster.tickets.site import Site

DAYS_WITHOUT = 30
# The newest so many are counted by reason.
MOST_COUNTED = 2000

REASONS = {
    Reason.NAMED_IN_TICKET: "computers are named in the ticket, and none could be attached",
    Reason.NAMED_IN_CONVERSATION: "computers are named in the conversation, and none could be attached",
    Reason.ONLY_COMPUTER: "the requestor's only computer could not be attached",
    Reason.NOT_ELIGIBLE: "only computers that do not count are named",
    Reason.SEARCH_INCOMPLETE: "the search was not complete",
    Reason.HAS_ASSETS: "nothing is named, and the ticket has assets already",
    Reason.NO_REQUESTOR: "nothing is named, and the ticket has no requestor",
    Reason.EXCLUDED_ACCOUNT: "nothing is named, and the requestor is a shared account",
    Reason.NOT_EXACTLY_ONE: "nothing is named, and the requestor does not have exactly one computer",
}
# Three columns: the UI cuts off on the right what is wider than half a page.
WAITING_HEAD = ("ticket", "reason", "what to do")


def waiting_page(engine: Engine, site: Site | None) -> Page:
    """List the actions that no run does by itself any more."""
    with engine.connect() as connection:
        rows = connection.execute(SQL["waiting_for_a_person"], {"limit": MOST_ROWS + 1}).all()
        tickets = connection.execute(SQL["count_waiting"]).scalar_one()
    shown = rows[:MOST_ROWS]
    text = table(WAITING_HEAD, [_waiting_cells(row, site) for row in shown])
    more = f"\n\nThe newest {MOST_ROWS} are shown." if len(rows) > MOST_ROWS else ""
    return Page(
        text + more if rows else "No ticket waits for a person.",
        {"tickets": tickets},
    )


def _waiting_cells(row: Any, site: Site | None) -> Sequence[object]:  # noqa: ANN401  a row
    attempts = f"{row.attempts} {'attempt' if row.attempts == 1 else 'attempts'}"
    where = ", ".join(filter(None, (row.pipeline, row.action)))
    return (
        ticket_cell(site, row.ticket_id),
        f"{row.error_message or 'not recorded'} ({where}, since {moment(row.executed_at)}, {attempts})",
        REMEDIES[FailureKind(row.failure_kind)],
    )


def no_computer_page(engine: Engine, site: Site | None) -> Page:
    """List the tickets of the last days on which no computer was found, grouped by reason."""
    since = datetime.now(UTC) - timedelta(days=DAYS_WITHOUT)
    with engine.connect() as connection:
        values = {"since": since, "limit": MOST_COUNTED}
        rows = connection.execute(SQL["no_computer_found"], values).all()
    if not rows:
        return Page(f"No such ticket in {DAYS_WITHOUT} days.", {"tickets": 0})
    counts = Counter(_reason(row.reason) for row in rows)
    place = {reason: number for number, (reason, _) in enumerate(counts.most_common())}
    shown = sorted(rows[:MOST_ROWS], key=lambda row: place[_reason(row.reason)])
    cells = [
        (
            ticket_cell(site, row.ticket_id),
            _reason(row.reason),
            row.message,
            moment(row.executed_at),
        )
        for row in shown
    ]
    text = (
        f"The last {DAYS_WITHOUT} days.\n\n{table(('reason', 'tickets'), counts.most_common())}\n\n"
        f"{table(('ticket', 'reason', 'result', 'when'), cells)}{shown_of(len(shown), len(rows))}"
    )
    numbers = {f"{reason}": count for reason, count in counts.items()}
    return Page(text, {"tickets": len(rows), **numbers})


def _reason(code: str | None) -> str:
    known = {reason.value: words for reason, words in REASONS.items()}
    return known.get(code or "", one_line(code or "") or "not recorded")
