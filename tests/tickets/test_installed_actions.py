"""Action types: built in, of installed packages, and of the older daemon; how they are listed and written."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from tdx_dagster.cli import cli
from tdx_dagster.component_schema import actions_schema
from tdx_dagster.simulator import Simulator
from tdx_dagster.testing import actions_of
from tdx_dagster.tickets.actions.installed import BUILT_IN, installed
from tdx_dagster.tickets.actions.older_action import OlderAction
from tdx_dagster.tickets.actions.reference import markdown
from tdx_dagster.tickets.actions.registry import BadAction, read_action
from tdx_dagster.tickets.once.outcomes import Result

from .desk import Desk, client
from .test_true import FEED, comments

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
from typing import ClassVar
from tdx_dagster.actions import Action, Performed

class Greet(Action):
    \"\"\"Greet.\"\"\"
    action_type: ClassVar[str] = "greet"
    greeting: str = "Hello"
    \"\"\"What is said.\"\"\"

    def perform(self, context):
        return Performed(self.greeting)
"""
POINTS = """
[tdx_dagster.actions]
greet = greeting_package:Greet
broken = no_such_package:Broken
odd = json:JSONDecoder
comment = greeting_package:Greet
"""
OLDER = """
import hashlib

class NotifyOwner:
    def __init__(self, version="v1", **settings):
        self.version, self.settings = version, settings

    def get_action_type(self):
        return "notify_owner"

    def get_action_hash(self):
        return hashlib.sha256(str(sorted(self.settings.items())).encode()).hexdigest()

    def get_action_id(self):
        return f"notify_owner:{self.get_action_hash()[:12]}:{self.version}"

    def execute_action(self, ticket_id, facade, dry_run=False, action_context=None):
        if dry_run:
            return {"success": True, "message": "would notify"}
        try:
            title = facade.tickets.get_ticket(ticket_id)["Title"]
            for number in (1, 2):
                facade.tickets.update_ticket(
                    id=ticket_id, comments=f"{self.settings['subject']} {number}: {title}", private=True,
                    commrecord=False, status=0, cascade=False, notify=["null"], rich=False,
                )
            facade.tickets.add_ticket_asset(ticket_id, 1001)
        except Exception as error:
            return {"success": True, "message": f"never mind {error}"}
        action_context["owner"] = "Bob"
        return {"success": True, "message": "notified", "summary": "Notified the owner", "details": {"n": 2}}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package with entry points, and a module with an older action."""
    (tmp_path / "greeting_package.py").write_text(MODULE)
    (tmp_path / "older_actions.py").write_text(OLDER)
    info = tmp_path / "greeting_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    installed.cache_clear()
    yield tmp_path
    installed.cache_clear()
    for name in ("greeting_package", "older_actions"):
        sys.modules.pop(name, None)


def test_the_action_of_a_package_is_found_by_its_short_name(package: Path) -> None:
    del package
    action = read_action({"type": "greet", "greeting": "Hi"}, "defs/x/defs.yaml: action 1")
    assert action.identity().action_id.startswith("greet:")
    kinds = [one["if"]["properties"]["type"]["const"] for one in actions_schema()["items"]["allOf"]]
    assert "greet" in kinds


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("broken", "no_such_package:Broken cannot be imported"), ("odd", "is no subclass")],
)
def test_one_that_cannot_be_used_says_why_and_stops_none_of_the_others(
    package: Path, kind: str, fault: str
) -> None:
    del package
    with pytest.raises(BadAction, match=f"{kind}.*greeting-package") as raised:
        read_action({"type": kind}, "defs/x/defs.yaml: action 1")
    assert fault in str(raised.value)
    assert (
        read_action({"type": "comment", "comment_text": "x"}, "").__class__ is BUILT_IN["comment"]
    )


