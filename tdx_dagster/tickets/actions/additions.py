"""What actions share that add people or things to a ticket: each once, and none that a person has removed.

Belongs here: the order of steps, the effect, what is said. Does not: who or what is added, and how TDX is asked
(`add_contact`, `add_configuration_item`).
"""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import STAYS, Effect, Evidence, TdxWrites
from tdx_dagster.tickets.actions.outcome import Performed

# What the detail of an effect keeps of what is added.
KEY, NAME = "key", "name"


@dataclass(frozen=True, slots=True)
class Addition:
    """Who or what is added.

    Args:
        key: As TDX tells it from others.
        name: For people.
    """

    key: str
    name: str


@dataclass
class _Added:
    """What became of each, by name."""

    added: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    left_off: list[str] = field(default_factory=list)


class AddToTicket(Action):
    """Adds to a ticket what is not there yet, and nothing that a person has removed."""

    result_names: ClassVar[tuple[str, ...] | None] = ("added", "already", "left_off")
    # How the names of its effects begin, and what people call what it adds.
    kind: ClassVar[str] = ""
    noun: ClassVar[str] = ""

    add_summary_line: bool = True
    """Name what was added in the summary."""

    @abstractmethod
    def wanted(self, context: ActionContext) -> Sequence[Addition]:
        """Give what is to be on the ticket, each once."""

    @abstractmethod
    def there(self, context: ActionContext) -> Collection[str]:
        """Give the keys of what is on the ticket, read now."""

    def named(self, context: ActionContext, one: Addition) -> Addition:
        """Give what is about to be added with its name, where it takes a read to know it."""
        del context
        return one

    @abstractmethod
    def is_there(self, tdx: TdxWrites, ticket_id: int, key: str) -> bool:
        """Tell whether it is on the ticket after a write whose outcome is unclear."""

    @abstractmethod
    def add(self, tdx: TdxWrites, ticket_id: int, key: str) -> bool:
        """Add it; False where the answer does not say whether it was added."""

    @abstractmethod
    def has_removal_line(self, context: ActionContext, one: Addition) -> bool:
        """Tell whether TDX has a line that says that a person has removed what is not there."""

    def perform(self, context: ActionContext) -> Performed:
        """Add what is missing, one by one."""
        earlier, done = self._recover(context), _Added()
        there = self.there(context)
        for one in self.wanted(context):
            if one.key in there:
                (done.added if one.key in earlier else done.already).append(one.name)
            else:
                self._add(context, self.named(context, one), done)
        return self._performed(done)

    def _add(self, context: ActionContext, one: Addition, done: _Added) -> None:
        if self._is_removed(context, one):
            done.left_off.append(one.name)
        else:
            context.write.do(self._effect(context.ticket.id, one))
            done.added.append(one.name)

    def _performed(self, done: _Added) -> Performed:
        lines = [f"Added {', '.join(done.added)} as {self.noun}"] if done.added else []
        lines += [
            f"{name} left off: removed from the {self.noun}s by a person" for name in done.left_off
        ]
        said = [*lines, *([f"{', '.join(done.already)} there already"] if done.already else ())]
        return Performed(
            "; ".join(said) or "Nothing to add",
            summary_lines=lines if self.add_summary_line else [],
            evidence={"added": done.added, "already": done.already, "left_off": done.left_off},
        )

    def _recover(self, context: ActionContext) -> set[str]:
        """Settle what earlier attempts have left open; give the keys of what they have added.

        Raises:
            RetryLater: It is not known yet.
        """
        mine = f":{self.identity().action_id}"
        found = set()
        for name, record in self._effects(context.write.effects()):
            one = Addition(str(record.detail[KEY]), str(record.detail[NAME]))
            effect = self._effect(context.ticket.id, one)
            if name.endswith(mine) and context.write.recover(effect) is not None:
                found.add(one.key)
        return found

    def _effects(self, effects: Mapping[str, EffectRecord]) -> Iterator[tuple[str, EffectRecord]]:
        return ((name, one) for name, one in effects.items() if name.startswith(f"{self.kind}:"))

    def _effect(self, ticket_id: int, one: Addition) -> Effect:
        detail = {KEY: one.key, NAME: one.name, STAYS: f"{one.name} as {self.noun}"}

        def write(tdx: TdxWrites) -> Evidence | None:
            return detail if self.add(tdx, ticket_id, one.key) else None

        def look(tdx: TdxWrites, _: EffectRecord) -> Evidence | None:
            return detail if self.is_there(tdx, ticket_id, one.key) else None

        return Effect(f"{self.kind}:{one.key}:{self.identity().action_id}", detail, write, look)

    def _is_removed(self, context: ActionContext, one: Addition) -> bool:
        """Tell whether a person has removed what is not on the ticket now.

        The robot has added it, under whatever action, version or settings; or a line of TDX says so.
        """
        by_robot = any(
            record.state is EffectState.DONE and record.detail.get(KEY) == one.key
            for _, record in self._effects(context.write.effects())
        )
        return by_robot or self.has_removal_line(context, one)
