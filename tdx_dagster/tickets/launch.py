"""What a sensor answers Dagster to launch runs over tickets.

Belongs here: run requests and requests for partitions. Does not: which tickets (`sensor`, `observe`).
"""

from collections.abc import Sequence

import dagster as dg

from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.run_config import run_config
from tdx_dagster.tickets.run_tags import LAUNCHED_BY, SENSOR
from tdx_dagster.tickets.runs import KeyRange, key_of, ranges

# A tick asks for at most this many runs; the rest is asked for by the next.
MOST_RUNS_PER_TICK = 200


def partitions_of(pipeline: Pipeline) -> dg.DynamicPartitionsDefinition:
    """Give the partitions of a pipeline, one a ticket."""
    return dg.DynamicPartitionsDefinition(name=pipeline.partitions_name)


def new_partitions(pipeline: Pipeline, keys: Sequence[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """Ask for partitions, where there are any to add."""
    return [partitions_of(pipeline).build_add_request(keys)] if keys else []


def ranges_of(
    pipeline: Pipeline, tickets: Sequence[int], in_order: Sequence[str]
) -> list[KeyRange]:
    """Cut tickets into the runs of one tick."""
    wanted = [key_of(ticket) for ticket in tickets]
    return ranges(wanted, in_order, pipeline.tickets_per_run)[:MOST_RUNS_PER_TICK]


def run_request(pipeline: Pipeline, keys: KeyRange) -> dg.RunRequest:
    """Ask for one run over a range of tickets; one ticket is asked for by its key."""
    config = run_config(pipeline, dry_run=pipeline.observes)
    mine = {LAUNCHED_BY: SENSOR}
    # No run key: a key that any run ever had is skipped for good (case C01). The log decides.
    if len(keys.keys) == 1:
        return dg.RunRequest(partition_key=keys.keys[0], run_config=config, tags=mine)
    return dg.RunRequest(tags=keys.tags() | mine, run_config=config)
