"""`env`: prints the variables that plain Dagster commands need."""

import shlex

import click

from tdx_dagster.cli.runtime import prepare


@click.command()
def env() -> None:
    """Print the exports that plain `dagster dev`, webserver and daemon need.

    Use it as: eval "$(tdx-dagster env)"
    """
    for name, value in prepare().exports().items():
        click.echo(f"export {name}={shlex.quote(value)}")
