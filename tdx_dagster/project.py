"""The Dagster project that a command works on: the one it stands in, else the one of this package.

Belongs here: finding a project by its pyproject.toml (`[tool.dg.project]`, `[tool.dagster]`) or workspace.yaml,
without importing Dagster. Does not: reading its pipelines (`component`).
"""

import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from tdx_dagster.environment import SettingsError


@dataclass(frozen=True)
class Project:
    """A project of `dg`.

    Args:
        root: The folder of its pyproject.toml.
        root_module: Its package.
        defs_module: The package that holds its components.
    """

    root: Path
    root_module: str
    defs_module: str

    def import_defs(self) -> ModuleType:
        """Import the package of the components, installed or as it lies in the folder.

        Raises:
            SettingsError: There is none.
        """
        if importlib.util.find_spec(self.root_module) is None:
            sys.path[:0] = [str(self.root / "src"), str(self.root)]
            importlib.invalidate_caches()
        try:
            return importlib.import_module(self.defs_module)
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"The project in {self.root} names the module {self.defs_module!r}, which cannot be imported "
                f"({error}): install the project, or correct root_module in [tool.dg.project]."
            ) from error


_selected: list[Project] = []


def select_project(folder: Path, *, is_required: bool) -> None:
    """Let this process work on the project of a folder; the package's own where the folder is in none.

    Args:
        folder: Where the command stands, or what `--project` names.
        is_required: Whether a folder without a project is an error.

    Raises:
        SettingsError: It is in none, or its pyproject.toml cannot be read.
    """
    found = find_project(folder)
    if found is None and is_required:
        raise SettingsError(
            f"--project: {folder} is in no Dagster project: no pyproject.toml with [tool.dg.project] or "
            "[tool.dagster], and no workspace.yaml, names a package that has a folder defs."
        )
    _selected[:] = [found] if found else []


def select_own_project() -> None:
    """Let this process work on the package's own pipelines, wherever it stands."""
    _selected.clear()


def selected_project() -> Project | None:
    """Give the project that was selected; None means the package's own."""
    return _selected[0] if _selected else None


def find_project(folder: Path) -> Project | None:
    """Give the project whose pyproject.toml or workspace.yaml is nearest to a folder, or None.

    Raises:
        SettingsError: The file cannot be read.
    """
    for each in (folder.absolute(), *folder.absolute().parents):
        if (each / "pyproject.toml").is_file():
            return _read(each)
        module = _loaded_module(each, {})
        if module:
            return Project(each, module, f"{module}.defs")
    return None


def _read(root: Path) -> Project | None:
    file = root / "pyproject.toml"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    tool = content.get("tool", {})
    settings = tool.get("dg", {}).get("project", {})
    module = settings.get("root_module") or _loaded_module(root, tool.get("dagster", {}))
    if not module:
        return None
    return Project(root, module, settings.get("defs_module") or f"{module}.defs")


def _loaded_module(root: Path, settings: Mapping[str, Any]) -> str | None:
    """Give the package that Dagster loads where the project is none of dg, if it has a folder `defs`.

    Raises:
        SettingsError: `workspace.yaml` cannot be read.
    """
    for name in (settings.get("module_name"), *_workspace_modules(root / "workspace.yaml")):
        module = str(name or "").partition(".")[0]
        if (
            module
            and module != __package__
            and any((at / module / "defs").is_dir() for at in (root, root / "src"))
        ):
            return module
    return None


def _workspace_modules(file: Path) -> list[str]:
    """Give the modules that a `workspace.yaml` loads."""
    if not file.is_file():
        return []
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    entries = content.get("load_from") if isinstance(content, dict) else None
    found = [
        entry["python_module"]
        for entry in entries or []
        if isinstance(entry, dict) and "python_module" in entry
    ]
    return [str(one["module_name"] if isinstance(one, dict) else one) for one in found]
