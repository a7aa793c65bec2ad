"""The whole take-over from the older daemon, by its guide: each effect once, and the hub as it was."""

import html
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from tdx_dagster.cli import cli
from tdx_dagster.cli.check import run_checks
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator, settings_for
from tdx_dagster.simulator.sample.blank import IN_PROCESS, WAITING
from tdx_dagster.simulator.sample.blank import NEW as NEW_STATUS
from tdx_dagster.state.older_daemon import (
    SQL,
    double_tickets,
    partial_tickets,
    read_log,
    writing_after_takeover,
    writing_now,
)
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.takeover import is_of_older_daemon
from tests.cli.conftest import dagster_database  # noqa: F401  a fixture
from tests.hub.daemon import HAS_EFFECT, KILLED, End, OlderDaemon
from tests.hub.hub import OldRow, Snapshot, write_log
from tests.tickets.desk import Desk, client
from tests.tickets.test_dagster import SensorServices, definitions

ATTACH = AddAsset(version="v2", has_database=False)
COMMENT = Comment(comment_text="We are on it", new_status_id=IN_PROCESS, version="v2")
STATUS = Comment(comment_text="", new_status_id=WAITING, version="v2")
SUMMARY = SummaryComment()
ACTIONS = (ATTACH, COMMENT, STATUS, SUMMARY)

COMPUTER = 1002

# Each way in which each action may end, the others done; before the first one is killed, there is nothing.
LEFT: dict[int, tuple[Action, End]] = dict(enumerate(product(ACTIONS, End), start=201))
TICKETS = [*LEFT, OTHER_ACTION := 231, NEW := 232]
PERSON_CHANGED_STATUS, PERSON_REMOVED = 233, 234


def ticket_with(action: Action, end: End) -> int:
    """The ticket on which an action has ended so."""
    return next(ticket for ticket, left in LEFT.items() if left == (action, end))


DONE = ticket_with(SUMMARY, End.DONE)
FAILED = ticket_with(COMMENT, End.REFUSED)
PARTIAL = ticket_with(COMMENT, End.KILLED_AFTER)

# The computer is attached and told of in no summary, or in one that the log does not have as posted.
UNPOSTED = [
    *(ticket_with(action, end) for action in (COMMENT, STATUS) for end in sorted(KILLED)),
    *(ticket_with(SUMMARY, end) for end in End if end is not End.DONE),
]
SILENT = sorted(set(UNPOSTED) - {ticket_with(SUMMARY, end) for end in HAS_EFFECT})

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
    daemon: OlderDaemon

    def effects(self, ticket: int) -> Counter[str]:
        """How often each effect stands on a ticket."""
        feed = [html.unescape(one["Body"]) for one in self.simulator.state.feed_of_ticket(ticket)]
        words = {
            "comment": COMMENT.comment_text,
            "in process": 'to "<b>In Process</b>"',
            "waiting": 'to "<b>Waiting',
            "summary": SUMMARY.comment_prefix[2:],
        }
        counts = {name: sum(text in body for body in feed) for name, text in words.items()}
        linked = self.simulator.state.asset_ids_of(ticket).count(COMPUTER)
        return Counter(counts | {"computer": linked})

    def links_made(self) -> Counter[str]:
        """How often a computer was linked to each ticket, by anybody."""
        made = self.simulator.calls.matching("POST", "/{app}/tickets/{id}/assets/{assetId}")
        return Counter(one.path for one in made)


@pytest.fixture
def world(hub: Engine, simulator: Simulator) -> World:
    """Every state of its log, and what it did on the tickets."""
    daemon = OlderDaemon(hub, client(simulator), ACTIONS, COMPUTER, "PSYC-GID08")
    for ticket in (*TICKETS, PERSON_CHANGED_STATUS, PERSON_REMOVED):
        simulator.state.add_ticket(ID=ticket, Title="psyc-gid08 is slow")
    for ticket, (action, end) in LEFT.items():
        daemon.work(ticket, {action: end})
    daemon.work(PERSON_CHANGED_STATUS, {STATUS: End.LOST})
    simulator.technician("tess.tech").change_status(PERSON_CHANGED_STATUS, NEW_STATUS)
    daemon.work(PERSON_REMOVED, {ATTACH: End.LOST})
    simulator.technician("tess.tech").remove_asset(PERSON_REMOVED, COMPUTER)
    write_log(hub, [OldRow(OTHER_ACTION, AddLab(comment_text="lab"))])
    return World(hub, simulator, daemon)


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
    once = Counter(("comment", "in process", "waiting", "summary", "computer"))
    assert {ticket: world.effects(ticket) for ticket in TICKETS} == {
        ticket: once | {"summary": 0} if ticket in SILENT else once for ticket in TICKETS
    }
    assert max(world.links_made().values()) == 1
    assert world.simulator.state.tickets[PERSON_CHANGED_STATUS]["StatusID"] == NEW_STATUS
    assert world.effects(PERSON_CHANGED_STATUS)["waiting"] == 1
    assert world.simulator.state.asset_ids_of(PERSON_REMOVED) == []
    assert f"{PARTIAL}" in said["tdx-dagster takeover"]
    lost = json.loads(follow(["tdx-dagster", "takeover", "--json"]))["lost_summaries"]
    assert [one["ticket_id"] for one in lost] == sorted(UNPOSTED)
    assert_as_it_was(before, Snapshot.take(world.hub))


