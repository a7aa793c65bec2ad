"""Cases made of faults, without what tells of a person; and what an answer about a sample means."""

import json
from dataclasses import replace

import pytest

from tdx_dagster.discovery.discover import DiscoverySettings
from tdx_dagster.discovery.explain import explain_text
from tdx_dagster.inventory.computers import Computer
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.quality.export import Anonymiser, case_of
from tdx_dagster.quality.sample import answered
from tdx_dagster.quality.verdicts import Judgement, Outcome
from tdx_dagster.tdx.models import StatusClass, Ticket
from tests.quality.people import ASKER, START, TECH, Feed, acted

ASSETS = [
    {"ID": 1, "Name": "PSYC-GID08", "SerialNumber": "7K2QX93", "Tag": None, "StatusName": "Active"},
    {"ID": 2, "Name": "AONIMO-LT01", "SerialNumber": None, "Tag": "4711", "StatusName": "Active"},
    {"ID": 3, "Name": "LIB-PC-3", "SerialNumber": None, "Tag": None, "StatusName": "Active"},
]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Ann Onimo's aonimo-lt01", "Person1 Person1's Person1-lt01"),
        ("write to a.onimo@example.org", "write to person@example.edu"),
        ("call (734) 555-0199 or 734-555-0199", "call 734-555-0100 or 734-555-0100"),
        ("Thanks, Barbara", "Thanks, Person"),
        ("thanks for the annual report", "thanks for the annual report"),
        ("see https://example.org/u/ann", "see https://example.edu/"),
        ("serial 7K2QX93, tag 104233", "serial 7K2QX93, tag 104233"),
    ],
)
def test_what_tells_of_a_person_is_replaced_and_nothing_else(text: str, clean: str) -> None:
    assert Anonymiser(["Ann Onimo"]).clean(text) == clean


def test_nobody_known_replaces_nobody() -> None:
    assert Anonymiser([""]).clean("psyc-gid08 is slow") == "psyc-gid08 is slow"


def test_a_fault_becomes_a_case_that_discovery_can_be_run_on() -> None:
    ticket = Ticket(
        31, "psyc-gid08 is slow", "It belongs to Ann Onimo, and so does aonimo-lt01.", None, 1, "New",
        StatusClass.NEW, ASKER, "Ann Onimo", "aonimo@example.edu", START,
    )  # fmt: skip
    feed = Feed().say(TECH, "Swapped with LIB-PC-3.", "Tess Tester").entries
    verdicts = [
        Judgement(31, 1, Outcome.REPLACED, "name in title", "PSYC-GID08", "p", START),
        Judgement(31, 2, Outcome.KEPT, "name in description", "AONIMO-LT01", "p", START),
        Judgement(31, 3, Outcome.MISS, "name in title", "LIB-PC-3", "p", START),
    ]
    case = case_of(ticket, feed, verdicts, MemoryInventory.from_json(json.dumps(ASSETS)))
    assert "onimo" not in json.dumps(case).casefold()
    assert case["expect_asset_ids"] == [2, 3]
    known = MemoryInventory.from_json(json.dumps(case["known_assets"]))
    seen = explain_text(case["text"], case["is_html"], known, DiscoverySettings())
    assert sorted(seen.as_json()["asset_ids"]) == [1, 2, 3]


def test_an_answer_says_that_it_is_right_that_it_is_wrong_or_which_it_is() -> None:
    one = acted().attached[0]
    other = Computer(5, "PC-5", "", "", None, "", True, None, None, "name")  # noqa: FBT003  a record
    right = answered(acted(), one, is_right=True)
    wrong = answered(acted(), one, is_right=False)
    which = answered(acted(), one, is_right=False, instead=other)
    assert [(v.asset_id, v.outcome) for v in (*right, *wrong)] == [
        (1, Outcome.KEPT),
        (1, Outcome.REMOVED),
    ]
    assert [(v.asset_id, v.outcome) for v in which] == [(1, Outcome.REPLACED), (5, Outcome.MISS)]
    assert {v.evidence for v in which} == {replace(one).evidence}
