"""`init` on tenants that differ in forms, statuses, report columns, language and permissions."""

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from tdx_dagster.cli import cli
from tdx_dagster.postgres.database import libpq_url
from tdx_dagster.simulator import (
    ASSET_APP_ID,
    BEID,
    PASSWORD,
    REPORT_ID,
    TICKET_APP_ID,
    USER_NAME,
    WEB_SERVICES_KEY,
    Options,
    Simulator,
    State,
    sample_state,
)

KEY = (BEID, WEB_SERVICES_KEY)
READ_BY_POST = ("/auth", "/auth/loginadmin", "/{app}/assets/search", "/people/search")


@dataclass
class Case:
    """A tenant, and what is right for it.

    Args:
        change: Makes the sample tenant this one.
        form: The form of computers.
        statuses: The active statuses.
        column: The ticket column.
        options: How the tenant behaves.
        apps: Ticket and asset application.
    """

    change: Callable[[State], None]
    form: int
    statuses: list[int]
    column: str = "TicketID"
    options: dict[str, Any] = field(default_factory=dict)
    apps: tuple[int, int] = (TICKET_APP_ID, ASSET_APP_ID)


def as_it_is(state: State) -> None:
    """Leave the sample tenant."""
    del state


def german(state: State) -> None:
    """Other ids and names, and a status that says "active" in German."""
    renumber_form(state, 9101, "Arbeitsplatzrechner")
    rename_status(state, 38, 7, "In Betrieb")
    state.forms[2450]["Name"] = "Bildschirm"


def unnamed(state: State) -> None:
    """Names that say nothing: the models tell the form, the numbers tell the status."""
    renumber_form(state, 515, "Formulaire B")
    state.forms[2450]["Name"], state.forms[2451]["Name"] = "Formulaire A", "Formulaire C"
    rename_status(state, 38, 77, "Niveau 1")


def other_applications(state: State) -> None:
    """Applications of other numbers, beside an asset application that holds furniture."""
    for old, new in ((TICKET_APP_ID, 634), (ASSET_APP_ID, 928)):
        state.applications[new] = state.applications.pop(old) | {"AppID": new}
        for table in (
            state.tickets,
            state.assets,
            state.forms,
            state.ticket_statuses,
            state.asset_statuses,
        ):
            for record in table.values():
                if record["AppID"] == old:
                    record["AppID"] = new
        for report in state.reports.values():
            if report["PlatformAppID"] == old:
                report["PlatformAppID"] = new
    state.applications[929] = state.applications[928] | {"AppID": 929, "Name": "Furniture"}


def two_forms(state: State) -> None:
    """Laptops have a form of their own, with fewer assets."""
    state.forms[3000] = state.forms[2448] | {"ID": 3000, "Name": "Laptop Form"}
    for number, asset in enumerate(state.assets.values()):
        if asset["FormID"] == 2448 and number % 5 == 0:
            asset["FormID"] = 3000


def renumber_form(state: State, form: int, name: str) -> None:
    """Give the form of computers another number and name."""
    state.forms[form] = state.forms.pop(2448) | {"ID": form, "Name": name}
    for asset in state.assets.values():
        if asset["FormID"] == 2448:
            asset["FormID"] = form


def rename_status(state: State, old: int, new: int, name: str) -> None:
    """Give a status of assets another number and name."""
    state.asset_statuses[new] = state.asset_statuses.pop(old) | {"ID": new, "Name": name}
    for asset in state.assets.values():
        if asset["StatusID"] == old:
            asset["StatusID"], asset["StatusName"] = new, name


CASES = {
    "as_the_sample": Case(as_it_is, 2448, [38]),
    "german_with_a_renamed_column": Case(
        german, 9101, [7], "Vorgang", {"report_renames": {"TicketID": "Vorgang"}}
    ),
    "names_that_say_nothing": Case(unnamed, 515, [77], options={"report_ids_as": "text"}),
    "other_applications": Case(other_applications, 2448, [38], apps=(634, 928)),
    "two_forms": Case(
        two_forms, 2448, [38], "Nr", {"report_renames": {"TicketID": "Nr"}, "denied_status": 401}
    ),
}


