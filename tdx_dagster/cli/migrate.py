"""`migrate`: brings the database's schema up to date, and shows what was applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table
from sqlalchemy import Engine

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.component import load_defs_folder
from tdx_dagster.inventory.schema import place_table
from tdx_dagster.named_tdx import select_tdx, selected_tdx
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import shown_url
from tdx_dagster.postgres.migrations import Applied, schema_state
from tdx_dagster.postgres.migrations import grant as grant_roles
from tdx_dagster.postgres.migrations import migrate as run_migrations
from tdx_dagster.settings import load_inventory_settings, load_settings
from tdx_dagster.state.tdx_environment import (
    has_history,
    move_environment,
    record_environment,
    recorded_environment,
)
from tdx_dagster.tdx.address import environment_of


@click.command()
@click.option(
    "--grants", is_flag=True, help="Make the roles of deploy/grants.sql and give them their rights."
)
@click.option(
    "--environment",
    metavar="ADDRESS",
    help="Make the database belong to this address of TDX: the same TDX has moved.",
)
@click.option("--yes", is_flag=True, help="Do not ask before --environment changes something.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate(*, grants: bool, environment: str | None, yes: bool, as_json: bool) -> None:
    """Bring the database's schema up to date, and show what was done."""
    names = [selected_tdx()] if selected_tdx() or environment else load_defs_folder().environments
    done = []
    for name in names:
        select_tdx(name)
        done.append(_migrate(grants=grants, environment=environment, yes=yes))
    if as_json:
        named = {one.tdx: one.as_json() for one in done[1:]}
        print_json(done[0].as_json() | ({"named": named} if named else {}))
        return
    for one in done:
        _show(one)


@dataclass(frozen=True)
class _Migrated:
    """What was done to the database of an environment."""

    tdx: str
    where: str
    applied: Sequence[Applied]
    in_all: int
    belongs_to: str | None

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        names = [one.name for one in self.applied]
        return {"applied": names, "in_all": self.in_all, "tdx": self.belongs_to}


def _migrate(*, grants: bool, environment: str | None, yes: bool) -> _Migrated:
    runtime = prepare(must_be_current=False)
    applied = run_migrations(runtime.database)
    engine = make_engine(runtime.database)
    place_table(engine, load_inventory_settings().schema_name)
    if grants:
        grant_roles(runtime.database)
    if environment:
        _move(engine, environment, is_confirmed=yes)
    total = len(schema_state(runtime.database).applied)
    where = shown_url(runtime.database)
    return _Migrated(runtime.tdx, where, applied, total, _belongs_to(engine))


def _show(done: _Migrated) -> None:
    if done.belongs_to:
        out.print(
            f"The action log and the inventory on {done.where} belong to {done.belongs_to}.",
            highlight=False,
        )
    if not done.applied:
        out.print(
            f"Nothing to do: all {done.in_all} migrations are applied on {done.where}.",
            highlight=False,
        )
        return
    table = Table("migration", "seconds", title=f"Applied on {done.where}")
    for one in done.applied:
        table.add_row(one.name, f"{one.seconds:.2f}")
    out.print(table)


def _belongs_to(engine: Engine) -> str | None:
    """Give the TDX of a database; a log without a recorded one is that of TDX_BASE_URL."""
    base_url = load_settings().tdx_base_url
    recorded = recorded_environment(engine)
    if recorded is None and base_url and has_history(engine):
        record_environment(engine, base_url)
        return recorded_environment(engine)
    return recorded


def _move(engine: Engine, address: str, *, is_confirmed: bool) -> None:
    """Make a database belong to another address of TDX, after a person has confirmed it."""
    base_url = address if "://" in address else f"https://{address}"
    wanted, recorded = environment_of(base_url), recorded_environment(engine)
    if recorded not in {None, wanted} and not is_confirmed:
        click.confirm(
            f"What was done on tickets of {recorded} will count as done on the tickets of {wanted} that have "
            "the same ids. Do so only where it is the same TDX under a new address, never between a sandbox "
            "and production. Go on?",
            abort=True,
            err=True,
        )
    move_environment(engine, base_url)
