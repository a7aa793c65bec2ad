"""Sample data: what it says is right must be right by the text alone."""

import html
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdx_dagster.simulator import State, load_state, sample_state, save_state
from tdx_dagster.simulator.sample.computers import FILLER_SERIALS
from tdx_dagster.simulator.sample.sample import KINDS


@pytest.fixture(scope="module")
def sample() -> State:
    return sample_state(tickets=160, assets=2000, seed=11)


def tokens_of(text: str) -> set[str]:
    """A second reader, written for this test: whole tokens, digits only behind a label."""
    visible = re.sub(r"(?s)<style>.*?</style>", " ", text)
    visible = html.unescape(re.sub(r"<[^>]+>", " ", visible))
    visible = re.sub(r"\S+@\S+|https?://\S+", " ", visible)
    found = set()
    for match in re.finditer(r"(tag |S/N |serial )?([A-Za-z0-9_-]+)", visible, re.IGNORECASE):
        if match[1] or not match[2].isdecimal():
            found.add(match[2].upper())
    return found


def named_in(state: State, ticket: dict[str, Any]) -> set[int]:
    texts = [ticket["Title"], ticket["Description"]]
    for entry in state.feed_of_ticket(ticket["ID"]):
        texts += [entry["Body"], *(reply["Body"] for reply in entry["Replies"])]
    tokens = set().union(*(tokens_of(text) for text in texts))
    return {
        asset["ID"]
        for asset in state.assets.values()
        if asset["StatusID"] == 38 and asset["FormID"] == 2448
        for name in ("Name", "SerialNumber", "Tag")
        if asset[name] and asset[name] not in FILLER_SERIALS and asset[name].upper() in tokens
    }


def test_the_kinds_come_in_equal_shares(sample: State) -> None:
    """The measured mix is this one."""
    counts = Counter(truth["kind"] for truth in sample.truths.values())
    assert counts == dict.fromkeys(KINDS, 20)


def test_each_text_names_exactly_the_expected_computers(sample: State) -> None:
    """A sample whose truth is wrong would teach the robot to be wrong."""
    check_truths(sample)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 24), st.integers(0, 60))
def test_the_truth_holds_for_any_seed_and_size(seed: int, tickets: int, assets: int) -> None:
    """Small tenants run out of fitting people and computers; the truth must not."""
    check_truths(sample_state(tickets, assets, seed))


def check_truths(sample: State) -> None:
    for number, truth in sample.truths.items():
        ticket = sample.tickets[number]
        found = named_in(sample, ticket)
        owned = {
            asset["ID"]
            for asset in sample.assets.values()
            if asset["OwningCustomerID"] == ticket["RequestorUid"]
            and (asset["StatusID"], asset["FormID"]) == (38, 2448)
        }
        expected = set(truth["expected_asset_ids"])
        match truth["kind"]:
            case "requestor_one":
                assert (found, owned) == (set(), expected)
                assert len(expected) == 1
            case "requestor_several":
                assert (found, expected) == (set(), set())
                assert len(owned) > 1
            case "requestor_none":
                assert (found, owned, expected) == (set(), set(), set())
            case "attached":
                assert set(sample.asset_ids_of(number)) == expected
                assert found <= expected
            case _:
                assert found == expected != set()


def test_tickets_have_three_entries_and_names_are_unique_among_active_computers(
    sample: State,
) -> None:
    """The mix that speed is measured on; and two active computers of one name would be ambiguous."""
    entries = [len(sample.feed_of_ticket(number)) for number in sample.tickets]
    assert set(entries) == {3, 4}
    active = [
        a["Name"].upper() for a in sample.assets.values() if a["StatusID"] == 38 and a["Name"]
    ]
    assert len(active) == len(set(active))
    retired = {a["Name"] for a in sample.assets.values() if a["StatusID"] == 39}
    assert any(a["Name"] in retired for a in sample.assets.values() if a["StatusID"] == 38)


def test_the_same_seed_gives_the_same_tenant() -> None:
    """A failure seen by one is seen by all."""
    assert sample_state(8, 50, 3).as_json() == sample_state(8, 50, 3).as_json()
    assert sample_state(8, 50, 3).as_json() != sample_state(8, 50, 4).as_json()


def test_too_few_assets_still_give_tickets() -> None:
    """Somebody tries `--assets 0`."""
    state = sample_state(tickets=16, assets=0)
    assert {truth["kind"] for truth in state.truths.values()} == {"requestor_none"}


def test_a_saved_state_comes_back_whole(tmp_path: Path, sample: State) -> None:
    """A support case is one file."""
    save_state(sample, tmp_path / "case.json")
    assert load_state(tmp_path / "case.json").as_json() == sample.as_json()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "tickts": {}}'])
def test_a_file_that_is_no_state_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """The message names the file; nothing starts on half a state."""
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.json is not a saved simulator state"):
        load_state(path)


def test_two_thousand_assets_take_no_time() -> None:
    """It is made at every start of the demo."""
    began = time.monotonic()
    sample_state()
    assert time.monotonic() - began < 2
