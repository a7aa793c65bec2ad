"""The commands people type; where the process itself matters, in one of their own."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tdx_dagster.simulator import Simulator

from .conftest import Shell

Desk = Callable[..., tuple[Shell, Simulator]]
FEED = "/{app}/tickets/{id}/feed"


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """Runs commands in this process, which has imported Dagster once."""
    return replace(shell, is_apart=False)


def summaries(simulator: Simulator, ticket: int) -> list[str]:
    return [
        entry["Body"]
        for entry in simulator.state.feed_of_ticket(ticket)
        if "Automated Actions Summary" in entry["Body"]
    ]


def calls_by_ticket(simulator: Simulator) -> Counter[tuple[str, str]]:
    """How often each method was called for each ticket, attaching and its confirming read aside."""
    return Counter(
        (call.name, call.path.split("/tickets/")[1].split("/")[0])
        for call in simulator.calls
        if "/tickets/" in call.path and not call.template.endswith("/assets/{asset}")
    )


@pytest.mark.slow
def test_100_mixed_tickets_get_the_right_computers_and_one_summary_each_and_a_second_pass_one_call(
    desk: Desk,
) -> None:
    """The main job, measured against the truth that the simulator keeps."""
    shell, simulator = desk(tickets=100, assets=2000)
    assert shell.run("ingest").returncode == 0
    first = shell.json("process")
    assert first["tickets"] == {
        "in_report": 100,
        "pending": 100,
        "completed": 100,
        "failed": 0,
        "skipped": 0,
        "rejected": 0,
    }
    truth = {
        ticket: sorted(it["expected_asset_ids"]) for ticket, it in simulator.state.truths.items()
    }
    linked = {ticket: sorted(simulator.state.asset_ids_of(ticket)) for ticket in truth}
    assert linked == truth
    assert {len(summaries(simulator, ticket)) for ticket in truth} == {1}
    assert sum(first["calls"].values()) <= 5.5 * len(truth)
    assert max(calls_by_ticket(simulator).values()) == 1
    simulator.calls.reset()
    second = shell.json("process")
    assert second["calls"] == {"GET /reports/{id}": 1}
    assert second["tickets"]["pending"] == 0
    assert [call.name for call in simulator.calls if "auth" not in call.path] == [
        "GET /reports/{id}"
    ]


def test_a_run_killed_between_the_posts_effect_and_its_record_leaves_one_comment(
    desk: Desk,
) -> None:
    """Kill -9 of the process, then another pass."""
    shell, simulator = desk(tickets=1, assets=50)
    [ticket] = simulator.state.truths
    simulator.faults.add("POST", FEED, on=1, hold="after")
    victim = shell.start("process", TDX_LEASE_SECONDS="2")
    while not summaries(simulator, ticket):
        assert victim.poll() is None, victim.communicate()
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    simulator.faults.clear()
    done = 0
    while not done:
        done = shell.json("process", TDX_LEASE_SECONDS="2")["tickets"]["completed"]
    assert len(summaries(simulator, ticket)) == 1
    events = shell.json("history", str(ticket))["attempts"]
    assert "reconciled" in [one["event"] for one in events]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"TDX_BASE_URL": None}, ["TDX_BASE_URL"]),
        ({"TDX_WEB_SERVICES_KEY": None}, ["TDX_WEB_SERVICES_KEY (since TDX_BEID is set)"]),
        ({"TDX_TICKET_APP_ID": "x"}, ["TDX_TICKET_APP_ID", "integer"]),
        ({"TDX_ASSET_APP_ID": None, "TDX_APP_ID": None}, ["TDX_ASSET_APP_ID (or TDX_APP_ID)"]),
        (
            {"TDX_WEB_SERVICES_KEY": "c0ffee00-0000-4abc-8def-0123456789ab"},
            ["TDX_WEB_SERVICES_KEY"],
        ),
        ({"DATABASE_URL": "mysql://x:geheim@127.0.0.1/x"}, ["DATABASE_URL", "postgresql://"]),
        (
            {"DATABASE_URL": "postgresql://x:geheim@127.0.0.1:1/x"},
            ["PostgreSQL cannot be reached now"],
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix_and_exit_code_2_and_no_traceback(
    desk: Desk, changes: dict[str, str | None], words: list[str]
) -> None:
    """And no secret is repeated."""
    shell, _ = desk(tickets=1, assets=10)
    done = shell.run("process", **changes)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    for secret in ("geheim", "c0ffee00"):
        assert secret not in done.stderr


def test_a_wrong_ticket_app_is_blamed_on_the_setting_and_no_ticket_is(desk: Desk) -> None:
    """All tickets answer 404 then; none of them is at fault."""
    shell, _ = desk(tickets=3, assets=10)
    done = shell.run("process", TDX_TICKET_APP_ID="999")
    assert done.returncode == 2
    assert "TDX_TICKET_APP_ID" in done.stdout + done.stderr
    assert shell.json("failed")["failed"] == []


def test_a_report_without_the_ticket_column_names_the_columns_it_has(desk: Desk) -> None:
    """Exit 2: only a person can correct it."""
    shell, simulator = desk(tickets=3, assets=10)
    simulator.options.report_omits = ("TicketID",)
    done = shell.run("process")
    assert done.returncode == 2
    assert "columns seen: " in done.stderr
    assert "Title" in done.stderr


def test_a_database_without_our_schema_is_refused_with_the_command_that_mends_it(
    desk: Desk, cluster: object
) -> None:
    """A database that somebody else owns is not migrated by surprise."""
    shell, _ = desk(tickets=1, assets=10)
    with cluster.database() as bare:  # type: ignore[attr-defined]
        url = bare.replace("+psycopg2", "")
        done = shell.run("process", DATABASE_URL=url)
        assert (done.returncode, "tdx-dagster migrate" in done.stderr) == (2, True)
        first = shell.json("migrate", DATABASE_URL=url)
        assert first["applied"][0].startswith("0001_")
        assert shell.json("migrate", DATABASE_URL=url)["applied"] == []


def test_check_finds_what_is_wrong_from_the_top_and_says_how_to_mend_it(desk: Desk) -> None:
    """One command before anything else."""
    shell, _ = desk(tickets=3, assets=10)
    found = shell.json("check", TDX_ASSET_APP_ID="46")
    by_about = {one["about"]: one for one in found["findings"]}
    assert not found["ok"]
    assert by_about["TDX_ASSET_APP_ID"]["verdict"] == "wrong"
    assert by_about["TDX_TICKET_APP_ID"]["verdict"] == "ok"
    assert by_about["report of compliance"]["verdict"] == "ok"
    assert by_about["a ticket of compliance"]["verdict"] == "ok"
    assert by_about["an asset"]["verdict"] == "wrong"
    assert "tdx-dagster ingest" in by_about["inventory"]["text"]
    found = shell.json("check", TDX_TICKET_APP_ID="48")
    (ticket,) = [one for one in found["findings"] if one["about"] == "a ticket of compliance"]
    assert ticket["verdict"] == "wrong"
    assert "TDX_APP_ID" in ticket["text"]
    assert shell.run("check", TDX_BASE_URL=None).returncode == 2


def test_a_wrong_setting_of_the_sensors_is_named_by_check_and_by_what_loads_definitions(
    desk: Desk,
) -> None:
    """It is read while definitions load, where Dagster would bury it in its own error."""
    shell, _ = desk(tickets=1, assets=10)
    found = shell.json("check", TDX_POLL_SECONDS="soon")
    by_about = {one["about"]: one for one in found["findings"]}
    assert by_about["pipelines"]["verdict"] == "wrong"
    assert "TDX_POLL_SECONDS: input should be a valid integer" in by_about["pipelines"]["text"]
    done = shell.run("process", TDX_SENSORS="onn")
    assert (done.returncode, "did you mean on?" in done.stderr) == (2, True), done.stderr


def test_plan_dry_run_limit_baseline_stats_and_failed_tell_the_same_story(desk: Desk) -> None:
    """The commands that look agree with those that act."""
    shell, simulator = desk(tickets=4, assets=40)
    counts = shell.json("plan")
    assert counts["tickets"] == {"in_report": 4, "pending": 4, "rejected": 0}
    assert counts["actions"]["add_asset"]["new"] == 4
    rehearsed = shell.json("process", "--dry-run")
    assert (rehearsed["dry_run"], rehearsed["tickets"]["completed"]) == (True, 4)
    assert shell.json("stats")["actions"] == []
    assert simulator.calls.matching("POST", FEED) == []
    assert shell.json("process", "--limit", "1")["tickets"]["pending"] == 1
    assert shell.json("baseline", "--pipeline", "compliance")["recorded"] == 6
    assert shell.json("plan")["tickets"]["pending"] == 0
    stats = {
        (row["action_type"], row["status"]): row["count"] for row in shell.json("stats")["actions"]
    }
    assert stats == {("add_asset", "completed"): 4, ("summary_comment", "completed"): 4}
    assert shell.json("failed") == {"failed": [], "in_all": 0, "cleared": 0}


def test_a_failed_ticket_gives_exit_code_1_and_clearing_lets_it_run_again(desk: Desk) -> None:
    """What stopped stays in sight until a person acts."""
    shell, simulator = desk(tickets=2, assets=20)
    ticket = min(simulator.state.truths)
    simulator.faults.add("GET", f"/46/tickets/{ticket}", status=403)
    done = shell.run("process", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["tickets"]["failed"] == 1
    [row] = shell.json("failed")["failed"]
    assert (row["ticket_id"], row["failure_kind"]) == (ticket, "permanent")
    simulator.faults.clear()
    assert shell.json("process")["tickets"]["pending"] == 0
    assert shell.json("failed", "--clear", "--ticket", str(ticket))["cleared"] == 1
    assert shell.json("process")["tickets"]["completed"] == 1
    assert len(summaries(simulator, ticket)) == 1


def test_one_ticket_can_be_asked_for_by_its_id(desk: Desk) -> None:
    """Without reading the report."""
    shell, simulator = desk(tickets=3, assets=30)
    ticket = max(simulator.state.truths)
    done = shell.json("process", "--ticket", str(ticket))
    assert done["tickets"]["completed"] == 1
    assert "GET /reports/{id}" not in done["calls"]


def test_c22_no_secret_reaches_the_log_the_output_or_the_action_log(
    desk: Desk, tmp_path: Path
) -> None:
    """Canaries in every secret are searched for wherever a run leaves traces."""
    shell, simulator = desk(tickets=2, assets=20)
    shell = replace(shell, is_apart=True)
    simulator.faults.add(
        "POST", FEED, on=1, status=500, body="key c0ffee00-1234-4abc-8def-0123456789ab"
    )
    log = tmp_path / "pass.log"
    done = shell.run("process", "--log", str(log), "--log-level", "DEBUG")
    history = shell.run("history", str(min(simulator.state.truths)), "--json").stdout
    for text in (done.stdout, done.stderr, log.read_text(), history):
        assert "c0ffee00-1234" not in text


def test_explain_finds_the_computers_of_a_text_without_tdx_or_a_database(shell: Shell) -> None:
    """For whoever asks why."""
    (shell.folder / "mail.html").write_text(
        "<p>Is <b>CHEM</b>-A101 or <i>chem-a102</i> broken?</p>"
    )
    (shell.folder / "assets.json").write_text(
        json.dumps(
            [
                {
                    "ID": number,
                    "Name": name,
                    "SerialNumber": None,
                    "Tag": None,
                    "StatusName": "Active",
                }
                for number, name in ((7, "CHEM-A102"), (8, "CHEM-A101"), (9, "CHEM-A1"))
            ]
        )
    )
    words = ("explain", "--text", "mail.html", "--html", "--inventory", "assets.json")
    assert shell.json(*words, DATABASE_URL=None)["asset_ids"] == [8, 7]
    assert "CHEM-A101" in shell.run(*words, DATABASE_URL=None).stdout


def test_help_starts_without_importing_dagster(shell: Shell) -> None:
    """People look at it often; Dagster takes a second to import."""
    done = shell.run("--help")
    assert done.returncode == 0
    assert "process" in done.stdout
    import subprocess  # noqa: PLC0415  here alone
    import sys  # noqa: PLC0415  the same

    probe = "import sys, tdx_dagster.cli, tdx_dagster.cli.simulate; print('dagster' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_explain_of_a_ticket_says_what_discovery_saw_and_writes_nothing(desk: Desk) -> None:
    """The same decision as a run's, before a run makes it."""
    shell, simulator = desk(tickets=2, assets=20)
    ticket, truth = next(iter(simulator.state.truths.items()))
    found = shell.json("explain", "--ticket", str(ticket))
    assert found["asset_ids"] == truth["expected_asset_ids"]
    written = [call.name for call in simulator.calls if call.method != "GET"]
    assert {name.rpartition("/")[2] for name in written} <= {"loginadmin", "search"}
    assert shell.json("history", str(ticket))["attempts"] == []


def test_check_on_a_database_without_our_schema_names_the_command_and_goes_no_further(
    desk: Desk, cluster: object
) -> None:
    """It is the first command people run on a fresh machine."""
    shell, _ = desk(tickets=1, assets=10)
    with cluster.database() as bare:  # type: ignore[attr-defined]
        done = shell.run("check", "--json", DATABASE_URL=bare.replace("+psycopg2", ""))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    by_about = {one["about"]: one for one in json.loads(done.stdout)["findings"]}
    assert "tdx-dagster migrate" in by_about["schema"]["text"]
    assert "inventory" not in by_about
