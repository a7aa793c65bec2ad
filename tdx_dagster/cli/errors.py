"""Which errors people can mend, what they are told, and the exit code."""

from collections.abc import Iterator

from pydantic import ValidationError

from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.settings import SettingsError
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError, TdxSettingError
from tdx_dagster.tickets.actions.action import BadAction

SETTINGS = 2
FAILED = 1

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (SettingsError, SETTINGS),
    (BadAction, SETTINGS),
    (TdxSettingError, SETTINGS),
    (DatabaseError, SETTINGS),
    (StoreUnavailable, FAILED),
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
    for cause in _causes(error):
        text = _component_text(cause)
        if text:
            return SETTINGS, text
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _component_text(error: BaseException) -> str | None:
    """Give what a defs.yaml does wrong, from Dagster's errors about components."""
    if isinstance(error, ValidationError):
        return str(error)
    is_components = type(error).__module__.startswith(("dagster.components", "dagster_shared"))
    return str(error) if is_components else None
