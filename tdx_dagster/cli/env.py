"""`env`: prints the variables that plain Dagster commands need."""

import os
import shlex

import click

from tdx_dagster.cli.runtime import prepare
from tdx_dagster.component import load_defs_folder
from tdx_dagster.named_tdx import select_tdx
from tdx_dagster.postgres.server import remove_foreign_variables


@click.command()
def env() -> None:
    """Print the exports that plain `dagster dev`, webserver and daemon need.

    Use it as: eval "$(tdx-dagster env)"
    """
    environment = dict(os.environ)
    runtime = prepare()
    if runtime.is_embedded:
        # libpq reads them for each session, whatever the exported address says.
        for name in remove_foreign_variables(environment):
            click.echo(f"unset {name}")
    exports = runtime.exports()
    for named in load_defs_folder().environments:
        select_tdx(named)
        exports |= prepare().exports()
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
