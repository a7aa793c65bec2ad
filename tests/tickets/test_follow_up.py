"""`follow_up`: each step once, when the desk is at work, and none after a reply that was visible."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import ValidationError
from sqlalchemy import Engine

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import ADMIN_UID, CLOSED, ON_HOLD, WAITING
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.due import Due
from tdx_dagster.tickets.actions.follow_up import FollowUp
from tdx_dagster.tickets.actions.registry import read_actions
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import plan_ticket
from tests.state.memory import MemoryStore
from tests.tenant import small_tenant

from .desk import Desk, client
from .follow_up_world import Chances, SimulatedClock, run_world

DETROIT = ZoneInfo("America/Detroit")
FEED = "/{app}/tickets/{id}/feed"
STEPS: list[dict[str, Any]] = [
    {"after_days": 3, "comment_text": "Do you still need help, {{ requestor.first_name }}?"},
    {
        "after_days": 5,
        "responsible_group": "Desktop Support",
        "priority": "High",
        "notify_new_responsible": True,
    },
    {"after_days": 8, "comment_text": "We close this ticket now.", "status": "Closed"},
]


def action(steps: list[dict[str, Any]] = STEPS, **more: Any) -> FollowUp:
    """A ladder at a desk in Detroit."""
    return FollowUp.model_validate(
        {"calendar": {"time_zone": "America/Detroit"}, "steps": steps, **more}
    )


class Place:
    """A desk whose time is set by the test. Monday 2099-02-02, 9:00 is its beginning."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.at("2099-02-02 09:00")
        self.simulator = Simulator(small_tenant(), clock=self.clock)
        self.store = MemoryStore(self.clock)

    def at(self, text: str) -> None:
        """Set the time, as the desk has it."""
        self.clock.now = datetime.fromisoformat(text).replace(tzinfo=DETROIT)

    def run(self, text: str, follow_up: FollowUp | None = None, **how: Any) -> Outcome:
        """Run it on ticket 32 at a time."""
        self.at(text)
        pipeline = Pipeline("p", (follow_up or action(),))
        (outcome,) = Desk(self.simulator, self.store, pipeline, now=self.clock).outcomes(32, **how)
        return outcome

    def written(self) -> list[str]:
        """What the robot has written on ticket 32, each by its first words."""
        entries = self.simulator.state.feed_of_ticket(32)
        return [one["Body"][:24] for one in entries if one["CreatedUid"] == ADMIN_UID]


@pytest.fixture
def place() -> Iterator[Place]:
    """A desk with three tickets."""
    made = Place()
    with made.simulator:
        yield made


def test_each_step_is_done_when_its_days_have_passed_and_the_last_one_completes_the_action(
    place: Place,
) -> None:
    first = place.run("2099-02-02 09:00")
    assert (first.result, first.message) == (
        Result.SKIPPED,
        "waits until Thu 2099-02-05 09:00 EST: step 1 of follow_up",
    )
    assert place.written() == []
    second = place.run("2099-02-05 09:02")
    assert second.message == "waits until Mon 2099-02-09 09:02 EST: step 2 of follow_up"
    assert place.written() == ["Do you still need help, "]
    place.run("2099-02-09 09:02")
    held = place.simulator.state.tickets[32]
    assert (held["ResponsibleGroupID"], held["PriorityID"]) == (862, 853)
    (patch,) = place.simulator.calls.matching("PATCH", "/{app}/tickets/{id}")
    assert patch.query == "notifyNewResponsible=true"
    last = place.run("2099-02-12 09:02")
    assert last.result is Result.COMPLETED
    assert list(last.summary_lines) == ["Follow-up ended, 3 of 3 steps done: nobody replied"]
    assert held["StatusID"] == CLOSED
    assert place.simulator.calls.count("POST", FEED) == 2


def test_after_an_outage_the_step_that_is_late_comes_first_and_the_next_is_counted_from_it(
    place: Place,
) -> None:
    place.run("2099-02-02 09:00")
    late = place.run("2099-02-20 16:00")
    assert late.message == "waits until Tue 2099-02-24 16:00 EST: step 2 of follow_up"
    assert place.written() == ["Do you still need help, "]


