"""How long it takes to fill the inventory, and how much memory: a full load, an incremental one, a rebuild.

Run from the top of the repository: `python benchmarks/inventory.py [--assets N] [--json FILE]`. It starts an
embedded PostgreSQL of its own in a temporary folder and a TDX simulator in a process of its own, and stops
both. Each step runs as its Dagster job in a fresh process, whose whole memory is measured. Nothing outside is
touched.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rows import Row, at_least, at_most, write

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.simulator import Simulator, sample_state, settings_for

ASSETS = 41_000
COMMAND = "python benchmarks/inventory.py"
CHANGED = 0.01
MOST_MEGABYTES = 600
CHEAPER = 20
"""So many times fewer rows an incremental load of one per cent writes than a full one."""

# A fresh process has only its own memory; a forked one begins with its parent's.
PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Step:
    """What one step took.

    Args:
        name: What was done.
        seconds: From the start of the job to its end, without starting the process.
        records: Records read: of TDX, or of bronze.
        written: Rows written, in bronze or silver.
        megabytes: Peak memory of the whole process.
    """

    name: str
    seconds: float
    records: int
    written: int
    megabytes: int

    @property
    def per_second(self) -> int:
        """Records a second."""
        return round(self.records / self.seconds)


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Args:
        assets: Size of the inventory.
        steps: In the order in which they were made.
    """

    assets: int
    steps: tuple[Step, ...]

    @property
    def cheaper(self) -> float:
        """How many times fewer rows the incremental load wrote than the full one."""
        full, incremental = self.steps[0], self.steps[2]
        return full.written / max(incremental.written, 1)

    @property
    def is_good(self) -> bool:
        """Whether the limits hold."""
        peak = max(step.megabytes for step in self.steps)
        return peak < MOST_MEGABYTES and self.cheaper >= CHEAPER

    def rows(self) -> list[Row]:
        """The numbers, for the table of all benchmarks."""
        peak = max(step.megabytes for step in self.steps)
        of = f"{self.assets:,} assets: "
        return [
            *(
                Row(of + one.name, one.per_second, f"records/s, {one.seconds:.1f} s", COMMAND)
                for one in self.steps
            ),
            at_least(of + "rows for 1 %", self.cheaper, CHEAPER, "times fewer than full", COMMAND),
            at_most(of + "peak memory", peak, MOST_MEGABYTES, "MB", COMMAND),
        ]


def measure(assets: int = ASSETS) -> Measured:
    """Load an inventory of this size from the simulator, change one per cent of it, load that.

    Args:
        assets: How many assets TDX has.
    """
    with tempfile.TemporaryDirectory() as folder, _served(assets) as (settings, simulator):
        Path(folder).chmod(0o755)
        base = Path(folder) / "server"
        url = server.start(base)
        try:
            database = ensure_database(url, "benchmark")
            migrate(database)
            variables = settings | {"DATABASE_URL": database, "DAGSTER_HOME": ""}
            steps = [_step("full load", "inventory_full", variables)]
            steps.append(_step("rebuild after it", "", variables))
            simulator.send(round(assets * CHANGED))
            simulator.recv()
            steps.append(_step("incremental load of 1 %", "inventory_incremental", variables))
            steps.append(_step("rebuild after it", "", variables))
        finally:
            server.stop(base)
    return Measured(assets, tuple(steps))


@contextmanager
def _served(assets: int) -> Iterator[tuple[dict[str, str], Pipe]]:
    """A simulator in its own process: gives the settings for it, and a pipe that takes numbers of changes."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_serve, args=(there, assets))
    process.start()
    try:
        yield here.recv(), here
    finally:
        here.send(None)
        process.join()


def _serve(pipe: Pipe, assets: int) -> None:
    state = sample_state(tickets=1, assets=assets, seed=7)
    with Simulator(state) as simulator:
        pipe.send(settings_for(simulator))
        while (number := pipe.recv()) is not None:
            now = simulator.tenant.now()
            for asset in list(state.assets.values())[:number]:
                asset |= {"Tag": f"NEW{asset['ID']}", "ModifiedDate": now}
            pipe.send("changed")


def _step(name: str, job: str, variables: dict[str, str]) -> Step:
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_run, args=(there, name, job, variables))
    process.start()
    there.close()
    try:
        step = here.recv()
    finally:
        process.join()
    if not isinstance(step, Step):
        raise TypeError(f"{name} gave {step!r}")
    return step


def _run(pipe: Pipe, name: str, job: str, variables: dict[str, str]) -> None:
    """One job as Dagster runs it; with no name, the rebuild of silver."""
    os.environ.update(variables)
    import dagster as dg  # noqa: PLC0415  in the process whose memory is measured

    from tdx_dagster.definitions import build_defs  # noqa: PLC0415  the same
    from tdx_dagster.inventory.columns import ASSETS, COMPUTERS  # noqa: PLC0415  the same

    defs = build_defs()
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        began = time.perf_counter()
        if job:
            run = defs.resolve_job_def(job)
            mode = job.removeprefix("inventory_")
            config = {"ops": {ASSETS.to_python_identifier(): {"config": {"mode": mode}}}} | quiet
            result = run.execute_in_process(instance=instance, run_config=config)
        else:
            run = defs.resolve_implicit_global_asset_job_def()
            result = run.execute_in_process(
                instance=instance, asset_selection=[COMPUTERS], run_config=quiet
            )
        seconds = time.perf_counter() - began
    shown = {
        event.asset_key: {key: value.value for key, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    loaded = shown.get(ASSETS) or shown[COMPUTERS]
    records = loaded.get("records", loaded["dagster/row_count"])
    written = loaded.get("written", loaded.get("created", 0) + loaded.get("updated", 0))
    pipe.send(Step(name, round(seconds, 2), records, written, _peak_megabytes()))


def _peak_megabytes() -> int:
    """Most memory this process ever had, with all it imported."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20


def show(measured: Measured) -> Table:
    """A table for people."""
    title = f"Inventory of {measured.assets:,} assets"
    table = Table("step", "seconds", "records", "records/s", "rows written", "peak MB", title=title)
    for step in measured.steps:
        numbers = (step.records, step.per_second, step.written, step.megabytes)
        table.add_row(step.name, f"{step.seconds:.1f}", *(f"{number:,}" for number in numbers))
    return table


@click.command()
@click.option("--assets", type=click.IntRange(100), default=ASSETS, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False))
def main(assets: int, file: Path | None) -> None:
    """Measure, print, and end with 1 where a limit is passed."""
    measured = measure(assets)
    console = Console()
    console.print(show(measured))
    console.print(
        f"{measured.cheaper:.0f} times fewer rows for one per cent (at least {CHEAPER}); "
        f"peak below {MOST_MEGABYTES} MB: {'yes' if measured.is_good else 'NO'}",
        highlight=False,
    )
    if file:
        write(measured.rows(), file)
    raise SystemExit(0 if measured.is_good else 1)


if __name__ == "__main__":
    main()
