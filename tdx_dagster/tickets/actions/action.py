"""What an action is: its settings, its identity, and what it hands back.

Belongs here: the base class that built-in and custom actions share, how `action_id` is computed, and
reading an action from a pipeline's settings. Does not: writing to TDX (`hands`), claiming (`once`).
"""

import hashlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tdx_dagster.state.records import ActionIdentity

if TYPE_CHECKING:
    from tdx_dagster.tickets.actions.work import Work

# `type:hash12:version` must fit the 255 characters of the log's action_id.
MAX_PART = 100
NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"


class BadAction(ValueError):
    """An action of a pipeline cannot be read; the text names its place, the field and the fix."""


@dataclass(frozen=True, slots=True)
class Performed:
    """What an action did.

    Args:
        message: One sentence for the log and the UI.
        summary_lines: What the ticket's summary is to say of it; nothing where empty (case D17).
        evidence: Kept with the row and shown in the UI; JSON values only.
        told: Ids of the results that this action, a summary, has told.
    """

    message: str
    summary_lines: Sequence[str] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    told: Sequence[str] = ()


class RetryLater(Exception):
    """The action cannot be done now.

    Args:
        message: Why.
        wait_seconds: At least how long until it makes sense to try again, where known.
    """

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class GiveUp(Exception):
    """The action will never work on this ticket as it is configured; a person has to look."""


class Uncertain(Exception):
    """An effect may have happened and nobody can look: a person decides, it is never repeated."""


class Action(BaseModel, ABC):
    """Something done to a ticket, once.

    A custom action is a subclass in any importable module, named in `defs.yaml` by its dotted path. Its
    settings are the fields it declares. A setting added later with a default does not change the identity
    of the actions people already have, since only settings that differ from their default are hashed;
    those in `legacy_settings` always are, as the older daemon did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action_type: ClassVar[str] = ""
    legacy_settings: ClassVar[tuple[str, ...]] = ()
    is_summary: ClassVar[bool] = False
    unhashed_settings: ClassVar[tuple[str, ...]] = ("name", "version", "continue_on_failure")

    name: str = Field(default="", max_length=MAX_PART, pattern=rf"^$|{NAME_PATTERN}")
    version: str = Field(default="v1", min_length=1, max_length=50, pattern=r"^[^:\s]+$")
    continue_on_failure: bool = False

    @abstractmethod
    def perform(self, work: "Work") -> Performed:
        """Do it, writing through `work.hands` alone.

        Raises:
            RetryLater: Not now.
            GiveUp: Never.
        """

    def own_words(self) -> Sequence[str]:
        """Give texts this action writes on tickets, so that discovery does not take them for evidence."""
        return ()

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
                settings[name] = list(value) if isinstance(value, tuple) else value
        return settings

    def identity(self) -> ActionIdentity:
        """Compute the identity: `type:sha256(text of the sorted settings)[:12]:version` (DESIGN 4)."""
        text = str(sorted(self.hashed_settings().items()))
        digest = hashlib.sha256(text.encode()).hexdigest()
        type_name = self.type_name()
        return ActionIdentity(
            type_name, self.label, f"{type_name}:{digest[:12]}:{self.version}", digest, self.version
        )


def action_types() -> dict[str, type[Action]]:
    """Give the built-in actions by the `type` that a pipeline names them with."""
    from tdx_dagster.tickets.actions.add_asset import AddAsset  # noqa: PLC0415  they import this module
    from tdx_dagster.tickets.actions.comment import Comment  # noqa: PLC0415  the same
    from tdx_dagster.tickets.actions.summary_comment import SummaryComment  # noqa: PLC0415  the same

    return {kind.action_type: kind for kind in (AddAsset, Comment, SummaryComment)}


def read_actions(entries: Sequence[Mapping[str, Any]], place: str) -> tuple[Action, ...]:
    """Make actions from the `actions` of a pipeline.

    Args:
        entries: One mapping an action, with `type` and its settings.
        place: The file, for error messages.

    Raises:
        BadAction: With file, position, field, and the nearest valid name.
    """
    if not entries:
        raise BadAction(f"{place}: 'actions' is empty; name at least one action.")
    actions = tuple(
        read_action(entry, f"{place}: action {position}")
        for position, entry in enumerate(entries, start=1)
    )
    seen: dict[str, int] = {}
    for position, action in enumerate(actions, start=1):
        if action.label in seen:
            raise BadAction(
                f"{place}: action {position} has the name {action.label!r} of action "
                f"{seen[action.label]}; give one of them another 'name'."
            )
        seen[action.label] = position
    return actions


def read_action(entry: Mapping[str, Any], place: str) -> Action:
    """Make one action from its mapping; see `read_actions`."""
    if not isinstance(entry, Mapping):
        raise BadAction(f"{place} must be a mapping that begins with 'type:', not {entry!r}.")
    settings = dict(entry)
    type_name = settings.pop("type", None)
    if not isinstance(type_name, str) or not type_name:
        raise BadAction(f"{place} has no 'type'; built-in types are {', '.join(action_types())}.")
    kind = _find_type(type_name, place)
    try:
        return kind(**settings)
    except ValidationError as error:
        raise BadAction("\n".join(_faults(error, kind, f"{place} ({type_name})"))) from None


def _find_type(type_name: str, place: str) -> type[Action]:
    known = action_types()
    if type_name in known:
        return known[type_name]
    if "." not in type_name:
        raise BadAction(
            f"{place}: there is no action type {type_name!r}.{nearest(type_name, known)} Built-in types: "
            f"{', '.join(known)}; a custom one is named by its dotted path, like my_actions.Assign."
        )
    module_name, _, class_name = type_name.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise BadAction(
            f"{place}: the custom action {type_name!r} cannot be imported ({error}). Is its module "
            "installed, or in the folder you start from?"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Action)):
        raise BadAction(f"{place}: {type_name!r} is no subclass of {Action.__module__}.Action.")
    return kind


def _faults(error: ValidationError, kind: type[Action], place: str) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            fields = list(kind.model_fields)
            lines.append(
                f"{place}: unknown setting {name!r}.{nearest(name, fields)} "
                f"Its settings are {', '.join(sorted(fields))}."
            )
        elif fault["type"] == "missing":
            lines.append(f"{place}: the setting {name!r} is missing.")
        else:
            lines.append(f"{place}: {name} = {fault['input']!r}: {fault['msg']}.")
    return lines


def nearest(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """Say which known name is meant, perhaps; empty where none is like it."""
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
