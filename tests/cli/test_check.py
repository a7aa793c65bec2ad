"""What `check` finds beyond settings: a clock that is off, statuses and tickets that TDX does not have."""

import pytest

from tdx_dagster.actions import AddAsset
from tdx_dagster.cli.check import Finding, Verdict, check_clock, check_statuses, check_ticket
from tdx_dagster.simulator import REPORT_ID
from tdx_dagster.testing import Simulator, client, sample_state
from tdx_dagster.tickets.pipeline import Pipeline


@pytest.mark.parametrize(
    ("offset", "says"), [(3600.0, "60 minutes behind"), (-180.0, "3 minutes ahead of")]
)
def test_a_clock_that_is_off_is_a_warning(offset: float, says: str) -> None:
    found = check_clock(offset)
    assert found is not None
    assert (found.verdict, says in found.text) == (Verdict.WARNING, True)


@pytest.mark.parametrize("offset", [None, 0.4, -119.0])
def test_a_clock_that_agrees_is_not_mentioned(offset: float | None) -> None:
    assert check_clock(offset) is None


def test_a_status_id_that_tdx_lacks_is_named_with_those_in_use() -> None:
    with Simulator(sample_state(tickets=1, assets=5, seed=3)) as simulator:
        found = check_statuses(
            client(simulator), Pipeline("p", (AddAsset(active_status_ids=(38, 987)),))
        )
    assert found.verdict is Verdict.WARNING
    assert "987" in found.text
    assert "38 (Active)" in found.text


def of_tickets(*gone: int) -> Finding:
    """Check the tickets of a report of three, some of which are in another application."""
    with Simulator(sample_state(tickets=3, assets=5, seed=3)) as simulator:
        tickets = list(simulator.state.tickets.values())
        simulator.state.reports[REPORT_ID]["TicketIDs"] = [ticket["ID"] for ticket in tickets]
        for index in gone:
            tickets[index]["AppID"] = 47
        return check_ticket(client(simulator), Pipeline("p", (), report_id=REPORT_ID))


def test_one_ticket_that_cannot_be_read_is_a_warning_and_none_that_can_is_wrong() -> None:
    assert of_tickets().verdict is Verdict.OK
    some = of_tickets(1)
    assert (some.verdict, "1 of the report's first 3" in some.text) == (Verdict.WARNING, True)
    assert of_tickets(0, 1, 2).verdict is Verdict.WRONG
