"""Partition keys, ranges of keys that one run can take, and the runs in flight.

A range follows the order in which keys were added, so tickets added together in one tick are contiguous.
Keys are digits only: a comma would break the UI's backfill dialog (case C09).
"""

import re
import time
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import dagster as dg

from tdx_dagster.dagster_internals import has_partition, newest_partitions
from tdx_dagster.state.records import LogRow, LogStatus
from tdx_dagster.tickets.pipeline import Pipeline

KEY = re.compile(r"^[1-9][0-9]{0,18}$")
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
SINGLE = "dagster/partition"

# The tickets a run was asked for. A range of partitions names its two ends only, and means other tickets once a
# partition between them was deleted or added again.
TICKETS = "tdx/tickets"

# Queued and running runs are few by configuration; more than this are not read.
MOST_RUNS_IN_FLIGHT = 1000

# A run holds a claim nearly all the time. One that holds none so long after its start has died before its first
# claim, or waits so long for TDX that a second run does no harm.
SILENT_SECONDS = 600.0

# Tickets with something to do are young, so their partitions are nearly always among the last ones added.
NEWEST = 1_000


def key_of(ticket_id: int) -> str:
    """Give the partition key of a ticket."""
    return str(ticket_id)


def ticket_of(key: str) -> int:
    """Give the ticket of a partition key.

    Raises:
        ValueError: The key is no ticket id; the text says what to do.
    """
    if not KEY.match(key):
        raise ValueError(
            f"The partition {key!r} is no ticket id (digits, no leading zero); delete that partition."
        )
    return int(key)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Partitions that one run takes, in the order they were added."""

    keys: tuple[str, ...]

    def tags(self) -> dict[str, str]:
        """Give the run tags that ask for the whole range in one run."""
        return {RANGE_START: self.keys[0], RANGE_END: self.keys[-1], TICKETS: ",".join(self.keys)}


def tickets_asked_for(tags: Mapping[str, str]) -> Sequence[int]:
    """Give the tickets that a run was asked for by its tags; none where the tags do not say."""
    return [int(key) for key in tags.get(TICKETS, "").split(",") if KEY.match(key)]


def order_back_to(instance: dg.DagsterInstance, name: str, keys: Collection[str]) -> Sequence[str]:
    """Give partitions in the order they were added, from some place before all these keys to the end.

    Two queries whose cost does not grow with the history, unless one of the keys is an old partition.

    Args:
        instance: Who keeps the partitions.
        name: Name of the partitions definition.
        keys: Keys that must be in it if they exist.
    """
    newest, has_more = newest_partitions(instance, name, NEWEST)
    missing = set(keys).difference(newest) if has_more else set()
    if missing and has_partition(instance, name, missing):
        return instance.get_dynamic_partitions(name)
    return newest


def ranges(wanted: Sequence[str], in_order: Sequence[str], most: int) -> list[KeyRange]:
    """Cut the wanted keys into runs of neighbours, none longer than `most`.

    Args:
        wanted: Keys to run.
        in_order: Keys of the partitions definition in the order they were added, back to the first
            wanted one; wanted keys that are missing are about to be added at the end, in the order given.
        most: Keys a run takes at most.
    """
    chosen = set(wanted)
    known = set(in_order)
    order = [*in_order, *(key for key in dict.fromkeys(wanted) if key not in known)]
    made: list[KeyRange] = []
    run: list[str] = []
    for key in order:
        if key in chosen and len(run) < most:
            run.append(key)
            continue
        if run:
            made.append(KeyRange(tuple(run)))
        run = [key] if key in chosen else []
    if run:
        made.append(KeyRange(tuple(run)))
    return made


def range_ends(tags: Mapping[str, str]) -> AbstractSet[str]:
    """Give the first and last key of the range that a run with these tags takes; nothing for one ticket."""
    return {tags[end] for end in (RANGE_START, RANGE_END) if end in tags and SINGLE not in tags}


def keys_in_tags(tags: Mapping[str, str], in_order: Sequence[str]) -> AbstractSet[str]:
    """Give the partitions that a run with these tags takes; `in_order` reaches back to its first."""
    if SINGLE in tags:
        return {tags[SINGLE]}
    if asked := tickets_asked_for(tags):
        return {key_of(ticket) for ticket in asked}
    start, end = tags.get(RANGE_START), tags.get(RANGE_END)
    if start not in in_order or end not in in_order:
        return {key for key in (start, end) if key}
    return set(in_order[in_order.index(start) : in_order.index(end) + 1])


@dataclass(frozen=True)
class RunLiveness:
    """What the log says of the runs in flight; each renews the leases of what it has claimed.

    The machine of a worker may fail, and Dagster counts its run as started until somebody ends it.

    Args:
        living: Runs that hold a claim.
        dead: Runs that let a lease run out.
    """

    living: AbstractSet[str]
    dead: AbstractSet[str]

    @classmethod
    def of(cls, log: Mapping[int, Sequence[LogRow]]) -> "RunLiveness":
        """Read it from the rows of the report's tickets."""
        held = [row for rows in log.values() for row in rows if row.status is LogStatus.IN_PROGRESS]
        living = {row.run_id for row in held if row.run_id and not row.is_due}
        return cls(
            living=living,
            # A run that renews one claim is at work; a lease that ran out beside it is that of a slow action.
            dead={row.run_id for row in held if row.run_id and row.is_due} - living,
        )

    def is_abandoned(self, run: dg.RunRecord) -> bool:
        """Tell whether no process works on this run any more, whatever status Dagster has for it."""
        run_id, started = run.dagster_run.run_id, run.start_time
        if run_id in self.dead:
            return True
        is_old = started is not None and time.time() - started > SILENT_SECONDS
        return is_old and run_id not in self.living


def tags_in_flight(
    instance: dg.DagsterInstance, pipeline: Pipeline, liveness: RunLiveness
) -> Sequence[Mapping[str, str]]:
    """Give the tags of queued and running runs of this pipeline, which say which tickets they take."""
    asset = dg.AssetKey(list(pipeline.asset_key))
    records = instance.get_run_records(
        dg.RunsFilter(statuses=UNFINISHED), limit=MOST_RUNS_IN_FLIGHT
    )
    runs = [record.dagster_run for record in records if not liveness.is_abandoned(record)]
    return [
        run.tags
        for run in runs
        if run.job_name == pipeline.name or asset in (run.asset_selection or ())
    ]


UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