def assert_as_it_was(before: Snapshot, after: Snapshot) -> None:
    """What failed goes on as ours, and so does a summary with more to tell; nothing else changes."""
    log, runs = "meta.daemon_action_log", "meta.ingestion_runs"
    changed = before.missing_in(after)
    ours = (",failed,", ",summary_comment,")
    others = [one for one in changed if log not in one or not any(word in one for word in ours)]
    assert others == []
    added = {name: after.rows[name] - rows for name, rows in before.rows.items()}
    assert [name for name, rows in added.items() if rows and name not in {log, runs}] == []
    assert all("silver.tdx_computers" in row for row in added[runs]), added[runs]


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
    """Everything that somebody who takes over has to know; two comments of one configuration are no double."""
    write_log(world.hub, [OldRow(DONE, Comment(comment_text="older words"), hours_ago=900)])
    migrate(world.hub.url.render_as_string(hide_password=False))
    log = read_log(world.hub)
    counts = {one.action_id: (one.completed, one.failed) for one in log.actions}
    assert counts[COMMENT.identity().action_id] == (16, 2)
    assert counts[ATTACH.identity().action_id] == (17, 3)
    wanted = [action.identity().action_id for action in ACTIONS]
    doubles = double_tickets(world.hub, wanted)
    assert [(one.what, one.count, one.example) for one in doubles] == [("comment", 1, DONE)]
    assert [one.ticket_id for one in log.lost_summaries] == sorted(UNPOSTED)
    partial = partial_tickets(world.hub, wanted[:2])
    assert (partial.count, partial.example) == (2, PARTIAL)


def test_a_result_that_an_earlier_summary_has_posted_is_not_lost(world: World) -> None:
    """Of two summaries on a ticket, the one of the new configuration failed."""
    write_log(world.hub, [OldRow(DONE, SummaryComment(version="v9"), "failed", hours_ago=1)])
    migrate(world.hub.url.render_as_string(hide_password=False))
    assert DONE not in [one.ticket_id for one in read_log(world.hub).lost_summaries]


def test_a_daemon_that_still_writes_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Side by side, tickets are worked on twice; our own rows are no sign of it."""
    monkeypatch.chdir(tmp_path)
    url = world.hub.url.render_as_string(hide_password=False)
    for name in ("DATABASE_URL", "DAGSTER_DATABASE_URL"):
        monkeypatch.setenv(name, url)
    migrate(url)
    assert writing_now(world.hub) is None
    Desk.over(world.simulator, world.hub, COMMENT).run(NEW)
    seen = [writing_now(world.hub), *checked("action log")]
    assert seen == [None, "nobody else writes it"]
    world.daemon.work(NEW, hours_ago=0.01)
    for said in (writing_now(world.hub), *checked("action log")):
        assert "Stop the older daemon" in str(said)


def checked(about: str) -> list[str]:
    """What `tdx-dagster check` says of something."""
    return [one.text for one in run_checks() if one.about == about]


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


def test_looking_for_it_reads_the_newest_rows_alone(hub: Engine) -> None:
    """Each tick of a sensor does, over whatever log: reading all of 500,000 rows took a fifth of a second."""
    migrate(hub.url.render_as_string(hide_password=False))
    values = {"within": timedelta(minutes=15), "taken_over_at": None, "watched": timedelta(days=7)}
    with hub.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        explained = text(f"EXPLAIN {SQL['recent_writes'].text}")
        plan = "\n".join(connection.execute(explained, values).scalars())
    assert "Index Cond: (executed_at >" in plan


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
        world.daemon.work(NEW, hours_ago=0.1)
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
        **{action.identity().action_id: True for action in ACTIONS},
        AddLab(comment_text="lab").identity().action_id: False,
    }
    assert "type: add_asset" in found["pipeline"]
    assert found["lost_summaries"][0]["text"] == "Added 1 asset(s): PSYC-GID08"
    assert Snapshot.take(world.hub) == before
    with world.hub.begin() as connection:
        connection.execute(text("UPDATE meta.daemon_action_log SET executed_at = now()"))
    running = CliRunner().invoke(cli, ["takeover"])
    assert (running.exit_code, "Stop the older" in running.output) == (1, True)
