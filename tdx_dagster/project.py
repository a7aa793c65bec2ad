"""The Dagster project that a command works on: the one it stands in, else the one of this package.

Belongs here: finding a project of `dg` by its pyproject.toml, without importing Dagster. Does not: reading its
pipelines (`component`).
"""

import importlib
import importlib.util
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

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
                f"{self.root / 'pyproject.toml'} names the module {self.defs_module!r}, which cannot be "
                f"imported ({error}): install the project, or correct root_module in [tool.dg.project]."
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
            f"--project: {folder} is in no project of dg: its pyproject.toml has no [tool.dg.project] with "
            "root_module."
        )
    _selected[:] = [found] if found else []


def select_own_project() -> None:
    """Let this process work on the package's own pipelines, wherever it stands."""
    _selected.clear()


def selected_project() -> Project | None:
    """Give the project that was selected; None means the package's own."""
    return _selected[0] if _selected else None


def find_project(folder: Path) -> Project | None:
    """Give the project whose pyproject.toml is nearest to a folder, or None.

    Raises:
        SettingsError: The file cannot be read.
    """
    for each in (folder.absolute(), *folder.absolute().parents):
        if (each / "pyproject.toml").is_file():
            return _read(each)
    return None


def _read(root: Path) -> Project | None:
    file = root / "pyproject.toml"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    settings = content.get("tool", {}).get("dg", {}).get("project", {})
    module = settings.get("root_module")
    if not module:
        return None
    return Project(root, module, settings.get("defs_module") or f"{module}.defs")