def test_a_step_that_is_due_waits_for_the_office_to_open(place: Place) -> None:
    place.run("2099-02-02 09:00")
    assert place.run("2099-02-07 12:00").message == (
        "waits until Mon 2099-02-09 08:00 EST: step 1 of follow_up"
    )
    assert place.written() == []


def test_a_desk_that_closes_while_the_run_waits_for_its_turn_holds_the_write(place: Place) -> None:
    """As at the rate limit: the hours are looked at again right before the request."""
    place.run("2099-02-02 16:58")

    class Slow(FollowUp):
        def _wait_until(self, *due: Any, **how: Any) -> None:
            super()._wait_until(*due, **how)
            place.at("2099-02-05 17:01")

    late = place.run("2099-02-05 16:59", Slow(**action().model_dump()))
    assert late.message == "waits until Fri 2099-02-06 08:00 EST, when the desk is open"
    assert place.written() == []
    place.run("2099-02-06 08:00")
    assert place.written() == ["Do you still need help, "]


def test_a_reply_ends_it_and_an_earlier_one_does_not(place: Place) -> None:
    place.simulator.technician("tess.technician").comment(32, "Please restart it.")
    place.run("2099-02-02 09:00")
    place.run("2099-02-05 09:00")
    entry = place.simulator.state.feed_of_ticket(32)[-1]["ID"]
    place.at("2099-02-06 10:00")
    place.simulator.technician("ann").reply(entry, "Yes, please.")
    ended = place.run("2099-02-09 09:00")
    assert (ended.result, list(ended.summary_lines)) == (
        Result.COMPLETED,
        [
            "Follow-up ended, 1 of 3 steps done: Ann Onimo replied on Fri 2099-02-06 10:00 EST",
        ],
    )
    assert len(place.written()) == 1


@pytest.mark.parametrize("step", [STEPS[0], STEPS[1]])
def test_a_reply_between_the_look_and_the_write_holds_the_write(
    place: Place, step: dict[str, Any]
) -> None:
    """It came after this run had read the ticket: the feed is read again right before the request."""
    ladder = action([{**step, "after_days": 3}])
    place.run("2099-02-02 09:00", ladder)

    class Answered(FollowUp):
        def perform(self, context: Any) -> Any:
            context.ticket.conversation()
            place.simulator.technician("ann").comment(32, "It works now.")
            return super().perform(context)

    ended = place.run("2099-02-05 09:00", Answered(**ladder.model_dump()))
    assert "Ann Onimo replied" in ended.message
    assert (ended.result, ended.summary_lines, place.written()) == (Result.COMPLETED, [], [])


def test_only_the_requestor_may_count_but_a_status_that_anybody_changed_always_does(
    place: Place,
) -> None:
    ladder = action(answered_by="requestor")
    place.run("2099-02-02 09:00", ladder)
    tess = place.simulator.technician("tess.technician")
    tess.comment(32, "I have called, nobody there.")
    place.run("2099-02-05 09:00", ladder)
    assert len(place.written()) == 1
    tess.change_status(32, WAITING)
    ended = place.run("2099-02-09 09:00", ladder)
    assert ended.message == (
        "Follow-up ended, 1 of 3 steps done: Status left alone: now Waiting for Customer, set by "
        "Tess Technician"
    )


def test_the_status_that_the_robot_has_set_itself_does_not_end_it(place: Place) -> None:
    ladder = action(
        [{"after_days": 1, "status": "Waiting for Customer"}, {**STEPS[0], "after_days": 2}]
    )
    place.run("2099-02-02 09:00", ladder)
    place.run("2099-02-03 09:00", ladder)
    assert place.run("2099-02-04 09:00", ladder).message.endswith("nobody replied")
    assert place.simulator.calls.count("POST", FEED) == 2


def test_a_field_that_a_person_has_changed_is_left_alone_and_the_step_counts(place: Place) -> None:
    ladder = action([{**STEPS[1], "after_days": 1}], answered_by="requestor")
    place.run("2099-02-02 09:00", ladder)

    class Interfered(FollowUp):
        def perform(self, context: Any) -> Any:
            _ = context.ticket.latest
            place.simulator.technician("tess.technician").edit(32, PriorityID=852)
            return super().perform(context)

    done = place.run("2099-02-03 09:00", Interfered(**ladder.model_dump()))
    assert (done.result, done.evidence["steps_done"]) == (Result.COMPLETED, ["1"])
    assert done.evidence["left_alone"] == [
        "Priority left alone: now Medium, set by Tess Technician"
    ]
    assert place.written() == ["Changed Responsible Grou"]


