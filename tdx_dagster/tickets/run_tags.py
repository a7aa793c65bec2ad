"""The tags of a run: who launched it, which tickets it takes, and what kind of run it is.

Belongs here: names of tags, and reading them back. Does not: the tags that say which partitions a run takes
(`runs`).
"""

from collections.abc import Mapping, Sequence

LAUNCHED_BY = "tdx/launched-by"
SENSOR = "sensor"
COMMAND_LINE = "command line"
BY_HAND = "hand"

# Launched by one of these, a run keeps to the pauses of the action log.
BY_ITSELF = frozenset({SENSOR, COMMAND_LINE})

# Who has launched a run, where the command line or a deployment with accounts says so.
PERSON = "user"
BACKFILL_TAG = "dagster/backfill"

REHEARSAL = "tdx/rehearsal"
NOTHING_TO_DO = "tdx/nothing-to-do"

# A run with more tickets is tagged with the first, the last and their number.
MOST_TICKET_TAGS = 30

# A re-execution keeps the tags of the run it repeats, and names it.
PARENT_RUN = "dagster/parent_run_id"
RETRY_OF_DAGSTER = "dagster/retry_number"


def is_by_hand(tags: Mapping[str, str]) -> bool:
    """Tell whether a person has launched the run, or re-executed it."""
    if PARENT_RUN in tags and RETRY_OF_DAGSTER not in tags:
        return True
    return tags.get(LAUNCHED_BY) not in BY_ITSELF


def person_of(tags: Mapping[str, str]) -> str:
    """Give who has launched the run, for the records of what people decide."""
    return str(tags.get(PERSON) or "a person in Dagster")


def tags_of_run(
    tags: Mapping[str, str], tickets: Sequence[int], *, is_dry_run: bool
) -> dict[str, str]:
    """Give the tags by which people find a run.

    Args:
        tags: What it has already.
        tickets: The tickets it takes.
        is_dry_run: Whether it writes nothing.
    """
    made = {LAUNCHED_BY: BY_HAND} if is_by_hand(tags) else {}
    if is_dry_run:
        made[REHEARSAL] = "true"
    if len(tickets) <= MOST_TICKET_TAGS:
        return made | {f"tdx/ticket/{ticket}": "true" for ticket in tickets}
    return made | {
        "tdx/first-ticket": str(tickets[0]),
        "tdx/last-ticket": str(tickets[-1]),
        "tdx/ticket-count": str(len(tickets)),
    }
