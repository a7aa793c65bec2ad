"""What a benchmark hands over: rows of one table, and the JSON beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROUNDED_FROM = 100


@dataclass(frozen=True)
class Row:
    """One measured number.

    Args:
        name: What was measured.
        value: The number.
        unit: Of the number, with what belongs to it.
        command: What measures it again.
        target: What it should be, for people; empty where there is no target.
        met: Whether it is.
    """

    name: str
    value: float
    unit: str
    command: str
    target: str = ""
    met: bool = True


def at_most(name: str, value: float, limit: float, unit: str, command: str) -> Row:
    """Give a row that is good up to a limit."""
    return Row(name, value, unit, command, f"≤ {limit:,g}", value <= limit)


def at_least(name: str, value: float, limit: float, unit: str, command: str) -> Row:
    """Give a row that is good from a limit on."""
    return Row(name, value, unit, command, f"≥ {limit:,g}", value >= limit)


def write(rows: Sequence[Row], target: Path) -> None:
    """Write the JSON."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def read(source: Path) -> list[Row]:
    """Read the JSON."""
    return [Row(**row) for row in json.loads(source.read_text(encoding="utf-8"))]


def show(rows: Sequence[Row], title: str, target: Path | None = None) -> int:
    """Print the table, write the JSON where asked, and give the exit code: 1 where a target is missed."""
    table = Table("what", "measured", "", "target", "met", "command", title=title)
    for row in rows:
        mark = "" if not row.target else "[green]yes[/]" if row.met else "[red]no[/]"
        number = f"{row.value:,.0f}" if abs(row.value) >= ROUNDED_FROM else f"{row.value:,.2f}"
        table.add_row(row.name, number, row.unit, row.target, mark, row.command)
    Console(width=180).print(table)
    if target:
        write(rows, target)
    return 0 if all(row.met for row in rows) else 1
