"""Two code locations in one webserver: their job makes the assets, ours follow, and the graph is one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from tdx_dagster.definitions import build_defs
from tests.hub.two_locations import COMPUTERS, SETTINGS, materialise, write_workspace

GRAPH = """{ assetNodes { assetKey { path } isMaterializable
  repository { location { name } } dependencyKeys { path } dependedByKeys { path } } }"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, which name their keys, and another one for silver since theirs has the usual one."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def workspace(settings: None, tmp_path: Path) -> Iterator[WorkspaceProcessContext]:
    """A webserver's view of both."""
    del settings
    target = WorkspaceFileTarget([str(write_workspace(tmp_path))])
    with dg.instance_for_test() as instance, WorkspaceProcessContext(instance, target) as context:
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
    pages = {key for key in makers if key.startswith(("operations/", "quality/", "tdx/"))}
    assert all(makers[key] in (["robot"], []) for key in pages)
    assert {key: found for key, found in makers.items() if key not in pages} == {
        "hub/raw_entities": ["hub"],
        "silver/computers": ["hub"],
        "robot/computers": ["robot"],
        "tickets/compliance": ["robot"],
    }
    (ours,) = nodes["robot/computers"]
    assert ours["dependencyKeys"] == [{"path": ["hub", "raw_entities"]}]
    dependents = sorted("/".join(one["path"]) for one in ours["dependedByKeys"])
    assert dependents == ["quality/discovery", "tickets/compliance"]
    assert not [one for one in recwarn if "multiple code locations" in str(one.message)]


def test_their_ingestion_makes_our_computers_follow(settings: None, tmp_path: Path) -> None:
    """Without an observation of ours in between."""
    del settings
    write_workspace(tmp_path)
    ours = build_defs()
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(ours, instance)
        materialise(tmp_path, instance)
        after = dg.evaluate_automation_conditions(ours, instance, cursor=before.cursor)
    assert (before.total_requested, after.get_requested_partitions(COMPUTERS)) == (0, {None})
