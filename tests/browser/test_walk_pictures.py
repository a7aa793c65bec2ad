"""Pictures of the documentation that no walk passes: the inventory, the measurement, two code locations.

Made where TDX_DAGSTER_PICTURES names a folder. What people made of computers is invented, and put into the
database.
"""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine, ensure_database, libpq_url
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import Judgement, Outcome
from tests.cli.conftest import ROOT, Shell
from tests.cli.ui import free_port, service, until
from tests.hub.two_locations import SETTINGS, materialise, write_workspace

from .conftest import PATIENCE, PICTURES, Desk, Eyes, open_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PICTURES, reason="no pictures are asked for"),
]

# Kept, removed, replaced, missed and unseen computers by kind of evidence.
INVENTED = {
    "name in title": (262, 1, 1, 0, 41),
    "serial in description": (121, 0, 1, 0, 18),
    "name in conversation": (87, 1, 0, 0, 12),
    "only computer": (64, 1, 0, 0, 57),
    "not found": (0, 0, 0, 9, 0),
}
OUTCOMES = (Outcome.KEPT, Outcome.REMOVED, Outcome.REPLACED, Outcome.MISS, Outcome.UNSEEN)
NIGHTS = 3


@pytest.fixture(scope="module")
def base_url(desk: Desk) -> str:
    """The embedded server of the desk, joined."""
    return server.start(desk.folder / ".tdx" / "postgres")


def verdicts() -> Iterator[Judgement]:
    """What people made of the computers, spread over half a year."""
    numbers, now = count(8001), datetime.now(UTC)
    for kind, amounts in INVENTED.items():
        for outcome, amount in zip(OUTCOMES, amounts, strict=True):
            for _ in range(amount):
                number = next(numbers)
                at = now - timedelta(days=number * 7 % 170, hours=number % 24)
                yield Judgement(
                    number, number, outcome, kind, f"LIB-PC-{number % 1000:03}", "compliance", at
                )


def seed(database: Engine, night: int) -> None:
    """Judge a share of the tickets, as each night does."""
    store = QualityStore(database)
    for verdict in verdicts():
        if verdict.ticket_id % NIGHTS == night:
            store.add_judged(verdict.ticket_id, [verdict])


def buy(desk: Desk, number: int) -> None:
    """Put more computers into TDX, like those that are there."""
    state = desk.control("GET", "state")
    for asset in list(state["assets"].values())[:number]:
        new = asset["ID"] + 100_000
        name = f"{asset['Name']}-{number}"
        state["assets"][str(new)] = {
            **asset,
            "ID": new,
            "Name": name,
            "SerialNumber": f"SN{number}X{asset['ID']}",
            "Tag": None,
            "ConfigurationItemID": asset["ConfigurationItemID"] + 100_000,
        }
    desk.control("PUT", "state", state)


def test_the_inventory(desk: Desk, eyes: Eyes) -> None:
    for number in (4, 11, 19):
        buy(desk, number)
        assert desk.ended(desk.launch("inventory_full")) == "SUCCESS"
        silver = desk.launch("__ASSET_JOB", asset={"path": ["silver", "computers"]})
        assert desk.ended(silver) == "SUCCESS"
    eyes.go("/assets/silver/computers", "Row count", "Plots", "quality_flags")
    eyes.page.get_by_text("Columns").first.click()
    eyes.click("Plots")
    eyes.see("dagster/row_count")
    eyes.picture("inventory")
    eyes.go("/assets/silver/computers?view=checks&checkDetail=did_not_shrink", "Latest execution")
    eyes.picture("inventory-checks")


def test_the_measurement(desk: Desk, eyes: Eyes, base_url: str) -> None:
    database = engine(ensure_database(base_url, "dev"))
    config = {"ops": {"quality__discovery": {"config": {"in_office_hours": True}}}}
    for night in range(NIGHTS):
        seed(database, night)
        assert desk.ended(desk.launch("quality_discovery", config=config)) == "SUCCESS"
    database.dispose()
    eyes.go("/assets/quality/discovery", "last quarter", "95 % interval")
    assert eyes.cut_off() <= 0
    eyes.page.get_by_text("last quarter").first.evaluate("cell => cell.scrollIntoView()")
    eyes.picture("quality")
    eyes.go("/assets/quality/discovery", "Plots")
    eyes.click("Plots")
    eyes.see("precision")
    eyes.picture("quality-plots")
    eyes.go("/assets/quality/discovery?view=checks&checkDetail=precision_holds", "none is too low")
    eyes.picture("quality-check")


def test_two_code_locations(
    desk: Desk,
    browser: Any,
    base_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, workspace = free_port(), str(write_workspace(tmp_path))
    settings = {
        **SETTINGS,
        "DATABASE_URL": libpq_url(ensure_database(base_url, "dev")),
        "DAGSTER_DATABASE_URL": libpq_url(ensure_database(base_url, "dev_dagster")),
        "DAGSTER_HOME": str(ROOT),
    }
    monkeypatch.chdir(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        materialise(tmp_path, instance)
    command = ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", workspace]
    with service(Shell(tmp_path, dict(os.environ)), "webserver", sys.executable, *command):
        both = Desk(port, desk.tdx, tmp_path)
        until("both locations", both.has_loaded, PATIENCE)
        eyes = open_page(browser, port)
        path = "/assets/tickets/compliance?view=lineage&lineageScope=upstream&lineageDepth=5"
        eyes.go(path, "raw_entities", "computers", "compliance_report")
        eyes.picture("two-locations")
        eyes.page.close()
