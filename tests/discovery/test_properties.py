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
    told = explain_text(story.text, story.is_html, inventory, DiscoverySettings())
    return [int(number) for number in told.as_json()["asset_ids"]]


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
