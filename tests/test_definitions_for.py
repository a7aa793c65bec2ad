"""Plain Python in the place of a `defs` folder."""

from pathlib import Path

import dagster as dg
import pytest

import tdx_dagster
from tdx_dagster import Pipeline, definitions_for, with_resources
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


def test_a_project_with_a_defs_folder_replaces_a_resource_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a component carries, which a second definition of the key would not do."""
    defs = tmp_path / "own_secrets" / "defs"
    (defs / "printers").mkdir(parents=True)
    for folder in (defs, defs.parent):
        (folder / "__init__.py").touch()
    (defs / "printers" / "defs.yaml").write_text(
        "type: tdx_dagster.TicketPipeline\nattributes: {actions: [{type: add_asset}]}\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "own_secrets"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    loaded = dg.load_from_defs_folder(path_within_project=defs.parent)
    made = with_resources(loaded, {"tdx_dagster_client": "mine"})
    dg.Definitions.validate_loadable(made)
    assert (made.resources or {})["tdx_dagster_client"] == "mine"
    assert "printers" in {job.name for job in made.resolve_all_job_defs()}


@pytest.mark.parametrize(
    "name", ["Inventory", "Pipeline", "TicketPipeline", "definitions_for", "with_resources"]
)
def test_the_package_names_what_it_loads_on_first_use(name: str) -> None:
    assert name in dir(tdx_dagster)
    assert getattr(tdx_dagster, name)
