"""`demo`: the main job on sample data, and the sample that `dev` serves too.

Belongs here: the embedded server, the simulator and databases of the sample's own, whatever the settings
say, so that it never touches somebody's tickets. Does not: Dagster's UI (`dev`).
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import click
from rich.table import Table

from tdx_dagster.cli.output import err, out
from tdx_dagster.cli.plan import PassRequest
from tdx_dagster.cli.process import PassResult, outcome_table, run_with_progress
from tdx_dagster.cli.runtime import Runtime, dagster_home, dagster_instance
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import connect, ensure_database, libpq_url
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.project import select_own_project
from tdx_dagster.settings import embedded_folder
from tdx_dagster.simulator import Simulator, State, sample_state, settings_for
from tdx_dagster.state.tdx_environment import move_environment

# Whatever a .env says of somebody else's loads: the sample loads its own.
_OWN_INVENTORY = {"INVENTORY_SOURCE": "tdx", "INVENTORY_SOURCE_SYSTEM": "tdx"}
_OWN_INVENTORY |= {"INVENTORY_ENTITY_TYPES": "asset"}


@dataclass(frozen=True)
class Sample:
    """A running sample: its simulator and its databases."""

    simulator: Simulator
    runtime: Runtime


@contextmanager
def sample(name: str, state: State, *, port: int = 0, keep: bool = False) -> Iterator[Sample]:
    """Start the embedded server and the simulator, and stop them when the block ends.

    Args:
        name: Of the database; Dagster's is `<name>_dagster`.
        state: What the simulator serves.
        port: The simulator's; 0 takes a free one.
        keep: Use databases that are there; otherwise they are made anew.
    """
    select_own_project()
    with ExitStack() as stack:
        url = stack.enter_context(_own_server(name))
        simulator = stack.enter_context(Simulator(state, port=port))
        databases = [_database(url, each, keep=keep) for each in (name, f"{name}_dagster")]
        runtime = Runtime(databases[0], databases[1], dagster_home(), is_embedded=True)
        os.environ.update(settings_for(simulator) | runtime.exports() | _OWN_INVENTORY)
        migrate(runtime.database)
        # The sample's TDX goes on under another port where its own is taken.
        move_environment(make_engine(runtime.database), simulator.url)
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


def _database(url: str, name: str, *, keep: bool) -> str:
    if keep:
        return libpq_url(ensure_database(url, name))
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
    state = sample_state(tickets=tickets, assets=assets, seed=seed)
    with sample("demo", state) as running:
        with dagster_instance(running.runtime) as instance:
            err.print(f"[bold]2[/] Loading {assets} assets into the inventory …")
            loaded = load_inventory(instance)
            err.print(f"[bold]3[/] Processing a report of {tickets} tickets …")
            first = run_with_progress(PassRequest(), instance, label="first pass")
            err.print("[bold]4[/] Processing the same report again …")
            second = run_with_progress(PassRequest(), instance, label="second pass")
        _show_demo(first, second, loaded)
    err.print(f"Done in {time.monotonic() - began:.0f} s.")
    ctx.exit(1 if first.failed or second.failed else 0)


def _show_demo(first: PassResult, second: PassResult, loaded: dict[str, int]) -> None:
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
        "  .venv/bin/tdx-dagster check       what is missing or wrong, and how to fix it\n"
        "  .venv/bin/tdx-dagster process --dry-run   what would be done, writing nothing",
        highlight=False,
    )


def _writes(call: str) -> bool:
    return call.startswith("POST") and not call.endswith("/search")
