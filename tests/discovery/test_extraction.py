"""Every line of two files: a ticket text, an inventory, and the computers it is about."""

import json
from pathlib import Path
from typing import Any

import pytest

from tdx_dagster.discovery.discover import DiscoverySettings
from tdx_dagster.discovery.explain import explain_text
from tdx_dagster.inventory.lookup import MemoryInventory

FILES = ("extraction.jsonl", "variants.jsonl")
CASES = [
    json.loads(line)
    for name in FILES
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}: {case['why']}")
def test_a_text_names_exactly_these_computers(case: dict[str, Any]) -> None:
    """A wrong computer is the worst failure, a missed one the second worst."""
    inventory = MemoryInventory.from_json(json.dumps(case["known_assets"]))
    seen = explain_text(case["text"], case["is_html"], inventory, DiscoverySettings())
    assert sorted(seen.as_json()["asset_ids"]) == sorted(case["expect_asset_ids"])


def test_no_line_is_missing() -> None:
    """A truncated file would pass silently."""
    assert len(CASES) == 237 + 120
