"""`worker`: a Celery worker that takes Dagster's runs on this machine.

Belongs here: checking what it needs before it starts, so that nobody waits for a worker that never takes
a run. The rest is Dagster's and Celery's.
"""

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import click

from tdx_dagster.cli.output import err
from tdx_dagster.cli.runtime import dagster_home, dagster_instance, prepare
from tdx_dagster.settings import SettingsError

if TYPE_CHECKING:
    from dagster import DagsterInstance

SET_UP = "docs/scaling-out.md says how to set it up."


@click.command()
@click.option("--queue", default="dagster", show_default=True, help="Of runs to take.")
@click.option(
    "--concurrency", type=click.IntRange(1), default=2, show_default=True, help="Runs at a time."
)
@click.option("--name", help="Of this worker, unique; the default is the machine's with a number.")
def worker(*, queue: str, concurrency: int, name: str | None) -> None:
    """Take runs from Celery on this machine, until Ctrl-C or SIGTERM.

    Runs that are under way are finished first; a second Ctrl-C ends them, and the next tick of the
    sensor asks for their tickets again.
    """
    runtime = prepare()
    os.environ["DAGSTER_HOME"] = str(dagster_home())
    with dagster_instance(runtime) as instance:
        app = celery_app(instance)
        check_broker(app)
        node = name or f"{socket.gethostname()}-{os.getpid()}"
        err.print(f"Taking runs of queue {queue}, {concurrency} at a time, as {node}.")
        words = ["worker", "--queues", queue, "--concurrency", str(concurrency)]
        words += ["--hostname", node, "--loglevel", "warning"]
        # Else a busy worker takes one more run and keeps it from those that are idle.
        words += ["--disable-prefetch"]
        # A child that has loaded the definitions serves many runs; one that grew too large is replaced.
        words += ["--max-memory-per-child", "800000", "--without-gossip", "--without-mingle"]
        app.worker_main(words)
    sys.exit(0)


def celery_app(instance: "DagsterInstance") -> Any:  # noqa: ANN401  Celery has no types
    """Give the Celery application that the instance's launcher sends runs to, with its tasks.

    Raises:
        SettingsError: The extra is not installed, or the instance does not use Celery.
    """
    from tdx_dagster.dagster_internals import (  # noqa: PLC0415  imports Dagster
        celery_app_of,
        launcher_name,
    )

    try:
        app = celery_app_of(instance)
    except ImportError:
        raise SettingsError(
            f"Celery is not installed: pip install 'tdx-dagster[celery]'. {SET_UP}"
        ) from None
    if app is None:
        raise SettingsError(
            f"{dagster_home() / 'dagster.yaml'} launches runs with {launcher_name(instance)}, so no worker "
            f"would ever get one: use dagster.celery.yaml as the dagster.yaml of DAGSTER_HOME. {SET_UP}"
        )
    return app


def check_broker(app: Any) -> None:  # noqa: ANN401  Celery has no types
    """Check that the broker answers.

    Raises:
        SettingsError: It does not.
    """
    try:
        with app.connection_for_write(connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
            where = connection.as_uri()
    except Exception as error:
        raise SettingsError(
            f"TDX_CELERY_URL: the broker does not answer ({type(error).__name__}); is Redis running there? "
            f"{SET_UP}"
        ) from error
    err.print(f"Broker: {where}", highlight=False)
