"""Find the tickets of a report: the column with their ids, and the ticket application they are in.

Belongs here: candidates for the column, and reading a few tickets to tell the right one. Does not: reading a
report's rows by a known column (`tickets.report`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import Application, Report, ReportColumn, ReportInfo, Ticket
from tdx_dagster.tdx.organisation import Organisation
from tdx_dagster.tdx.parse import parse_id
from tdx_dagster.tickets.report import USUAL_COLUMNS, read_tickets

COLUMNS_TRIED = 4
TICKETS_TRIED = 3
TICKETS = "TDTickets"


@dataclass(frozen=True, slots=True)
class TicketReport:
    """A report whose tickets are known.

    Args:
        info: The report.
        app: Application of its tickets.
        column: Column with their ids.
        tickets: Number of them.
        is_tried: Whether one of them was read.
    """

    info: ReportInfo
    app: Application
    column: str
    tickets: int
    is_tried: bool


class NoTickets(Exception):
    """The tickets of a report cannot be found or read; the text says what to ask for."""


def ticket_reports(
    reports: Sequence[ReportInfo], applications: Sequence[Application]
) -> tuple[ReportInfo, ...]:
    """Give the reports that may list tickets, by name."""
    apps = {app.id for app in applications if app.app_class == TICKETS}
    found = [one for one in reports if one.app_class == TICKETS or one.app_id in apps]
    return tuple(sorted(found, key=lambda one: (one.name.casefold(), one.id)))


def usual_column(columns: Sequence[ReportColumn]) -> str | None:
    """Give the column that holds ticket ids by its name; None where none has a usual name."""
    for usual in USUAL_COLUMNS:
        for column in columns:
            if usual.casefold() in {column.name.casefold(), column.header.casefold()}:
                return column.name
    return None


def find_tickets(
    organisation: Organisation, info: ReportInfo, applications: Sequence[Application]
) -> TicketReport:
    """Read a report and some of its tickets.

    Raises:
        NoTickets: No column holds ids of tickets that the account can read.
        TdxError: The report cannot be read.
    """
    apps = [app for app in applications if app.app_class == TICKETS and app.is_active]
    own = [app for app in apps if app.id == info.app_id]
    if not apps or (info.app_id and not own):
        which = f" {info.app_id}" if info.app_id else ""
        raise NoTickets(
            f"Access to the ticket application{which} of report {info.id} ({info.name})."
        )
    report = organisation.client(apps[0].id, apps[0].id).report(info.id)
    columns = list(_candidates(report))
    if not columns:
        raise NoTickets(
            f"A column with the ticket's ID in report {info.id} ({info.name}); it shows "
            f"{', '.join(column.header or column.name for column in report.columns) or 'no column'}."
        )
    if not report.rows:
        return TicketReport(info, (own or apps)[0], columns[0], 0, is_tried=False)
    return _tried(organisation, info, report, columns, own or apps)


def _tried(
    organisation: Organisation,
    info: ReportInfo,
    report: Report,
    columns: Sequence[str],
    apps: Sequence[Application],
) -> TicketReport:
    found: list[tuple[bool, TicketReport]] = []
    for column in columns:
        for app in apps:
            ids = read_tickets(report, column).ticket_ids
            ticket = _first_readable(organisation, app, ids)
            if ticket is not None:
                one = TicketReport(info, app, column, len(ids), is_tried=True)
                found.append((_shows_title(report, column, ticket), one))
    if not found:
        names = ", ".join(f"{app.id} ({app.name})" for app in apps)
        raise NoTickets(
            f"Permission to see the tickets of report {info.id} ({info.name}) in the ticket application "
            f"{names}: the report lists them, and none of the first can be read."
        )
    return max(found, key=lambda one: one[0])[1]


def _candidates(report: Report) -> Iterator[str]:
    """Give the columns that may hold ticket ids, the likely ones first."""
    try:
        usual = read_tickets(report).column
        yield usual
    except TdxSettingError:
        usual = ""
    keys = dict.fromkeys(key for row in report.rows for key in row)
    others = [key for key in keys if key != usual and _holds_ids(report, key)]
    headers = {column.name: column.header for column in report.columns}
    others.sort(key=lambda key: "id" not in f"{key} {headers.get(key, '')}".casefold())
    yield from others[:COLUMNS_TRIED]


def _holds_ids(report: Report, key: str) -> bool:
    """Whether each row has an id of its own there."""
    ids = [parse_id(row.get(key)) for row in report.rows]
    return None not in ids and len(set(ids)) == len(ids)


def _first_readable(
    organisation: Organisation, app: Application, ids: Sequence[int]
) -> Ticket | None:
    client = organisation.client(app.id, app.id)
    for ticket_id in ids[:TICKETS_TRIED]:
        try:
            return client.ticket(ticket_id)
        except TdxRefused:
            continue
    return None


def _shows_title(report: Report, column: str, ticket: Ticket) -> bool:
    """Whether the ticket's row shows its title: another number may be the id of another ticket."""
    rows = (row for row in report.rows if parse_id(row.get(column)) == ticket.id)
    return any(ticket.title in row.values() for row in rows)
