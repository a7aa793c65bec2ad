"""The check for stuck tickets: what needs a person, and what fails for long.

Belongs here: the verdict over the action log, and its asset check on `tickets/<pipeline>`. Does not: the
inventory's checks (`inventory.checks`).
"""

from datetime import timedelta
from pathlib import Path

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.environment import log_command
from tdx_dagster.inventory.asset_checks import build_check
from tdx_dagster.inventory.checks import Verdict
from tdx_dagster.named_tdx import UNNAMED, key_path
from tdx_dagster.postgres.queries import Queries

SQL = Queries(Path(__file__).with_name("checks.sql"))

STUCK = "no_ticket_is_stuck"

WAITING = "waiting_for_a_person"

NOBODY_NEEDED = "no_ticket_waits_for_a_person"

STUCK_AFTER = timedelta(days=1)
"""How long an action may fail and come back before the check warns."""


def check_stuck_tickets(engine: Engine, pipeline: str | None = None) -> Verdict:
    """Judge what `tdx-dagster failed` lists: what needs a person is an error, at once."""
    values = {"stuck_after": STUCK_AFTER, "pipeline": pipeline}
    with engine.connect() as connection:
        found = connection.execute(SQL["stuck_tickets"], values).one()
    numbers = {name: int(getattr(found, name)) for name in _WORDS}
    listed = ", ".join(f"{number:,} {_WORDS[name]}" for name, number in numbers.items() if number)
    passed = found.example is None
    said = f"No ticket is stuck{f': {listed}' if listed else ''}."
    if not passed:
        said = (
            f"Tickets: {listed} (for example {found.example}). {log_command('failed')} lists them "
            "and why; materialise a ticket to try it now."
        )
    return Verdict(said, passed=passed, is_error=found.person > 0, numbers=numbers)


def waiting_key(tdx: str = UNNAMED) -> dg.AssetKey:
    """Name the page that lists them; its check is evaluated by each run on tickets too."""
    return dg.AssetKey(key_path(["operations", WAITING], tdx))


def check_people_needed(engine: Engine, tdx: str = UNNAMED) -> Verdict:
    """Judge all pipelines of an environment: a ticket that waits for a person is an error, at once."""
    verdict = check_stuck_tickets(engine)
    waiting = int(verdict.numbers["person"])
    if not waiting:
        return Verdict("No ticket waits for a person.", passed=True, numbers={"tickets": 0})
    return Verdict(
        f"{waiting:,} {'ticket waits' if waiting == 1 else 'tickets wait'} for a person. The page "
        f"{waiting_key(tdx).to_user_string()} says which, why, and what to do.",
        passed=False,
        is_error=True,
        numbers={"tickets": waiting},
    )


_WORDS = {
    "person": "need a person",
    "abandoned": "left by a run that died",
    "old": "failing for more than a day",
    "waiting": "wait for another attempt",
}


def stuck_key(pipeline: str) -> dg.AssetCheckKey:
    """Name the check of a pipeline."""
    return dg.AssetCheckKey(dg.AssetKey(["tickets", pipeline]), STUCK)


def stuck_check(pipeline: str, tdx: str = UNNAMED) -> dg.AssetChecksDefinition:
    """Make the check of a pipeline; each run of the pipeline evaluates it as well."""
    return build_check(
        stuck_key(pipeline).asset_key,
        STUCK,
        "No ticket needs a person, was left by a run that died, or has failed for a day.",
        lambda engine: check_stuck_tickets(engine, pipeline),
        tdx,
    )
