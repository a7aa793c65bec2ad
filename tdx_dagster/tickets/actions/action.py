"""What an action is: its settings, its identity, and what it does.

Belongs here: the base class that built-in and custom actions share, and how `action_id` is computed.
Does not: writing to TDX (`tickets.once.writer`), claiming (`tickets.once.runner`), reading YAML (`registry`).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tdx_dagster.state.records import ActionIdentity
from tdx_dagster.tickets.actions.context import ActionContext, RunContext
from tdx_dagster.tickets.actions.due import Due, Identified, TicketLog, standard_due
from tdx_dagster.tickets.actions.facts import NAMES
from tdx_dagster.tickets.actions.lookups import ByLookup, Lookup, lookups_in, values_of
from tdx_dagster.tickets.actions.outcome import LeftAlone, Performed
from tdx_dagster.tickets.actions.templates import check as check_template
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.tables import Tables
from tdx_dagster.tickets.ticket_view import TdxReads, TicketView

# `type:hash12:version` must fit the 255 characters of the log's action_id.
MAX_PART = 100
LONGEST_CONDITION = 1000
NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"


class Action(BaseModel, ABC):
    """Something done to a ticket, once.

    A custom action is a subclass in any importable module, named in `defs.yaml` by its dotted path. Its
    settings are the fields it declares. A setting added later with a default does not change the identity
    of the actions people already have, since only settings that differ from their default are hashed;
    those in `legacy_settings` always are, as the older daemon did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    action_type: ClassVar[str] = ""
    legacy_settings: ClassVar[tuple[str, ...]] = ()
    unhashed_settings: ClassVar[tuple[str, ...]] = (
        "name",
        "version",
        "continue_on_failure",
        "when",
        "summary_line",
    )
    # Settings that are templates, or hold some.
    templated: ClassVar[tuple[str, ...]] = ()
    # What `results.NAME` has of this type beside its own fields; None: anything.
    result_names: ClassVar[tuple[str, ...] | None] = None

    name: str = Field(default="", max_length=MAX_PART, pattern=rf"^$|{NAME_PATTERN}")
    """Its name in the pipeline; empty: its type."""
    version: str = Field(default="v1", min_length=1, max_length=50, pattern=r"^[^:\s]+$")
    """Another version runs only on tickets that no earlier one has completed."""
    continue_on_failure: bool = False
    """Run the next actions although this one has failed."""

    when: str = Field(default="", max_length=LONGEST_CONDITION)
    """Condition under which it runs; while it is not met the action is left out, and may run later."""
    summary_line: str | None = None
    """Template of its line in the summary, in place of its own; empty: none."""

    @model_validator(mode="after")
    def _templates_can_be_read(self) -> Self:
        self.results_used()
        return self

    @abstractmethod
    def perform(self, context: ActionContext) -> Performed:
        """Do it, writing through `context.write` alone.

        Raises:
            RetryLater: Not now.
            GiveUp: Never.
        """

    def prepare(self, tickets: Sequence[TicketView], run: RunContext) -> None:
        """Prepare a run once, before the first ticket: ask for all tickets at once, warn people."""
        del tickets, run

    def check(self, tdx: TdxReads) -> str:
        """Check the settings against what TDX has; say what was checked.

        Raises:
            TdxSettingError: TDX has no such value.
        """
        del tdx
        return ""

    def check_tables(self, tdx: TdxReads, tables: Tables) -> str:
        """Check the tables of the look-ups; say what was checked.

        Raises:
            TdxSettingError: A table or a column is not there, or may not be read.
        """
        del tdx
        found = [
            f"{setting} from {lookup.table}: {len(values_of(tables, setting, lookup))} keys"
            for setting, lookup in self.lookups()
            if lookup.table
        ]
        return ", ".join(found)

    def lookups(self) -> Sequence[tuple[str, Lookup]]:
        """Give its look-ups, by the setting or attribute that each is for."""
        return list(lookups_in({name: getattr(self, name) for name in type(self).model_fields}))

    def is_due(self, log: TicketLog) -> Due:
        """Give the state of the action on a ticket where its own row is neither failed nor in progress."""
        return standard_due(log)

    def has_more(self, context: ActionContext) -> bool:
        """Tell whether the action runs again on a ticket on which it has completed."""
        del context
        return False

    def posted_texts(self) -> Sequence[str]:
        """Give texts this action writes on tickets, so that discovery does not take them for evidence."""
        return ()

    def templates(self) -> Iterator[str]:
        """Give the texts of its settings in which something may be filled in."""
        for name in self.templated:
            value = getattr(self, name)
            if isinstance(value, Mapping):
                value = tuple(value.values())
            texts = value if isinstance(value, (tuple, list)) else (value,)
            yield from (text for text in texts if isinstance(text, str))

    def results_used(self) -> Mapping[str, Collection[str]]:
        """Give the names of the actions whose results it uses, with what it asks of each.

        Raises:
            BadTemplate: A template or condition cannot be read, or names what there is not.
        """
        used = [check_template(text, NAMES) for text in self.templates() if is_template(text)]
        if self.when:
            used.append(check_template(self.when, NAMES, is_condition=True))
        if self.summary_line:
            used.append(check_template(self.summary_line, {**NAMES, "result": None}))
        used += [check_template(one.by, NAMES, is_condition=True) for _, one in self.lookups()]
        names = {name for one in used for name in one}
        return {name: frozenset().union(*(one.get(name, ()) for one in used)) for name in names}

    @property
    def label(self) -> str:
        """Its name in the pipeline: the type unless given."""
        return self.name or self.type_name()

    @classmethod
    def type_name(cls) -> str:
        """First part of the action id: `action_type`, or the class's name."""
        return cls.action_type or cls.__name__

    def hashed_settings(self) -> dict[str, object]:
        """Give the settings that make the identity, with the values the older daemon hashed."""
        settings: dict[str, object] = {}
        for name, info in type(self).model_fields.items():
            if name in self.unhashed_settings:
                continue
            value = getattr(self, name)
            if name in self.legacy_settings or value != info.get_default(call_default_factory=True):
                settings[name] = _hashed(value)
        return settings

    def identity(self) -> ActionIdentity:
        """Compute the identity: `type:sha256(text of the sorted settings)[:12]:version`."""
        text = str(sorted(self.hashed_settings().items()))
        digest = hashlib.sha256(text.encode()).hexdigest()
        type_name = self.type_name()
        return ActionIdentity(
            type_name, self.label, f"{type_name}:{digest[:12]}:{self.version}", digest, self.version
        )

    def identified(self) -> Identified:
        """Give the action as the plan knows it."""
        known = self.identity()
        return Identified(
            known.action_type,
            known.name,
            known.action_id,
            known.action_id.split(":")[-2],
            known.version,
        )


def _hashed(value: object) -> object:
    if isinstance(value, ByLookup):
        return value.lookup.hashed()
    if isinstance(value, Mapping):
        return {name: _hashed(one) for name, one in value.items()}
    return list(value) if isinstance(value, tuple) else value


def perform(action: Action, context: ActionContext) -> Performed:
    """Perform an action; where a person has decided otherwise, that is its result."""
    try:
        return action.perform(context)
    except LeftAlone as left:
        return left.performed()
