"""From anything Python holds to what the log can store, without ever failing.

Belongs here: cleaning text that PostgreSQL refuses and turning values that JSON lacks into text. The effect may
be on the ticket already when its evidence is stored, so nothing here raises.
"""

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

# Nesting beyond this is stored as text: PostgreSQL's own parser has a limit too.
DEEPEST = 40

# Python refuses to write longer whole numbers in decimal, and no log needs them.
LARGEST_INTEGER = 10**300


def storable_text(text: str) -> str:
    """Remove NUL and replace lone surrogates, which PostgreSQL refuses; all else stays the same."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def storable_json(value: object) -> str:
    """Turn any value into JSON text that PostgreSQL stores."""
    return json.dumps(_plain(value, 0), ensure_ascii=False, allow_nan=False)


def _plain(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return _nested(value, depth) if depth < DEEPEST else _shown(value)


def _nested(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        return {_shown(key): _plain(one, depth + 1) for key, one in _items(value)}
    if isinstance(value, (list, tuple, AbstractSet)):
        return [_plain(one, depth + 1) for one in value]
    return _shown(value)


def _items(value: Mapping[object, object]) -> list[tuple[object, object]]:
    try:
        return list(value.items())
    except Exception:  # noqa: BLE001  a mapping of somebody's own may raise anything
        return [("value", _shown(value))]


def _shown(value: object) -> str:
    try:
        return storable_text(value if isinstance(value, str) else str(value))
    except Exception:  # noqa: BLE001  a __str__ of somebody's own may raise anything
        return f"<{type(value).__name__} without a text>"
