"""Where the time of one run of 20 tickets goes, and what its process spends before its first call.

Run from the top of the repository: `python benchmarks/profile_run.py [--functions N] [--json FILE]`. It
makes an installation as `throughput` does, creates the run that the sensor would ask for, and starts its
process as a launcher does: as it is, beside a run of an empty job for what is Dagster's own, and under py-spy,
which samples from outside the thread that has the interpreter: those that wait for it cost nothing.
"""

import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rows import Row, at_most, show
from throughput import LATENCY_SECONDS, Bench, bench

COMMAND = "python benchmarks/profile_run.py"
TICKETS, SAMPLES_A_SECOND, MOST_MEGABYTES = 20, 200, 300

# What a sample is counted as: the first of these that any of its frames is in, innermost first.
AREAS = (
    ("Dagster's events in PostgreSQL", ("dagster_postgres/", "_core/storage/", "_core/instance/")),
    ("rate limiter", ("tdx_dagster/tdx/rate_limit.py",)),
    ("action log", ("tdx_dagster/state/",)),
    ("inventory and the text step", ("tdx_dagster/inventory/", "tdx_dagster/tdx/html.py")),
    ("calls to TDX", ("tdx_dagster/tdx/",)),
    ("deciding and acting", ("tdx_dagster/tickets/",)),
    ("rest of ours", ("tdx_dagster/",)),
    ("rest of Dagster", ("dagster/", "dagster_shared/")),
)  # fmt: skip

CREATE = """
import os, sys, dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc.types import ExecuteRunArgs
from dagster_shared.serdes import serialize_value

module, attribute, job_name, *keys = sys.argv[1:]
instance = dg.DagsterInstance.get()
pointer = ModuleCodePointer(module, attribute, os.getcwd())
definitions = pointer.load_target()
job = definitions.resolve_job_def(job_name)
tags = {}
if keys:
    instance.add_dynamic_partitions("compliance_tickets", keys)
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
origin = JobPythonOrigin(job_name, RepositoryPythonOrigin(sys.executable, pointer))
run = instance.create_run_for_job(job, tags=tags, job_code_origin=origin)
print(serialize_value(ExecuteRunArgs(origin, run.run_id, instance.get_ref())))
"""

EMPTY = """
import dagster as dg

@dg.job
def empty():
    pass

defs = dg.Definitions(jobs=[empty])
"""


@dataclass(frozen=True)
class Spent:
    """What a process took.

    Args:
        seconds: From its start to its end.
        computing: Seconds of processor time.
        to_first_call: Seconds from its start to its first call of TDX; 0 where it makes none.
        megabytes: Most memory.
    """

    seconds: float
    computing: float
    to_first_call: float
    megabytes: float


def run_of_tickets(made: Bench, keys: Sequence[str]) -> list[str]:
    """The command that executes a new run over tickets, as a launcher starts it."""
    return _execute(made, "tdx_dagster.definitions", "defs", "compliance", *keys)


def empty_run(made: Bench) -> list[str]:
    """The same for a job that does nothing."""
    (made.folder / "empty_defs.py").write_text(EMPTY, encoding="utf-8")
    return _execute(made, "empty_defs", "defs", "empty")


def _execute(made: Bench, *words: str) -> list[str]:
    command = [sys.executable, "-c", CREATE, *words]
    done = subprocess.run(
        command, env=made.environment, cwd=made.folder, check=True, capture_output=True, text=True
    )
    order = done.stdout.strip().splitlines()[-1]
    return [sys.executable, "-m", "dagster", "api", "execute_run", order]


def timed(made: Bench, command: Sequence[str]) -> Spent:
    """Run a process to its end."""
    made.simulator.calls.reset()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, start = datetime.now(UTC), time.monotonic()
    subprocess.run(command, env=made.environment, cwd=made.folder, check=True, capture_output=True)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = [datetime.fromisoformat(call.time) for call in made.simulator.calls]
    return Spent(
        seconds,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        (min(times) - began).total_seconds() if times else 0.0,
        after.ru_maxrss / 1024,
    )


def sampled(made: Bench, command: Sequence[str]) -> list[tuple[list[str], int]]:
    """Run a process under py-spy; gives the stacks of the thread that computed, outermost frame first."""
    target = made.folder / "stacks"
    spy = ["py-spy", "record", "--gil", "--format", "raw", "--rate", str(SAMPLES_A_SECOND)]
    spy[:1] = [str(Path(sys.executable).with_name("py-spy"))]
    subprocess.run(
        [*spy, "--output", str(target), "--", *command],
        env=made.environment,
        cwd=made.folder,
        check=True,
        capture_output=True,
    )
    lines = (line.rpartition(" ") for line in target.read_text(encoding="utf-8").splitlines())
    return [(stack.split(";"), int(count)) for stack, _, count in lines]


def area(stack: Sequence[str]) -> str:
    """What a sample is counted as."""
    if any("<frozen importlib" in frame for frame in stack):
        imported = any("tdx_dagster/" in frame for frame in stack)
        return "loading modules and definitions, ours" if imported else "loading modules, Dagster's"
    for frame in reversed(stack):
        for name, places in AREAS:
            if any(place in frame for place in places):
                return name
    return "rest"


def tables(stacks: Sequence[tuple[list[str], int]], functions: int) -> list[Table]:
    """The areas, and the functions that computed longest themselves."""
    by_area: Counter[str] = Counter()
    by_function: Counter[str] = Counter()
    for stack, count in stacks:
        by_area[area(stack)] += count
        by_function[re.sub(r":\d+\)$", ")", stack[-1])] += count
    total = sum(by_area.values())
    made = []
    for title, counted, most in (("Area", by_area, None), ("Function", by_function, functions)):
        table = Table(title, "seconds", "share")
        for name, count in counted.most_common(most):
            table.add_row(name, f"{count / SAMPLES_A_SECOND:.2f}", f"{100 * count / total:.0f} %")
        made.append(table)
    return made


def measure(console: Console | None = None, functions: int = 25) -> list[Row]:
    """Everything; the profile is shown where there is a console."""
    with bench(3 * TICKETS, latency=LATENCY_SECONDS) as made:
        keys = sorted(map(str, made.simulator.state.truths), key=int)
        # The first process compiles modules and signs in; what follows finds both done.
        timed(made, run_of_tickets(made, keys[:TICKETS]))
        empty = timed(made, empty_run(made))
        spent = timed(made, run_of_tickets(made, keys[TICKETS : 2 * TICKETS]))
        if console:
            for table in tables(
                sampled(made, run_of_tickets(made, keys[2 * TICKETS :])), functions
            ):
                console.print(table)
    name = f"run of {TICKETS} tickets, its process"
    return [
        Row(name, spent.computing, f"s of processor time, {spent.seconds:.1f} s in all", COMMAND),
        Row("… before its first call", spent.to_first_call, "s", COMMAND),
        Row("… an empty Dagster run, from start to end", empty.seconds, "s", COMMAND),
        Row(
            "… a ticket",
            (spent.computing - empty.computing) / TICKETS,
            "s of processor time",
            COMMAND,
        ),
        at_most("… peak memory", spent.megabytes, MOST_MEGABYTES, "MB", COMMAND),
    ]


@click.command()
@click.option("--functions", type=click.IntRange(1), default=25, show_default=True)
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(*, functions: int, target: Path | None) -> None:
    """Measure and show."""
    sys.exit(show(measure(Console(), functions), "One run", target))


if __name__ == "__main__":
    main()
