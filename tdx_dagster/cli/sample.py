"""`demo` and `dev`: the product on sample data, with databases of their own.

Both use the embedded server and the simulator whatever the settings say, so that they can never touch
somebody's tickets, and both begin afresh each time.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from tdx_dagster.cli.passes import Pass, Wanted
from tdx_dagster.cli.process import outcome_table, run_with_progress
from tdx_dagster.cli.runtime import Runtime, dagster_home, dagster_instance, err, out
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import connect, ensure_database, libpq_url
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.settings import embedded_folder
from tdx_dagster.simulator import Simulator, sample_state, settings_for

# The UI of Dagster is told to end with Ctrl-C; its code server may take longer than people have patience.
STOP_SECONDS = 10.0
POLL_SECONDS = 15

# Whatever a .env says of somebody else's loads: the sample loads its own.
_OWN_INVENTORY = {"INVENTORY_SOURCE": "tdx", "INVENTORY_SOURCE_SYSTEM": "tdx"}
_OWN_INVENTORY |= {"INVENTORY_ENTITY_TYPES": "asset"}


@dataclass(frozen=True)
class Sample:
    """A running sample: its simulator and its databases."""

    simulator: Simulator
    runtime: Runtime


@contextmanager
def sample(name: str, *, tickets: int, assets: int, seed: int) -> Iterator[Sample]:
    """Start the embedded server and the simulator over fresh databases, and stop them.

    Args:
        name: Of the database; Dagster's is `<name>_dagster`.
        tickets: Sample tickets.
        assets: Sample assets.
        seed: The same seed, the same data.
    """
    with ExitStack() as stack:
        url = stack.enter_context(_own_server(name))
        state = sample_state(tickets=tickets, assets=assets, seed=seed)
        simulator = stack.enter_context(Simulator(state))
        databases = [_fresh_database(url, wanted) for wanted in (name, f"{name}_dagster")]
        runtime = Runtime(databases[0], databases[1], dagster_home(), is_embedded=True)
        os.environ.update(settings_for(simulator) | runtime.exports() | _OWN_INVENTORY)
        migrate(runtime.database)
        yield Sample(simulator, runtime)


@contextmanager
def _own_server(name: str) -> Iterator[str]:
    """Join or start the embedded server; stop it if it was started here and nobody else uses it."""
    folder = embedded_folder()
    was_running = server.is_running(folder)
    url = server.start(folder)
    try:
        yield url
    finally:
        if not was_running and not _has_other_users(url, name):
            server.stop(folder)


def _has_other_users(url: str, name: str) -> bool:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND pid <> pg_backend_pid() AND datname <> ALL (%s)",
                ([name, f"{name}_dagster"],),
            )
            found = cursor.fetchone()
            return bool(found and found[0])
    finally:
        connection.close()


def _fresh_database(url: str, name: str) -> str:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        connection.close()
    return libpq_url(ensure_database(url, name))


@click.command()
@click.option("--tickets", type=click.IntRange(1), default=30, show_default=True)
@click.option("--assets", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.pass_context
def demo(ctx: click.Context, *, tickets: int, assets: int, seed: int) -> None:
    """Do the main job on sample data, and end: load, process, process again."""
    from tdx_dagster.cli.ingest import load_inventory  # noqa: PLC0415  imports Dagster

    began = time.monotonic()
    err.print("[bold]1[/] Starting PostgreSQL and a TDX with sample data …")
    with sample("demo", tickets=tickets, assets=assets, seed=seed) as running:
        with dagster_instance(running.runtime) as instance:
            err.print(f"[bold]2[/] Loading {assets} assets into the inventory …")
            loaded = load_inventory(instance)
            err.print(f"[bold]3[/] Processing a report of {tickets} tickets …")
            first = run_with_progress(Wanted(), instance, label="first pass")
            err.print("[bold]4[/] Processing the same report again …")
            second = run_with_progress(Wanted(), instance, label="second pass")
        _show_demo(first, second, loaded)
    err.print(f"Done in {time.monotonic() - began:.0f} s.")
    ctx.exit(1 if first.failed or second.failed else 0)


def _show_demo(first: Pass, second: Pass, loaded: dict[str, int]) -> None:
    table = outcome_table(first)
    table.title = "What was done to each ticket, and why"
    out.print(table)
    sums = Table("", "first pass", "second pass", title="The same report twice")
    for word in ("pending", "completed", "failed"):
        sums.add_row(
            f"tickets {word}", *(str(one.as_json()["tickets"][word]) for one in (first, second))
        )
    writes = [sum(n for call, n in one.calls.items() if _writes(call)) for one in (first, second)]
    sums.add_row("TDX calls", *(str(sum(one.calls.values())) for one in (first, second)))
    sums.add_row("of these, writes", *map(str, writes))
    out.print(sums)
    words = ", ".join(f"{count} {what}" for what, count in loaded.items())
    out.print(f"The inventory holds {words}.", highlight=False)
    if not writes[1]:
        out.print("[green]The second pass wrote nothing: each action happens once per ticket.[/]")
    out.print(
        "\nNext:\n"
        "  make dev                          see the same in the Dagster UI\n"
        "  cp .env.example .env              name your TDX sandbox there, then:\n"
        "  .venv/bin/tdx-dagster check       what is missing or wrong, and how to mend it\n"
        "  .venv/bin/tdx-dagster process --dry-run   what would be done, writing nothing",
        highlight=False,
    )


def _writes(call: str) -> bool:
    return call.startswith("POST") and not call.endswith("/search")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.option("--tickets", type=click.IntRange(1), default=30, show_default=True)
@click.option("--assets", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.pass_context
def dev(ctx: click.Context, *, port: int, tickets: int, assets: int, seed: int) -> None:
    """Serve the sample in the Dagster UI on 127.0.0.1, sensors running, until Ctrl-C."""
    from tdx_dagster.cli.ingest import load_inventory  # noqa: PLC0415  imports Dagster

    with sample("dev", tickets=tickets, assets=assets, seed=seed) as running:
        os.environ.update({"TDX_SENSORS": "on", "TDX_POLL_SECONDS": str(POLL_SECONDS)})
        with dagster_instance(running.runtime) as instance:
            err.print(f"Loading {assets} assets into the inventory …")
            load_inventory(instance)
        ctx.exit(_serve(port, running.runtime.dagster_home, running.simulator))


def _serve(port: int, home: Path, simulator: Simulator) -> int:
    """Run Dagster's UI and daemon in a process group of their own, and leave none of it behind."""
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: stopping.append(got))
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-w", str(home / "workspace.yaml"), "--log-level", "warning"]
    log = embedded_folder().parent / "dev.log"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command, cwd=home, start_new_session=True, stdout=sink, stderr=subprocess.STDOUT
        )
    err.print(
        f"\n[bold]http://127.0.0.1:{port}[/] is the Dagster UI (it takes some seconds to start).\n"
        "  Lineage               the graph from TDX to ticket\n"
        "  Catalog → tickets/…   a ticket's partition: what was done to it, and why\n"
        "  Automation            the sensor that polls the report, and its ticks\n"
        f"The TDX behind it is a simulator on {escape(simulator.url)}. What Dagster says is in "
        f"{escape(str(log))}. Ctrl-C ends everything.\n"
    )
    try:
        while not stopping and child.poll() is None:
            time.sleep(0.2)
    finally:
        _stop_group(child)
    return 0 if stopping else 1


def _stop_group(child: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then insist; a code server may outlive its parent by a minute."""
    _signal_group(child.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and _group_lives(child):
        time.sleep(0.2)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _group_lives(child: "subprocess.Popen[bytes]") -> bool:
    child.poll()
    return _signal_group(child.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
