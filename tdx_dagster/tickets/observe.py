"""Observe mode: a sensor launches each due ticket once as a dry run, and one table gathers what they show.

Belongs here: which tickets have been observed, kept in the sensor's cursor since nothing is written to the
action log, and the table of what would have been done. Does not: what makes a run a dry run (`run_in_dagster`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import dagster as dg

from tdx_dagster.tickets.launch import new_partitions, ranges_of, run_request
from tdx_dagster.tickets.markdown import table
from tdx_dagster.tickets.metadata import WOULD_DO
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import Plan, TicketPlan
from tdx_dagster.tickets.runs import key_of, order_back_to

GATHERED = "what it would have done"

# The table reads so many of the newest observations.
MOST_GATHERED = 1_000

Observed = Mapping[int, str]
"""Tickets, each with the digest of the actions that were due when it was observed."""


def observe(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, plan: Plan
) -> dg.SensorResult | dg.SkipReason:
    """Launch dry runs over due tickets that have not been observed with these actions.

    A ticket is observed again once another action, version or setting is due on it.
    """
    due = {one.ticket_id: _digest(pipeline, one) for one in plan.tickets if one.is_pending}
    before = _read(context.cursor)
    wanted = [ticket for ticket, digest in due.items() if before.get(ticket) != digest]
    if not wanted:
        return dg.SkipReason(
            f"Observe mode: {len(due)} of {len(plan.tickets)} tickets are due, and all of those have been "
            "observed. Nothing was written."
        )
    keys = [key_of(ticket) for ticket in wanted]
    in_order = order_back_to(context.instance, pipeline.partitions_name, keys)
    runs = ranges_of(pipeline, wanted, in_order)
    launched = {int(key) for one in runs for key in one.keys}
    known = set(in_order)
    return dg.SensorResult(
        run_requests=[run_request(pipeline, one) for one in runs],
        dynamic_partitions_requests=new_partitions(
            pipeline, [key for key in keys if key not in known]
        ),
        cursor=_write({t: d for t, d in due.items() if t in launched or before.get(t) == d}),
    )


def _digest(pipeline: Pipeline, ticket: TicketPlan) -> str:
    due = [
        pipeline.identified[name].action_id
        for name, state in ticket.due.items()
        if state.should_run
    ]
    return sha256("\n".join(due).encode()).hexdigest()[:16]


def _read(cursor: str | None) -> Observed:
    """Read a cursor; one that is none of ours has observed nothing."""
    try:
        by_digest = json.loads(cursor or "{}")
        return {int(ticket): digest for digest, tickets in by_digest.items() for ticket in tickets}
    except (ValueError, TypeError, AttributeError):
        return {}


def _write(observed: Observed) -> str:
    """Write a cursor, tickets by digest: the digests are few."""
    by_digest: dict[str, list[int]] = {}
    for ticket, digest in sorted(observed.items()):
        by_digest.setdefault(digest, []).append(ticket)
    return json.dumps(by_digest, separators=(",", ":"))


def gather(
    instance: dg.DagsterInstance, asset: dg.AssetKey, mine: Iterable[tuple[Any, Mapping[str, Any]]]
) -> Mapping[str, Any]:
    """Give one table of what dry runs would have done, the newest of each ticket.

    Args:
        instance: Where observations are kept.
        asset: Whose.
        mine: Tickets and metadata of this run, which may not be stored yet.
    """
    found: dict[str, Mapping[str, Any]] = {key_of(ticket.id): shown for ticket, shown in mine}
    for record in instance.fetch_observations(asset, limit=MOST_GATHERED).records:
        seen = record.asset_observation
        if seen and seen.partition and WOULD_DO in seen.metadata:
            found.setdefault(seen.partition, seen.metadata)
    rows = [_row(key, shown) for key, shown in sorted(found.items()) if WOULD_DO in shown]
    return {GATHERED: dg.MetadataValue.md(table(("ticket", "title", "would do"), rows))}


def _row(key: str, shown: Mapping[str, Any]) -> Sequence[str]:
    link, title, would = (_text(shown.get(name)) for name in ("ticket", "title", WOULD_DO))
    return f"[{key}]({link})", title, would


def _text(value: Any) -> str:  # noqa: ANN401  metadata as given, or as stored
    return str(getattr(value, "value", value) or "")
