"""Report rows → ticket ids.

"Could not be read" never looks like "nothing there" (case A22): a report without a usable column raises.
Rows with unusable ids are counted and named, never dropped in silence (cases A17, A18).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tdx.models import Report
from tdx_dagster.tdx.parse import parse_id

# Tried in this order where a pipeline names no column; release 12.2 lets people rename columns.
USUAL_COLUMNS = ("TicketID", "Ticket ID", "ID")


@dataclass(frozen=True, slots=True)
class ReportTickets:
    """The tickets of a report.

    Args:
        ticket_ids: Each once, in the order of the report.
        rejected: Values that are no ticket id, as text.
        column: The row key they were read from.
        may_be_cut: The rows reach the report's cap: absence means nothing (case A21).
    """

    ticket_ids: tuple[int, ...]
    rejected: tuple[str, ...]
    column: str
    may_be_cut: bool


NO_TICKETS = ReportTickets((), (), "", may_be_cut=False)
"""Stands for a report that could not be read."""


def read_tickets(report: Report, column: str | None = None) -> ReportTickets:
    """Find the tickets of a report.

    Args:
        report: As read with its data.
        column: The ticket column, as a row key, a column name or a header; None finds it.

    Raises:
        TdxSettingError: The report has rows and none has the column.
    """
    key = _ticket_key(report, column)
    ids: dict[int, None] = {}
    rejected = []
    for row in report.rows:
        ticket_id = parse_id(row.get(key))
        if ticket_id is None:
            rejected.append(repr(row.get(key))[:80])
        else:
            ids[ticket_id] = None
    if report.rows and not ids:
        raise TdxSettingError(
            f"Report {report.id} ({report.name}): no row has a ticket id in column {key!r}; "
            f"columns seen: {', '.join(_columns_seen(report))}. Name the right one as ticket_column."
        )
    # With more rows than its maximum, the maximum does not apply.
    may_be_cut = 0 < report.max_results == len(report.rows)
    return ReportTickets(tuple(ids), tuple(rejected), key, may_be_cut)


def _ticket_key(report: Report, column: str | None) -> str:
    wanted = (column,) if column else USUAL_COLUMNS
    keys = {key for row in report.rows for key in row}
    for name in wanted:
        for key in _keys_of(name, report):
            if key in keys:
                return key
    displayed = {name for name in wanted for _ in _keys_of(name, report)[1:]}
    if not report.rows and (displayed or not report.columns):
        return wanted[0]
    raise TdxSettingError(
        f"Report {report.id} ({report.name}) has no column {' or '.join(map(repr, wanted))}; columns seen: "
        f"{', '.join(_columns_seen(report)) or 'none'}. Add the ticket id to the report in TDX, or name its "
        "column as ticket_column in the pipeline's defs.yaml."
    )


def _keys_of(name: str, report: Report) -> Sequence[str]:
    """Give the row keys a name may stand for: itself, then those of the column so headed."""
    folded = name.casefold()
    found = [name]
    for column in report.columns:
        if folded in {column.header.casefold(), column.name.casefold()}:
            found += [key for key in (column.sort_name, column.name) if key]
    found += [key for key in _row_keys(report.rows) if key.casefold() == folded]
    return found


def _row_keys(rows: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _columns_seen(report: Report) -> Sequence[str]:
    headed = [
        column.name if column.header in {"", column.name} else f"{column.name} ({column.header})"
        for column in report.columns
    ]
    known = {column.name for column in report.columns}
    known |= {column.sort_name for column in report.columns if column.sort_name}
    return headed + [key for key in _row_keys(report.rows) if key not in known]