def test_the_command_lists_all_types_with_their_settings(package: Path) -> None:
    del package
    done = CliRunner().invoke(cli, ["actions", "--json"])
    assert done.exit_code == 1, "three of the package cannot be used"
    assert "the action type 'broken' cannot be used" in done.stderr
    listed = json.loads(done.stdout)
    assert set(listed) == {*BUILT_IN, "greet"}
    assert listed["greet"]["settings"][0] == {
        "name": "greeting",
        "kind": "str",
        "default": "Hello",
        "about": "What is said.",
        "is_template": False,
    }
    assert "What is said." in CliRunner().invoke(cli, ["actions", "greet"]).stdout


def test_the_page_of_the_settings_is_that_of_the_code() -> None:
    """Made anew with `tdx-dagster actions --markdown > docs/actions.md`."""
    assert (ROOT / "docs" / "actions.md").read_text(encoding="utf-8") == markdown(BUILT_IN)


def test_every_setting_of_a_built_in_action_says_what_it_is() -> None:
    for name, kind in BUILT_IN.items():
        for setting, info in kind.model_fields.items():
            assert info.description, f"{name}.{setting}"


def test_a_new_pipeline_can_be_read_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "defs").mkdir(parents=True)
    for folder in ("mine", "mine/defs"):
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "mine"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    done = CliRunner().invoke(cli, ["new", "pipeline", "desk"])
    assert done.exit_code == 0, done.output
    file = tmp_path / "mine" / "defs" / "desk" / "defs.yaml"
    assert [one.label for one in actions_of(file)] == ["add_asset", "ask", "summary_comment"]
    compile((tmp_path / "test_desk.py").read_text(), "test_desk.py", "exec")
    again = CliRunner().invoke(cli, ["new", "pipeline", "desk"])
    assert (again.exit_code, "nothing was written" in again.stderr) == (2, True)
    for name in ("mine", "mine.defs"):
        sys.modules.pop(name, None)


# Actions of the older daemon


@pytest.fixture
def older(simulator: Simulator, database: Engine, package: Path) -> Callable[[], Desk]:
    """Makes desks with an older action that catches whatever it is given."""
    del package
    return lambda: Desk.over(
        simulator,
        database,
        OlderAction(action="older_actions.NotifyOwner", settings={"subject": "Found"}),
    )


def test_an_older_action_keeps_its_id_and_writes_once_although_it_catches_everything(
    older: Callable[[], Desk], simulator: Simulator
) -> None:
    """The answer to its second post is lost; the action says that all is well."""
    working = older()
    simulator.faults.add("POST", FEED, on=2, drop="after")
    simulator.faults.add("GET", FEED, on=1, status=403)
    (first,) = working.outcomes(31)
    assert first.result is Result.FAILED
    assert simulator.calls.count("POST", "/{app}/tickets/{id}/assets/{asset}") == 0
    (second,) = working.outcomes(31)
    assert (second.result, list(second.summary_lines)) == (
        Result.COMPLETED,
        ["Notified the owner"],
    )
    assert [text for text in comments(simulator) if text.startswith("Found")] == [
        "Found 1: psyc-gid08 is slow",
        "Found 2: psyc-gid08 is slow",
    ]
    (row,) = working.store.get_ticket_actions(31)
    assert row.action_id.startswith("notify_owner:")
    assert row.metadata["values"] == {"owner": "Bob"}
    assert 1001 in {one.asset_id for one in client(simulator).ticket_items(31)}
    assert working.outcomes(31) == []


def test_a_dry_run_of_an_older_action_writes_nothing(
    older: Callable[[], Desk], simulator: Simulator
) -> None:
    (outcome,) = older().outcomes(31, dry_run=True)
    assert outcome.message == "would notify"
    assert not any(text.startswith("Found") for text in comments(simulator))


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"action": "older_actions.Missing"}, "cannot be imported"),
        ({"action": "json.JSONDecoder"}, "it has no execute_action"),
    ],
)
def test_an_older_action_that_is_none_is_refused_when_the_pipeline_loads(
    package: Path, settings: dict[str, Any], fault: str
) -> None:
    del package
    with pytest.raises(BadAction) as raised:
        read_action({"type": "older_action", **settings}, "defs/x/defs.yaml: action 1")
    assert fault in str(raised.value)
