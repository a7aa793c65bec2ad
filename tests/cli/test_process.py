"""What `process`, `baseline` and `failed` say and the exit code they give, in this process."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from tdx_dagster.cli.log import PAGE
from tdx_dagster.postgres.database import engine
from tdx_dagster.state.postgres_store import PostgresStore

from .conftest import Terminal
from .pipelines import HEAD, use_pipelines

COMMENT = HEAD + "  actions:\n    - type: comment\n      comment_text: Hello\n"
LEAVES = COMMENT + "    - type: tests.cli.leaving_action.Leaves\n"


def test_f08_a_run_that_breaks_in_a_later_op_is_a_failed_pass_that_names_its_tickets(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said 'completed 2, failed 0' and exit 0 while the second action had run on none."""
    use_pipelines(tmp_path, monkeypatch, desk=LEAVES)
    first, *others = sorted(terminal.simulator.state.truths)
    done = terminal.run("process", "--ticket", str(first))
    assert (done.exit_code, f"1 of 1 tickets failed: {first}" in done.stderr) == (1, True)
    code, made = terminal.json("process")
    assert (code, made["failed_tickets"]) == (1, others)
    assert (made["tickets"]["completed"], made["tickets"]["failed"]) == (0, 2)


def test_a_report_that_fails_does_not_keep_tickets_that_a_run_has_begun_from_their_end(
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
) -> None:
    """The pass ends with 1 all the same: nobody knows what else the report holds."""
    use_pipelines(tmp_path, monkeypatch, desk=COMMENT)
    first = min(terminal.simulator.state.truths)
    terminal.simulator.faults.add("GET", "/reports/{id}", status=403)
    assert terminal.run("process").exit_code != 0
    assert terminal.run("baseline", "--pipeline", "desk").exit_code != 0
    PostgresStore(engine(database_url)).open_tickets("desk", [first])
    done = terminal.run("process")
    assert (done.exit_code != 0, "begun" in done.stderr, "403" in done.stderr) == (True,) * 3
    bodies = [entry["Body"] for entry in terminal.simulator.state.feed_of_ticket(first)]
    assert "Hello" in bodies


def test_an_action_that_another_run_did_meanwhile_is_no_failure(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several passes at once are allowed; what one has done is done for all."""
    use_pipelines(tmp_path, monkeypatch, desk=COMMENT)
    ticket = min(terminal.simulator.state.truths)
    rows = PostgresStore.rows

    def rows_before_another_run(self: PostgresStore, tickets: Any) -> Any:
        found = rows(self, tickets)
        monkeypatch.setattr(PostgresStore, "rows", rows)
        assert terminal.run("process", "--ticket", str(ticket)).exit_code == 0
        return found

    monkeypatch.setattr(PostgresStore, "rows", rows_before_another_run)
    assert terminal.run("process").exit_code == 0


def test_process_says_that_the_inventory_is_empty_and_what_to_do(terminal: Terminal) -> None:
    """TDX is searched for each identifier then, and people wonder why it takes long."""
    assert "tdx-dagster ingest" in terminal.run("process", "--dry-run").stderr


def test_process_without_an_action_that_asks_says_nothing_of_the_inventory(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs computers to comment."""
    use_pipelines(tmp_path, monkeypatch, desk=COMMENT)
    assert "ingest" not in terminal.run("process", "--dry-run").stderr


def test_baseline_takes_one_transaction_for_a_batch_of_tickets(terminal: Terminal) -> None:
    """Ten thousand tickets with three actions took thirty thousand."""
    statements: list[str] = []

    def count(*given: Any) -> None:
        if "INSERT INTO meta.daemon_action_log" in given[2]:
            statements.append(given[2])

    event.listen(Engine, "before_cursor_execute", count)
    try:
        code, done = terminal.json("baseline", "--pipeline", "compliance")
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert (code, done["recorded"], len(statements)) == (0, 6, 1)
    assert terminal.json("baseline", "--pipeline", "compliance")[1]["recorded"] == 0
    assert terminal.json("plan")[1]["tickets"]["pending"] == 0


def test_failed_shows_a_page_and_counts_all_by_reason(terminal: Terminal, database: Engine) -> None:
    """A night without TDX leaves thousands of rows with one reason."""
    many = 3 * PAGE
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO meta.daemon_action_log (ticket_id, action_type, action_id, action_hash, "
                "status, failure_kind, error_message, executed_at) SELECT n, 'comment', 'comment:a:v1', "
                "'a', 'failed', 'permanent', 'Ticket ' || n || ' is gone', now() "
                "FROM generate_series(90001, 90000 + :many) AS n"
            ),
            {"many": many},
        )
    shown = terminal.run("failed").stdout
    assert shown.count("is gone") == PAGE + 1
    assert f"{PAGE} of {many} are shown" in shown
    assert "Ticket N is gone" in shown
    assert terminal.run("failed", "--limit", "5").stdout.count("is gone") == 6
    code, all_of_them = terminal.json("failed")
    assert (code, len(all_of_them["failed"]), all_of_them["in_all"]) == (0, many, many)
    assert len(terminal.json("failed", "--limit", "2")[1]["failed"]) == 2


@pytest.mark.parametrize(
    "given", ["postgresql://u:geheim@127.0.0.1:1/x", "geheim", "mysql://u@h/x"]
)
def test_a_wrong_database_of_dagster_is_told_by_its_own_setting(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """People corrected DATABASE_URL, which was right."""
    monkeypatch.setenv("DAGSTER_DATABASE_URL", given)
    done = terminal.run("plan")
    assert done.exit_code == 2
    assert "DAGSTER_DATABASE_URL" in done.stderr
    assert " DATABASE_URL" not in done.stderr
    assert "geheim" not in done.stderr
