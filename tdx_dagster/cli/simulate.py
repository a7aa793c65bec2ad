"""`simulate`: runs the TDX simulator alone, for another client or for trying settings."""

import signal
import threading
from pathlib import Path

import click

from tdx_dagster.cli.ports import require_free
from tdx_dagster.simulator import LimitMode, Simulator, load_state, sample_state, settings_for


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True)
@click.option("--tickets", type=click.IntRange(0), default=30, show_default=True)
@click.option("--assets", type=click.IntRange(0), default=2000, show_default=True)
@click.option(
    "--seed", type=int, default=7, show_default=True, help="The same seed, the same data."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Serve the state in this JSON file instead of sample data.",
)
@click.option(
    "--limits",
    default="off",
    show_default=True,
    help="Rate limits: off, real, or a factor for the length of their windows, like 0.05.",
)
def simulate(
    *, port: int, tickets: int, assets: int, seed: int, data: Path | None, limits: str
) -> None:
    """Serve a TeamDynamix to try things on, on 127.0.0.1, until Ctrl-C."""
    require_free(port)
    state = load_state(data) if data else sample_state(tickets=tickets, assets=assets, seed=seed)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Simulator(state, port=port, limits=_limits(limits)) as simulator:
        click.echo(f"TDX simulator on {simulator.url} (Ctrl-C ends it). Settings for it:")
        for name, value in settings_for(simulator).items():
            click.echo(f"export {name}={value}")
        stop.wait()


def _limits(text: str) -> LimitMode:
    if text == "off" or text == "real":  # noqa: PLR1714  mypy narrows this form
        return text
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if factor <= 0:
        raise click.BadParameter("off, real, or a number above 0", param_hint="--limits")
    return factor
