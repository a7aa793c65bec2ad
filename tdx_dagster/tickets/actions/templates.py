"""Conditions and templates of actions: Jinja2 in its sandbox, strict about names.

Belongs here: reading, checking and evaluating them; names are checked when a pipeline loads. Does not: what the
names mean on a ticket (`facts`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tdx_dagster.tickets.actions.nearest import nearest

_MARKS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)

# Shorter pieces between two marks stand in what anybody writes.
SHORTEST_PIECE = 12


class BadTemplate(ValueError):
    """A condition or template cannot be read, names what there is not, or fails on a ticket."""


def _environment(*, is_rich: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=is_rich,
        keep_trailing_newline=True,
        finalize=lambda value: "" if value is None else value,
    )


_PLAIN, _RICH = _environment(is_rich=False), _environment(is_rich=True)


def is_template(text: str) -> bool:
    """Tell whether a text has anything to fill in."""
    return "{{" in text or "{%" in text


def pieces(text: str) -> Iterator[str]:
    """Give the texts between the marks of a template that are long enough to tell it by."""
    if not is_template(text):
        yield text
        return
    for piece in _MARKS.split(text):
        yield from (line for line in piece.splitlines() if len(line.strip()) >= SHORTEST_PIECE)


def render(text: str, values: Mapping[str, Any], *, is_rich: bool = False) -> str:
    """Fill in a template; a text without marks stays as it is.

    Raises:
        BadTemplate: It names what this ticket does not have.
    """
    if not is_template(text):
        return text
    try:
        return (_RICH if is_rich else _PLAIN).from_string(text).render(values)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise BadTemplate(f"the template {_short(text)!r} cannot be filled in: {error}") from error


def holds(condition: str, values: Mapping[str, Any]) -> bool:
    """Evaluate a condition.

    Raises:
        BadTemplate: It cannot be evaluated on this ticket.
    """
    try:
        return bool(_PLAIN.compile_expression(condition, undefined_to_none=False)(values))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise BadTemplate(f"when: {condition!r} cannot be evaluated: {error}") from error


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401  whatever it gives
    """Give the value of an expression; None where the ticket does not have what it names last.

    Raises:
        BadTemplate: It cannot be evaluated on this ticket.
    """
    try:
        return _PLAIN.compile_expression(expression)(values)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise BadTemplate(f"by: {expression!r} cannot be evaluated: {error}") from error


def names_in(text: str, *, is_condition: bool = False) -> frozenset[str]:
    """Give the names that a template or a condition uses.

    Raises:
        BadTemplate: It cannot be read.
    """
    return frozenset(meta.find_undeclared_variables(_parse(text, is_condition=is_condition)))


def check(
    text: str, known: Mapping[str, type | None], *, is_condition: bool = False
) -> Mapping[str, frozenset[str]]:
    """Check the names of a template or a condition; give the fields it asks of each result.

    Args:
        text: The template or condition.
        known: The names there are, with the record whose fields each has.
        is_condition: It is one.

    Raises:
        BadTemplate: It cannot be read, or uses a name or a field that there is not; with the nearest.
    """
    tree = _parse(text, is_condition=is_condition)
    for name in sorted(meta.find_undeclared_variables(tree)):
        if name not in known:
            raise BadTemplate(
                f"{_short(text)!r} uses {name!r}, which there is not.{nearest(name, known)} There are "
                f"{', '.join(sorted(known))}."
            )
    for name, used in _asked(tree):
        record = known.get(name)
        if record is None or not is_dataclass(record):
            continue
        has = [one.name for one in fields(record)]
        if used not in has:
            raise BadTemplate(
                f"{_short(text)!r} uses '{name}.{used}', which there is not.{nearest(used, has)} There are "
                f"{', '.join(has)}."
            )
    return _of_results(tree)


def _parse(text: str, *, is_condition: bool) -> nodes.Template:
    source = "{% if (" + text + ") %}{% endif %}" if is_condition else text
    try:
        if is_condition:
            _PLAIN.compile_expression(text)
        return _PLAIN.parse(source)
    except TemplateError as error:
        raise BadTemplate(f"{_short(text)!r} cannot be read: {error}") from error


def _asked(tree: nodes.Node) -> Iterator[tuple[str, str]]:
    """Give each name with a field that is asked of it."""
    for node in _lookups(tree):
        if isinstance(node.node, nodes.Name) and (used := _field_of(node)) is not None:
            yield node.node.name, used


def _of_results(tree: nodes.Node) -> Mapping[str, frozenset[str]]:
    """Give the actions whose results are used, with what is asked of each."""
    found: dict[str, set[str]] = {used: set() for name, used in _asked(tree) if name == "results"}
    for node in _lookups(tree):
        inner = node.node
        if not isinstance(inner, (nodes.Getattr, nodes.Getitem)):
            continue
        if isinstance(inner.node, nodes.Name) and inner.node.name == "results":
            action, used = _field_of(inner), _field_of(node)
            if action is not None and used is not None:
                found[action].add(used)
    return {action: frozenset(used) for action, used in found.items()}


def _lookups(tree: nodes.Node) -> Iterator[nodes.Getattr | nodes.Getitem]:
    yield from tree.find_all(nodes.Getattr)
    yield from tree.find_all(nodes.Getitem)


def _field_of(node: nodes.Getattr | nodes.Getitem) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    constant = node.arg
    is_text = isinstance(constant, nodes.Const) and isinstance(constant.value, str)
    return constant.value if is_text else None  # type: ignore[attr-defined]


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 80 else f"{plain[:79]}…"  # noqa: PLR2004  fits a message
