"""The settings of action types as tables, from their models.

Belongs here: what `tdx-dagster actions` shows and docs/actions.md holds. Does not:
finding the types (`installed`).
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.lookups import ByLookup, Lookup

HEAD = """# Actions and their settings

Made from the code with `tdx-dagster actions --markdown`; [using it](using.md) says more of each. Every
action has the settings of the first table and its own. What `when` and templates may name:
[conditions](conditions.md).
"""


LOOKUP = """
## lookup

A value of the type lookup may be looked up: `{lookup: {...}}` in the place of the value, see
[look-ups](conditions.md#look-ups).
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of an action type.

    Args:
        kind: Its type as Python writes it.
        default: As YAML writes it; empty where it has to be given.
        is_template: It is a template, or holds some.
    """

    name: str
    kind: str
    default: str
    about: str
    is_template: bool


def settings_of(kind: type[Action]) -> Iterator[Setting]:
    """Give the settings that an action type has of its own."""
    shared = set(Action.model_fields)
    declared = [name for name in vars(kind)["__annotations__"] if name in kind.model_fields]
    for name in dict.fromkeys([*declared, *kind.model_fields]):
        if name not in shared:
            yield _setting(name, kind.model_fields[name], is_template=name in kind.templated)


def shared_settings() -> Iterator[Setting]:
    """Give the settings that every action has."""
    for name, info in Action.model_fields.items():
        yield _setting(name, info, is_template=name == "summary_line")


def _setting(name: str, info: FieldInfo, *, is_template: bool) -> Setting:
    default = info.get_default(call_default_factory=True)
    return Setting(
        name,
        _type_text(info.annotation),
        "" if default is PydanticUndefined else _yaml(default),
        info.description or "",
        is_template,
    )


def nested(kind: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    """Give the settings that hold settings of their own, each with what these are."""
    found: dict[str, type[BaseModel]] = {}
    for name, info in kind.model_fields.items():
        for one in (info.annotation, *get_args(info.annotation)):
            is_model = isinstance(one, type) and issubclass(one, BaseModel)
            if is_model and one is not ByLookup:  # that has a section of its own
                found[name] = one
    return found


def _fields_of(kind: type[BaseModel]) -> Iterator[Setting]:
    for name, info in kind.model_fields.items():
        yield _setting(name, info, is_template=False)


def about(kind: type[BaseModel]) -> str:
    """Give the first line of what an action type says of itself."""
    return (inspect.getdoc(kind) or kind.__name__).splitlines()[0]


def markdown(kinds: Mapping[str, type[Action]]) -> str:
    """Give the page of all action types."""
    parts = [HEAD, "## Every action\n", *_table(shared_settings())]
    parts += [
        LOOKUP,
        *_table(_fields_of(Lookup)),
    ]
    for name, kind in kinds.items():
        parts += [f"\n## {name}\n", f"{about(kind)}\n", *_table(settings_of(kind))]
        for setting, inner in nested(kind).items():
            head = f"In `{setting}` of `{name}`: {about(inner)[0].lower()}{about(inner)[1:]}\n"
            parts += [f"\n{head}", *_table(_fields_of(inner))]
    return "\n".join(parts) + "\n"


def _table(settings: Iterator[Setting]) -> Iterator[str]:
    yield "| setting | type | default | |"
    yield "| --- | --- | --- | --- |"
    for one in settings:
        said = f"{one.about}{' Template.' if one.is_template else ''}"
        default = f"`{one.default}`" if one.default else "needed"
        kind = one.kind.replace("|", "\\|")
        yield f"| `{one.name}` | {kind} | {default} | {said} |"


def _type_text(annotation: Any) -> str:  # noqa: ANN401  a type
    text = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", inspect.formatannotation(annotation))
    return text.replace("NoneType", "None").replace(ByLookup.__name__, "lookup")


def _yaml(value: object) -> str:
    words = {None: "null", True: "true", False: "false", "": '""', "\n": '"\\n"'}
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Mapping):
        return "{}"
    if value in {"null", "true", "false"}:
        return f'"{value}"'
    plain = value if isinstance(value, (str, bool, type(None))) else str(value)
    return words.get(plain, str(plain))
