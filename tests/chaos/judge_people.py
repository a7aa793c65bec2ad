"""Whether what people decided on a ticket stands.

Belongs here: comparing what people did with what the robot wrote after it. Does not: everything else that can
be wrong (`judge`).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tdx_dagster.simulator.sample.blank import CLOSED
from tests.chaos.people import FIELDS, Done
from tests.chaos.schedule import Doing

CALLS_BETWEEN = 4
"""TDX takes no condition with a write: what a person does between the robot's last read and its write cannot
be seen. So many calls of each other ticket, and one of this, may lie between."""


MOST_WORKERS = 3


@dataclass(frozen=True)
class Decisions:
    """What people did in a seed, and all calls of the robot.

    Args:
        done: What people did, in order.
        calls: The calls of the robot, in order.
        state: The tenant in the end.
        tickets: The tickets of the seed.
    """

    done: Sequence[Done]
    calls: Iterable[Any]
    state: Any
    tickets: Sequence[int]

    @property
    def unseen_calls(self) -> int:
        """Calls after which a person's act should have been seen."""
        workers = 1 if self.is_single else MOST_WORKERS
        return 1 + CALLS_BETWEEN * (len(self.tickets) * workers - 1)

    @property
    def is_single(self) -> bool:
        """Whether no two workers were ever at work when people were."""
        return all(one.is_single for one in self.done)

    def on(self, ticket: int, *what: Doing) -> Sequence[Done]:
        """Give what people did on a ticket."""
        return [one for one in self.done if one.ticket == ticket and one.what in what]

    def has_closed(self, ticket: int) -> bool:
        """Whether somebody has closed the ticket: once reopened, it is looked at again after hours."""
        return any(one.value == CLOSED for one in self.on(ticket, Doing.SETS_STATUS))

    def added(self, ticket: int) -> set[int]:
        """Give the computers that people have added, whether they are there or not."""
        return {one.value for one in self.on(ticket, Doing.ADDS)}

    def findings(self) -> Iterator[str]:
        """Give each decision that the robot has undone."""
        for ticket in self.tickets:
            yield from self._brought_back(ticket)
            for doing, name in FIELDS.items():
                yield from self._overwritten(ticket, doing, name)

    def _brought_back(self, ticket: int) -> Iterator[str]:
        last: dict[int, Done] = {}
        for one in self.on(ticket, Doing.ADDS, Doing.REMOVES):
            last[one.value] = one
        linked = self.state.asset_ids_of(ticket)
        for asset, one in last.items():
            path = f"/tickets/{ticket}/assets/{asset}"
            posts = [it for it in self.calls if it.method == "POST" and it.path.endswith(path)]
            is_late = any(it.number > one.call + self.unseen_calls for it in posts)
            if one.what is Doing.REMOVES and asset in linked and is_late:
                yield f"ticket {ticket}: undone: a person removed {asset}, and it is back"
            taken = [it for it in self.calls if it.method == "DELETE" and it.path.endswith(path)]
            is_late = any(it.number > one.call + self.unseen_calls for it in taken)
            if one.what is Doing.ADDS and asset not in linked and is_late:
                yield f"ticket {ticket}: undone: a person added {asset}, and it is gone"

    def _overwritten(self, ticket: int, doing: Doing, field: str) -> Iterator[str]:
        acts = self.on(ticket, doing)
        now = self.state.tickets[ticket].get(field)
        if not acts or acts[-1].value == now:
            return
        act = acts[-1]
        reads = [it for it in self.calls if _reads(it, ticket)]
        later = [it for it in self.calls if it.number > act.call and _sets(it, ticket, field)]
        if any(
            it.number > act.call + self.unseen_calls
            # With several workers the read may be another's.
            or (act.is_single and any(act.call < read.number < it.number for read in reads))
            for it in later
        ):
            yield f"ticket {ticket}: undone: a person set {field} {act.value}, now it is {now}"


def _sets(call: Any, ticket: int, field: str) -> bool:
    if call.method == "POST" and call.path.endswith(f"/tickets/{ticket}/feed"):
        return field == FIELDS[Doing.SETS_STATUS] and bool(json.loads(call.body).get("NewStatusID"))
    if call.method == "PATCH" and call.path.endswith(f"/tickets/{ticket}"):
        return any(one["path"] == f"/{field}" for one in json.loads(call.body))
    return False


def _reads(call: Any, ticket: int) -> bool:
    return bool(call.method == "GET" and call.path.endswith(f"/tickets/{ticket}"))
