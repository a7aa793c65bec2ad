"""Write what an installation needs: `.env`, the pipeline's `defs.yaml`, and a project where there is none.

Belongs here: contents of the files, and writing them only where a person agrees. Secrets go into `.env` alone,
which only its owner can read.
"""

import importlib.util
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from tdx_dagster.environment import SettingsError

PYPROJECT = """[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["tdx-dagster"]

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{module}"
"""
DEFINITIONS = '''"""The definitions of this project: everything in `defs`."""

from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    """Load the folder."""
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
'''
IGNORED = ".env\n.tdx/\n.venv/\n__pycache__/\n"

Agree = Callable[[str], bool]
"""Asks a person whether a file may be changed."""


@dataclass(frozen=True)
class Planned:
    """A file to write.

    Args:
        path: Where.
        text: Its content.
        is_secret: Only its owner may read it.
    """

    path: Path
    text: str
    is_secret: bool = False


def env_file(path: Path, values: Mapping[str, str]) -> Planned:
    """Plan `.env`: its other lines stay, our variables are set.

    Raises:
        SettingsError: The file there cannot be read, or a value has a line break.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    kept = [line for line in lines if _variable(line) not in values]
    new = [f"{name}={_quoted(name, value)}" for name, value in values.items()]
    return Planned(path, "\n".join([*kept, *new]) + "\n", is_secret=True)


def _variable(line: str) -> str:
    return line.removeprefix("export ").partition("=")[0].strip()


def _quoted(name: str, value: str) -> str:
    if "\n" in value or "\r" in value:
        raise SettingsError(f"{name} has a line break.")
    if re.fullmatch(r"[A-Za-z0-9_.:/@%+,-]+", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def pipeline_file(
    folder: Path, name: str, attributes: Mapping[str, Any], notes: Sequence[str]
) -> Planned:
    """Plan the `defs.yaml` of a pipeline.

    Args:
        folder: The project's `defs`.
        name: The pipeline's.
        attributes: Of the component.
        notes: What ids stand for, as comments.
    """
    content = {"type": "tdx_dagster.TicketPipeline", "attributes": dict(attributes)}
    head = "".join(f"# {' '.join(note.split())}\n" for note in notes)
    text = head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return Planned(folder / name / "defs.yaml", text)


def inventory_file(folder: Path) -> Planned:
    """Plan the `defs.yaml` of the inventory."""
    return Planned(
        folder / "inventory" / "defs.yaml", "type: tdx_dagster.Inventory\nattributes: {}\n"
    )


def project_files(root: Path) -> tuple[list[Planned], Path]:
    """Plan a project of `dg` in a folder without one.

    Returns:
        Its files, and the folder for its components.

    Raises:
        SettingsError: The folder has a `pyproject.toml` of another kind.
    """
    if (root / "pyproject.toml").exists():
        raise SettingsError(
            f"{root / 'pyproject.toml'} has no [tool.dg.project] with root_module: start in a project of dg, "
            "or in an empty folder."
        )
    module = module_name(root.name)
    package = root / "src" / module
    files = [
        Planned(
            root / "pyproject.toml", PYPROJECT.format(name=module.replace("_", "-"), module=module)
        ),
        Planned(package / "__init__.py", ""),
        Planned(package / "definitions.py", DEFINITIONS),
        Planned(package / "defs" / "__init__.py", ""),
    ]
    if not (root / ".gitignore").exists():
        files.append(Planned(root / ".gitignore", IGNORED))
    return files, package / "defs"


def module_name(folder: str) -> str:
    """Give the name of a package for a folder's name; one that cannot be imported already."""
    name = re.sub(r"\W+", "_", folder.lower(), flags=re.ASCII).strip("_") or "tickets"
    name = f"robot_{name}" if name[0].isdigit() else name
    return f"{name}_robot" if importlib.util.find_spec(name) else name


def write_files(files: Sequence[Planned], agree: Agree) -> list[Path]:
    """Write files; one that is there with other content only where a person agrees.

    Returns:
        Those that were left as they are.
    """
    left = []
    for file in files:
        before = file.path.read_text(encoding="utf-8") if file.path.exists() else None
        if before is not None and before != file.text and not agree(_change(file, before)):
            left.append(file.path)
            continue
        _write(file)
    return left


def _change(file: Planned, before: str) -> str:
    if not file.is_secret:
        return f"{file.path} is there already. Overwrite it?"
    now, then = (dotenv_values(stream=StringIO(text)) for text in (file.text, before))
    names = [name for name in now if now[name] != then.get(name)]
    return f"{file.path} is there already. Set {', '.join(names)} in it?"


def _write(file: Planned) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o600 if file.is_secret else 0o666
    descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    if file.is_secret:
        # A file that was there keeps the mode it had.
        os.fchmod(descriptor, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(file.text)
