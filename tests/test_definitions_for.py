"""Plain Python in the place of a `defs` folder."""

import dagster as dg
import pytest

import tdx_dagster
from tdx_dagster import Pipeline, definitions_for
from tdx_dagster.actions import AddAsset, Comment
from tdx_dagster.inventory.settings import InventorySettings

PIPELINES = [
    Pipeline("printers", (AddAsset(computer_form_id=1122),), report_id=1),
    Pipeline("greet", (Comment(comment_text="Seen."),), report_id=2),
]


def test_pipelines_load_beside_resources_with_likely_names() -> None:
    theirs = dg.Definitions(resources={"database": "theirs", "tdx": "theirs", "polling": "theirs"})
    made = dg.Definitions.merge(theirs, definitions_for(PIPELINES))
    dg.Definitions.validate_loadable(made)
    assert {"printers", "greet"} <= {job.name for job in made.resolve_all_job_defs()}


def test_an_inventory_brings_its_assets_and_the_morning_checks() -> None:
    made = definitions_for(PIPELINES, InventorySettings())
    dg.Definitions.validate_loadable(made)
    assert "morning_checks" in {job.name for job in made.resolve_all_job_defs()}
    assert (
        dg.AssetKey(["silver", "computers"]) in made.resolve_asset_graph().materializable_asset_keys
    )


def test_a_resource_is_replaced_by_its_key() -> None:
    made = definitions_for(PIPELINES, resources={"tdx_dagster_client": "mine"})
    assert (made.resources or {})["tdx_dagster_client"] == "mine"


@pytest.mark.parametrize("name", ["Inventory", "Pipeline", "TicketPipeline", "definitions_for"])
def test_the_package_names_what_it_loads_on_first_use(name: str) -> None:
    assert name in dir(tdx_dagster)
    assert getattr(tdx_dagster, name)
