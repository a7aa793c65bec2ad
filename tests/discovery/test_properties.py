"""For random inventories and texts: every mention is found, and nothing else."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdx_dagster.discovery.discover import DiscoverySettings
from tdx_dagster.discovery.explain import explain_text
from tdx_dagster.discovery.identifiers import IdentifierSettings, scan
from tdx_dagster.inventory.keys import fold_key, fold_text
from tdx_dagster.inventory.lookup import MemoryInventory
from tests.inventory.stories import Story, Teller

# Machines that run tests are busy; no example is judged by its time.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32)


def found_in(story: Story) -> list[int]:
    """The ids that discovery finds in a story."""
    inventory = MemoryInventory.from_json(json.dumps(story.assets))
    seen = explain_text(story.text, story.is_html, inventory, DiscoverySettings())
    return [int(number) for number in seen.as_json()["asset_ids"]]


@settings(CALM, max_examples=1000)
@given(SEEDS)
def test_every_mention_is_found_and_nothing_else(seed: int) -> None:
    """Built from the rules, not from examples: no shape of a name is a special case."""
    story = Teller(seed).story(mentions=4)
    assert found_in(story) == story.mentioned, story


@settings(CALM, max_examples=500)
@given(SEEDS)
def test_a_text_without_a_mention_finds_nothing(seed: int) -> None:
    """Most tickets name no computer, and their texts are full of numbers and near misses."""
    story = Teller(seed).story(mentions=0)
    assert found_in(story) == [], story


@settings(CALM, max_examples=500)
@given(st.text(max_size=200))
def test_no_text_breaks_the_rules(text: str) -> None:
    """Whatever arrives: no error, keys that the database can take, the same answer twice."""
    seen = scan(text, IdentifierSettings())
    assert seen == scan(text, IdentifierSettings())
    assert fold_text(fold_text(text)) == fold_text(text)
    positions = [candidate.position for candidate in seen.candidates]
    assert positions == sorted(positions)
    for candidate in seen.candidates:
        assert all(key == fold_key(key) and key.isascii() for key in candidate.keys)


NAMES = st.from_regex(r"[A-Z]{2,4}-?[A-Z]{0,3}[0-9]{1,3}", fullmatch=True)
NUMBERS = st.from_regex(r"[0-9]{3,7}", fullmatch=True)
PIECES = st.one_of(
    NAMES,
    NUMBERS,
    st.sampled_from(
        (
            "asset tag ",
            "tag: ",
            "S/N ",
            "serial ",
            "Computer name: ",
            " through ",
            ", ",
            " and ",
            "-",
            "- ",
            " ",
            "\n",
            "\t",
            "|",
            "1S20XW004AUS",
            "e.g. ",
            "room ",
            "/",
            "\\\\",
            ".example.edu",
            "=\n",
            "\u00b9",
        )
    ),
)


def letters(text: str) -> str:
    """A text without what may stand inside an identifier as it is written."""
    return "".join(c for c in fold_text(text).upper() if c.isascii() and c.isalnum())


@settings(CALM, max_examples=500)
@given(
    st.lists(st.tuples(NAMES, NUMBERS, NUMBERS), min_size=1, max_size=8),
    st.lists(PIECES, max_size=25),
)
def test_no_text_attaches_a_record_that_it_does_not_name(
    records: list[tuple[str, str, str]], pieces: list[str]
) -> None:
    """A wrong computer is the worst failure: its name, serial number or tag stands in the text."""
    text = "".join(pieces)
    assets = [
        {"ID": n, "Name": name, "SerialNumber": serial, "Tag": tag, "StatusName": "Active"}
        for n, (name, serial, tag) in enumerate(records)
    ]
    found = explain_text(
        text,
        is_html=False,
        inventory=MemoryInventory.from_json(json.dumps(assets)),
        settings=DiscoverySettings(max_assets=99),
    ).discovery
    written = letters(text)
    ranged = {c.token for _, scan in found.scans for c in scan.candidates if c.range_keys}
    for match in found.matches:
        three = records[match.computer.asset_id]
        stands = any(letters(value) in written for value in three)
        assert stands or ranged & {e.token for e in match.evidence}
