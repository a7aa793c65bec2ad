"""What the pages of operations say, over a real action log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.operations.activity import activity_page, read_activity
from tdx_dagster.operations.people import no_computer_page, waiting_page
from tdx_dagster.operations.tdx_side import SensorLag, budget_page, connection_page
from tdx_dagster.settings import find_site
from tdx_dagster.simulator import Simulator, settings_for
from tdx_dagster.state.rate_limit import PostgresLimiter
from tdx_dagster.testing import Desk
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import GiveUp, Performed
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.checks import check_people_needed
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.site import Site, tags_of_site

SITE = Site("https://example.teamdynamix.com/SBTDWebApi", 31, 40)
UTC_ZONE = ZoneInfo("UTC")
MONTH_AGO = datetime.now(UTC) - timedelta(days=30)


class Refuses(Action):
    """Gives up on ticket 32."""

    def perform(self, context: ActionContext) -> Performed:
        """Give up or not."""
        if context.ticket.id == 32:
            raise GiveUp("the form has | no owner")
        return Performed("fine")


def test_activity_counts_outcomes_computers_and_failures_by_day_pipeline_and_action(
    simulator: Simulator, database: Engine
) -> None:
    Desk.over(simulator, database, AddAsset(), Refuses(), SummaryComment()).run(31, 32, 33, 34)
    found = {one.action: one for one in read_activity(database, UTC_ZONE, MONTH_AGO)}
    add = found["add_asset"]
    assert (add.pipeline, add.tickets, add.completed, add.failed) == ("p", 4, 4, 0)
    assert (add.attached, add.none_found) == (4, 1)
    custom = next(one for name, one in found.items() if "Refuses" in name)
    assert (custom.completed, custom.failed) == (3, 1)


def test_the_page_of_activity_has_numbers_of_today_and_a_picture_light_enough_for_a_mail(
    simulator: Simulator, database: Engine
) -> None:
    Desk.over(simulator, database, AddAsset(), SummaryComment()).run(31, 32, 33)
    page = activity_page(database, UTC_ZONE)
    assert page.numbers["today: actions completed"] == 6
    assert page.numbers["today: p / add_asset: tickets"] == 3
    assert page.picture
    assert len(page.picture) < 10_000
    with Image.open(BytesIO(page.picture)) as image:
        assert image.format == "PNG"


def test_an_empty_log_makes_every_page(database: Engine) -> None:
    assert "Nothing in 14 days" in activity_page(database, UTC_ZONE).text
    assert waiting_page(database, SITE).text == "No ticket waits for a person."
    assert "No such ticket" in no_computer_page(database, SITE).text
    assert "No call was made yet" in budget_page(database, []).text
    assert "never loaded" in connection_page(database, None, "", [], InventorySettings()).text


def test_what_waits_for_a_person_is_listed_with_link_reason_and_remedy(
    simulator: Simulator, database: Engine
) -> None:
    desk = Desk.over(simulator, database, Refuses())
    assert check_people_needed(database).passed
    desk.run(31, 32)
    page = waiting_page(database, SITE)
    assert page.numbers == {"tickets": 1}
    assert (
        "[32](https://example.teamdynamix.com/SBTDNext/Apps/31/Tickets/TicketDet?TicketID=32)"
        in page.text
    )
    assert "the form has \\| no owner" in page.text
    assert "remove the cause, then materialise the ticket" in page.text
    verdict = check_people_needed(database)
    assert verdict.is_error
    assert verdict.numbers == {"tickets": 1}


def test_tickets_without_a_computer_are_grouped_by_reason(
    simulator: Simulator, database: Engine
) -> None:
    Desk.over(simulator, database, AddAsset()).run(31, 34)
    page = no_computer_page(database, SITE)
    reason = "nothing is named, and the requestor does not have exactly one computer"
    assert page.numbers == {"tickets": 1, reason: 1}
    assert "TicketID=34" in page.text
    assert "TicketID=31" not in page.text


def test_the_budget_counts_calls_waits_and_answers_429_of_today(database: Engine) -> None:
    limiter = PostgresLimiter(database)
    for _ in range(3):
        limiter.acquire("desk GET tickets", 60, 60.0, 5.0)
    limiter.penalise("desk GET tickets", 0.2)
    limiter.acquire("desk GET tickets", 60, 60.0, 5.0)
    numbers = budget_page(database, [SensorLag("p_report", 300, 12.4, is_on=True)]).numbers
    assert numbers["today: calls"] == 4
    assert numbers["today: calls that waited"] == 1
    assert numbers["today: answers 429"] == 1
    assert numbers["p_report: seconds since the last tick"] == 12


def test_counts_of_yesterday_are_not_shown_as_those_of_today(database: Engine) -> None:
    limiter = PostgresLimiter(database)
    limiter.acquire("desk GET tickets", 60, 60.0, 5.0)
    with database.begin() as connection:
        connection.execute(text("UPDATE meta.rate_window SET counted_on = counted_on - 1"))
    assert budget_page(database, []).numbers["today: calls"] == 0
    limiter.acquire("desk GET tickets", 60, 60.0, 5.0)
    assert budget_page(database, []).numbers["today: calls"] == 1


def test_the_connection_says_sandbox_production_or_simulator_address_and_reports(
    database: Engine,
) -> None:
    page = connection_page(
        database, SITE, "Robo Desk (robo)", [Pipeline("p", (), report_id=8)], InventorySettings()
    )
    assert "**SANDBOX**" in page.text
    assert "p: 8" in page.text
    assert "Robo Desk (robo)" in page.text
    production = Site("https://example.teamdynamix.com/TDWebApi", 31, 40)
    for site in (production, replace(production, is_simulator=True)):
        page = connection_page(database, site, "", [], InventorySettings())
        assert f"**{'SIMULATOR' if site.is_simulator else 'PRODUCTION'}**" in page.text


def test_a_simulator_is_called_so_and_no_other_address_is(
    monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> None:
    """The demo was called production; a tunnel to a real TDX may begin at this machine as well."""
    for name, value in settings_for(simulator).items():
        monkeypatch.setenv(name, value)
    named = find_site()
    assert named
    assert (named.environment, tags_of_site(named)) == (
        "SIMULATOR",
        {"tdx/environment": "simulator"},
    )
    monkeypatch.setenv("TDX_BASE_URL", "http://127.0.0.1:8443/TDWebApi")
    other = find_site()
    assert other
    assert other.environment == "PRODUCTION"
