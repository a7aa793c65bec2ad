"""The Dagster UI as people see it, in a real browser: each page says what is so.

The walks follow each other on one desk: one ticket is refused by TDX until a person has it tried again.
"""

import pytest

from tests.cli.ui import BACKFILL, BACKFILL_STATUS, TICKS, until

from .conftest import ASSET, PATIENCE, PLACE, REFUSED_TICKET, REPOSITORY, Desk, Eyes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TICKET = "/assets/tickets/compliance?view=partitions&partition={}"
LINEAGE = "/assets/tickets/compliance?view=lineage&lineageScope=upstream&lineageDepth=5"
EVENTS = "/assets/tickets/compliance?view=events&partition={}"
SENSOR_PAGE = f"/locations/{PLACE}/sensors/compliance_report"
REEXECUTE = """
mutation ($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }"""
SENSOR = """
query ($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
  ... on Sensor { sensorState { status } } } }"""


def sensor_status(desk: Desk) -> str:
    selector = {**REPOSITORY, "sensorName": "compliance_report"}
    return str(desk.ui.ask(SENSOR, selector=selector)["sensorOrError"]["sensorState"]["status"])


def test_the_sensor_says_that_a_ticket_needs_a_person(desk: Desk, eyes: Eyes) -> None:
    def said() -> bool:
        # A tick from before the end of the run says that it is under way.
        ticks = desk.ui.ask(TICKS)["sensorOrError"]["sensorState"]["ticks"]
        return "needs a person" in (ticks[0]["skipReason"] or "")

    until("tick after the run", said, PATIENCE)
    eyes.go(SENSOR_PAGE, "SIMULATOR http://127.0.0.1:", "View logs", "0 runs requested")
    eyes.picture("sensor")
    eyes.click("0 runs requested")
    eyes.see("7 done, 1 needs a person")


def test_the_graph_leads_from_tdx_to_the_tickets(eyes: Eyes) -> None:
    eyes.go(LINEAGE, "asset_search", "tdx_assets", "computers", "compliance_report")
    eyes.picture("lineage")


def test_a_ticket_shows_what_was_done_and_why(desk: Desk, eyes: Eyes) -> None:
    eyes.go(
        TICKET.format(7001),
        f"{desk.tdx}/TDNext/Apps/46/Tickets/TicketDet?TicketID=7001",
        "in title is its name",
        "Automated Actions Summary",
    )
    eyes.picture("ticket")


def test_the_config_editor_of_the_tickets_starts_filled_in(eyes: Eyes) -> None:
    eyes.click("Materialize", modifiers=["Shift"])
    eyes.see(
        "Launchpad (configure assets)",
        "tickets__compliance",
        "max_assets_to_add",
        "allow_uncertain",
    )
    eyes.see("No errors", "No missing config")
    eyes.picture("launchpad")


def test_a_failed_ticket_shows_what_was_done_why_it_failed_and_what_to_do(
    desk: Desk, eyes: Eyes
) -> None:
    assert REFUSED_TICKET not in desk.ui.materialised()
    eyes.go(TICKET.format(REFUSED_TICKET), "failed, and did not materialize this asset")
    eyes.click("View all historical events")
    eyes.see("Observation")
    eyes.go(
        EVENTS.format(REFUSED_TICKET),
        f"TicketID={REFUSED_TICKET}",
        "is its serial number",
        "answered 400: The ticket is locked.",
        "To do: remove the cause, then materialise the ticket",
        "no attempt by itself",
    )
    eyes.picture("failed-ticket")


def test_a_rehearsal_says_what_a_launch_by_hand_would_write_and_writes_nothing(
    desk: Desk, eyes: Eyes
) -> None:
    before = desk.writes()
    run = desk.launch("compliance_rehearsal", REFUSED_TICKET)
    assert desk.ended(run) == "SUCCESS"
    assert desk.writes() == before
    eyes.go(EVENTS.format(REFUSED_TICKET), "would be written", "Automated Actions Summary")


