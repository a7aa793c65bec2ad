"""Partition keys and the ranges of keys that runs take."""

import re
from datetime import UTC, datetime

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.state.records import LogRow, LogStatus
from tdx_dagster.tdx.parse import parse_id
from tdx_dagster.tickets import runs
from tdx_dagster.tickets.runs import (
    key_of,
    keys_in_tags,
    order_back_to,
    ranges,
    ticket_of,
)


@given(st.one_of(st.integers(), st.text(), st.floats(), st.booleans(), st.none()))
def test_c09_every_accepted_id_makes_a_key_of_digits_only(value: object) -> None:
    """A comma in a key breaks the UI's backfill dialog; whatever a report holds, none gets in."""
    ticket = parse_id(value)
    if ticket is not None:
        assert re.fullmatch(r"[1-9][0-9]*", key_of(ticket))
        assert ticket_of(key_of(ticket)) == ticket


@pytest.mark.parametrize("key", ["", "0", "031", "31,32", "x", "-1", "9" * 20])
def test_a_key_that_is_no_ticket_is_refused_with_what_to_do(key: str) -> None:
    """Somebody added a partition by hand in the UI."""
    with pytest.raises(ValueError, match="delete that partition"):
        ticket_of(key)


@given(st.lists(st.integers(1, 60), unique=True), st.sets(st.integers(1, 80)), st.integers(1, 7))
def test_ranges_hold_exactly_the_wanted_keys_as_neighbours(
    order: list[int], wanted: set[int], most: int
) -> None:
    """A range that spans a key nobody asked for would run that ticket too."""
    in_order = [key_of(ticket) for ticket in order]
    keys = [key_of(ticket) for ticket in sorted(wanted)]
    made = ranges(keys, in_order, most)
    after = in_order + [key for key in keys if key not in in_order]
    taken = [key for one in made for key in one.keys]
    assert sorted(taken) == sorted(keys)
    for one in made:
        assert 1 <= len(one.keys) <= most
        assert set(one.keys) == keys_in_tags(one.tags(), after)


def test_tags_of_a_single_run_and_of_unknown_ranges_name_what_they_can() -> None:
    """A run may outlive its partition."""
    assert keys_in_tags({"dagster/partition": "31"}, ["31"]) == {"31"}
    assert keys_in_tags(
        {
            "dagster/asset_partition_range_start": "31",
            "dagster/asset_partition_range_end": "99",
        },
        ["31"],
    ) == {"31", "99"}
    assert keys_in_tags({}, ["31"]) == set()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["5"], ["4", "5"]),
        (["4", "5", "99"], ["4", "5"]),
        (["2"], ["1", "2", "3", "4", "5"]),
        ([], ["4", "5"]),
    ],
)
def test_the_order_reaches_back_to_the_oldest_key_there_is(
    monkeypatch: pytest.MonkeyPatch, wanted: list[str], expected: list[str]
) -> None:
    """A key that is about to be added (99) is no reason to read everything."""
    monkeypatch.setattr(runs, "NEWEST", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("p", ["1", "2", "3", "4", "5"])
        assert order_back_to(instance, "p", wanted) == expected


def held(run: str, *, lapsed: bool) -> LogRow:
    """Make a row that a run has claimed."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return LogRow(
        31,
        "comment",
        "comment",
        "comment:0:v1",
        LogStatus.IN_PROGRESS,
        at,
        run_id=run,
        is_due=lapsed,
    )


def test_one_lapsed_lease_does_not_declare_a_run_dead_that_renews_others() -> None:
    """A run of thirty tickets, one of them slow: its other 29 tickets would be launched twice."""
    log = {
        31: [held("slow", lapsed=True)],
        32: [held("slow", lapsed=False)],
        33: [held("gone", lapsed=True)],
    }
    liveness = runs.RunLiveness.of(log)
    assert liveness.living == {"slow"}
    assert liveness.dead == {"gone"}
