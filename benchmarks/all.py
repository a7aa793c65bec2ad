"""Every benchmark, in one table: `make bench`.

Each runs in a process of its own, one after the other, so that none disturbs another or inherits its
memory. The rows are written to `.tdx/bench.json` beside the table, with the machine they come from. It takes
some 15 minutes.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rows import Row, read, show

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / ".tdx" / "bench.json"
BENCHMARKS = ("throughput", "profile_run", "limiter", "growth", "discovery", "inventory", "hub")


def machine() -> dict[str, object]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }


def run(name: str, folder: Path) -> list[Row]:
    """Run one benchmark; a target that it misses shows in its rows."""
    target = folder / f"{name}.json"
    subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), "--json", str(target)],
        check=False,
        stdout=subprocess.DEVNULL,
    )
    if not target.exists():
        return [Row(name, 0, "did not end", f"python benchmarks/{name}.py", "an end", met=False)]
    return read(target)


@click.command()
@click.option(
    "--json", "target", type=click.Path(path_type=Path), default=TARGET, show_default=False
)
@click.option("--only", type=click.Choice(BENCHMARKS), multiple=True, help="Some of them.")
def main(*, target: Path, only: tuple[str, ...]) -> None:
    """Measure and show."""
    before = machine()
    console = Console(stderr=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in only or BENCHMARKS:
            console.print(f"[bold]{name}[/] …")
            rows += run(name, Path(folder))
    code = show(
        rows, f"Benchmarks: {before['cores']} cores, load {before['load'][0]:.1f} at the start"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": before, "rows": [asdict(row) for row in rows]}
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written to {target}")
    sys.exit(code)


if __name__ == "__main__":
    main()
