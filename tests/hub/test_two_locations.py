"""Two code locations in one webserver: their job makes the assets, ours follow, and the graph is one."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from tdx_dagster.definitions import build_defs

THEIRS = dg.AssetKey(["hub", "raw_entities"])
COMPUTERS = dg.AssetKey(["robot", "computers"])
KEYS = "assets=hub/raw_entities,people=hub/raw_entities,statuses=hub/raw_entities,computers=robot/computers"

HUB = """
import dagster as dg

@dg.asset(key=["hub", "raw_entities"])
def raw_entities(): ...

@dg.asset(key=["silver", "computers"], deps=[raw_entities])
def computers(): ...

defs = dg.Definitions([raw_entities, computers])
"""

GRAPH = """{ assetNodes { assetKey { path } isMaterializable
  repository { location { name } } dependencyKeys { path } dependedByKeys { path } } }"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, which name their keys, and another one for silver since theirs has the usual one."""
    monkeypatch.setenv("INVENTORY_SOURCE", "external")
    monkeypatch.setenv("INVENTORY_ASSET_KEYS", KEYS)


@pytest.fixture
def hub_file(tmp_path: Path) -> Path:
    """Their code location."""
    file = tmp_path / "hub_definitions.py"
    file.write_text(HUB)
    return file


@pytest.fixture
def workspace(settings: None, hub_file: Path) -> Iterator[WorkspaceProcessContext]:
    """A webserver's view of both."""
    del settings
    file = hub_file.with_name("workspace.yaml")
    file.write_text(
        textwrap.dedent(f"""
        load_from:
          - python_file: {{relative_path: {hub_file}, location_name: hub}}
          - python_module: {{module_name: tdx_dagster.definitions, location_name: robot}}
        """)
    )
    with (
        dg.instance_for_test() as instance,
        WorkspaceProcessContext(instance, WorkspaceFileTarget([str(file)])) as context,
    ):
        yield context


def test_the_graph_of_both_is_one(
    workspace: WorkspaceProcessContext, recwarn: pytest.WarningsRecorder
) -> None:
    """From their ingestion over our computers to the tickets; no key is made twice."""
    answer = execute_dagster_graphql(workspace.create_request_context(), GRAPH)
    assert not answer.errors
    nodes: dict[str, list[Any]] = {}
    for node in answer.data["assetNodes"]:
        nodes.setdefault("/".join(node["assetKey"]["path"]), []).append(node)
    makers = {
        key: [n["repository"]["location"]["name"] for n in found if n["isMaterializable"]]
        for key, found in nodes.items()
    }
    assert makers == {
        "hub/raw_entities": ["hub"],
        "silver/computers": ["hub"],
        "robot/computers": ["robot"],
        "tickets/compliance": ["robot"],
    }
    (ours,) = nodes["robot/computers"]
    assert ours["dependencyKeys"] == [{"path": ["hub", "raw_entities"]}]
    assert ours["dependedByKeys"] == [{"path": ["tickets", "compliance"]}]
    assert not [one for one in recwarn if "multiple code locations" in str(one.message)]


def test_their_ingestion_makes_our_computers_follow(settings: None, hub_file: Path) -> None:
    """Without an observation of ours in between."""
    del settings
    namespace: dict[str, Any] = {}
    exec(compile(hub_file.read_text(), str(hub_file), "exec"), namespace)  # noqa: S102  the test's own text
    theirs, ours = namespace["defs"], build_defs()
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(ours, instance)
        job = theirs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, asset_selection=[THEIRS]).success
        after = dg.evaluate_automation_conditions(ours, instance, cursor=before.cursor)
    assert (before.total_requested, after.get_requested_partitions(COMPUTERS)) == (0, {None})