def test_the_pages_of_operations_show_what_a_desk_looks_at_each_day(desk: Desk, eyes: Eyes) -> None:
    """Nothing of a page is cut off."""
    assert desk.ended(desk.launch("operations")) == "SUCCESS"
    pages = {
        "waiting_for_a_person": ("The ticket is locked.", "remove the cause, then materialise"),
        "dry_run": ("Nothing of this was written.", REFUSED_TICKET),
        "connection": ("SIMULATOR", "Admin Service", f"{desk.tdx}/TDWebApi"),
        "no_computer_found": ("The last 30 days.", "nothing is named"),
        "tdx_budget": ("answers 429", "compliance_report"),
        "activity": ("7 completed, 1 failed",),
    }
    for name, texts in pages.items():
        eyes.read(f"/assets/operations/{name}", *texts)
        assert eyes.cut_off() <= 0, name
        if name == "waiting_for_a_person":
            eyes.picture("waiting-for-a-person")
    eyes.page.locator("tr", has_text="picture").first.get_by_text("[Show Markdown]").click()
    image = eyes.page.locator("img[alt='the last days']").first
    image.wait_for()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    eyes.picture("activity")


def test_a_mistyped_config_fails_before_anything_is_written(desk: Desk, eyes: Eyes) -> None:
    before = desk.writes()
    mistyped = {"ops": {"tickets_compliance": {"config": {"dry_run": True}}}}
    run = desk.launch("__ASSET_JOB", REFUSED_TICKET, mistyped)
    assert desk.ended(run) == "FAILURE"
    assert desk.writes() == before
    eyes.go(f"/runs/{run}", "nothing reads")


@pytest.mark.parametrize("strategy", ["FROM_FAILURE", "ALL_STEPS"])
def test_a_re_execution_fails_again_while_the_cause_is_there(
    desk: Desk, eyes: Eyes, strategy: str
) -> None:
    params = {"parentRunId": desk.runs("compliance", "FAILURE")[-1], "strategy": strategy}
    answer = desk.ui.ask(REEXECUTE, params=params)["launchRunReexecution"]
    run = desk.launched(answer)
    assert desk.ended(run) == "FAILURE"
    assert REFUSED_TICKET not in desk.ui.materialised()
    eyes.go(f"/runs/{run}", "summary_comment failed on 1 of", "`tdx-dagster failed --sample` says")


def test_materialising_a_ticket_by_hand_tries_it_now(desk: Desk, eyes: Eyes) -> None:
    desk.control("DELETE", "faults")
    eyes.go(TICKET.format(REFUSED_TICKET), "failed, and did not materialize this asset")
    eyes.click("Materialize")
    eyes.click("Launch 1 run")
    until("ticket", lambda: REFUSED_TICKET in desk.ui.materialised(), PATIENCE)
    eyes.go(TICKET.format(REFUSED_TICKET), "is its serial number", "Automated Actions Summary")


def test_a_backfill_of_done_tickets_succeeds_and_writes_nothing(desk: Desk, eyes: Eyes) -> None:
    before = desk.writes()
    params = {"assetSelection": [ASSET], "partitionNames": ["7001", "7002"]}
    backfill = desk.ui.ask(BACKFILL, params=params)["launchPartitionBackfill"]["backfillId"]

    def completed() -> bool:
        found = desk.ui.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]
        return bool(found["status"] == "COMPLETED_SUCCESS")

    until("backfill", completed, PATIENCE)
    assert desk.writes() == before
    eyes.go(f"/runs/b/{backfill}", "Completed")


def test_a_sensor_is_switched_off_and_on_with_a_click(desk: Desk, eyes: Eyes) -> None:
    eyes.go(SENSOR_PAGE, "Running")
    for status in ("STOPPED", "RUNNING"):
        eyes.page.locator("label:has(input[type=checkbox])").first.click()
        until(status, lambda wanted=status: sensor_status(desk) == wanted, PATIENCE)
