"""Markdown as the Dagster UI shows it: tables, links, moments.

Belongs here: making it safe and short. Does not: what is shown (`metadata`, `operations`).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Give a table; a cell is one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(value: object) -> str:
    """Give a value as a cell."""
    return one_line(str(value)).replace("|", "\\|")


def one_line(text: str) -> str:
    """Give a text without line breaks."""
    return " ".join(text.split())


def moment(at: datetime) -> str:
    """Give a moment to the minute, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
