"""TDX's own lines in a feed about linked assets: which was added or removed, by whom and when.

Belongs here: reading such lines. Does not: what follows from them (`last_word`, `quality.judge`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tdx_dagster.tdx.html import visible_text
from tdx_dagster.tdx.models import FeedEntry

# The line is the whole entry, by whoever linked or removed the asset: who quotes it writes more.
_LINK_LINE = re.compile(
    r"(?P<verb>added|removed) the \"(?P<name>[^\"]+)\" asset (?:to|from) this [\w -]+\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LinkLine:
    """One line.

    Args:
        entry: The feed entry.
        name: Name of the asset, case folded.
        is_added: Whether it was added; else removed.
    """

    entry: FeedEntry
    name: str
    is_added: bool


def link_lines(feed: Iterable[FeedEntry]) -> Iterator[LinkLine]:
    """Give the lines about assets in the order of the feed."""
    for entry in feed:
        found = _LINK_LINE.fullmatch(visible_text(entry.body).strip())
        if found:
            is_added = found["verb"].casefold() == "added"
            yield LinkLine(entry, found["name"].strip().casefold(), is_added)
