"""The whole take-over from the older daemon, by its guide: each effect once, and the hub as it was."""

import json
from collections import Counter
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from tdx_dagster.cli import cli
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator
from tdx_dagster.state.older_daemon import partial_tickets, read_log, writing_now
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.takeover import is_of_older_daemon
from tests.hub.hub import OldRow, Snapshot, write_log
from tests.tickets.desk import Desk, client

COMMENT = Comment(comment_text="We are on it", version="v2")
ATTACH = AddAsset(version="v2")
SUMMARY = SummaryComment()

DONE, FAILED, FAILED_WITH_EFFECT, PARTIAL, NO_ROW, OTHER_ACTION, NEW = range(201, 208)
TICKETS = (DONE, FAILED, FAILED_WITH_EFFECT, PARTIAL, NO_ROW, OTHER_ACTION, NEW)


class AddLab(Comment):
    """An action of the older daemon that we do not have."""

    action_type = "add_lab"


@dataclass
class World:
    """The hub and TDX as the older daemon left both."""

    hub: Engine
    simulator: Simulator

    def feed(self, ticket: int) -> Counter[str]:
        """How often each of our texts stands on a ticket."""
        entries = client(self.simulator).feed(ticket)
        return Counter(COMMENT.comment_text for one in entries if COMMENT.comment_text in one.body)

    def assets(self, ticket: int) -> list[int]:
        """The computers on a ticket."""
        items = client(self.simulator).ticket_items(ticket)
        return [item.asset_id for item in items if item.asset_id]


@pytest.fixture
def world(hub: Engine, simulator: Simulator) -> World:
    """Every state of its log, and what it did on the tickets."""
    tdx = client(simulator)
    for ticket in TICKETS:
        simulator.state.add_ticket(ID=ticket, Title="psyc-gid08 is slow")
    for ticket in (DONE, FAILED_WITH_EFFECT, PARTIAL, NO_ROW):
        tdx.post_feed(ticket, FeedPost(COMMENT.comment_text, is_private=False))
    for ticket in (DONE, FAILED, FAILED_WITH_EFFECT, PARTIAL):
        tdx.attach_asset(ticket, 1002)
    found = {"phase": 1, "asset_names": ["PSYC-GID08"]}
    write_log(
        hub,
        [
            *(
                OldRow(one, ATTACH, details=found)
                for one in (DONE, FAILED, FAILED_WITH_EFFECT, PARTIAL)
            ),
            OldRow(DONE, COMMENT),
            OldRow(FAILED, COMMENT, "failed", error="connection refused"),
            OldRow(FAILED_WITH_EFFECT, COMMENT, "failed", error="connection lost"),
            OldRow(DONE, SUMMARY, hours_ago=47),
            OldRow(FAILED, SUMMARY, "failed", hours_ago=47),
            OldRow(OTHER_ACTION, AddLab(comment_text="lab")),
        ],
    )
    return World(hub, simulator)


def taken_over(world: World) -> Desk:
    """Migrate, and make two passes with the pipeline that has the same ids."""
    migrate(world.hub.url.render_as_string(hide_password=False))
    desk = Desk.over(world.simulator, world.hub, ATTACH, COMMENT)
    for _ in range(2):
        desk.run(*TICKETS)
    return desk


def test_what_is_done_stays_done_and_what_is_not_is_done_once(world: World) -> None:
    """Where the log says what is so."""
    before = Snapshot.take(world.hub)
    taken_over(world)
    for ticket in (DONE, FAILED, OTHER_ACTION, NEW):
        assert world.feed(ticket).total() == 1, ticket
        assert world.assets(ticket) == [1002], ticket
    after = Snapshot.take(world.hub)
    changed = before.missing_in(after)
    assert all("meta.daemon_action_log" in one and "failed" in one for one in changed), changed
    assert len(changed) == 2


def test_an_effect_that_the_log_does_not_know_is_found_on_the_ticket(world: World) -> None:
    """The connection was lost after the write, or the process was killed before the row."""
    taken_over(world)
    assert [world.feed(ticket).total() for ticket in (FAILED_WITH_EFFECT, PARTIAL)] == [1, 1]


def test_a_row_that_we_take_over_stays_known_as_the_older_daemons(world: World) -> None:
    """Also after a first attempt of ours has failed."""
    migrate(world.hub.url.render_as_string(hide_password=False))
    store = PostgresStore(world.hub)
    claim = store.claim(FAILED, COMMENT.identity(), pipeline="p", run_id="run", lease_seconds=60.0)
    assert claim is not None
    (own,) = [
        one
        for one in store.get_ticket_actions(FAILED)
        if one.action_id == COMMENT.identity().action_id
    ]
    assert (own.pipeline, is_of_older_daemon(own)) == ("p", True)


def test_the_log_is_read_by_id_with_what_is_partial_double_and_lost(world: World) -> None:
    """Everything that somebody who takes over has to know."""
    write_log(world.hub, [OldRow(DONE, Comment(comment_text="older words"), hours_ago=900)])
    migrate(world.hub.url.render_as_string(hide_password=False))
    log = read_log(world.hub)
    counts = {one.action_id: (one.completed, one.failed) for one in log.actions}
    assert counts[COMMENT.identity().action_id] == (1, 2)
    assert counts[ATTACH.identity().action_id] == (4, 0)
    assert [(one.what, one.count, one.example) for one in log.doubles] == [("comment", 1, DONE)]
    assert [one.ticket_id for one in log.lost_summaries] == [FAILED, FAILED_WITH_EFFECT, PARTIAL]
    wanted = [ATTACH.identity().action_id, COMMENT.identity().action_id]
    assert (
        partial_tickets(world.hub, wanted).count,
        partial_tickets(world.hub, wanted).example,
    ) == (1, PARTIAL)


def test_a_daemon_that_still_writes_is_noticed(world: World) -> None:
    """Side by side, tickets are worked on twice; our own rows are no sign of it."""
    migrate(world.hub.url.render_as_string(hide_password=False))
    assert writing_now(world.hub) is None
    Desk.over(world.simulator, world.hub, COMMENT).run(NEW)
    assert writing_now(world.hub) is None
    write_log(world.hub, [OldRow(NEW, SUMMARY, hours_ago=0.1)])
    assert "Stop the older daemon" in str(writing_now(world.hub))


def test_the_command_shows_the_log_and_the_pipeline(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 1 while the daemon runs, and changes nothing."""
    url = world.hub.url.render_as_string(hide_password=False)
    migrate(url)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", url)
    before = Snapshot.take(world.hub)
    shown = CliRunner().invoke(cli, ["takeover", "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert {one["action_id"]: one["matched"] for one in found["actions"]} == {
        ATTACH.identity().action_id: True,
        COMMENT.identity().action_id: True,
        SUMMARY.identity().action_id: True,
        AddLab(comment_text="lab").identity().action_id: False,
    }
    assert "type: add_asset" in found["pipeline"]
    assert found["lost_summaries"][0]["text"] == "Added 1 asset(s): PSYC-GID08"
    assert Snapshot.take(world.hub) == before
    with world.hub.begin() as connection:
        connection.execute(text("UPDATE meta.daemon_action_log SET executed_at = now()"))
    running = CliRunner().invoke(cli, ["takeover"])
    assert (running.exit_code, "Stop the older" in running.output) == (1, True)
