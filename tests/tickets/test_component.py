"""What a pipeline's YAML may say beside its actions."""

from datetime import UTC, datetime

import pytest

from tdx_dagster.component import TicketPipeline, suppress_preview_warnings

YAML = """
report_id: 1
taken_over_at: {}
actions:
  - type: comment
    comment_text: Hello
"""


@pytest.mark.parametrize("written", ["'2026-01-31T17:00:00Z'", "'2026-01-31 17:00'"])
def test_the_time_of_a_take_over_is_read_and_is_utc_without_a_zone(written: str) -> None:
    """YAML has its own idea of a time without quotes."""
    with suppress_preview_warnings():
        made = TicketPipeline.resolve_from_yaml(YAML.format(written))
    assert made.spec("p", "p.yaml").taken_over_at == datetime(2026, 1, 31, 17, tzinfo=UTC)


def test_a_take_over_at_no_time_is_named() -> None:
    """The message says how to write it."""
    with suppress_preview_warnings(), pytest.raises(Exception, match="taken_over_at") as error:
        TicketPipeline.resolve_from_yaml(YAML.format("yesterday"))
    assert error.value
