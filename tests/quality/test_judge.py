"""Verdicts by the feed: what people did with what discovery attached."""

import pytest

from tdx_dagster.quality.judge import NeedsItems, judge, links_of
from tdx_dagster.quality.verdicts import Acted, Outcome, evidence_kind
from tests.quality.people import ASKER, ROBOT, TECH, Feed, acted, find


def outcomes(what: Acted, feed: Feed, **more: object) -> dict[int, Outcome]:
    found = judge(what, feed.entries, find, **more)  # type: ignore[arg-type]
    return {one.asset_id: one.outcome for one in found}


def test_what_a_technician_works_on_and_leaves_is_kept() -> None:
    feed = Feed().add(ROBOT, "PC-1").say(TECH, "I have replaced the battery.")
    assert outcomes(acted(), feed) == {1: Outcome.KEPT}


def test_a_ticket_that_nobody_touches_afterwards_is_unseen() -> None:
    feed = Feed().say(TECH, "Please look.").add(ROBOT, "PC-1").say(ROBOT, "Added 1 asset: PC-1.")
    assert outcomes(acted(), feed) == {1: Outcome.UNSEEN}


@pytest.mark.parametrize(("uid", "name"), [(ASKER, "Ann"), (None, "System"), (TECH, "System")])
def test_neither_the_requestor_nor_tdx_itself_works_on_a_ticket(uid: str | None, name: str) -> None:
    feed = Feed().add(ROBOT, "PC-1").say(uid, "Any news?", name)
    assert outcomes(acted(), feed) == {1: Outcome.UNSEEN}


def test_what_a_person_takes_off_is_removed_and_what_they_put_back_is_kept() -> None:
    feed = Feed().add(ROBOT, "PC-1").remove(TECH, "PC-1")
    assert outcomes(acted(), feed) == {1: Outcome.REMOVED}
    assert outcomes(acted(), feed.add(TECH, "PC-1")) == {1: Outcome.KEPT}


def test_another_computer_in_its_place_makes_it_replaced_and_the_other_a_miss_of_its_kind() -> None:
    feed = Feed().add(ROBOT, "PC-1").remove(TECH, "PC-1").add(TECH, "PC-2")
    found = judge(acted(), feed.entries, find)
    assert [(one.asset_id, one.outcome) for one in found] == [
        (1, Outcome.REPLACED),
        (2, Outcome.MISS),
    ]
    assert {one.evidence for one in found} == {"name in title"}


def test_what_a_person_adds_where_nothing_was_found_is_a_miss() -> None:
    found = judge(acted(()), Feed().add(TECH, "PC-2").entries, find)
    assert [(one.asset_id, one.outcome, one.evidence) for one in found] == [
        (2, Outcome.MISS, "not found")
    ]


def test_what_was_on_the_ticket_before_or_was_named_by_the_robot_is_no_miss() -> None:
    early = Feed(start=acted().at.replace(year=2025)).add(TECH, "PC-2")
    assert outcomes(acted(()), early) == {}
    named = acted((), mentioned=frozenset({2}))
    assert outcomes(named, Feed().add(TECH, "PC-2")) == {}


def test_printers_and_what_was_taken_off_again_are_no_misses() -> None:
    feed = Feed().add(TECH, "PRINTER", "PC-2").remove(TECH, "PC-2")
    assert outcomes(acted(()), feed) == {}


def test_what_the_robot_takes_back_itself_is_no_verdict() -> None:
    feed = Feed().add(ROBOT, "PC-1").remove(ROBOT, "PC-1").say(TECH, "Done.")
    assert outcomes(acted(), feed) == {}


def test_a_line_that_is_quoted_in_a_comment_removes_nothing() -> None:
    feed = Feed().add(ROBOT, "PC-1")
    feed.say(TECH, 'It says: Removed the "PC-1" asset from this incident. Why?')
    assert outcomes(acted(), feed) == {1: Outcome.KEPT}


def test_without_tdxs_own_line_the_items_decide() -> None:
    feed = Feed().say(TECH, "Done.")
    with pytest.raises(NeedsItems):
        judge(acted(), feed.entries, find)
    assert outcomes(acted(), feed, links=links_of([("PC-1", 1)])) == {1: Outcome.KEPT}
    assert outcomes(acted(), feed, links=links_of([])) == {1: Outcome.REMOVED}


def test_of_two_computers_of_one_name_the_items_say_which_is_left() -> None:
    twins = acted(((8, "TWIN"), (9, "TWIN")))
    feed = Feed().add(ROBOT, "TWIN", "TWIN").remove(TECH, "TWIN")
    with pytest.raises(NeedsItems):
        judge(twins, feed.entries, find)
    left = links_of([("TWIN", 9)])
    assert outcomes(twins, feed, links=left) == {8: Outcome.REMOVED, 9: Outcome.KEPT}
    added = Feed().add(TECH, "TWIN")
    with pytest.raises(NeedsItems):
        judge(acted(()), added.entries, find)
    assert outcomes(acted(()), added, links=left) == {9: Outcome.MISS}


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("psyc-gid08 in title is its name", "name in title"),
        ("7K2 in description is its serial number; X in title is its tag", "serial in description"),
        ("12 in entry 70 (requestor) is its tag", "tag in conversation"),
        ("12 in reply 70 (other) is its name", "name in conversation"),
        ("the requestor's only computer", "only computer"),
        ("attached by an earlier attempt of this action", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_stored_reason_says_the_kind_of_evidence(why: str, kind: str) -> None:
    assert evidence_kind(why) == kind
