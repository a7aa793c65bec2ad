"""`migrate`, `down` and `env`: the database's schema, its server, and how to reach it."""

import shlex

import click
from rich.table import Table

from tdx_dagster.cli.runtime import out, prepare, print_json
from tdx_dagster.inventory.schema import place_table
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import shown_url
from tdx_dagster.postgres.migrations import migrate as run_migrations
from tdx_dagster.postgres.migrations import schema_state
from tdx_dagster.settings import embedded_folder, load_inventory_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate(*, as_json: bool) -> None:
    """Bring the database's schema up to date, and show what was done."""
    runtime = prepare(must_be_current=False)
    applied = run_migrations(runtime.database)
    place_table(make_engine(runtime.database), load_inventory_settings().schema)
    total = len(schema_state(runtime.database).applied)
    if as_json:
        print_json({"applied": [one.name for one in applied], "in_all": total})
        return
    where = shown_url(runtime.database)
    if not applied:
        out.print(f"Nothing to do: all {total} migrations are applied on {where}.", highlight=False)
        return
    table = Table("migration", "seconds", title=f"Applied on {where}")
    for one in applied:
        table.add_row(one.name, f"{one.seconds:.2f}")
    out.print(table)


@click.command()
def down() -> None:
    """Stop the embedded PostgreSQL; its data stays in .tdx/."""
    stopped = server.stop(embedded_folder())
    out.print(
        "The embedded PostgreSQL is stopped." if stopped else "No embedded PostgreSQL was running."
    )


@click.command()
def env() -> None:
    """Print the exports that plain `dagster dev`, webserver and daemon need.

    Use it as: eval "$(tdx-dagster env)"
    """
    for name, value in prepare().exports().items():
        click.echo(f"export {name}={shlex.quote(value)}")
