"""Routing by a table: the right group or none, nobody's value overwritten, and what it costs in calls."""

from sqlalchemy import Engine

from .routing import ROUTE, SHIPPED, route


def test_60_tickets_are_routed_by_a_table_while_people_change_some(database: Engine) -> None:
    """An update costs its write and a look right before it, and nothing where it has nothing to change."""
    routed = route(database, 60, SHIPPED[0], ROUTE, SHIPPED[1], assets=400, chance=0.2)
    assert (routed.wrong, routed.overwritten, routed.unfinished) == ({}, [], [])
    assert min(routed.by_table, routed.before, routed.during) > 0
    calls = routed.calls
    looks = calls["GET /{app}/tickets/{id}"] - routed.tickets
    assert calls["PATCH /{app}/tickets/{id}"] == routed.by_table
    assert looks <= routed.by_table + routed.before + routed.during
    assert calls["GET /{app}/tickets/{id}/assets"] == routed.tickets
    assert calls["POST /groups/search"] == 2, "once a run of 30"
