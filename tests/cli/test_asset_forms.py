"""A form that is another university's attaches nothing: `check` says so, and names the forms there are."""

from collections.abc import Callable, Iterator

import pytest

from tdx_dagster.actions import AddAsset, Comment
from tdx_dagster.cli.check import Verdict, check_forms
from tdx_dagster.simulator import COMPUTER_FORM_ID
from tdx_dagster.testing import Simulator, client, sample_state
from tdx_dagster.tickets.pipeline import Pipeline

Check = Callable[..., tuple[Verdict, str]]


@pytest.fixture
def check() -> Iterator[Check]:
    """Checks the form of one action in a tenant of twenty assets."""
    with Simulator(sample_state(tickets=1, assets=20, seed=3)) as simulator:

        def run(*actions: AddAsset | Comment) -> tuple[Verdict, str]:
            found = check_forms(client(simulator), Pipeline("p", actions))
            return found.verdict, found.text

        yield run


def test_a_form_with_active_computers_is_well(check: Check) -> None:
    assert check(AddAsset(computer_form_id=COMPUTER_FORM_ID))[0] is Verdict.OK


def test_any_form_and_a_pipeline_without_computers_are_well(check: Check) -> None:
    assert check(AddAsset(computer_form_id=None)) == (Verdict.OK, "any form")
    assert check(Comment(comment_text="Seen.")) == (Verdict.OK, "not used")


def test_a_form_that_no_asset_has_is_wrong_and_the_likely_ones_are_named(check: Check) -> None:
    verdict, text = check(AddAsset(computer_form_id=99))
    assert verdict is Verdict.WRONG
    assert "computer_form_id: 99" in text
    assert f"assets: {COMPUTER_FORM_ID} '" in text


def test_a_form_whose_assets_are_all_inactive_is_wrong(check: Check) -> None:
    verdict, text = check(AddAsset(active_status_ids=(987,)))
    assert (verdict, "active status" in text) == (Verdict.WRONG, True)
