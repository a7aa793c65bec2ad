"""Reports: unreadable is not empty, and no row is dropped in silence."""

from typing import Any

import pytest

from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tdx.models import Report, ReportColumn
from tdx_dagster.tickets.report import read_tickets


def report(*rows: dict[str, Any], columns: tuple[ReportColumn, ...] = (), cap: int = 0) -> Report:
    return Report(67890, "Queue", cap, columns, rows)


def test_a18_ids_as_number_text_and_float_are_one_ticket() -> None:
    """Spreadsheets and JSON write the same id in many ways."""
    rows = [{"TicketID": value} for value in (31, 31.0, "31", " 31 ", "31.0")]
    assert read_tickets(report(*rows)).ticket_ids == (31,)


def test_rows_with_unusable_ids_are_counted_and_named() -> None:
    """Nothing is lost without a trace."""
    found = read_tickets(
        report({"TicketID": 31}, {"TicketID": None}, {"TicketID": "x"}, {"TicketID": -3}, {})
    )
    assert found.ticket_ids == (31,)
    assert found.rejected == ("None", "'x'", "-3", "None")


@pytest.mark.parametrize("name", ["TicketID", "Ticket ID", "ID", "ticketid"])
def test_a17_the_column_is_found_under_its_usual_names(name: str) -> None:
    """Release 12.2 lets people rename columns."""
    assert read_tickets(report({name: 31, "Title": "x"})).ticket_ids == (31,)


def test_a17_a_column_named_by_its_header_is_read_by_its_key() -> None:
    """Rows are keyed by column name, never by header."""
    column = ReportColumn("Incident", "18375", "TicketID")
    assert read_tickets(report({"TicketID": 31}, columns=(column,)), "Incident").ticket_ids == (31,)
    column = ReportColumn("Incident", "18375", None)
    assert read_tickets(report({"18375": 31}, columns=(column,)), "Incident").ticket_ids == (31,)


def test_a17_a_report_without_the_column_fails_with_the_columns_seen() -> None:
    """It must not look like an empty queue."""
    with pytest.raises(TdxSettingError, match=r"columns seen: Nr.*ticket_column"):
        read_tickets(report({"Nr": 31}))
    with pytest.raises(TdxSettingError, match="Nr"):
        read_tickets(report({"Nr": 31}), "TicketID")
    with pytest.raises(TdxSettingError, match="no row has a ticket id"):
        read_tickets(report({"TicketID": "x"}))


def test_an_empty_report_is_empty() -> None:
    """No rows is normal, whether columns are shown or not."""
    column = ReportColumn("ID", "TicketID", "TicketID")
    assert read_tickets(report()).ticket_ids == ()
    assert read_tickets(report(columns=(column,))).ticket_ids == ()


def test_an_empty_report_of_other_columns_is_refused_before_it_fills() -> None:
    """A wrong report is found on the day it is set up."""
    with pytest.raises(TdxSettingError, match="Name"):
        read_tickets(report(columns=(ReportColumn("Name", "Name", None),)))


def test_a21_a_report_at_its_cap_is_flagged() -> None:
    """Absence then means nothing."""
    rows = [{"TicketID": ticket} for ticket in (31, 32)]
    assert read_tickets(report(*rows, cap=2)).may_be_cut
    assert not read_tickets(report(*rows, cap=50)).may_be_cut
    assert not read_tickets(report(*rows, cap=1)).may_be_cut, "the cap does not apply"
    assert not read_tickets(report(cap=50)).may_be_cut
