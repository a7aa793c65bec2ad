"""What the earlier actions of a pipeline did on a ticket, and the values they store.

Belongs here: rebuilding both from the action log, so that an action finds the same whether the earlier one ran
a moment ago or in another run. Does not: writing the log (`once.runner`), the summary's results (`context`).
"""

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdx_dagster.state.records import LogRow, LogStatus

# Where a row keeps what its completion stored.
DETAILS, MESSAGE, VALUES = "details", "message", "values"


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What one action did on a ticket.

    Args:
        name: Of the action in the pipeline.
        is_done: It has completed; everything else is empty where it has not.
        message: Its sentence.
        evidence: What it stored.
        values: What it has stored for later actions.
    """

    name: str
    is_done: bool = False
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  JSON
        """Give one thing of its evidence; None where it is not there."""
        return self.evidence.get(key)


class Results(Mapping[str, ActionResult]):
    """The results of a pipeline's actions by name, oldest first; an action that has none is one not done.

    Args:
        read: Gives the completed ones.
    """

    def __init__(self, read: Callable[[], Sequence[ActionResult]]) -> None:
        self._read = read
        self._known: dict[str, ActionResult] | None = None

    def _all(self) -> dict[str, ActionResult]:
        if self._known is None:
            self._known = {result.name: result for result in self._read()}
        return self._known

    def __getitem__(self, name: str) -> ActionResult:
        """Give the result of an action."""
        return self._all().get(name, ActionResult(name))

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the actions that have completed."""
        return iter(self._all())

    def __len__(self) -> int:
        """Count them."""
        return len(self._all())


class Values(MutableMapping[str, Any]):
    """Values that actions store for later ones, with the result of the action that sets it. JSON values.

    Args:
        results: Of the earlier actions.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.written: dict[str, Any] = {}

    def _all(self) -> dict[str, Any]:
        earlier = (self._results[name].values for name in self._results)
        return {key: value for values in (*earlier, self.written) for key, value in values.items()}

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  JSON
        """Give a value."""
        return self._all()[key]

    def __setitem__(self, key: str, value: Any) -> None:  # noqa: ANN401  JSON
        """Set a value, for this action and the later ones.

        Raises:
            TypeError: It is no JSON value, so that it could not be stored.
        """
        json.dumps(value)
        self.written[key] = value

    def __delitem__(self, key: str) -> None:
        """Take back a value of this action."""
        del self.written[key]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._all())

    def __len__(self) -> int:
        """Count them."""
        return len(self._all())


def stored_results(rows: Sequence[LogRow], pipeline: str) -> Sequence[ActionResult]:
    """Give what the log knows of the completed actions of a pipeline, oldest first."""
    done = [row for row in rows if row.pipeline == pipeline and row.status is LogStatus.COMPLETED]
    return [
        ActionResult(
            row.name,
            is_done=True,
            message=str(row.metadata.get(MESSAGE) or ""),
            evidence=row.metadata.get(DETAILS) or {},
            values=row.metadata.get(VALUES) or {},
        )
        for row in sorted(done, key=lambda one: one.executed_at)
    ]
