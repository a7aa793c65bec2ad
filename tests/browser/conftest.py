"""One `tdx-dagster dev` and one browser for all walks.

`make browser` sets BROWSER_TESTS: then a missing browser is a failure. Each wait has an end and says what the
page shows instead; a desk that cannot become ready is a failure at once.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Shell
from tests.cli.ui import Ui, free_port, service, until

# Seconds for one condition; on an idle machine each is met within ten, and all of `dev` is ready within forty.
PATIENCE = 180.0
PATIENCE_AT_THE_START = 600.0

# Read before a fixture of all tests clears the settings.
PICTURES = os.environ.get("TDX_DAGSTER_PICTURES", "")

# So much of a page is shown where a text is missing.
SHOWN_LETTERS = 3000

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
        folder: Where it was started.
    """

    port: int
    tdx: str
    folder: Path

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
        self,
        job: str,
        ticket: str | None = None,
        config: dict[str, Any] | None = None,
        asset: Mapping[str, Any] = ASSET,
    ) -> str:
        """Launch a run as the launchpad does; gives its id."""
        selector: dict[str, Any] = {**REPOSITORY, "jobName": job}
        if job == "__ASSET_JOB":
            selector["assetSelection"] = [asset]
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

    def has_loaded(self) -> bool:
        """Tell whether the definitions are there; what they cannot be loaded for is a failure at once."""
        entries = self.ui.ask(LOCATION)["workspaceOrError"]["locationEntries"]
        found = [entry["locationOrLoadError"] for entry in entries]
        faults = [one["message"] for one in found if one and one["__typename"] == "PythonError"]
        assert not faults, faults
        return bool(found) and all(found)

    def runs(self, job: str, *statuses: str) -> list[str]:
        """Give the ids of the runs of a job, the latest first."""
        wanted = {"pipelineName": job, "statuses": list(statuses)}
        found = self.ui.ask(RUNS, filter=wanted)["runsOrError"]["results"]
        return [str(run["runId"]) for run in found]


LOCATION = """
query { workspaceOrError { ... on Workspace { locationEntries {
  locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium of the system."""
    if "BROWSER_TESTS" not in os.environ:
        pytest.skip("walks through the UI are run by `make browser`")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only where it is wanted

    chromium = shutil.which("chromium")
    assert chromium, "no chromium on the PATH: install Debian's package of that name"
    with sync_playwright() as driver:
        # A container may have little shared memory, and an address elsewhere may never answer.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        running = driver.chromium.launch(
            executable_path=chromium, args=options, timeout=PATIENCE * 1000
        )
        yield running
        running.close()


