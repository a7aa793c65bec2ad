"""The documentation names every command and every option."""

import re
from pathlib import Path

import click

from tdx_dagster.cli import CommandsByName, cli

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_and_every_option_is_in_the_documentation() -> None:
    """Nobody finds what is in `--help` alone."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    said = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    table = (ROOT / "docs/using.md").read_text(encoding="utf-8")
    for name in CommandsByName.places:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert re.search(rf"`{name}\b", table), name
        for option in (option for one in command.params for option in one.opts):
            assert not option.startswith("--") or option in said, f"{name} {option}"
