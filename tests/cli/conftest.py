"""The command line as people run it, over a real database and the simulator.

In processes of their own where that is what is tested, else in this one.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tdx_dagster.cli import cli
from tdx_dagster.postgres.database import libpq_url
from tdx_dagster.simulator import Simulator, sample_state, settings_for

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder with an environment.

    Args:
        prefix: Words before the command.
        is_apart: Run each in a process of its own; Dagster takes seconds to import.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    is_apart: bool = True

    def start(self, *words: str, **changes: str | None) -> "subprocess.Popen[str]":
        """Start a command; a change of None takes a variable away."""
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "tdx_dagster", *words],
            cwd=self.folder,
            env=self._changed(changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def run(self, *words: str, **changes: str | None) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        if not self.is_apart:
            return self._run_here(words, self._changed(changes))
        process = self.start(*words, **changes)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def _changed(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        mixed = self.environment | changes
        return {name: value for name, value in mixed.items() if value is not None}

    def _run_here(
        self, words: Sequence[str], environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(environment):
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            done = CliRunner().invoke(cli, words)
        error = "".join(traceback.format_exception(*done.exc_info)) if done.exc_info else ""
        is_ours = done.exception is None or isinstance(done.exception, SystemExit)
        said = done.stderr if is_ours else done.stderr + error
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, said)

    def json(self, *words: str, **changes: str | None) -> dict[str, Any]:
        """Run a command with --json and give its object."""
        done = self.run(*words, "--json", **changes)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="session")
def dagster_database(cluster: Any) -> Iterator[str]:
    """One database for Dagster's own storage: making its tables takes seconds."""
    with cluster.database() as url:
        yield libpq_url(url)


@pytest.fixture
def shell(tmp_path: Path, database_url: str, dagster_database: str) -> Shell:
    """A shell with a database of its own and no TDX."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TDX_", "DAGSTER", "DAEMON_", "INVENTORY_"))
    }
    environment |= {
        "DATABASE_URL": libpq_url(database_url),
        "DAGSTER_DATABASE_URL": dagster_database,
        "DAGSTER_HOME": str(ROOT),
        "COLUMNS": "200",
    }
    return Shell(tmp_path, environment)


@pytest.fixture
def desk(shell: Shell) -> Iterator[Callable[..., tuple[Shell, Simulator]]]:
    """Makes a shell that talks to a simulator of so many tickets."""
    running: list[Simulator] = []

    def make(tickets: int = 12, assets: int = 300) -> tuple[Shell, Simulator]:
        simulator = Simulator(sample_state(tickets=tickets, assets=assets, seed=3))
        simulator.start()
        running.append(simulator)
        settings = shell.environment | settings_for(simulator)
        return replace(shell, environment=settings), simulator

    yield make
    for simulator in running:
        simulator.stop()


@dataclass(frozen=True)
class Terminal:
    """Runs commands in this process."""

    simulator: Simulator

    def run(self, *words: str, answer: str | None = None) -> Result:
        """Run a command; the answer is what is typed where it asks."""
        return CliRunner().invoke(cli, words, input=answer, catch_exceptions=False)

    def json(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a command with --json; give its exit code and its object."""
        done = self.run(*words, "--json")
        return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    dagster_database: str,
) -> Iterator[Terminal]:
    """A terminal in a folder of its own, over a database and a TDX of three tickets."""
    monkeypatch.chdir(tmp_path)
    with Simulator(sample_state(tickets=3, assets=20, seed=3)) as simulator:
        values = settings_for(simulator) | {
            "DATABASE_URL": libpq_url(database_url),
            "DAGSTER_DATABASE_URL": dagster_database,
            "DAGSTER_HOME": str(ROOT),
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        yield Terminal(simulator)
