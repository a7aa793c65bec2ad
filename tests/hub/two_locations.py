"""Two code locations for one webserver: a hub's own jobs, and this project beside them.

Belongs here: the files, the settings and the keys, for a test of any level (GraphQL here, a browser elsewhere).
Does not: starting a webserver, a database.

For a webserver over both: put `SETTINGS` into its environment beside `DATABASE_URL` and
`DAGSTER_DATABASE_URL`, and give it the file of `write_workspace`: `dagster-webserver -w FILE`.
`materialise(folder, instance)` is a run of the hub's ingestion; after it the computers here are due.
"""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

THEIRS = dg.AssetKey(["hub", "raw_entities"])
THEIR_COMPUTERS = dg.AssetKey(["silver", "computers"])
COMPUTERS = dg.AssetKey(["robot", "computers"])

SETTINGS: Mapping[str, str] = {
    "INVENTORY_SOURCE": "external",
    "INVENTORY_ASSET_KEYS": "assets=hub/raw_entities,people=hub/raw_entities,statuses=hub/raw_entities,"
    "computers=robot/computers",
}
"""Whose assets this project reads, and another key for the table that both would call computers."""

HUB_FILE = "hub_definitions.py"

_HUB = '''
"""The hub's own jobs."""
import dagster as dg


@dg.asset(key=["hub", "raw_entities"], group_name="hub", kinds={"postgres", "bronze"})
def raw_entities():
    """Everything that was read from TDX, the directory and the scanner."""


@dg.asset(key=["silver", "computers"], group_name="hub", deps=[raw_entities], kinds={"postgres", "silver"})
def computers():
    """One row a computer, of all sources."""


defs = dg.Definitions([raw_entities, computers])
'''

_WORKSPACE = """
load_from:
  - python_file: {{relative_path: {file}, location_name: hub}}
  - python_module: {{module_name: tdx_dagster.definitions, location_name: robot}}
"""


def write_workspace(folder: Path) -> Path:
    """Write the hub's code location and the `workspace.yaml` that loads it beside ours; return that file."""
    file = folder / HUB_FILE
    file.write_text(_HUB, encoding="utf-8")
    workspace = folder / "workspace.yaml"
    workspace.write_text(textwrap.dedent(_WORKSPACE.format(file=file)), encoding="utf-8")
    return workspace


def hub_definitions(folder: Path) -> dg.Definitions:
    """Load the hub's definitions from the folder that `write_workspace` filled."""
    file = folder / HUB_FILE
    namespace: dict[str, Any] = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), namespace)  # noqa: S102  the text above
    defs = namespace["defs"]
    assert isinstance(defs, dg.Definitions)
    return defs


def materialise(folder: Path, instance: dg.DagsterInstance) -> None:
    """Run the hub's ingestion, as its schedule does."""
    job = hub_definitions(folder).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, asset_selection=[THEIRS]).success
