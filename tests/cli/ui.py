"""Dagster's UI for tests that run it: its questions, and waiting for its processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .conftest import ROOT, Shell

PATIENCE = 600.0

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

CONFIG = """
query { runConfigSchemaOrError(selector: {repositoryLocationName: "tdx_dagster",
  repositoryName: "__repository__", pipelineName: "__ASSET_JOB",
  assetSelection: [{path: ["tickets", "compliance"]}]}) {
  ... on RunConfigSchema { rootDefaultYaml } } }"""


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


@contextmanager
def service(shell: Shell, name: str, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with a group of its own, ended at the end as by Ctrl-C; it writes to a file of its name."""
    with (shell.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=shell.folder,
            env=shell.environment,
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def dagster(shell: Shell, port: int) -> Iterator[Ui]:
    """Dagster's UI and daemon, as `dagster dev` runs them."""
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-w", str(ROOT / "workspace.yaml"), "--log-level", "warning"]
    with service(shell, "dagster", *command):
        yield Ui(port)


def until(what: str, probe: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Ask until there is an answer."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if found := probe():
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError, KeyError, TypeError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {patience:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
