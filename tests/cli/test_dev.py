"""`tdx-dagster dev` as people use it: UI, daemon, sensors and backfills in real processes.

One long story in one test, since starting it takes most of the time.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tdx_dagster.simulator import COMPUTER_FORM_ID

from .conftest import Shell
from .ui import BACKFILL, BACKFILL_STATUS, CONFIG, EDGES, TICKS, Ui, free_port, until


def processes_in(folder: Path) -> list[str]:
    """Commands of processes whose working folder or environment is this test's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if (
                str(folder).encode() in environment
                and state != "Z"
                and process.name != str(os.getpid())
            ):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, IndexError):
            continue
    return found


def editor_of_config(ui: Ui) -> tuple[Any, ...]:
    """Three of the settings with which the config editor of the launchpad starts."""
    shown = ui.ask(CONFIG)["runConfigSchemaOrError"]["rootDefaultYaml"]
    known = yaml.safe_load(shown)["ops"]["tickets__compliance"]["config"]
    return known["dry_run"], known["allow_uncertain"], known["add_asset"]["computer_form_id"]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # two starts of all of Dagster, on whatever machine
def test_dev_works_through_the_report_by_its_sensor_backfills_from_the_ui_and_leaves_nothing_behind(
    shell: Shell,
) -> None:
    """What the README promises of `make dev`."""
    port = free_port()
    marked = Shell(shell.folder, shell.environment | {"TDX_TEST_FOLDER": str(shell.folder)})
    process = marked.start("dev", "--port", str(port), "--tickets", "12", "--assets", "200")
    try:
        ui = Ui(port)
        tickets = until(
            "materialised tickets", lambda: (it := ui.materialised()) and len(it) >= 12 and it
        )
        labels = {entry["label"] for entry in next(iter(tickets.values()))["metadataEntries"]}
        assert {"ticket", "actions", "computers attached", "title"} <= labels
        until("skipped tick", lambda: "Nothing is due" in json.dumps(ui.ask(TICKS)))
        edges = {
            ("/".join(node["assetKey"]["path"]), "/".join(key["path"]))
            for node in ui.ask(EDGES)["assetNodes"]
            for key in node["dependencyKeys"]
        }
        assert ("tickets/compliance", "silver/computers") in edges
        assert ("silver/computers", "bronze/tdx_assets") in edges
        before = {key: one["runId"] for key, one in tickets.items()}
        # With gaps between them (case F23): no range may stand for them.
        chosen = [sorted(tickets)[n] for n in (0, 2, 3, 7)]
        launched = ui.ask(
            BACKFILL,
            params={
                "assetSelection": [{"path": ["tickets", "compliance"]}],
                "partitionNames": chosen,
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        until(
            "finished backfill",
            lambda: (
                ui.ask(BACKFILL_STATUS, id=launched["backfillId"])["partitionBackfillOrError"][
                    "status"
                ]
                == "COMPLETED_SUCCESS"
            ),
        )
        after = ui.materialised()
        assert {key for key in after if after[key]["runId"] != before.get(key)} == set(chosen)
        assert editor_of_config(ui) == (False, False, COMPUTER_FORM_ID)
        # The shell has a database of its own, in which nothing was done.
        done = marked.json("stats", "--sample")["actions"]
        assert {one["count"] for one in done if one["action_type"] == "summary_comment"} == {12}
        assert marked.json("stats")["actions"] == []
        second = marked.run("dev", "--port", str(free_port()))
        assert second.returncode == 2
        for word in (f"http://127.0.0.1:{port}", f"process {process.pid}", "--port"):
            assert word in second.stderr
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert processes_in(shell.folder) == []
    for word in ("ready", f"http://127.0.0.1:{port}", "Waiting for Dagster", "--fresh"):
        assert word in err
    assert "DEBUG" not in (shell.folder / ".tdx" / "dev.log").read_text()
    elsewhere = Shell(shell.folder / ".tdx", shell.environment).run("failed", "--sample")
    assert (elsewhere.returncode, "There is no sample" in elsewhere.stderr) == (2, True)
    other = marked.run("dev", "--tickets", "13", "--assets", "200")
    assert (other.returncode, "--tickets 12 --assets 200" in other.stderr) == (2, True)
    again = marked.start("dev", "--port", str(port), "--tickets", "12", "--assets", "200")
    try:
        until("kept history", lambda: ui.materialised() == after)
        until("skipped tick", lambda: "Nothing is due" in json.dumps(ui.ask(TICKS)))
        assert ui.materialised() == after
    finally:
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=60)
    assert processes_in(shell.folder) == []
