"""The page about the simulator names everything that can be switched."""

from dataclasses import fields
from pathlib import Path

import pytest

from tdx_dagster.simulator import Fault, Options
from tdx_dagster.simulator.tenant import constants

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
SWITCHES = [
    field.name
    for kind in (Options, Fault)
    for field in fields(kind)
    if field.name not in ("method", "path")
]


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_is_on_the_page(name: str) -> None:
    """A switch nobody knows of is not used, and one that is gone misleads."""
    assert f"`{name}`" in PAGE


def test_the_ids_on_the_page_are_the_tenants() -> None:
    """People copy them from there."""
    for value in (
        constants.TICKET_APP_ID, constants.ASSET_APP_ID, constants.REPORT_ID, constants.BEID,
        constants.WEB_SERVICES_KEY, constants.USER_NAME, constants.PASSWORD,
        constants.COMPUTER_FORM_ID, constants.ACTIVE_STATUS_ID,
    ):  # fmt: skip
        assert str(value) in PAGE
