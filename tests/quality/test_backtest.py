"""Backtests over closed tickets of a TDX that answers over HTTP, and a real run on the same tickets later."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tdx_dagster.discovery.identifiers import IdentifierSettings
from tdx_dagster.quality.backtest import (
    Backtest,
    Compared,
    Configuration,
    State,
    compare,
    differing,
    ended_with,
)
from tdx_dagster.quality.collect import Collector
from tdx_dagster.quality.past_tickets import PastTicket, PastTickets
from tdx_dagster.quality.rates import rates_of
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import WRONG as WRONG_ONES
from tdx_dagster.quality.verdicts import Outcome
from tdx_dagster.simulator import Simulator, blank_state
from tdx_dagster.tdx.models import StatusClass, Ticket, TicketSearch
from tdx_dagster.testing import Desk, client, inventory_of
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tests.quality.people import ASKER, ROBOT, TECH, Feed, acted, find
from tests.quality.world import sample, settle, wanted

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(days=29)
TICKETS = 48
WRONG = 0.2
CONFIGURATION = Configuration(AddAsset().discovery_settings())


@pytest.fixture
def closed() -> Iterator[Simulator]:
    """Tickets that people have worked through without a robot."""
    with Simulator(sample(TICKETS)) as simulator:
        settle(simulator, wanted(simulator.state, WRONG, 1))
        yield simulator


def backtest(
    simulator: Simulator, database: Engine, configuration: Configuration
) -> list[Compared]:
    tdx, tickets = client(simulator), PastTickets(database)
    tickets.search(tdx, SINCE, datetime.now(UTC))
    ids = tickets.read(tdx, SINCE, None)
    inventory = inventory_of(simulator)
    return [one for part in tickets.tickets(ids) for one in compare(part, configuration, inventory)]


def test_a_backtest_foretells_a_real_run_and_writes_nothing(
    closed: Simulator, database: Engine
) -> None:
    """It attaches what the run attaches, and people make of it what the backtest says."""
    before_it = len(closed.calls)
    found = backtest(closed, database, CONFIGURATION)
    made = [call for call in list(closed.calls)[before_it:] if "/auth" not in call.path]
    assert {call.method for call in made if "search" not in call.path} == {"GET"}
    assert len(made) <= 2 * TICKETS + 1
    compared = {one.ticket_id: one for one in Backtest(found).of(State.COMPARED)}
    linked = {ticket for ticket, right in wanted(closed.state, WRONG, 1).items() if right}
    assert compared.keys() == linked

    with Simulator(sample(TICKETS)) as later:
        Desk.over(later, database, AddAsset()).run(*later.state.tickets)
        robots = {ticket: set(later.state.asset_ids_of(ticket)) for ticket in compared}
        assert {ticket: one.would for ticket, one in compared.items()} == robots
        settle(later, wanted(later.state, WRONG, 1))
        store = QualityStore(database)
        collector = Collector(client(later), store, inventory_of(later))
        collector.collect(NOW + timedelta(days=20), TICKETS)
    verdicts = store.verdicts()
    for what, outcomes in (("agreed", {Outcome.KEPT}), ("wrong", WRONG_ONES)):
        real = {(one.ticket_id, one.asset_id) for one in verdicts if one.outcome in outcomes}
        told = {(number, it) for number, one in compared.items() for it in getattr(one, what)}
        # What was on a ticket before the robot came is no work of its, and has no verdict.
        assert real == {one for one in told if one[0] not in linked_before(later)}, what
    foretold = Backtest(found)
    assert foretold.precision == pytest.approx(rates_of(verdicts)[0].precision, abs=0.03)
    assert foretold.as_json()["agreed"] == foretold.count("agreed")


def linked_before(simulator: Simulator) -> set[int]:
    """Give the tickets of the sample that had a computer before the robot came."""
    truths = simulator.state.truths.items()
    return {ticket for ticket, truth in truths if truth["kind"] == "attached"}


def test_a_second_configuration_costs_no_call_and_shows_where_it_differs(
    closed: Simulator, database: Engine
) -> None:
    first = backtest(closed, database, CONFIGURATION)
    before_it = len(closed.calls)
    named = next(one for one in first if one.would)
    name = next(
        a["Name"] for a in closed.state.assets.values() if a["ID"] in named.would and a["Name"]
    )
    ignoring = IdentifierSettings(ignore_identifiers=(name,))
    settings = replace(CONFIGURATION.settings, identifiers=ignoring)
    second = backtest(closed, database, Configuration(settings))
    assert len(closed.calls) == before_it
    assert all(one.would != other.would for one, other in differing(first, second))
    assert len(first) == len(second) == TICKETS


def test_what_was_read_before_a_stop_is_not_read_again(closed: Simulator, database: Engine) -> None:
    tdx, tickets = client(closed), PastTickets(database)
    tickets.search(tdx, SINCE, datetime.now(UTC))
    assert len(tickets.read(tdx, SINCE, 5)) == 5
    tickets.read(tdx, SINCE, None)
    made = [number for name, number in tdx.calls.items() if name.startswith("GET")]
    assert tdx.calls["GET /{app}/tickets/{id}/feed"] == TICKETS
    assert sum(made) <= 2 * TICKETS
    tickets.read(tdx, SINCE, None)
    assert [number for name, number in tdx.calls.items() if name.startswith("GET")] == made
    tickets.forget()
    assert tickets.read(tdx, SINCE, None) == []


def past(feed: Feed, **more: object) -> PastTicket:
    ticket = Ticket(7, "", "", None, 1, "Closed", StatusClass.COMPLETED, ASKER, "Ann", "", None)
    return replace(PastTicket(7, ticket, tuple(feed.entries), None, frozenset()), **more)  # type: ignore[arg-type]


def test_later_entries_are_left_out() -> None:
    feed = Feed().say(ASKER, "It is PC-1.").add(TECH, "PC-1").say(TECH, "No, PC-2.")
    assert [entry.body for entry in past(feed).before()] == ["It is PC-1."]
    robot = Feed(start=acted().at - timedelta(minutes=1.5)).say(ASKER, "Hello").say(TECH, "Hi")
    assert [entry.body for entry in past(robot, acted=acted(())).before()] == ["Hello"]


def test_people_end_with_what_they_linked_or_kept() -> None:
    feed = Feed().add(TECH, "PC-1", "PC-2").remove(TECH, "PC-1")
    assert ended_with(past(feed), find).right == {2}
    kept = Feed().add(ROBOT, "PC-1").say(TECH, "Done.")
    assert ended_with(past(kept, acted=acted()), find).right == {1}


def test_what_nobody_has_looked_at_is_neither_right_nor_wrong() -> None:
    feed = Feed().add(ROBOT, "PC-1").say(ASKER, "Thanks")
    ended = ended_with(past(feed, acted=acted()), find)
    assert (ended.right, ended.unseen, ended.is_handled) == (frozenset(), {1}, False)
    assert not Compared(7, State.COMPARED, frozenset({1}), ended).wrong


def test_what_people_took_off_is_wrong_and_names_of_two_are_unclear() -> None:
    feed = Feed().add(ROBOT, "PC-1").remove(TECH, "PC-1")
    ended = ended_with(past(feed, acted=acted()), find)
    assert ended.is_handled
    assert Compared(7, State.COMPARED, frozenset({1}), ended).wrong == {1}
    assert not ended_with(past(Feed().add(TECH, "TWIN")), find).is_clear


def test_a_search_gives_more_tickets_than_tdx_does_unasked() -> None:
    state = blank_state()
    at = (NOW - timedelta(days=1)).isoformat()
    for number in range(1, 302):
        state.add_ticket(ID=number, Title="x", ModifiedDate=at)
    with Simulator(state) as simulator:
        assert len(client(simulator).search_tickets(TicketSearch(SINCE, NOW))) == 301
