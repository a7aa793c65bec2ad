"""Which errors people can fix, the sentence for each, and the exit code."""

import errno
import os

from tdx_dagster.component_errors import causes
from tdx_dagster.environment import read_dotenv
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.inventory.ownership import ForeignBronze
from tdx_dagster.postgres.errors import DatabaseError, DatabaseSettingError, DatabaseUnavailable
from tdx_dagster.settings import SettingsError
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError, TdxSettingError
from tdx_dagster.tickets.actions.registry import BadAction

SETTINGS = 2
FAILED = 1

# What a person can change about a file: rights, a read-only or full disk, a file where a folder is wanted.
_OF_PERSONS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EISDIR}
# An output that is a file on a full or broken disk.
_OF_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EIO}

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
    for cause in causes(error):
        for kind, code in _CODES:
            if isinstance(cause, kind):
                return (SETTINGS if wrong_database_setting(cause) else code), _said(cause)
    text = _file_fault(error) or _definitions_fault(error)
    return (SETTINGS, text) if text else None


def wrong_database_setting(error: BaseException) -> bool:
    """Tell whether a setting of the database caused an error, which the store and the limiter wrap."""
    return any(isinstance(cause, DatabaseSettingError) for cause in causes(error))


def _said(error: BaseException) -> str:
    """Give the sentence of an error, with the setting where a database of somebody's is at fault."""
    text = str(error)
    is_ours = not (os.environ.get("DATABASE_URL") or read_dotenv().get("DATABASE_URL"))
    is_database = isinstance(error, DatabaseUnavailable) or wrong_database_setting(error)
    needs_name = is_database and not is_ours and "DATABASE_URL" not in text
    return f"DATABASE_URL: {text}" if needs_name else text


def _file_fault(error: Exception) -> str | None:
    """Say which file or folder this account may not use; None where the error is about something else."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.filename and cause.errno in _OF_PERSONS:
            return (
                f"{cause.filename}: {cause.strerror}. Start from a folder that this account may write to, "
                "or change its owner."
            )
        if isinstance(cause, OSError) and not cause.filename and cause.errno in _OF_OUTPUT:
            return (
                f"The output cannot be written: {cause.strerror}. Make room, or send it elsewhere."
            )
        if isinstance(cause, FileNotFoundError) and not cause.filename:
            return "The folder you start from is gone: change into another one."
    return None


def _definitions_fault(error: Exception) -> str | None:
    """Say what Dagster refuses to load together, known by its name: importing Dagster takes a second."""
    for cause in causes(error):
        if type(cause).__name__ == "DagsterInvalidDefinitionError":
            return (
                f"The definitions of this project do not go together: {str(cause).splitlines()[0]}"
            )
    return None
