"""The nearest valid name to one that is not known, for messages.

Imports nothing of the project, so that each part that reads names can use it.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant, perhaps; empty where none is like it."""
    by_folded = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), list(by_folded), n=1)
    return f" Did you mean {by_folded[close[0]]!r}?" if close else ""
