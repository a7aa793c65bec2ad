"""Where commands print: results to standard output, progress and errors to standard error, all to a log."""

import json
import logging
import sys
from io import TextIOWrapper
from pathlib import Path
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


def log_to_file(file: Path | None, level: str) -> None:
    """Write what this package logs to a file too; None changes nothing.

    Raises:
        BadParameter: The file cannot be written.
    """
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(
            f"{file} cannot be written: {error.strerror}.", param_hint="--log"
        ) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("tdx_dagster")
    logger.addHandler(handler)
    logger.setLevel(level.upper())
