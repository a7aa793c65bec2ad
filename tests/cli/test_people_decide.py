"""`undo`, `again` and `process --override`: what a person decides at the terminal, and how it is recorded."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tdx_dagster.simulator import ACTIVE_STATUS_ID, COMPUTER_FORM_ID
from tdx_dagster.simulator.sample.blank import IN_PROCESS
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.records import OVERRIDE
from tdx_dagster.testing import Desk
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket

from .conftest import Terminal
from .pipelines import HEAD, use_pipelines

LINE = (
    Comment(comment_text="On it.", new_status_id=IN_PROCESS),
    UpdateTicket(tags=("robot", "seen")),
)
ATTACHES = HEAD + "  actions:\n    - type: add_asset\n"


@pytest.fixture
def ticket(terminal: Terminal, database: Engine) -> int:
    """A ticket on which a comment, a status and tags were written."""
    number = min(terminal.simulator.state.truths)
    Desk.over(terminal.simulator, database, *LINE).run(number)
    terminal.simulator.calls.reset()
    return number


def status(terminal: Terminal, ticket: int) -> int:
    return int(terminal.simulator.state.tickets[ticket]["StatusID"])


def test_undo_shows_its_plan_and_asks_before_it_writes(terminal: Terminal, ticket: int) -> None:
    """Comments and tags are listed as staying."""
    asked = terminal.run("undo", "--ticket", str(ticket), answer="n\n")
    plan = " ".join(asked.stdout.split())
    assert "Would be taken back" in plan
    assert "status restored to" in plan
    assert "Take this back?" in plan
    assert status(terminal, ticket) == IN_PROCESS
    planned = terminal.json("undo", "--ticket", str(ticket), "--dry-run")
    said = [one["message"] for one in planned[1]["actions"]]
    assert (planned[0], planned[1]["dry_run"]) == (0, True)
    assert any("Cannot be taken back: the entry" in one for one in said)
    assert any("Cannot be taken back: the tags robot, seen" in one for one in said)
    assert status(terminal, ticket) == IN_PROCESS
    agreed = terminal.run("undo", "--ticket", str(ticket), answer="y\n")
    assert (agreed.exit_code, "Taken back" in agreed.stdout) == (0, True)
    assert status(terminal, ticket) != IN_PROCESS


def test_undo_for_scripts_does_not_ask_and_again_lets_the_actions_run_there(
    terminal: Terminal, ticket: int, database: Engine
) -> None:
    """The actions that were taken back are not due until a person says so."""
    assert terminal.run("undo", "--json", "--ticket", str(ticket)).exit_code == 2
    assert terminal.run("undo", "--action", "comment").exit_code == 2
    code, made = terminal.json("undo", "--ticket", str(ticket), "--yes")
    assert (code, {one["result"] for one in made["actions"]}) == (0, {"completed"})
    before = status(terminal, ticket)
    assert before != IN_PROCESS
    working = Desk.over(terminal.simulator, database, *LINE)
    assert working.outcomes(ticket) == []
    assert terminal.json("again", "--ticket", str(ticket), "--reason", "it was right") == (
        0,
        {"again": 2},
    )
    said = [past for past in working.store.get_attempts(ticket) if past.event == "again"]
    assert {past.detail["reason"] for past in said} == {"it was right"}
    working.run(ticket)
    assert terminal.json("again", "--ticket", str(ticket)) == (0, {"again": 0})


def test_undo_ends_with_1_where_it_could_not_take_all_back(terminal: Terminal, ticket: int) -> None:
    terminal.simulator.faults.add("PATCH", "/{app}/tickets/{id}", status=403)
    code, made = terminal.json("undo", "--ticket", str(ticket), "--yes")
    assert (code, "failed" in {one["result"] for one in made["actions"]}) == (1, True)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--ticket", "7001", "--override"), "go together"),
        (("--ticket", "7001", "--reason", "mistake"), "go together"),
        (("--override", "--reason", "mistake"), "tickets named with --ticket"),
        (("--ticket", "7001", "--override", "--reason", "x", "--dry-run"), "leave out --dry-run"),
    ],
)
def test_a_removal_is_not_overruled_without_a_ticket_and_a_reason(
    terminal: Terminal, words: tuple[str, ...], fault: str
) -> None:
    refused = terminal.run("process", *words)
    assert (refused.exit_code, fault in " ".join(refused.stderr.split())) == (2, True)
    assert list(terminal.simulator.calls) == []


def test_nothing_is_overruled_while_the_pipeline_observes(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Engine
) -> None:
    use_pipelines(tmp_path, monkeypatch, desk=ATTACHES + "  mode: observe\n")
    ticket = min(terminal.simulator.state.truths)
    words = ("process", "--ticket", str(ticket), "--override", "--reason", "by mistake")
    refused = terminal.run(*words)
    said = " ".join(refused.stderr.split())
    assert (refused.exit_code, "`mode: act` lets it attach" in said) == (2, True), said
    assert PostgresStore(database).get_attempts(ticket) == []


def test_a_person_at_the_terminal_overrules_a_removal_and_it_is_recorded(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Engine
) -> None:
    use_pipelines(tmp_path, monkeypatch, desk=ATTACHES)
    state, ticket = terminal.simulator.state, min(terminal.simulator.state.truths)
    asset = 7001
    named = {"Name": "PSYC-GID77", "FormID": COMPUTER_FORM_ID, "StatusID": ACTIVE_STATUS_ID}
    state.add_asset(ID=asset, SerialNumber="C02TESSCAT77", StatusName="Active", **named)
    state.tickets[ticket]["Title"] = "PSYC-GID77 does not start"
    Desk.over(terminal.simulator, database, AddAsset()).run(ticket)
    assert state.asset_ids_of(ticket) == [asset]
    terminal.simulator.technician("tess.tech").remove_asset(ticket, asset)
    words = ("process", "--ticket", str(ticket))
    assert terminal.run(*words).exit_code == 0
    assert asset not in state.asset_ids_of(ticket)
    done = terminal.run(*words, "--override", "--reason", "removed by mistake")
    assert done.exit_code == 0, done.stderr
    assert asset in state.asset_ids_of(ticket)
    history = PostgresStore(database).get_attempts(ticket)
    [said] = [past.detail for past in history if past.effect == OVERRIDE]
    assert said["reason"] == "removed by mistake"
    assert said["by"]
