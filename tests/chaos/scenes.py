"""Schedules written by hand, one for each protection, that fail without it whatever the machine's speed.

Belongs here: the shortest way to the fault that a protection prevents. Does not: schedules drawn from a seed
(`schedule`).
"""

from collections.abc import Mapping, Sequence

from tdx_dagster.simulator.sample.blank import IN_PROCESS, WAITING
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.pipeline import Pipeline
from tests.chaos.schedule import (
    HIGH,
    MEDIUM,
    Doing,
    Fault,
    PersonAct,
    Round,
    Schedule,
    Step,
    Trouble,
    TroubleAt,
    WorkerPlan,
)

FEED = "/{app}/tickets/{id}/feed"
LINK = "/{app}/tickets/{id}/assets/{assetId}"
PRIVATE = Comment(comment_text="private words", is_private=True, name="private")
MOVING = Comment(comment_text="public words", name="public", new_status_id=IN_PROCESS)
FIELDS = UpdateTicket(priority=HIGH, name="fields")


def _worker(step: Step, at: int, trouble: Trouble) -> WorkerPlan:
    return WorkerPlan((TroubleAt(step, at, trouble),), is_patient=True)


def _scene(
    pipeline: Pipeline, *rounds: Round, tickets: Sequence[int] = (31,), leaves_report: bool = False
) -> Schedule:
    return Schedule(0, tickets, [pipeline], rounds, leaves_report=leaves_report)


CALM = WorkerPlan(is_patient=True)
TAKES_BACK = WorkerPlan(is_patient=True, takes_back=True)
COMMENTS = Pipeline("p", (PRIVATE, SummaryComment()))
ASSETS = Pipeline("p", (AddAsset(), SummaryComment()))
MOVES = Pipeline("p", (MOVING, AddAsset(), SummaryComment()))

SCENES: Mapping[str, Sequence[Schedule]] = {
    # It sleeps between its plan and its claim until others have done everything.
    "claim": [_scene(ASSETS, Round([_worker(Step.BEFORE_CLAIM, 1, Trouble.SUSPENDED)]))],
    # It sleeps between its intent and its write until others have written.
    "fence": [_scene(COMMENTS, Round([_worker(Step.AFTER_INTENT, 1, Trouble.SUSPENDED)]))],
    # It dies between the link and the record.
    "recovery": [
        _scene(ASSETS, Round([_worker(Step.AFTER_WRITE, 1, Trouble.KILLED)]), tickets=(32,))
    ],
    # It dies between the post and the record.
    "intent": [_scene(COMMENTS, Round([_worker(Step.AFTER_WRITE, 1, Trouble.KILLED)]))],
    # The post has its effect and no answer.
    "look before repeating": [
        _scene(
            COMMENTS,
            Round([CALM], [Fault("POST", FEED, "500 after the effect", (1,))]),
        )
    ],
    # It dies after the link is recorded and before the summary.
    "outbox": [_scene(ASSETS, Round([_worker(Step.AFTER_FINISH, 1, Trouble.KILLED)]))],
    # The status takes the ticket out of the report, and the next action fails.
    "unfinished tickets": [
        _scene(MOVES, Round([_worker(Step.AFTER_FINISH, 1, Trouble.KILLED)]), leaves_report=True)
    ],
    # Another version of the summary posts while this one waits at the limit.
    "last word of the log": [
        _scene(
            ASSETS,
            Round(
                [
                    _worker(Step.BEFORE_SENDING, 2, Trouble.WAITS),
                    WorkerPlan(
                        (TroubleAt(Step.BEFORE_CLAIM, 1, Trouble.KILLED),), is_upgraded=True
                    ),
                ]
            ),
        )
    ],
    # A person removes what the robot has linked before it could record that.
    "removals": [
        _scene(
            ASSETS,
            Round(
                [_worker(Step.AFTER_WRITE, 1, Trouble.KILLED)],
                people=[PersonAct(10**6, 31, Doing.REMOVES)],
            ),
        )
    ],
    # A person sets another status between the robot's first look at the ticket and its comment.
    "expected value": [
        _scene(
            Pipeline("p", (AddAsset(), PRIVATE, MOVING, SummaryComment())),
            Round([CALM], people=[PersonAct(3, 31, Doing.SETS_STATUS, WAITING)]),
        )
    ],
    # A person sets another priority between the robot's first look at the ticket and its patch.
    "expected fields": [
        _scene(
            Pipeline("p", (AddAsset(), PRIVATE, FIELDS, SummaryComment())),
            Round([CALM], people=[PersonAct(4, 31, Doing.SETS_PRIORITY, MEDIUM)]),
        )
    ],
    # A person sets the priority before the robot has seen the ticket.
    "what was set before": [
        _scene(
            Pipeline("p", (FIELDS, SummaryComment())),
            Round([CALM], people=[PersonAct(0, 31, Doing.SETS_PRIORITY, MEDIUM)]),
        )
    ],
    # A person removes what the robot has linked, and links it again.
    "undo's look at links": [
        _scene(
            ASSETS,
            Round([CALM]),
            Round(
                [TAKES_BACK],
                people=[PersonAct(0, 31, Doing.REMOVES), PersonAct(0, 31, Doing.ADDS, 1)],
            ),
        )
    ],
    # A person sets another priority than the robot has set.
    "undo's look at fields": [
        _scene(
            Pipeline("p", (FIELDS, SummaryComment())),
            Round([CALM]),
            Round([TAKES_BACK], people=[PersonAct(0, 31, Doing.SETS_PRIORITY, MEDIUM)]),
        )
    ],
}
