"""The code of docs/writing-an-action.md is run as it stands: whoever copies it gets what the text says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tdx_dagster.cli.new import new

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"```python\n# (\w+\.py)(?:, continued)?\n(.*?)```", re.DOTALL)
LOANER = """
from desk_actions import LinkLoaner
from tdx_dagster.testing import Desk, Result, Simulator, sample_state, temporary_database


def test_the_loaner_is_linked_once_although_the_answer_was_lost(tmp_path):
    with (
        temporary_database(tmp_path) as database,
        Simulator(sample_state(tickets=1, assets=5)) as tdx,
    ):
        [ticket], loaner = tdx.state.truths, min(tdx.state.assets)
        desk = Desk.over(tdx, database, LinkLoaner(loaner_id=loaner))
        tdx.faults.add("POST", "/{app}/tickets/{id}/assets/{asset}", on=1, drop="after")
        results = [one.result for one in (*desk.outcomes(ticket), *desk.outcomes(ticket))]
        assert results[-1] is Result.COMPLETED
        assert len(desk.store.effects(ticket)) == 1
"""


def test_the_action_and_its_test_run_as_they_stand_in_the_documentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do those that `tdx-dagster new action` writes."""
    text = (ROOT / "docs" / "writing-an-action.md").read_text(encoding="utf-8")
    files: dict[str, str] = {"test_loaner.py": LOANER}
    for name, code in BLOCK.findall(text):
        files[name] = files.get(name, "") + code
    assert sorted(files) == ["desk_actions.py", "test_desk_actions.py", "test_loaner.py"]
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(new, ["action", "seen"]).exit_code == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_documentation_names_the_public_modules_alone() -> None:
    """What people import stays."""
    allowed = {"tdx_dagster.actions", "tdx_dagster.testing"}
    text = (ROOT / "docs" / "writing-an-action.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^from (tdx_dagster\S*) import", text, re.MULTILINE)) == allowed
