"""What the shared rate limiter costs a call that need not wait: asking before it, telling after it.

Run from the top of the repository: `python benchmarks/limiter.py [--json FILE]`. It starts an embedded
PostgreSQL of its own in a temporary folder and stops it. The limits it is told are never reached.
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rows import Row, at_most, show

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine, ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.state.rate_limit import PostgresLimiter

COMMAND = "python benchmarks/limiter.py"
CALLS, THREADS, MOST_MS = 500, 4, 3.0
# TDX's number of calls, in windows so short that none has to wait for the next.
CALLS_A_WINDOW, WINDOW_SECONDS = 60, 0.001


def cost_of_a_call(limiter: PostgresLimiter, key: str) -> float:
    """Milliseconds that one call spends in the limiter."""
    start = time.perf_counter()
    limiter.acquire(key, CALLS_A_WINDOW, WINDOW_SECONDS, max_wait=1.0)
    limiter.learn(key, CALLS_A_WINDOW, CALLS_A_WINDOW - 1, WINDOW_SECONDS)
    return (time.perf_counter() - start) * 1000


def measure() -> list[Row]:
    """One caller, and as many at once as a run has threads."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        url = server.start(Path(folder) / "server")
        try:
            database = ensure_database(url, "benchmark")
            migrate(database)
            made = engine(database)
            limiter = PostgresLimiter(made)
            alone = [cost_of_a_call(limiter, "alone") for _ in range(CALLS)]
            with ThreadPoolExecutor(THREADS) as pool:
                keys = ["together"] * CALLS
                together = list(pool.map(lambda key: cost_of_a_call(limiter, key), keys))
            made.dispose()
        finally:
            server.stop(Path(folder) / "server")
    return [
        at_most("limiter, a call", statistics.median(alone), MOST_MS, "ms", COMMAND),
        Row(f"… with {THREADS} threads at one method", statistics.median(together), "ms", COMMAND),
    ]


@click.command()
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(*, target: Path | None) -> None:
    """Measure and show."""
    sys.exit(show(measure(), "The rate limiter", target))


if __name__ == "__main__":
    main()
