"""Which errors people can mend, what they are told, and the exit code."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError
from yaml import YAMLError

from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.inventory.ownership import ForeignBronze
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.settings import SettingsError
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError, TdxSettingError
from tdx_dagster.tickets.actions.registry import BadAction, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SETTINGS = 2
FAILED = 1

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (SettingsError, SETTINGS),
    (BadAction, SETTINGS),
    (TdxSettingError, SETTINGS),
    (DatabaseError, SETTINGS),
    (ForeignBronze, SETTINGS),
    (StoreUnavailable, FAILED),
    (InventoryUnavailable, FAILED),
    (TdxError, FAILED),
)


def exit_code_and_text(error: Exception) -> tuple[int, str] | None:
    """Give the exit code and the sentence for an error of ours; None for a defect.

    Dagster wraps what happens while definitions load: the useful line is in a cause.
    """
    for cause in _causes(error):
        for kind, code in _CODES:
            if isinstance(cause, kind):
                return code, str(cause)
    texts = [text for cause in _causes(error) if (text := _component_text(cause))]
    return (SETTINGS, texts[0]) if texts else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _component_text(error: BaseException) -> str | None:
    """Give what a defs.yaml does wrong: its place, the field and the nearest valid name."""
    if isinstance(error, ValidationError):
        return "\n".join(
            _fault(fault) for fault in error.errors(include_url=False) if _is_about_value(fault)
        )
    is_readable = isinstance(error, YAMLError) or type(error).__module__ == "dagster_shared.error"
    return f"a defs.yaml cannot be read: {error}" if is_readable else None


def _is_about_value(fault: "ErrorDetails") -> bool:
    """Leave out that the value is no template either, which Dagster would take as well."""
    return fault["type"] != "string_type"


def _fault(fault: "ErrorDetails") -> str:
    """Say one fault. Dagster puts `attributes.name at file:line` where pydantic has the field's name."""
    place = ".".join(str(part) for part in fault["loc"])
    path, _, where = place.partition(" at ")
    name = path.removeprefix("attributes.").split(".")[0]
    said = f"{name} = {fault['input']!r}: {fault['msg']}."
    if fault["type"] == "extra_forbidden":
        from tdx_dagster.component import TicketPipeline  # noqa: PLC0415  loaded already where this happens

        known = sorted(TicketPipeline.model_fields)
        said = f"unknown attribute {name!r}.{nearest(name, known)} Its attributes are {', '.join(known)}."
    if fault["type"] == "missing":
        said = f"the attribute {name!r} is missing."
    return f"{where}: {said}" if where else said
