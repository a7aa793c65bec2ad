"""How fast a backlog is worked through: by the sensor at TDX's limits, and without limits by sensor and UI.

Run from the top of the repository: `python benchmarks/throughput.py [--json FILE] [--quick]`. It starts an
embedded PostgreSQL of its own, a TDX simulator in a process of its own, and Dagster as people run it, with
the default launcher, and stops all of it. The time runs from the start of Dagster's daemon (or from the
backfill's launch) to the last summary on a ticket. `--quick` leaves out the five minutes of 300 tickets.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from pathlib import Path

import click
from rich.console import Console
from rows import Row, at_least, at_most, show

from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import ensure_database, libpq_url
from tdx_dagster.simulator import Simulator, sample_state, settings_for
from tdx_dagster.simulator.limits import LimitMode

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/throughput.py"
WINDOW_SECONDS, CALLS_A_WINDOW = 60, 60
SLACK, START_SECONDS = 1.15, 15
LATENCY_SECONDS = 0.05
MOST_CALLS, FEWEST_A_SECOND = 5.5, 5.0
PATIENCE_SECONDS = 600
PORT = 38941

BACKFILL = """mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename } }"""

err = Console(stderr=True)


@dataclass
class Bench:
    """An installation with a backlog.

    Args:
        environment: Of all its processes.
        simulator: Its TDX.
        folder: Where its processes run.
    """

    environment: Mapping[str, str]
    simulator: Simulator
    folder: Path

    @property
    def summaries(self) -> int:
        """Tickets that have their summary."""
        return self.simulator.calls.count("POST", "/{app}/tickets/{id}/feed")

    def command(self, *words: str) -> None:
        """Run one of our commands to its end."""
        command = [sys.executable, "-m", "tdx_dagster", *words]
        subprocess.run(
            command, env=self.environment, cwd=self.folder, check=True, capture_output=True
        )

    @contextmanager
    def running(self, *words: str) -> Iterator[None]:
        """One of Dagster's services, with a process group of its own."""
        command = [sys.executable, "-m", *words, "-w", str(ROOT / "workspace.yaml")]
        with (self.folder / f"{words[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def until_done(self, tickets: int) -> float:
        """Wait for the last summary; gives the seconds it took."""
        start = time.monotonic()
        with err.status("") as status:
            while self.summaries < tickets:
                if time.monotonic() - start > PATIENCE_SECONDS:
                    raise TimeoutError(f"{self.summaries} of {tickets} tickets; see {self.folder}")
                status.update(f"{self.summaries} of {tickets} tickets")
                time.sleep(0.05)
        return time.monotonic() - start


@contextmanager
def bench(tickets: int, *, limits: LimitMode = "off", latency: float = 0.0) -> Iterator[Bench]:
    """An installation with so many tickets waiting and its inventory loaded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        url = server.start(folder / "postgres")
        state = sample_state(tickets=tickets, assets=2000, seed=7)
        try:
            with Simulator(state) as plain:
                made = Bench(_environment(url, plain), plain, folder)
                made.command("migrate")
                made.command("ingest")
            with Simulator(state, limits=limits) as simulator:
                if latency:
                    _delay(simulator, latency)
                yield Bench(_environment(url, simulator), simulator, folder)
        finally:
            server.stop(folder / "postgres")


def _environment(url: str, simulator: Simulator) -> dict[str, str]:
    """What `tdx-dagster env` and the simulator's settings give; modules are kept compiled, as at users'."""
    ours = ("TDX_", "DAGSTER", "PYTHONDONTWRITEBYTECODE")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(ours)},
        **settings_for(simulator),
        "DATABASE_URL": libpq_url(url),
        "DAGSTER_DATABASE_URL": libpq_url(ensure_database(url, "dagster")),
        "DAGSTER_HOME": str(ROOT),
        "DAGSTER_EVENT_BATCH_SIZE": "200",
        "PYTHONPATH": str(ROOT),
        "TDX_SENSORS": "on",
    }


def _delay(simulator: Simulator, seconds: float) -> None:
    for depth in range(1, 6):
        path = "/" + "/".join(f"{{{number}}}" for number in range(depth))
        simulator.faults.add("*", path, delay_seconds=seconds)


def by_sensor(
    tickets: int, *, limits: LimitMode = "off", latency: float = 0.0
) -> tuple[float, Counter[str], int]:
    """Seconds from the daemon's start to the last summary, calls by name, and how many were answered 429."""
    with bench(tickets, limits=limits, latency=latency) as made:
        made.simulator.calls.reset()
        with made.running("dagster._daemon", "run"):
            seconds = made.until_done(tickets)
        calls = list(made.simulator.calls)
        return (
            seconds,
            Counter(c.name for c in calls),
            sum(c.status == HTTPStatus.TOO_MANY_REQUESTS for c in calls),
        )


def by_backfill(tickets: int, *, limits: LimitMode = "off", latency: float = 0.0) -> float:
    """Seconds from launching a backfill over GraphQL, as the UI does, to the last summary."""
    with bench(tickets, limits=limits, latency=latency) as made:
        made.environment = {**made.environment, "TDX_SENSORS": "off"}
        add = (
            "import dagster; dagster.DagsterInstance.get().add_dynamic_partitions("
            f"'compliance_tickets', {sorted(map(str, made.simulator.state.truths))!r})"
        )
        subprocess.run(
            [sys.executable, "-c", add], env=made.environment, cwd=made.folder, check=True
        )
        with made.running("dagster", "dev", "-h", "127.0.0.1", "-p", str(PORT)):
            _launch(sorted(map(str, made.simulator.state.truths)))
            return made.until_done(tickets)


def _launch(keys: list[str]) -> None:
    selection = [{"path": ["tickets", "compliance"]}]
    params = {"params": {"assetSelection": selection, "partitionNames": keys}}
    body = json.dumps({"query": BACKFILL, "variables": params}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/graphql", body, {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  the same
            if "LaunchBackfillSuccess" in answer.read().decode():
                return
        time.sleep(0.5)
    raise TimeoutError("Dagster's UI did not take the backfill.")


def at_the_limit(tickets: int) -> list[Row]:
    """A backlog under TDX's real limits, against the floor that they set."""
    err.print(f"{tickets} tickets at TDX's limits, by the sensor …")
    seconds, calls, refused = by_sensor(tickets, limits="real")
    floor = WINDOW_SECONDS * (ceil(tickets / CALLS_A_WINDOW) - 1)
    most = SLACK * floor + START_SECONDS
    work = sum(count for name, count in calls.items() if "/auth" not in name)
    unit = f"s; floor {floor} s, ratio {seconds / floor:.2f}"
    return [
        at_most(f"{tickets} tickets at 60 calls a minute", seconds, most, unit, COMMAND),
        Row("… tickets a minute", 60 * tickets / seconds, "tickets/min", COMMAND),
        at_most("… answers 429", refused, 0, "", COMMAND),
        at_most("… calls a ticket, ticks included", work / tickets, MOST_CALLS, "", COMMAND),
    ]


def without_limits(tickets: int = 1000) -> list[Row]:
    """The same with 50 ms latency and no limits: what is ours costs time.

    So many that Dagster's own pause before it picks up a backfill, up to 30 s, is not most of it.
    """
    rows = []
    err.print(f"{tickets} tickets without limits, by the sensor …")
    seconds, _, _ = by_sensor(tickets, latency=LATENCY_SECONDS)
    rows.append(_rate("by the sensor", tickets, seconds))
    err.print(f"{tickets} tickets without limits, by a backfill …")
    rows.append(_rate("by a UI backfill", tickets, by_backfill(tickets, latency=LATENCY_SECONDS)))
    return rows


def _rate(how: str, tickets: int, seconds: float) -> Row:
    name = f"{tickets} tickets without limits, 50 ms, {how}"
    return at_least(
        name, tickets / seconds, FEWEST_A_SECOND, f"tickets/s in {seconds:.0f} s", COMMAND
    )


def measure(*, quick: bool = False) -> list[Row]:
    """Everything, or all but the long one."""
    sizes = (100,) if quick else (100, 300)
    return [row for size in sizes for row in at_the_limit(size)] + without_limits()


@click.command()
@click.option("--quick", is_flag=True, help="Leave out 300 tickets at the limit.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(*, quick: bool, target: Path | None) -> None:
    """Measure and show."""
    sys.exit(show(measure(quick=quick), "Throughput", target))


if __name__ == "__main__":
    main()
