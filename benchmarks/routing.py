"""Routing tickets by a look-up table while people change some of them: what is right, and calls a ticket.

Run from the top of the repository: `python -m benchmarks.routing [--tickets N] [--json FILE]`. It starts
embedded PostgreSQLs and TDX simulators of its own. The actions run as in runs of 30 tickets, without Dagster;
calls of the sensor and to sign in are not counted.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.rows import Row, at_most, show
from tdx_dagster.testing import temporary_database
from tdx_dagster.tickets.actions.action import Action
from tests.tickets.routing import ROUTE, SHIPPED, Routed, route

COMMAND = "python -m benchmarks.routing"
MOST_CALLS = 5.5
CHANCE = 0.1


def measured(tickets: int, actions: Sequence[Action], chance: float = 0.0) -> Routed:
    """Route so many tickets on a database of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with temporary_database(folder / "postgres") as engine:
            return route(engine, tickets, *actions, chance=chance)


def measure(tickets: int) -> list[Row]:
    """The shipped pipeline, the same with a look-up, and the same again with people."""
    find, summarise = SHIPPED
    shipped = measured(tickets, SHIPPED)
    routed = measured(tickets, (find, ROUTE, summarise))
    disturbed = measured(tickets, (find, ROUTE, summarise), CHANCE)
    more = routed.calls_a_ticket - shipped.calls_a_ticket
    wrong = len(routed.wrong) + len(disturbed.wrong)
    unfinished = len(routed.unfinished) + len(disturbed.unfinished)
    changed = f"{disturbed.before} changed by people before and {disturbed.during} during the run"
    return [
        at_most(
            "shipped pipeline, calls a ticket", shipped.calls_a_ticket, MOST_CALLS, "", COMMAND
        ),
        at_most("… more with an update by a table", more, 1, "calls a ticket", COMMAND),
        at_most(
            "… for each ticket it has changed",
            more * tickets / routed.by_table,
            2.5,
            f"calls: a look, the write; {routed.by_table} changed",
            COMMAND,
        ),
        at_most(f"wrong group on {2 * tickets} tickets", wrong, 0, changed, COMMAND),
        at_most("people's groups overwritten", len(disturbed.overwritten), 0, "", COMMAND),
        at_most("actions that did not complete", unfinished, 0, "", COMMAND),
    ]


@click.command()
@click.option("--tickets", default=1000, help="How many.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(*, tickets: int, target: Path | None) -> None:
    """Measure and show."""
    sys.exit(show(measure(tickets), "Routing by a table", target))


if __name__ == "__main__":
    main()
