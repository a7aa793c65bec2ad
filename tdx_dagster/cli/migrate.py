"""`migrate`: brings the database's schema up to date, and shows what was applied."""

import click
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.inventory.schema import place_table
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import shown_url
from tdx_dagster.postgres.migrations import grant as grant_roles
from tdx_dagster.postgres.migrations import migrate as run_migrations
from tdx_dagster.postgres.migrations import schema_state
from tdx_dagster.settings import load_inventory_settings


@click.command()
@click.option(
    "--grants", is_flag=True, help="Make the roles of deploy/grants.sql and give them their rights."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate(*, grants: bool, as_json: bool) -> None:
    """Bring the database's schema up to date, and show what was done."""
    runtime = prepare(must_be_current=False)
    applied = run_migrations(runtime.database)
    place_table(make_engine(runtime.database), load_inventory_settings().schema_name)
    if grants:
        grant_roles(runtime.database)
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
