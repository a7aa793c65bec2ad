"""Pipelines of a test's own, in place of those that ship, so that no other test sees them."""

import importlib
from pathlib import Path

import pytest

from tdx_dagster import component

HEAD = "type: tdx_dagster.TicketPipeline\nattributes:\n"


def use_pipelines(folder: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    """Let this process see these pipelines alone.

    Args:
        folder: The test's own; a package below it holds them.
        monkeypatch: Undoes it.
        texts: Contents of each pipeline's `defs.yaml`, by its name.
    """
    package = folder / f"defs_of_{folder.name}"
    for name, text in texts.items():
        (package / name).mkdir(parents=True)
        (package / name / "defs.yaml").write_text(text)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(component, "DEFS_MODULE", importlib.import_module(package.name))
