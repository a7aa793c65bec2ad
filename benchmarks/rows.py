"""What a benchmark hands over: rows of one table, and the JSON beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured number.

    Args:
        name: What was measured.
        value: The number.
        target: What it should be, for people; empty where there is no target.
        met: Whether it is.
        unit: Of the number, with what belongs to it.
        command: What measures it again.
    """

    name: str
    value: float
    target: str
    met: bool
    unit: str
    command: str


def show(rows: Sequence[Row], title: str, target: Path | None = None) -> int:
    """Print the table, write the JSON where asked, and give the exit code: 1 where a target is missed."""
    table = Table("what", "measured", "", "target", "met", "command", title=title)
    for row in rows:
        mark = "" if not row.target else "[green]yes[/]" if row.met else "[red]no[/]"
        table.add_row(row.name, f"{row.value:,.2f}", row.unit, row.target, mark, row.command)
    Console(width=180).print(table)
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0 if all(row.met for row in rows) else 1
