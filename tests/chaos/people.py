"""People who change tickets while the robot is at work on them.

Belongs here: doing what a schedule says at the call of TDX it says, and remembering it for the judge. Does
not: drawing it (`schedule`), judging what the robot made of it (`judge_people`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tdx_dagster.simulator import Simulator
from tests.chaos.schedule import Doing, PersonAct

ASSETS = (1001, 1002, 1003)
FIELDS = {Doing.SETS_STATUS: "StatusID", Doing.SETS_PRIORITY: "PriorityID"}


@dataclass(frozen=True)
class Done:
    """What a person has done.

    Args:
        what: What.
        ticket: On which ticket.
        value: The computer, the status or the priority.
        call: The number of calls that had arrived before.
        is_single: One worker alone was at work in that round.
    """

    what: Doing
    ticket: int
    value: int
    call: int
    is_single: bool


@dataclass
class People:
    """Does the acts of a round as its calls arrive, each before the call is answered.

    Args:
        simulator: Where the tickets are.
        done: What was done so far, in order.
    """

    simulator: Simulator
    done: list[Done] = field(default_factory=list)

    @contextmanager
    def at_work(self, acts: Sequence[PersonAct], *, is_single: bool) -> Iterator[None]:
        """Do these acts while the block runs, and the rest of them at its end."""
        calls: Any = self.simulator.calls
        began = len(calls)
        left, lock, enter = list(acts), Lock(), calls.enter

        def do_until(call: int) -> None:
            with lock:
                while left and left[0].at_call <= call - began:
                    self._do(left.pop(0), is_single=is_single)

        def enter_after_people(**what: Any) -> Any:
            do_until(len(calls))
            return enter(**what)

        calls.enter = enter_after_people
        try:
            yield
        finally:
            del calls.enter
            do_until(began + 10**6)

    def _now(self, act: PersonAct) -> object:
        return self.simulator.state.tickets[act.ticket].get(FIELDS[act.what])

    def _do(self, act: PersonAct, *, is_single: bool) -> None:
        technician = self.simulator.technician()
        linked = self.simulator.state.asset_ids_of(act.ticket)
        value = act.value
        # Of what changes nothing TDX keeps no trace.
        if FIELDS.get(act.what) and self._now(act) == value:
            return
        match act.what:
            case Doing.ADDS:
                value = ASSETS[act.value]
                if value in linked:
                    return
                technician.add_asset(act.ticket, value)
            case Doing.REMOVES:
                if not linked:
                    return
                value = linked[act.value % len(linked)]
                technician.remove_asset(act.ticket, value)
            case Doing.SETS_STATUS:
                technician.change_status(act.ticket, value)
            case Doing.SETS_PRIORITY:
                technician.edit(act.ticket, PriorityID=value)
            case Doing.ASSIGNS:
                technician.assign(act.ticket, "tess.tech")
            case Doing.COMMENTS:
                technician.comment(act.ticket, "public words", private=False)
        call = len(self.simulator.calls)
        self.done.append(Done(act.what, act.ticket, value, call, is_single))