@dataclass(frozen=True)
class Terminal:
    """Runs `init` in an empty folder over a tenant."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    database: str

    def simulator(self, change: Callable[[State], None] = as_it_is, **options: Any) -> Simulator:
        state = sample_state(tickets=6, assets=60, seed=3)
        change(state)
        state.reindex()
        return Simulator(state, options=Options(**options))

    def run(self, *words: str, answers: list[str] | None = None) -> Result:
        given = "".join(f"{one}\n" for one in answers or [])
        return CliRunner().invoke(cli, ["init", *words], input=given, catch_exceptions=False)

    @property
    def pipeline(self) -> dict[str, Any]:
        [file] = self.folder.glob("src/*/defs/tickets/defs.yaml")
        found: dict[str, Any] = yaml.safe_load(file.read_text())
        return found["attributes"]


@pytest.fixture
def terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    dagster_database: str,
) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", dagster_database)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    return Terminal(tmp_path, monkeypatch, libpq_url(database_url))


def writes(simulator: Simulator) -> list[str]:
    """Calls that change something in TDX."""
    return [
        call.name
        for call in simulator.calls
        if call.method != "GET" and call.template not in READ_BY_POST
    ]


@pytest.mark.parametrize("name", CASES)
def test_six_answers_give_the_right_pipeline_and_no_write_to_tdx(
    name: str, terminal: Terminal
) -> None:
    case = CASES[name]
    sign_in = (USER_NAME, PASSWORD) if name == "other_applications" else KEY
    with terminal.simulator(case.change, **case.options) as simulator:
        answers = [simulator.url, *sign_in, terminal.database, str(REPORT_ID), ""]
        done = terminal.run(answers=answers)
        planned = CliRunner().invoke(cli, ["plan", "--json"], catch_exceptions=False)
        if name == "german_with_a_renamed_column":
            CliRunner().invoke(cli, ["ingest"], catch_exceptions=False)
            checked = CliRunner().invoke(cli, ["check"], catch_exceptions=False)
            assert "All is well" in checked.output
    assert done.exit_code == 0, done.output
    assert json.loads(planned.stdout)["actions"]["add_asset"]["new"] == 6
    assert writes(simulator) == []
    found = terminal.pipeline
    assert (found["report_id"], found["ticket_column"]) == (REPORT_ID, case.column)
    assert found["mode"] == "observe"
    [add_asset, summary] = found["actions"]
    assert add_asset["computer_form_id"] == case.form
    assert add_asset["active_status_ids"] == case.statuses
    assert summary["type"] == "summary_comment"
    settings = dotenv_values(".env")
    assert (settings["TDX_TICKET_APP_ID"], settings["TDX_ASSET_APP_ID"]) == tuple(
        map(str, case.apps)
    )
    assert settings["DATABASE_URL"] == terminal.database
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    assert sign_in[1] not in done.output
    assert "wrong" not in done.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"denied_apps": (ASSET_APP_ID,)}, "asset application"),
        ({"denied_apps": (TICKET_APP_ID,)}, "ticket application"),
        ({"report_omits": ("TicketID", "DaysOld")}, "column with the ticket's ID"),
    ],
)
def test_a_missing_permission_becomes_a_request_to_the_administrator_and_no_file(
    options: dict[str, Any], says: str, terminal: Terminal
) -> None:
    with terminal.simulator(**options) as simulator:
        done = terminal.run(answers=[simulator.url, *KEY, terminal.database, str(REPORT_ID), ""])
    assert done.exit_code == 2
    assert "Ask the administrator of TDX" in done.output
    assert says in done.output
    assert list(terminal.folder.iterdir()) == []
    assert writes(simulator) == []


def test_a_script_asks_nothing_and_overwrites_nothing(terminal: Terminal) -> None:
    with terminal.simulator() as simulator:
        words = ("--yes", "--base-url", simulator.url, "--report", str(REPORT_ID))
        refused = terminal.run(*words)
        for name, value in zip(("TDX_BEID", "TDX_WEB_SERVICES_KEY"), KEY, strict=True):
            terminal.monkeypatch.setenv(name, value)
        terminal.monkeypatch.setenv("DATABASE_URL", terminal.database)
        first = terminal.run(*words, "--actions", "comment")
        [file] = terminal.folder.glob("src/*/defs/tickets/defs.yaml")
        mine = file.read_text() + "# mine\n"
        file.write_text(mine)
        second = terminal.run(*words, "--actions", "comment")
    assert (refused.exit_code, "TDX_BEID" in refused.output) == (2, True)
    assert first.exit_code == 0, first.output
    assert "TDX_WEB_SERVICES_KEY" not in Path(".env").read_text()
    assert (second.exit_code, "Left as it is" in second.output) == (2, True)
    assert file.read_text() == mine


def test_other_lines_of_a_dotenv_stay_and_only_its_owner_reads_it(terminal: Terminal) -> None:
    Path(".env").write_text("# ours\nOTHER='x y'\nTDX_TICKET_APP_ID=1\n")
    Path(".env").chmod(0o644)
    with terminal.simulator() as simulator:
        answers = [simulator.url, *KEY, terminal.database, str(REPORT_ID), "comment", "y"]
        done = terminal.run(answers=answers)
    assert done.exit_code == 0, done.output
    text = Path(".env").read_text()
    assert text.startswith("# ours\nOTHER='x y'\n")
    assert dotenv_values(".env")["TDX_TICKET_APP_ID"] == str(TICKET_APP_ID)
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