def test_other_texts_go_on_where_the_ladder_stands(place: Place) -> None:
    """A reminder that a requestor has is not repeated because somebody has corrected its spelling."""
    place.run("2099-02-02 09:00")
    place.run("2099-02-05 09:00")
    other = action([{**STEPS[0], "comment_text": "Still there?"}, *STEPS[1:]])
    assert other.identity().action_id != action().identity().action_id
    went_on = place.run("2099-02-06 09:00", other)
    assert went_on.message == "waits until Mon 2099-02-09 09:00 EST: step 2 of follow_up"
    assert len(place.written()) == 1


def test_holidays_of_another_year_do_not_make_another_action_of_it() -> None:
    more = action(calendar={"time_zone": "America/Detroit", "holidays": ["2100-01-01"]})
    assert more.identity() == action().identity()


def test_a_dry_run_shows_the_step_that_is_due_and_writes_nothing(place: Place) -> None:
    assert place.run("2099-02-02 09:00", dry_run=True).message.startswith("waits until Thu")
    assert place.store.effects(32) == {}
    place.run("2099-02-02 09:00")
    shown = place.run("2099-02-05 09:00", dry_run=True)
    assert shown.result is Result.WOULD_RUN
    assert [one.detail["comments"] for one in shown.planned] == ["Do you still need help, Ann?"]
    assert place.written() == []


def test_between_steps_the_ticket_is_scheduled_and_later_actions_run(
    simulator: Simulator, database: Engine
) -> None:
    """On the real log: the ticket is planned again when the step is due, though it has left the report."""
    desk = Desk.over(simulator, database, action())
    before = datetime.now(DETROIT)
    (outcome,) = desk.outcomes(32)
    (row,) = desk.store.get_ticket_actions(32)
    plan = plan_ticket(desk.pipeline, 32, [row])
    assert (plan.due, plan.is_done, plan.is_ended) == ({"follow_up": Due.SCHEDULED}, True, False)
    assert not outcome.stops_ticket
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - before > timedelta(days=3)
    assert desk.store.unfinished("p", limit=9) == []
    PostgresStore(database).retry_now([32], [row.action_id], run_id="r", include_uncertain=False)
    assert desk.store.unfinished("p", limit=9) == [32]
    assert desk.outcomes(32)[0].message == outcome.message


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"after_days": 1}], "a step does nothing"),
        ([STEPS[1], STEPS[0]], r"after_days must grow from step to step, and they are \[5, 3\]"),
        ([{**STEPS[0], "name": "a"}, {**STEPS[1], "name": "a"}], "two steps have one name"),
        ([], "at least one step"),
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused(steps: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        action(steps)


def test_the_ladder_of_the_documentation_can_be_read_and_checked(simulator: Simulator) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "using.md"
    (block,) = re.findall(r"```yaml\n(- type: follow_up\n.*?)```", page.read_text(), re.DOTALL)
    (ladder,) = read_actions(yaml.safe_load(block), "using.md")
    assert ladder.check(client(simulator)) == "Desktop Support, High, Closed"


def test_check_looks_the_values_of_all_steps_up(simulator: Simulator) -> None:
    tdx = client(simulator)
    assert action().check(tdx) == "Desktop Support, High, Closed"
    with pytest.raises(TdxSettingError, match=r"TDX has no 'Clsed'\. Did you mean 'Closed'"):
        action([{"after_days": 1, "status": "Clsed"}]).check(tdx)
    with pytest.raises(TdxSettingError, match="needs a date, which a step cannot give"):
        action([{"after_days": 1, "status": ON_HOLD}]).check(tdx)


@pytest.mark.parametrize("seed", [1, 2])
def test_weeks_with_replies_outages_lost_answers_and_dying_processes(seed: int) -> None:
    """The small size of `benchmarks/follow_up.py`."""
    world = run_world(
        seed=seed, tickets=12, days=40, outage=(9.0, 10.5), chances=Chances(reply_a_day=0.04)
    )
    assert world.judge() == []
    assert world.happened["4 steps"] >= 2
    assert (
        sum(
            world.happened[f"replies {when}"]
            for when in ("between passes", "between look and check")
        )
        >= 3
    )
