"""Where commands print: results to standard output, progress and errors to standard error."""

import json
import sys
from io import TextIOWrapper
from typing import Any

import click
from rich.console import Console

err = Console(stderr=True)
out = Console()


def print_json(value: Any) -> None:  # noqa: ANN401  any JSON
    """Print one JSON object to standard output, in escapes where that cannot show every letter."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    is_unicode = encoding.lower().replace("-", "").startswith("utf")
    click.echo(json.dumps(value, ensure_ascii=not is_unicode, default=str))


def print_what_can_be_shown() -> None:
    """Let output that cannot show a letter print a mark for it, where Python would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
