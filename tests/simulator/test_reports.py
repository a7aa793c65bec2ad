"""Reports."""

from typing import Any

import pytest

from tdx_dagster.simulator import Simulator
from tests.simulator.client import Client

REPORT = "/reports/67890"
WITH_DATA = f"{REPORT}?withData=True&dataSortExpression="


def test_rows_come_only_when_asked_for(client: Client) -> None:
    """Must-have 6: without the switch there is null, which is not an empty queue."""
    assert client.get(REPORT).json()["DataRows"] is None
    assert len(client.get(WITH_DATA).json()["DataRows"]) == 3


def test_rows_are_keyed_by_column_name(client: Client, simulator: Simulator) -> None:
    """Not by header; custom attributes by their id, with the choice's name as value."""
    simulator.state.tickets[7002]["Attributes"] = {18375: "9001"}
    report = client.get(WITH_DATA).json()
    headers = {column["HeaderText"]: column["ColumnName"] for column in report["DisplayedColumns"]}
    row = report["DataRows"][1]
    assert (headers["ID"], headers["Requestor"], headers["Lab"]) == (
        "TicketID",
        "CustomerName",
        "18375",
    )
    assert (row["TicketID"], row["CustomerName"], row["18375"]) == (7002, "Zoe Chem", "Room 4")
    assert report["DataRows"][0]["18375"] is None


def test_max_results_is_not_applied_unless_switched(client: Client, simulator: Simulator) -> None:
    """Seen live: the setting is for display. Case A21 wants the other outcome, too."""
    simulator.state.reports[67890]["MaxResults"] = 2
    assert len(client.get(WITH_DATA).json()["DataRows"]) == 3
    simulator.options.report_cap_applied = True
    assert len(client.get(WITH_DATA).json()["DataRows"]) == 2


def test_rows_are_sorted_and_an_unknown_sort_column_is_passed_over(client: Client) -> None:
    """Seen live: a typo in the sort is ignored without a word."""
    rows = client.get(f"{REPORT}?withdata=true&datasortexpression=TicketID DESC").json()["DataRows"]
    assert [row["TicketID"] for row in rows] == [7003, 7002, 7001]
    rows = client.get(f"{REPORT}?withData=true&dataSortExpression={{x}}").json()["DataRows"]
    assert [row["TicketID"] for row in rows] == [7001, 7002, 7003]


def test_finished_tickets_leave_the_report(client: Client) -> None:
    """The report lists what is open, as such reports do."""
    client.post("/46/tickets/7001/feed", {"Comments": "Done", "NewStatusID": 103})
    assert [row["TicketID"] for row in client.get(WITH_DATA).json()["DataRows"]] == [7002, 7003]


@pytest.mark.parametrize(("form", "seen"), [("float", 7001.0), ("text", "7001"), ("integer", 7001)])
def test_ids_come_in_the_form_that_is_switched_on(
    client: Client, simulator: Simulator, form: Any, seen: Any
) -> None:
    """Case A18: the same ticket is a number, a float or a text."""
    simulator.options.report_ids_as = form
    value = client.get(WITH_DATA).json()["DataRows"][0]["TicketID"]
    assert (value, type(value)) == (seen, type(seen))


def test_the_ticket_column_can_be_missing_or_renamed(client: Client, simulator: Simulator) -> None:
    """Case A17: report builders may now name columns as they like."""
    simulator.options.report_renames = {"TicketID": "Ticket ID"}
    assert client.get(WITH_DATA).json()["DataRows"][0]["Ticket ID"] == 7001
    simulator.options.report_omits = ("TicketID",)
    assert "Ticket ID" not in client.get(WITH_DATA).json()["DataRows"][0]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_report_that_is_not_shared_is_refused_as_configured(
    client: Client, simulator: Simulator, status: int | None
) -> None:
    """No source says how; a client must name the report in each case."""
    simulator.options.invisible_report_status = status
    assert client.get("/reports/67892").status_code == status
    assert 67892 not in [report["ID"] for report in client.get("/reports").json()]


def test_reports_can_be_searched(client: Client) -> None:
    """The list of what the caller may see, narrowed down."""
    found = client.post("/reports/search", {"searchText": "OPEN", "forAppId": "46"}).json()
    assert [report["ID"] for report in found] == [67890]


def test_an_asset_report_is_keyed_by_asset_columns(client: Client) -> None:
    """Asset reports have other column names than ticket reports."""
    rows = client.get("/reports/67891?withData=true").json()["DataRows"]
    assert (rows[0]["AssetID"], rows[0]["SerialNumber"]) == (1001, "7K2QX93")


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_text_cell_is_empty_or_null(
    client: Client, simulator: Simulator, empty: str | None
) -> None:
    """Both were seen."""
    simulator.options.report_empty_text = empty
    row = client.get(WITH_DATA).json()["DataRows"][0]
    assert row["ResponsibleGroupName"] == empty


def rows(client: Client) -> list[int]:
    found = client.get("/reports/67890?withData=true").json()["DataRows"]
    return [row["TicketID"] for row in found]


def test_a_status_change_takes_a_ticket_out_of_a_report(
    client: Client, simulator: Simulator
) -> None:
    """By its class: finished ones leave the usual report, and a report may want some classes only."""
    tess = simulator.technician()
    tess.change_status(7001, "Closed")
    assert rows(client) == [7002, 7003]
    simulator.state.reports[67890]["StatusClasses"] = [1]
    tess.change_status(7002, "In Process")
    assert rows(client) == [7003]
    tess.change_status(7001, "New")
    assert rows(client) == [7001, 7003]
    simulator.state.reports[67890] |= {"StatusClasses": [3], "TicketIDs": [7001, 7002]}
    assert rows(client) == []
    tess.change_status(7002, "Closed")
    assert rows(client) == [7002]
    simulator.state.reports[67890]["StatusClasses"] = None
    assert rows(client) == [7001, 7002]
