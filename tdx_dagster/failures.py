"""Our errors → Dagster failures; what is permanent stays permanent.

Dagster retries in three places: an op's policy, the run-retry daemon, and a sensor that asks again.
`allow_retries=False` speaks to the first; the tag in `NO_RUN_RETRIES` to the second; the action log, with
its pauses, is the third and the only one that this project uses for tickets.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

# Key of the metadata of a failure that names its errors.
KINDS = "error"

NO_RUN_RETRIES = {"dagster/max_retries": "0", "dagster/retry_on_asset_or_op_failure": "false"}


def failure(message: str, metadata: Mapping[str, Any] | None = None) -> dg.Failure:
    """Make a failure that nothing but the action log retries."""
    return dg.Failure(message, metadata=dict(metadata or {}), allow_retries=False)


def failure_of(error: BaseException) -> dg.Failure:
    """Make a failure of one of our errors: its sentence, and what kinds it and its causes are.

    Raised `from None`: below its sentence, the tracebacks of the causes help no reader.
    """
    return failure(str(error), {KINDS: ", ".join(_kinds(error))})


def _kinds(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield type(error).__name__
        error = error.__cause__


def failure_kinds(event: dg.DagsterEvent) -> Sequence[str]:
    """Give the kinds of the error of a step that failed, and of its causes."""
    found = event.step_failure_data
    given = found.user_failure_data.metadata.get(KINDS) if found.user_failure_data else None
    kinds = str(given.value).split(", ") if given else []
    error = found.error
    while error is not None:
        kinds.append(error.cls_name or "")
        error = error.cause
    return kinds


def failure_sentence(event: dg.DagsterEvent) -> str:
    """Give the sentence of a step that failed; empty where it has none."""
    found = event.step_failure_data
    error = found.error
    if found.user_failure_data and found.user_failure_data.description:
        return found.user_failure_data.description.strip()
    # The driver's error below this one of ours says less.
    while error and error.cause and error.cls_name != "MissingRight":
        error = error.cause
    # Dagster puts the class in front, which tells nothing where the sentence is ours.
    return re.sub(r"^tdx_dagster\.[\w.]+: ", "", error.message.strip()) if error else ""
