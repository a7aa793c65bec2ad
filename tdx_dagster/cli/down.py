"""`down`: stops the embedded PostgreSQL; its data stays."""

import click

from tdx_dagster.cli.output import out
from tdx_dagster.postgres import server
from tdx_dagster.settings import embedded_folder


@click.command()
def down() -> None:
    """Stop the embedded PostgreSQL; its data stays in .tdx/."""
    if server.stop(embedded_folder()):
        out.print("The embedded PostgreSQL is stopped.")
    else:
        out.print("No embedded PostgreSQL was running.")
