"""One `tdx-dagster dev` and one browser for all walks; without Chromium or Playwright they are left out."""

import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Shell
from tests.cli.ui import Ui, free_port, service, until

# A busy machine takes minutes to start Dagster's processes and to load its UI.
PATIENCE = 600.0

# Read before a fixture of all tests clears the settings.
PICTURES = os.environ.get("TDX_DAGSTER_PICTURES", "")

SIZE = {"width": 1440, "height": 960}

PLACE = "tdx_dagster"
REPOSITORY = {"repositoryLocationName": PLACE, "repositoryName": "__repository__"}
ASSET = {"path": ["tickets", "compliance"]}
REFUSED_TICKET = "7003"

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { id } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
RUNS = """
query ($filter: RunsFilter!) { runsOrError(filter: $filter) {
  ... on Runs { results { runId status } } } }"""
ENDS = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class Desk:
    """What runs: Dagster's UI over a simulator.

    Args:
        port: Of the UI.
        tdx: Address of the simulator.
    """

    port: int
    tdx: str

    @property
    def ui(self) -> Ui:
        """The UI's own questions."""
        return Ui(self.port)

    def control(self, method: str, name: str, body: object = None) -> Any:
        """Drive the simulator."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.tdx}/_simulator/{name}"
        request = urllib.request.Request(url, data, method=method)  # noqa: S310  loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  the same
            return json.loads(answer.read() or b"null")

    def writes(self) -> int:
        """How many calls to TDX may have changed a ticket."""
        return sum(
            call["method"] != "GET" and "/tickets/" in call["path"]
            for call in self.control("GET", "calls")
        )

    def launch(
        self, job: str, ticket: str | None = None, config: dict[str, Any] | None = None
    ) -> str:
        """Launch a run as the launchpad does; gives its id."""
        selector: dict[str, Any] = {**REPOSITORY, "jobName": job}
        if job == "__ASSET_JOB":
            selector["assetSelection"] = [ASSET]
        tags = [] if ticket is None else [{"key": "dagster/partition", "value": ticket}]
        params = {
            "selector": selector,
            "runConfigData": config or {},
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        return self.launched(self.ui.ask(LAUNCH, params=params)["launchRun"])

    @staticmethod
    def launched(answer: dict[str, Any]) -> str:
        """Give the id of a run that was launched."""
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["id"])

    def ended(self, run_id: str) -> str:
        """Wait for the end of a run; gives its status."""

        def probe() -> str:
            status = str(self.ui.ask(STATUS, id=run_id)["runOrError"]["status"])
            return status if status in ENDS else ""

        return str(until(f"end of run {run_id}", probe, PATIENCE))

    def runs(self, job: str, *statuses: str) -> list[str]:
        """Give the ids of the runs of a job, the latest first."""
        wanted = {"pipelineName": job, "statuses": list(statuses)}
        found = self.ui.ask(RUNS, filter=wanted)["runsOrError"]["results"]
        return [str(run["runId"]) for run in found]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of the system."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium")
    if "BROWSER_TESTS" not in os.environ:
        pytest.skip("walks through the UI are run by `make browser`")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], timeout=PATIENCE * 1000
        )
        yield running
        running.close()


# Asks for the browser, so that nothing is started where there is none.
@pytest.fixture(scope="module")
def desk(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:  # noqa: ARG001
    """`tdx-dagster dev` with eight tickets; TDX refuses the comment on one of them."""
    folder = tmp_path_factory.mktemp("browser")
    foreign = ("TDX_", "DAGSTER", "DAEMON_", "INVENTORY_", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    shell, port = Shell(folder, kept), free_port()
    command = ["dev", "--port", str(port), "--tickets", "8", "--assets", "120"]
    with service(shell, "dev", sys.executable, "-m", "tdx_dagster", *command):
        sample = folder / ".tdx" / "dev" / "sample.json"
        written = until("simulator", lambda: sample.exists() and sample.read_bytes(), PATIENCE)
        made = Desk(port, f"http://127.0.0.1:{json.loads(written)['tdx_port']}")
        fault = {
            "method": "POST",
            "path": f"/{{app}}/tickets/{REFUSED_TICKET}/feed",
            "status": 400,
            "body": '{"ID": -1, "Message": "The ticket is locked."}',
        }
        until("fault", lambda: made.control("POST", "faults", fault), PATIENCE)
        until("failed run", lambda: made.runs("compliance", "FAILURE"), PATIENCE)
        yield made


@dataclass(frozen=True)
class Eyes:
    """A page of the browser, and what is expected to be seen on it.

    Args:
        page: Of Playwright.
        port: Of the UI.
    """

    page: Any
    port: int

    def go(self, path: str, *texts: str) -> None:
        """Open a page and wait until all texts are seen."""
        self.page.goto(f"http://127.0.0.1:{self.port}{path}")
        self.see(*texts)

    def see(self, *texts: str) -> None:
        """Wait until all texts are seen."""
        for text in texts:
            self.page.get_by_text(text).locator("visible=true").first.wait_for()

    def click(self, name: str) -> None:
        """Click a button."""
        self.page.get_by_role("button", name=name).first.click()

    def picture(self, name: str) -> None:
        """Write a picture of the page, where the variable names a folder for it."""
        if PICTURES:
            # What is shown beside the texts: a page that renews itself is never idle.
            with suppress(Exception):
                self.page.wait_for_load_state("networkidle", timeout=10_000)
            shot = Image.open(BytesIO(self.page.screenshot(animations="disabled"))).convert("RGB")
            # A palette makes a fifth of the size of it.
            shot.quantize(128).save(Path(PICTURES) / f"{name}.png", optimize=True)


@pytest.fixture(scope="module")
def eyes(browser: Any, desk: Desk) -> Eyes:
    """One page for all walks: the UI loads once."""
    page = browser.new_page(viewport=SIZE, timezone_id="UTC", locale="en-US")
    page.set_default_timeout(PATIENCE * 1000)
    return Eyes(page, desk.port)
