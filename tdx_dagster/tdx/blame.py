"""Which setting is at fault: for a connection that cannot be set up, and for a refusal of TDX.

Belongs here: the names of settings and the errors that name them. Does not: what a refusal is (`verdict`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.parse import parse_id

TICKET_APP = "TDX_TICKET_APP_ID"
ASSET_APP = "TDX_ASSET_APP_ID"
REPORT = "report_id (or DAEMON_REPORT_ID)"
TIME_ZONE = "TDX_TIME_ZONE"

DENIED = frozenset({401, 403, 404})
_NOT_FOUND = 404


def read_app_id(setting: str, value: object) -> int:
    """Read the id of an application.

    Raises:
        TdxSettingError: It is missing or no number; names the setting.
    """
    number = parse_id(value)
    if number is None:
        raise TdxSettingError(
            f"{setting} is missing or no number. It is the number after /Apps/ in the address of "
            "that application in TDNext; tickets and assets have different ones."
        )
    return number


def read_zone(name: str) -> tzinfo:
    """Read a time zone.

    Raises:
        TdxSettingError: There is none of that name.
    """
    if name == "UTC":
        # Needs no zone files, which slim images lack.
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise TdxSettingError(
            f"{TIME_ZONE} {name!r} is no time zone; it should look like America/New_York."
        ) from error


@contextmanager
def blaming(what: str, statuses: frozenset[int] = frozenset({_NOT_FOUND})) -> Iterator[None]:
    """Turn a refusal that can only come from a setting into an error that names it."""
    try:
        yield
    except TdxRefused as error:
        if error.status not in statuses:
            raise
        raise TdxSettingError(f"{what}: {error}", call=error.call, status=error.status) from error


@contextmanager
def hinting(setting: str) -> Iterator[None]:
    """Add to a 404 that the application may be the wrong one for this item."""
    try:
        yield
    except TdxRefused as error:
        if error.status != _NOT_FOUND:
            raise
        raise TdxRefused(
            f"{error} It does not exist, or not in the application of {setting}.",
            call=error.call,
            status=error.status,
        ) from error
