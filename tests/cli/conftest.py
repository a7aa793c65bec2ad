"""The command line as people run it: real processes, a real database, the simulator."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
    """Runs commands in a folder with an environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def start(self, *words: str, **changes: str | None) -> "subprocess.Popen[str]":
        """Start a command; a change of None takes a variable away."""
        environment = {**self.environment, **{k: v for k, v in changes.items() if v is not None}}
        for name in (name for name, value in changes.items() if value is None):
            environment.pop(name, None)
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "tdx_dagster", *words],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def run(self, *words: str, **changes: str | None) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        process = self.start(*words, **changes)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

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
        return Shell(shell.folder, shell.environment | settings_for(simulator)), simulator

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
