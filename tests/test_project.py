"""Which Dagster project a command works on, by the files of the folder it stands in."""

from pathlib import Path

import pytest

from tdx_dagster.environment import SettingsError
from tdx_dagster.project import find_project

DG = '[tool.dg.project]\nroot_module = "ours"\n'
DAGSTER = '[tool.dagster]\nmodule_name = "ours.definitions"\ncode_location_name = "ours"\n'
WORKSPACE = (
    "load_from:\n  - python_file: other.py\n  - python_module: {module_name: ours.definitions}\n"
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", DG),
        ("pyproject.toml", DAGSTER),
        ("workspace.yaml", WORKSPACE),
        ("workspace.yaml", "load_from:\n  - python_module: ours.definitions\n"),
    ],
)
@pytest.mark.parametrize("source", [".", "src"])
def test_a_project_is_found_from_a_folder_below_it(
    name: str, content: str, source: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    defs = tmp_path / source / "ours" / "defs"
    defs.mkdir(parents=True)
    found = find_project(defs)
    assert found is not None
    assert (found.root, found.defs_module) == (tmp_path, "ours.defs")


@pytest.mark.parametrize("content", [DAGSTER, "[project]\nname = 'ours'\n"])
def test_a_folder_whose_package_has_no_defs_is_no_project(content: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    assert find_project(tmp_path) is None


def test_a_workspace_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text("load_from: [")
    with pytest.raises(SettingsError, match=r"workspace\.yaml cannot be read"):
        find_project(tmp_path)