# Asks for the browser, so that nothing is started where there is none.
@pytest.fixture(scope="session")
def desk(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:  # noqa: ARG001
    """`tdx-dagster dev` with eight tickets; TDX refuses the comment on one of them."""
    folder = tmp_path_factory.mktemp("browser")
    foreign = ("TDX_", "DAGSTER", "DAEMON_", "INVENTORY_", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    shell, port = Shell(folder, kept), free_port()
    command = ["dev", "--port", str(port), "--tickets", "8", "--assets", "120"]
    with service(shell, "dev", sys.executable, "-m", "tdx_dagster", *command) as process:

        def wait_for(what: str, probe: Callable[[], Any]) -> Any:
            return until(what, lambda: _look(process, folder) and probe(), PATIENCE_AT_THE_START)

        sample = folder / ".tdx" / "dev" / "sample.json"
        written = wait_for("simulator", lambda: sample.exists() and sample.read_bytes())
        tdx = f"http://127.0.0.1:{json.loads(written)['tdx_port']}"
        made = Desk(port, tdx, folder)
        fault = {
            "method": "POST",
            "path": f"/{{app}}/tickets/{REFUSED_TICKET}/feed",
            "status": 400,
            "body": '{"ID": -1, "Message": "The ticket is locked."}',
        }
        wait_for("fault", lambda: made.control("POST", "faults", fault))
        wait_for("loaded definitions", made.has_loaded)
        wait_for("failed run", lambda: made.runs("compliance", "FAILURE"))
        yield made


def _look(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Fail at once where `dev` has ended: nothing that is waited for comes any more."""
    code = process.poll()
    log = (folder / "dev.log").read_text(errors="replace")
    assert code is None, f"`tdx-dagster dev` has ended with {code}:\n{log[-SHOWN_LETTERS:]}"
    return True


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
        # Not for everything the page loads: what is waited for is what people see.
        self.page.goto(f"http://127.0.0.1:{self.port}{path}", wait_until="commit")
        self.see(*texts)

    def is_served(self) -> bool:
        """Tell whether the server answers; until it does, its address refuses."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/server_info", timeout=20):
            return True

    def see(self, *texts: str) -> None:
        """Wait until all texts are seen."""
        for text in texts:
            self._wait(text, self.page.get_by_text(text).filter(visible=True).first.wait_for)

    def click(self, name: str, **how: Any) -> None:
        """Click a button."""
        button = self.page.get_by_role("button", name=name).first
        self._wait(f"button {name}", lambda: button.click(**how))

    def _wait(self, what: str, act: Callable[[], None]) -> None:
        from playwright.sync_api import Error  # noqa: PLC0415  only where it is wanted

        try:
            act()
        except Error as error:
            shown = self.page.locator("body").inner_text()
            # A dialog comes last.
            shown = shown if len(shown) < SHOWN_LETTERS else f"{shown[:1000]}\n…\n{shown[-2000:]}"
            raise AssertionError(
                f"{what!r} is not on {self.page.url}: {error.message}\nIt shows:\n{shown}"
            ) from None

    def read(self, path: str, *texts: str) -> None:
        """Open an asset that is a page, which the UI folds up where it is long, and see the texts."""
        self.go(path, "Timestamp")
        row = self.page.locator("tr", has_text="page").first
        self._wait("page", row.wait_for)
        folded = row.get_by_text("[Show Markdown]")
        if folded.count():
            self._wait("[Show Markdown]", folded.click)
        self.see(*texts)

    def cut_off(self) -> float:
        """Give by how many pixels a table is wider than the box it is in; at most 0 where all can be read."""
        return float(self.page.evaluate(CUT_OFF))

    def picture(self, name: str) -> None:
        """Write a picture of the page, where the variable names a folder for it."""
        if PICTURES:
            # What is shown beside the texts: a page that renews itself is never idle.
            with suppress(Exception):
                self.page.wait_for_load_state("networkidle", timeout=10_000)
                expected = "() => !/Loading[^\\n]*…/.test(document.body.innerText)"
                self.page.wait_for_function(expected, timeout=20_000)
            shot = Image.open(BytesIO(self.page.screenshot(animations="disabled"))).convert("RGB")
            # A palette makes a fifth of the size of it.
            shot.quantize(128).save(Path(PICTURES) / f"{name}.png", optimize=True)


# The widest of the tables within a cell: its right edge against that of the box that cuts it off.
CUT_OFF = """
() => Math.max(0, ...[...document.querySelectorAll("td table")].map(table => {
  let box = table.parentElement;
  while (box.parentElement && getComputedStyle(box).overflowX === "visible") box = box.parentElement;
  return table.getBoundingClientRect().right - box.getBoundingClientRect().right;
}))"""


@pytest.fixture(scope="session")
def eyes(browser: Any, desk: Desk) -> Eyes:
    """One page for all walks."""
    return open_page(browser, desk.port)


def open_page(browser: Any, port: int) -> Eyes:
    """Open a page of a UI."""
    page = browser.new_page(viewport=SIZE, timezone_id="UTC", locale="en-US")
    page.set_default_timeout(PATIENCE * 1000)
    return Eyes(page, port)
