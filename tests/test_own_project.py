"""The built wheel in a Dagster project of somebody's own: components, `dg`, and the command line inside it."""

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tdx_dagster.simulator import REPORT_ID, Simulator, sample_state, settings_for
from tests.cli.conftest import Shell, dagster_database, shell  # noqa: F401  fixtures

pytest.importorskip("dagster_dg_cli", reason="dg is not installed")

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = """
[project]
name = "my-project"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["dagster", "tdx-dagster"]

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "my_project"
"""
DEFINITIONS = """
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
# Names that a project is likely to have for itself.
OWN_RESOURCES = """
import dagster as dg


@dg.asset
def something_of_ours() -> None: ...


defs = dg.Definitions(
    assets=[something_of_ours], resources={"database": "theirs", "tdx": "theirs", "polling": "theirs"}
)
"""


@dataclass(frozen=True)
class Project:
    """A project with an environment of its own."""

    folder: Path
    python: Path

    @property
    def defs(self) -> Path:
        """Where its components are."""
        return self.folder / "src" / "my_project" / "defs"

    def run(
        self, *words: str, environment: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a module in the project."""
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [str(self.python), "-P", "-m", *words],
            cwd=self.folder,
            env={"COLUMNS": "200", **(environment or {}), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def dg(self, *words: str) -> str:
        """Run a command of `dg` that ends well."""
        done = self.run("dagster_dg_cli.cli", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project as people lay it out, with the wheel in its environment."""
    base = tmp_path_factory.mktemp("own_project")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(base)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    venv.create(base / "venv", with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = base / "venv" / "lib" / version / "site-packages"
    [wheel] = base.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(packages)
    # Other people's packages are those of the lock, already installed here.
    (packages / "shared.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages"))
    )
    made = Project(base / "project", base / "venv" / "bin" / "python")
    made.defs.mkdir(parents=True)
    (made.folder / "pyproject.toml").write_text(PYPROJECT)
    (made.defs.parent / "__init__.py").write_text("")
    (made.defs.parent / "definitions.py").write_text(DEFINITIONS)
    (made.defs / "__init__.py").write_text("")
    (made.defs / "ours.py").write_text(OWN_RESOURCES)
    (packages / "project.pth").write_text(str(made.folder / "src"))
    report = ("--report-id", str(REPORT_ID))
    made.dg("scaffold", "defs", "tdx_dagster.TicketPipeline", "printers", *report)
    made.dg(
        "scaffold", "defs", "tdx_dagster.TicketPipeline", "greet", *report, "--action", "comment"
    )
    made.dg("scaffold", "defs", "tdx_dagster.Inventory", "inventory")
    return made


@pytest.fixture
def settings(shell: Shell) -> Iterator[dict[str, str]]:  # noqa: F811  a fixture
    """Settings for a simulator of two tickets."""
    with Simulator(sample_state(tickets=2, assets=20, seed=3)) as simulator:
        yield shell.environment | settings_for(simulator)


@pytest.mark.slow
def test_dg_lists_the_components_and_takes_what_it_has_scaffolded(project: Project) -> None:
    """Two pipelines and an inventory beside resources of the project's own with likely names."""
    listed = project.dg("list", "components")
    assert "tdx_dagster.TicketPipeline" in listed
    assert "tdx_dagster.Inventory" in listed
    project.dg("check", "yaml")
    project.dg("check", "defs")
    shown = project.dg("list", "defs", "--json")
    for name in ("tickets/printers", "tickets/greet", "silver/computers", "something_of_ours"):
        assert name in shown


@pytest.mark.slow
def test_a_wrong_setting_of_an_action_is_named_with_file_and_line(project: Project) -> None:
    file = project.defs / "printers" / "defs.yaml"
    right = file.read_text()
    file.write_text(right.replace("type: add_asset", "type: add_asset\n    max_asset: 3"))
    try:
        done = project.run("dagster_dg_cli.cli", "check", "yaml")
    finally:
        file.write_text(right)
    assert done.returncode != 0
    assert "max_asset" in done.stdout + done.stderr
    assert "defs.yaml:6" in done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_line_works_on_the_pipelines_of_the_project_it_stands_in(
    project: Project, settings: dict[str, str]
) -> None:
    def run(*words: str) -> str:
        done = project.run("tdx_dagster", *words, environment=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "greet, printers" in run("check")
    assert '"add_asset"' in run("plan", "--pipeline", "printers", "--json")
    assert "computers" in run("ingest", "--json")
    assert '"completed": 2' in run("process", "--pipeline", "printers", "--dry-run", "--json")
    assert '"completed": 2' in run("process", "--pipeline", "printers", "--json")
    assert '"pending": 0' in run("plan", "--pipeline", "printers", "--json")


@pytest.mark.slow
def test_a_tick_of_a_sensor_through_the_workspace_of_the_project_asks_for_runs(
    project: Project, settings: dict[str, str]
) -> None:
    """In a code server of its own, as Dagster's daemon has it."""
    workspace = project.folder / "workspace.yaml"
    workspace.write_text("load_from:\n  - python_module: my_project.definitions\n")
    words = ("sensor", "preview", "-w", str(workspace), "printers_report")
    done = project.run("dagster", *words, environment=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "run requests for 1 run(s)" in done.stdout


@pytest.mark.slow
def test_a_project_is_named_by_its_folder_too(project: Project, tmp_path: Path) -> None:
    done = project.run("tdx_dagster", "--project", str(tmp_path), "plan")
    assert done.returncode == 2
    assert "[tool.dg.project]" in done.stderr
