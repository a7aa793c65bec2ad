"""`follow_up` over 60 simulated days: 2,000 tickets, replies at random instants, a day and a half of outage.

Run from the top of the repository: `python -m benchmarks.follow_up [--tickets 2000] [--days 60]`. The tickets
are spread over worlds of 50, each with a TDX simulator, an action log in memory and a clock of its own.
Processes die and answers are lost on the way. It ends with exit code 1 where a step was done twice, left out,
out of office hours, too early, or after a reply that could be seen.
"""

import sys
import time
from collections import Counter

import click

from tests.tickets.follow_up_world import run_world

TICKETS_A_WORLD = 50


@click.command()
@click.option("--tickets", default=2_000)
@click.option("--days", default=60)
@click.option("--first-seed", default=1)
def main(tickets: int, days: int, first_seed: int) -> None:
    """Let the weeks go by in each world, and judge it."""
    happened: Counter[str] = Counter()
    faults, begun = list[str](), time.monotonic()
    for number in range(-(-tickets // TICKETS_A_WORLD)):
        seed = first_seed + number
        outage = 3.0 + seed % 17
        world = run_world(
            seed=seed,
            tickets=min(TICKETS_A_WORLD, tickets - number * TICKETS_A_WORLD),
            days=days,
            outage=(outage, outage + 1.5),
        )
        found = world.judge()
        happened += world.happened
        faults += [f"seed {seed}: {fault}" for fault in found]
        print(f"seed {seed}: {len(found)} faults, {time.monotonic() - begun:.0f} s", flush=True)
    for name, count in sorted(happened.items()):
        print(f"{count:6} {name}")
    print("\n".join(faults) or "No fault.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
