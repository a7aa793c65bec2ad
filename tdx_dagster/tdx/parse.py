"""Single values of TDX's JSON: ids, GUIDs, dates, texts, numbers and flags.

Whatever the JSON holds, the result is the right value, nothing where that is allowed, or `ValueError`. What
records they belong to is the matter of `records`.
"""

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

# PostgreSQL's bigint, where ids end up (case D23).
LARGEST_ID = 2**63 - 1
# Above it a float no longer tells neighbouring whole numbers apart.
LARGEST_EXACT_FLOAT = 2.0**53
ZERO_GUID = "00000000-0000-0000-0000-000000000000"

_ID_TEXT = re.compile(r"0*([1-9][0-9]{0,18})(?:\.0+)?", re.ASCII)
_WHOLE_TEXT = re.compile(r"[+-]?[0-9]{1,19}(?:\.0+)?", re.ASCII)
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
# Both halves would end the life of a text in PostgreSQL: NUL, and half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_id(value: object) -> int | None:
    """Read the id a value stands for, or None where it stands for none (case A18).

    Args:
        value: `31`, `31.0`, `"31"`, `" 31 "` and `"31.0"` all mean 31. Booleans, fractions, zero,
            negative numbers, anything beyond a PostgreSQL bigint and other text mean nothing.
    """
    if isinstance(value, str):
        match = _ID_TEXT.fullmatch(value.strip())
        number = int(match[1]) if match else 0
    elif isinstance(value, bool):
        return None
    elif isinstance(value, int):
        number = value
    elif isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT_FLOAT:
        number = int(value)
    else:
        return None
    return number if 0 < number <= LARGEST_ID else None


def parse_guid(value: object) -> str | None:
    """Read a GUID, in lower case; None for null, empty text and the zero GUID (case A38).

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return None
    text = value.strip().strip("{}").lower() if isinstance(value, str) else "?"
    if text in {"", ZERO_GUID}:
        return None
    if not _GUID.fullmatch(text):
        raise ValueError("not a GUID")
    return text


def as_guid(value: object) -> str | None:
    """Read a GUID in the form in which ids are compared; None for everything that is none."""
    try:
        return parse_guid(value)
    except ValueError:
        return None


def parse_date(value: object, zone: tzinfo) -> datetime | None:
    """Read a moment, in UTC; None for null, empty text and .NET's year 1 (case A50).

    Args:
        value: ISO 8601 with `Z`, an offset or neither, and a fraction of any length or none.
        zone: Whose wall clock a date without offset shows: the tenant's.

    Raises:
        ValueError: It is no such date, or one that does not exist.
    """
    if value is None:
        return None
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and not value.strip():
            return None
        raise ValueError("not a date")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if year == 1:
        return None
    microsecond = int((match[7] or "")[:6].ljust(6, "0"))
    offset = _offset(match[8]) or zone
    try:
        moment = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=offset)
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def parse_text(value: object) -> str:
    """Read text; null is empty (case A24) and a number its digits.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("not a text")


def parse_whole(value: object) -> int:
    """Read a whole number that may be zero or negative; null and empty text are 0.

    Raises:
        ValueError: It is something else, or no bigint.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0
    if isinstance(value, str) and _WHOLE_TEXT.fullmatch(value.strip()):
        number = int(value.strip().partition(".")[0])
    elif isinstance(value, float) and math.isfinite(value) and value.is_integer():
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError("not a whole number")
    if abs(number) > LARGEST_ID:
        raise ValueError("too large a number")
    return number


def parse_flag(value: object) -> bool:
    """Read a boolean, also as text; null is False.

    Raises:
        ValueError: It is something else.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    known = {"true": True, "false": False, "": False}
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise ValueError("neither true nor false")
