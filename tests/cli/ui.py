"""Dagster's UI for tests that run it: its questions, and waiting for its processes."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0

BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
BACKFILL_STATUS = """
query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } } }"""
MATERIALISED = """
query { assetNodeOrError(assetKey: {path: ["tickets", "compliance"]}) {
  ... on AssetNode { assetMaterializations(limit: 100) { partition runId metadataEntries { label } } } } }"""
TICKS = """
query { sensorOrError(sensorSelector: {repositoryLocationName: "tdx_dagster",
  repositoryName: "__repository__", sensorName: "compliance_report"}) {
  ... on Sensor { sensorState { status ticks(limit: 100) { status skipReason runIds } } } } }"""
EDGES = """
query { assetNodes { assetKey { path } dependencyKeys { path } } }"""


class Ui:
    """Dagster's GraphQL, as the UI in the browser asks it."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask one question."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310  our own loopback address
            self._url, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  the same
            found: dict[str, Any] = json.load(answer)["data"]
        return found

    def materialised(self) -> dict[str, dict[str, Any]]:
        """Materialised tickets by partition, the latest of each."""
        found = self.ask(MATERIALISED)["assetNodeOrError"]["assetMaterializations"]
        return {one["partition"]: one for one in reversed(found)}


def until(what: str, probe: Callable[[], Any]) -> Any:
    """Ask until there is an answer."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if found := probe():
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError, KeyError, TypeError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {PATIENCE:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
