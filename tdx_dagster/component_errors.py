"""What is wrong with a `defs.yaml`, as a sentence with its place, the field and the nearest valid name.

Belongs here: finding the useful line in the errors that Dagster and pydantic raise while a component
loads. Does not: an action's own settings (`tickets.actions.registry`), exit codes (`cli.errors`).
"""

import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from yaml import YAMLError

from tdx_dagster.tickets.actions.nearest import nearest
from tdx_dagster.tickets.actions.registry import BadAction

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def component_fault(error: BaseException, attributes: Sequence[str]) -> str | None:
    """Give what a defs.yaml does wrong; None where the error is about something else.

    Args:
        error: What was raised.
        attributes: Names that a pipeline may have.
    """
    for cause in causes(error):
        if isinstance(cause, BadAction):
            return str(cause)
    return next((text for cause in causes(error) if (text := _text(cause, attributes))), None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what caused it, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _text(error: BaseException, attributes: Sequence[str]) -> str | None:
    if isinstance(error, ValidationError):
        return "\n".join(
            _fault(fault, attributes)
            for fault in error.errors(include_url=False)
            if _is_about_value(fault)
        )
    is_readable = isinstance(error, YAMLError) or type(error).__module__ == "dagster_shared.error"
    return f"a defs.yaml cannot be read: {error}" if is_readable else None


def _is_about_value(fault: "ErrorDetails") -> bool:
    """Leave out that the value is no template either, which Dagster would take as well."""
    return fault["type"] != "string_type"


def _fault(fault: "ErrorDetails", attributes: Sequence[str]) -> str:
    """Say one fault. Dagster puts `attributes.name at file:line` where pydantic has the field's name."""
    place = ".".join(str(part) for part in fault["loc"])
    path, _, where = place.partition(" at ")
    name = path.removeprefix("attributes.").split(".")[0]
    said = f"{name} = {fault['input']!r}: {fault['msg']}."
    if fault["type"] == "extra_forbidden":
        said = (
            f"unknown attribute {name!r}.{nearest(name, attributes)} Its attributes are "
            f"{', '.join(attributes)}."
        )
    if fault["type"] == "missing":
        said = f"the attribute {name!r} is missing."
    return f"{where}: {said}" if where else said


def python_fault(error: Exception, root: Path) -> dict[str, str]:
    """Say which Python file below a folder raised an error, by its name; nothing where none did."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        files.append(Path(error.filename))
    inside = [file for file in files if file.is_relative_to(root)]
    return {
        str(
            file.relative_to(root)
        ): f"defs/{file.relative_to(root)}: {type(error).__name__}: {error}. What the Python files "
        "of defs define is left out until it is corrected."
        for file in inside[-1:]
    }
