"""An inventory too old to be trusted: TDX is asked about each record before anything is decided."""

import logging
from typing import Any

import pytest

from tdx_dagster.discovery.discover import (
    Discovery,
    DiscoverySettings,
    Enquiry,
    Reason,
    discover,
)
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import Asset
from tests.inventory.records import REQUESTOR, ScriptedSearch, asset, computer, ticket


def find(
    title: str, old: list[Any], tdx: ScriptedSearch, *, is_distrusted: bool = True, **settings: Any
) -> Discovery:
    """Discover with what the inventory has from long ago, and what TDX has today."""
    inventory = MemoryInventory(old, is_distrusted=is_distrusted)
    return discover(Enquiry(ticket(title=title)), inventory, tdx, DiscoverySettings(**settings))


def ids(found: Discovery) -> list[int]:
    return [match.computer.asset_id for match in found.matches]


def test_a_hit_that_tdx_confirms_is_believed_and_read_once() -> None:
    """However often it is named; it need not be read again before it is attached."""
    tdx = ScriptedSearch(asset(id=1, name="LIB-PC-1", serial_number="7K2QX93"))
    old = [computer(asset_id=1, name="LIB-PC-1", serial_number="7K2QX93")]
    found = find("lib-pc-1 and LIB-PC-1, serial 7K2QX93", old, tdx)
    assert (ids(found), tdx.read, tdx.asked) == ([1], [1], [])
    assert found.matches[0].computer.is_confirmed


def test_a_fresh_inventory_is_believed_without_asking() -> None:
    """Each ticket would cost calls otherwise."""
    tdx = ScriptedSearch(asset(id=1, name="LIB-PC-1"))
    found = find("lib-pc-1", [computer(asset_id=1, name="LIB-PC-1")], tdx, is_distrusted=False)
    assert (ids(found), tdx.read) == ([1], [])


def test_a_computer_that_was_renamed_since_is_not_the_one_that_is_meant() -> None:
    """The name went to another machine, which a search finds."""
    tdx = ScriptedSearch(asset(id=1, name="LIB-OLD-1"), asset(id=2, name="LIB-PC-1"))
    found = find("lib-pc-1 is slow", [computer(asset_id=1, name="LIB-PC-1")], tdx)
    assert (ids(found), tdx.read, len(tdx.asked)) == ([2], [1], 1)


def test_a_computer_that_tdx_no_longer_has_is_not_found() -> None:
    """And the search that follows finds none either: the ticket is left to people."""
    tdx = ScriptedSearch()
    found = find("lib-pc-1 is slow", [computer(asset_id=1, name="LIB-PC-1")], tdx)
    assert (ids(found), found.not_eligible) == ([], ())


def test_a_machine_that_was_retired_then_and_is_active_now_counts() -> None:
    """Believed, the old record would have kept it, and the last resort, from the ticket."""
    tdx = ScriptedSearch(asset(id=1, name="LIB-PC-1"))
    old = [computer(asset_id=1, name="LIB-PC-1", status_name="Retired")]
    found = find("lib-pc-1", old, tdx)
    assert (ids(found), found.reason) == ([1], Reason.NAMED_IN_TICKET)


def test_a_machine_that_is_retired_now_stands_in_the_way_of_the_last_resort() -> None:
    """The ticket is about that one."""
    tdx = ScriptedSearch(asset(id=1, name="LIB-PC-1", status_name="Retired", status_id=39))
    found = find("lib-pc-1", [computer(asset_id=1, name="LIB-PC-1")], tdx)
    assert (ids(found), found.reason) == ([], Reason.NOT_ELIGIBLE)


def test_the_requestors_computers_are_those_that_tdx_names_today() -> None:
    """One was bought since: an old "only computer" would be a guess."""
    old = [computer(asset_id=1, name="ROBIN-1", owner_uid=REQUESTOR)]
    one, two = (asset(id=n, name=f"ROBIN-{n}", owner_uid=REQUESTOR) for n in (1, 2))
    both = find("slow", old, ScriptedSearch(one, two))
    assert (ids(both), both.reason) == ([], Reason.NOT_EXACTLY_ONE)
    tdx = ScriptedSearch(two)
    only = find("slow", old, tdx)
    assert (ids(only), only.reason, tdx.read) == ([2], Reason.ONLY_COMPUTER, [])
    assert only.api_searches == 1
    assert only.matches[0].computer.is_confirmed


def test_without_a_search_left_there_is_no_last_resort() -> None:
    """The number of calls stays bounded."""
    tdx = ScriptedSearch(asset(id=1, name="ROBIN-1", owner_uid=REQUESTOR))
    old = [computer(asset_id=1, name="ROBIN-1", owner_uid=REQUESTOR)]
    found = find("slow", old, tdx, max_api_searches=0)
    assert (ids(found), found.reason) == ([], Reason.SEARCH_INCOMPLETE)
    assert found.not_searched == ("the requestor's computers",)
    assert tdx.asked == []


def test_a_long_list_of_computers_costs_a_bounded_number_of_calls(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A ticket that lists a whole lab; what could not be confirmed is neither attached nor searched for."""
    lab = range(1, 101)
    tdx = ScriptedSearch(*(asset(id=n, name=f"LAB-PC-{n}") for n in lab))
    old = [computer(asset_id=n, name=f"LAB-PC-{n}") for n in lab]
    with caplog.at_level(logging.WARNING):
        found = find(" ".join(f"LAB-PC-{n}" for n in lab), old, tdx)
    assert ids(found) == list(range(1, 11))
    assert (len(tdx.read), tdx.asked) == (15, [])
    assert "LAB-PC-16" in found.not_searched
    assert "too many computers to confirm" in caplog.text


class Secretive(ScriptedSearch):
    """A TDX that does not show one asset."""

    def asset(self, asset_id: int) -> Asset:
        """Refuse."""
        raise TdxRefused(f"GET asset {asset_id} answered 403.", status=403)


def test_an_asset_that_may_not_be_seen_is_not_taken_for_gone() -> None:
    """E20: neither is it trusted, nor is the ticket about the requestor's computer then."""
    tdx = Secretive(asset(id=7, name="ROBIN-1", owner_uid=REQUESTOR))
    found = find("lib-pc-1 is slow", [computer(asset_id=1, name="LIB-PC-1")], tdx)
    assert (ids(found), found.reason) == ([], Reason.SEARCH_INCOMPLETE)
    assert (found.not_searched, tdx.asked) == (("lib-pc-1",), [])


def test_where_nobody_can_be_asked_the_inventory_is_what_there_is() -> None:
    """`explain --text` works without TDX."""
    inventory = MemoryInventory([computer(asset_id=1, name="LIB-PC-1")], is_distrusted=True)
    found = discover(Enquiry(ticket(title="lib-pc-1")), inventory, None, DiscoverySettings())
    assert ids(found) == [1]
