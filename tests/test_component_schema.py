"""The schema by which editors and `dg check yaml` know what an action may have."""

from typing import Any

import pytest

from tdx_dagster.component import TicketPipeline
from tdx_dagster.tickets.actions.registry import action_types

jsonschema = pytest.importorskip("jsonschema", reason="comes with dagster-dg-cli")


def schema() -> dict[str, Any]:
    found: dict[str, Any] = TicketPipeline.model().model_json_schema()["properties"]["actions"]
    return found


def faults(entry: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [f"{list(fault.path)} {fault.message}" for fault in validator.iter_errors([entry])]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "add_asset", "max_assets_to_add": 3, "version": "v2"},
        {"type": "add_asset", "max_assets_to_add": "{{ env.MOST }}"},
        {"type": "comment", "comment_text": "Seen."},
        {"type": "my_module.MyAction", "anything": 1},
        {
            "type": "follow_up",
            "calendar": {"time_zone": "America/Detroit", "holidays": ["12-25"]},
            "steps": [{"after_days": 3, "comment_text": "Still there?"}],
        },
    ],
)
def test_right_entries_pass(entry: dict[str, Any]) -> None:
    assert faults(entry) == []


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"type": "add_asset", "max_asset": 3}, "max_asset"),
        ({"type": "add_asset", "max_assets_to_add": "many"}, "max_assets_to_add"),
        ({"type": "comment"}, "comment_text"),
        ({"type": "add_aset"}, "add_aset"),
        (
            {
                "type": "follow_up",
                "calendar": {"time_zone": "UTC"},
                "steps": [{"after_days": 3, "coment_text": "Still there?"}],
            },
            "coment_text",
        ),
        ({"version": "v1"}, "type"),
    ],
)
def test_a_wrong_entry_is_named_in_one_fault(entry: dict[str, Any], named: str) -> None:
    [fault] = faults(entry)
    assert named in fault


def test_every_setting_is_described() -> None:
    for kind in action_types().values():
        for name, setting in kind.model_json_schema()["properties"].items():
            assert setting.get("description"), f"{kind.__name__}.{name}"
