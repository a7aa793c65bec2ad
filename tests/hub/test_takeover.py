"""The whole take-over from the older daemon, by its guide: each effect once, and the hub as it was."""

import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from tdx_dagster.cli import cli
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator, settings_for
from tdx_dagster.state.older_daemon import (
    partial_tickets,
    read_log,
    writing_after_takeover,
    writing_now,
)
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.takeover import is_of_older_daemon
from tests.cli.conftest import dagster_database  # noqa: F401  a fixture
from tests.hub.hub import OldRow, Snapshot, write_log
from tests.tickets.desk import Desk, client
from tests.tickets.test_dagster import SensorServices, definitions

COMMENT = Comment(comment_text="We are on it", version="v2")
ATTACH = AddAsset(version="v2")
SUMMARY = SummaryComment()

TICKETS = range(201, 209)
DONE, FAILED, FAILED_WITH_EFFECT, PARTIAL, NO_ROW, NO_ROW_AT_ALL, OTHER_ACTION, NEW = TICKETS
GUIDE = Path(__file__).parents[2] / "docs" / "moving-from-the-daemon.md"
PROJECT = """
[project]
name = "robot"

[tool.dg.project]
root_module = "robot_of_the_hub"
"""


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
    for ticket in (DONE, FAILED_WITH_EFFECT, PARTIAL, NO_ROW_AT_ALL):
        tdx.post_feed(ticket, FeedPost(COMMENT.comment_text, is_private=False))
    for ticket in (DONE, FAILED, FAILED_WITH_EFFECT, PARTIAL, NO_ROW, NO_ROW_AT_ALL):
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


def commands() -> list[list[str]]:
    """The commands of the guide, as they stand there."""
    blocks = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words for words in lines if words]


@pytest.fixture
def follow(
    world: World,
    dagster_database: str,  # noqa: F811  a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[list[str]], str]:
    """Gives a command of the guide to a shell in a new project; the answer is what it said."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "robot_of_the_hub" / "defs").mkdir(parents=True)
    for package in ("robot_of_the_hub", "robot_of_the_hub/defs"):
        (tmp_path / package / "__init__.py").touch()
    url = world.hub.url.render_as_string(hide_password=False)
    settings = settings_for(world.simulator) | {
        "DATABASE_URL": url,
        "DAGSTER_DATABASE_URL": dagster_database,
        "DAGSTER_HOME": str(GUIDE.parents[1]),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)

    def run(words: list[str]) -> str:
        if words[0] == "export":
            monkeypatch.setenv(*words[1].split("=", 1))
            return ""
        ended = CliRunner().invoke(cli, words[1:])
        assert (words[0], ended.exit_code) == ("tdx-dagster", 0), (words, ended.output)
        return ended.output

    return run


def test_by_the_guide_each_effect_is_there_once_and_the_hub_is_as_it_was(
    world: World, follow: Callable[[list[str]], str]
) -> None:
    """Whatever the log knows of what the older daemon did, and whatever it does not."""
    before = Snapshot.take(world.hub)
    said = {" ".join(words): follow(words) for words in commands()}
    follow(["tdx-dagster", "process"])
    assert {ticket: world.feed(ticket).total() for ticket in TICKETS} == dict.fromkeys(TICKETS, 1)
    assert {ticket: world.assets(ticket) for ticket in TICKETS} == {
        ticket: [1002] for ticket in TICKETS
    }
    changed = before.missing_in(Snapshot.take(world.hub))
    assert all("meta.daemon_action_log" in one and "failed" in one for one in changed), changed
    assert len(changed) == 3
    assert f"{PARTIAL}" in said["tdx-dagster takeover"]


def test_nothing_is_written_while_the_daemon_runs(
    world: World, follow: Callable[[list[str]], str], tmp_path: Path
) -> None:
    """The time of the take-over would be wrong."""
    write_log(world.hub, [OldRow(NEW, SUMMARY, hours_ago=0.1)])
    follow(["tdx-dagster", "migrate"])
    ended = CliRunner().invoke(cli, ["takeover", "--write", "hub"])
    assert (ended.exit_code, "Stop the older daemon" in ended.output) == (1, True)
    assert not list(tmp_path.rglob("defs.yaml"))


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


def test_a_daemon_that_still_writes_is_looked_for_during_a_week(world: World) -> None:
    """From the time that the pipeline gives, else from the first attempt of ours."""
    migrate(world.hub.url.render_as_string(hide_password=False))
    write_log(world.hub, [OldRow(NEW, SUMMARY, hours_ago=0.1)])
    now, week = datetime.now(UTC), timedelta(days=7)
    assert writing_after_takeover(world.hub)
    assert writing_after_takeover(world.hub, now - week + timedelta(hours=1))
    assert writing_after_takeover(world.hub, now - week - timedelta(hours=1)) is None
    attempt = text(
        "INSERT INTO meta.action_attempt (ticket_id, action_id, event, at) "
        "VALUES (1, 'x', 'claimed', now() - make_interval(days => :days))"
    )
    with world.hub.begin() as connection:
        connection.execute(attempt, {"days": 8})
        connection.execute(attempt, {"days": 1})
    assert writing_after_takeover(world.hub) is None
    assert writing_after_takeover(world.hub, now)
    assert writing_now(world.hub)


def test_a_tick_of_the_sensor_warns_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """People who look at Dagster see it there."""
    migrate(world.hub.url.render_as_string(hide_password=False))
    desk = Desk.over(world.simulator, world.hub, COMMENT)
    sensor = definitions(desk).resolve_sensor_def(desk.pipeline.sensor_name)
    resources = {"tdx_dagster_polling": SensorServices(desk)}

    with (
        dg.instance_for_test() as instance,
        dg.build_sensor_context(instance=instance, resources=resources) as context,
    ):
        warned: list[str] = []
        monkeypatch.setattr(context.log, "warning", warned.append)
        sensor(context)
        assert warned == []
        write_log(world.hub, [OldRow(NEW, SUMMARY, hours_ago=0.1)])
        sensor(context)
    assert ["Stop the older daemon" in one for one in warned] == [True]


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
