"""From an entry of a `defs.yaml` to an action: built-in types by name, custom ones by dotted path.

Belongs here: reading settings and saying what is wrong with them, with file, position, field and nearest
valid name. Does not: what an action is (`action`).
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.installed import BUILT_IN, installed
from tdx_dagster.tickets.actions.lookups import ByLookup, Lookup
from tdx_dagster.tickets.actions.nearest import nearest
from tdx_dagster.tickets.actions.reference import nested
from tdx_dagster.tickets.actions.results import ActionResult


class BadAction(ValueError):
    """An action of a pipeline cannot be read; the text names its place, the field and the fix."""


def action_types() -> dict[str, type[Action]]:
    """Give the actions by the `type` that a pipeline names them with: built-in and installed ones."""
    return {**BUILT_IN, **installed().kinds}


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
        _check_results(action, actions[: position - 1], f"{place}: action {position}")
        seen[action.label] = position
    return actions


def _check_results(action: Action, earlier: Sequence[Action], place: str) -> None:
    """Check that the results an action uses are those of actions before it."""
    kinds = {one.label: type(one) for one in earlier}
    for name, asked in action.results_used().items():
        if name not in kinds:
            raise BadAction(
                f"{place} uses 'results.{name}', and no action before it has that name."
                f"{nearest(name, kinds)} Before it are: {', '.join(kinds) or 'none'}."
            )
        known = kinds[name].result_names
        if known is None:
            continue
        has = [*(one.name for one in fields(ActionResult)), *known]
        for unknown in sorted(set(asked) - set(has)):
            raise BadAction(
                f"{place} uses 'results.{name}.{unknown}', which there is not.{nearest(unknown, has)} "
                f"There are {', '.join(has)}."
            )


def read_action(entry: Mapping[str, Any], place: str) -> Action:
    """Make one action from its mapping; see `read_actions`."""
    if not isinstance(entry, Mapping):
        raise BadAction(f"{place} must be a mapping that begins with 'type:', not {entry!r}.")
    settings = dict(entry)
    type_name = settings.pop("type", None)
    if not isinstance(type_name, str) or not type_name:
        raise BadAction(f"{place} has no 'type'; the types are {', '.join(action_types())}.")
    kind = _find_type(type_name, place)
    try:
        return kind(**settings)
    except ValidationError as error:
        raise BadAction("\n".join(_faults(error, kind, f"{place} ({type_name})"))) from None


def _find_type(type_name: str, place: str) -> type[Action]:
    known = action_types()
    if type_name in known:
        return known[type_name]
    if fault := installed().faults.get(type_name):
        raise BadAction(f"{place}: the action type {type_name!r} cannot be used: {fault}.")
    if "." not in type_name:
        raise BadAction(
            f"{place}: there is no action type {type_name!r}.{nearest(type_name, known)} The types are "
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
    for fault in _nearest_faults(error):
        parts = [str(part) for part in fault["loc"] if part != ByLookup.__name__]
        name = ".".join(parts)
        if fault["type"] == "extra_forbidden":
            is_lookup = ByLookup.__name__ in fault["loc"]
            inner = Lookup if is_lookup else nested(kind).get(str(fault["loc"][0]), kind)
            settings = list(inner.model_fields)
            lines.append(
                f"{place}: unknown setting {name!r}.{nearest(parts[-1], settings)} "
                f"Its settings are {', '.join(sorted(settings))}."
            )
        elif fault["type"] == "missing":
            lines.append(f"{place}: the setting {name!r} is missing.")
        elif not name:
            lines.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}.")
        else:
            lines.append(f"{place}: {name} = {fault['input']!r}: {fault['msg']}.")
    return lines


def _nearest_faults(error: ValidationError) -> list[ErrorDetails]:
    """Leave out that a look-up is neither a number nor a text: what is wrong within it says more."""
    faults = error.errors(include_url=False)
    looked_up = {fault["loc"][0] for fault in faults if ByLookup.__name__ in fault["loc"]}
    return [
        fault
        for fault in faults
        if ByLookup.__name__ in fault["loc"] or not fault["loc"] or fault["loc"][0] not in looked_up
    ]
