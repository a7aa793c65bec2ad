"""The chaos suite as a tool: many seeds with a count of what happened, or the check by mutations.

`make chaos SEEDS=1000 FIRST=1` and `make mutations` run it. It ends with 1 where anything is wrong, and says
how to replay each seed that failed.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.chaos.mutations import MUTATIONS, first_failure
from tests.chaos.world import Result, chaos_world

console = Console()


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True)
@click.option("--first", type=click.IntRange(0), default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="At a time.")
@click.option("--mutations", is_flag=True, help="Take out one protection after the other.")
def main(*, seeds: int, first: int, jobs: int, mutations: bool) -> None:
    """Run seeds, or mutations."""
    sys.exit(_mutations() if mutations else _seeds(range(first, first + seeds), jobs))


def _seeds(seeds: range, jobs: int) -> int:
    totals: Counter[str] = Counter()
    failed = []
    for result in track(_results(seeds, jobs), "seeds", total=len(seeds), console=console):
        totals += result.totals
        if result.findings:
            failed.append(result)
            console.print(result.shown(), markup=False, highlight=False)
    table = Table("what happened", "times", title=f"Seeds {seeds[0]} to {seeds[-1]}")
    for name, count in sorted(totals.items()):
        table.add_row(name, f"{count:,}")
    for word in ("duplicate", "lost", "wrong asset", "forgotten", "not done", "did not end"):
        wrong = sum(word in line for result in failed for line in result.findings)
        table.add_row(f"[bold]{word}[/]", str(wrong))
    table.add_row("[bold]seeds that failed[/]", str(len(failed)))
    console.print(table)
    return 1 if failed else 0


def _results(seeds: range, jobs: int) -> Iterator[Result]:
    """Give the results as they come; each job has a server of its own."""
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[Result] = SimpleQueue()
    for seed in seeds:
        waiting.put(seed)

    def job() -> None:
        with chaos_world() as world:
            while True:
                try:
                    seed = waiting.get_nowait()
                except Empty:
                    return
                done.put(world.run(seed))

    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(job) for _ in range(jobs)]
        for _ in seeds:
            yield _next(done, running)


def _next(done: "SimpleQueue[Result]", running: Sequence["Future[None]"]) -> Result:
    while True:
        with suppress(Empty):
            return done.get(timeout=1.0)
        for one in running:
            if one.done() and (error := one.exception()):
                raise error


def _mutations() -> int:
    table = Table("taken out", "seed that fails", "what it shows", title="Mutations")
    survivors = 0
    with chaos_world() as world:
        for name in MUTATIONS:
            result = first_failure(world, name)
            survivors += result is None
            seed = str(result.schedule.seed) if result else "none"
            table.add_row(name, seed, result.findings[0] if result else "all seeds pass")
    console.print(table)
    return 1 if survivors else 0


if __name__ == "__main__":
    main()
