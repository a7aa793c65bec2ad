"""Our errors → Dagster failures; what is permanent stays permanent.

Dagster retries in three places: an op's policy, the run-retry daemon, and a sensor that asks again.
`allow_retries=False` speaks to the first; the tag in `NO_RUN_RETRIES` to the second; the action log, with
its pauses, is the third and the only one that this project uses for tickets.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

NO_RUN_RETRIES = {"dagster/max_retries": "0", "dagster/retry_on_asset_or_op_failure": "false"}


def failure(message: str, metadata: Mapping[str, Any] | None = None) -> dg.Failure:
    """Make a failure that nothing but the action log retries."""
    return dg.Failure(message, metadata=dict(metadata or {}), allow_retries=False)


def failure_sentence(event: dg.DagsterEvent) -> str:
    """Give the sentence of a step that failed; empty where it has none."""
    found = event.step_failure_data
    error = found.error
    if found.user_failure_data and found.user_failure_data.description:
        return found.user_failure_data.description.strip()
    # The driver's error below this one of ours says less.
    while error and error.cause and error.cls_name != "MissingRight":
        error = error.cause
    return error.message.strip() if error else ""
