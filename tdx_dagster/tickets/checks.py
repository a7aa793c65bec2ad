"""The check for stuck tickets: failed actions that wait for a person.

Belongs here: the verdict over the action log, and its asset check on `tickets/<pipeline>`. Does not: the
inventory's checks (`inventory.checks`).
"""

from datetime import timedelta
from pathlib import Path

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.inventory.asset_checks import build_check
from tdx_dagster.inventory.checks import Verdict
from tdx_dagster.postgres.queries import Queries

SQL = Queries(Path(__file__).with_name("checks.sql"))

STUCK = "no_ticket_is_stuck"

STUCK_AFTER = timedelta(days=1)
"""How long a failed action may wait for a person before the check warns."""


def check_stuck_tickets(
    engine: Engine, pipeline: str | None = None, stuck_after: timedelta = STUCK_AFTER
) -> Verdict:
    """Warn of failed actions that nobody has reset for a day: nothing retries them."""
    values = {"stuck_after": stuck_after, "pipeline": pipeline}
    with engine.connect() as connection:
        found = connection.execute(SQL["stuck_tickets"], values).one()
    said = "No ticket is stuck."
    if found.tickets:
        said = (
            f"{found.tickets:,} tickets have failed actions (for example {found.example}): "
            "`tdx-dagster failed` lists them and why; `failed --clear` lets them be tried again."
        )
    return Verdict(said, passed=found.tickets == 0, numbers={"tickets": found.tickets})


def stuck_key(pipeline: str) -> dg.AssetCheckKey:
    """Name the check of a pipeline."""
    return dg.AssetCheckKey(dg.AssetKey(["tickets", pipeline]), STUCK)


def stuck_check(pipeline: str) -> dg.AssetChecksDefinition:
    """Make the check of a pipeline; its own job runs it, since it reads the log of all tickets."""
    return build_check(
        stuck_key(pipeline).asset_key,
        STUCK,
        "No ticket has a failed action that waits for a person for more than a day.",
        lambda engine: check_stuck_tickets(engine, pipeline),
    )
