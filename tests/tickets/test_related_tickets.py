"""`related_tickets`: what else is open for the requestor and the computers, in two searches at most."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import CLOSED, IN_PROCESS
from tdx_dagster.tdx.bodies import ticket_search_body
from tdx_dagster.tdx.models import TicketSearch
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.related_tickets import RelatedTickets
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.once.outcomes import Result
from tests.tenant import ANN, BOB

from .desk import Desk

SEARCH = "/{app}/tickets/search"
ITEMS = "/{app}/tickets/{id}/assets"


@pytest.fixture
def busy(simulator: Simulator) -> Simulator:
    """Ticket 31 is about PSYC-GID08 and Ann's; there are others of hers and of that computer."""
    state = simulator.state
    for number, more in {
        41: {"RequestorUid": BOB, "Title": "Slow <b>since</b>\nMonday", "StatusID": IN_PROCESS},
        42: {"RequestorUid": BOB, "Title": "Was slow", "StatusID": CLOSED},
        43: {"RequestorUid": ANN, "Title": "And again"},
    }.items():
        state.add_ticket(ID=number, **more)
        simulator.technician("tess.technician").add_asset(number, 1002)
    return simulator


def searches(simulator: Simulator) -> list[Any]:
    """What was searched for."""
    return [json.loads(one.body) for one in simulator.calls.matching("POST", SEARCH)]


def test_open_tickets_of_the_requestor_and_the_computers_are_in_the_summary_each_once(
    busy: Simulator, database: Engine
) -> None:
    desk = Desk.over(busy, database, AddAsset(), RelatedTickets(), SummaryComment())
    shown = {one.action_name: one for one in desk.outcomes(31, dry_run=True)}["related_tickets"]
    assert list(shown.summary_lines) == [
        "Open tickets of Ann Onimo: 43 And again (New); 32 Need help (New)"
    ]
    searched, read = len(searches(busy)), busy.calls.count("GET", ITEMS)
    done = {one.action_name: one for one in desk.outcomes(31)}["related_tickets"]
    assert list(done.summary_lines) == [
        "Open tickets of Ann Onimo: 43 And again (New); 32 Need help (New)",
        "Other open tickets of PSYC-GID08: 41 Slow [b]since[/b] Monday (In Process)",
    ]
    assert (len(searches(busy)) - searched, busy.calls.count("GET", ITEMS) - read) == (2, 1)
    posted = busy.state.feed_of_ticket(31)[-1]["Body"]
    assert "Other open tickets of PSYC-GID08: 41 Slow" in posted
    assert desk.outcomes(31) == []


def test_what_an_earlier_run_has_attached_counts_and_the_rest_is_counted(
    busy: Simulator, database: Engine
) -> None:
    Desk.over(busy, database, AddAsset()).run(31)
    for number in range(50, 54):
        busy.state.add_ticket(ID=number, RequestorUid=ANN, Title="x" * 90)
    (done,) = Desk.over(busy, database, RelatedTickets(max_tickets=1)).outcomes(31)
    assert list(done.summary_lines) == [
        f"Open tickets of Ann Onimo: 53 {'x' * 79}… (New); and 5 more",
        "Other open tickets of PSYC-GID08: 41 Slow [b]since[/b] Monday (In Process)",
    ]


def test_a_ticket_without_requestor_and_computers_is_searched_for_nothing(
    busy: Simulator, database: Engine
) -> None:
    """An empty filter would find every ticket (case A38)."""
    busy.state.add_ticket(ID=60, Title="Nobody", RequestorUid=None)
    (done,) = Desk.over(busy, database, RelatedTickets()).outcomes(60)
    assert (done.result, done.message) == (Result.COMPLETED, "No related tickets are open")
    assert (searches(busy), list(done.summary_lines)) == ([], [])


@pytest.mark.parametrize(
    "search",
    [
        TicketSearch(),
        TicketSearch(requestor_uids=()),
        TicketSearch(requestor_uids=("",)),
        TicketSearch(item_ids=()),
    ],
)
def test_a_search_that_would_find_every_ticket_is_refused(search: TicketSearch) -> None:
    with pytest.raises(ValueError, match="would find every ticket"):
        ticket_search_body(search)
