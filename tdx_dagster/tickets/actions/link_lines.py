"""The lines that TDX itself writes into feeds about links and statuses, and who caused them.

Belongs here: telling such a line from what people write, in English by its words and in other languages by
its shape. The whole entry is the line: who quotes it writes more. TDX is asked for links apart from feeds,
so that of an asset which is not linked the newest line is a removal, whatever its language.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tdx_dagster.tdx.html import visible_text
from tdx_dagster.tdx.models import FeedEntry

COMMENT, EDIT = 1, 3

_ON_TICKET = re.compile(
    r"(?P<verb>added|removed) the \"(?P<name>.+)\" (?:asset|configuration item)"
    r" (?:to|from) this [\w -]+\.?",
    re.IGNORECASE,
)
_ON_ASSET = re.compile(
    r"(?P<verb>added|removed) this asset (?:to|from) the \".*\" [\w -]+ \(ID: (?P<ticket>\d+)\)\.?",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r"[\"“”„«](?P<name>[^\"“”„«»]+)[\"“”»]")
_NUMBERED = re.compile(r"\([^()]*?(?P<ticket>\d+)\)\.?$")

# A line in English that is about something else.
_OTHER_ENGLISH = re.compile(
    r"(?:added|removed|changed|edited|created|deleted|updated|uploaded|assigned|took)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LinkLine:
    """One line in English.

    Args:
        entry: The feed entry.
        name: Name of the asset, case folded.
        is_added: Whether it was added; else removed.
    """

    entry: FeedEntry
    name: str
    is_added: bool


def link_lines(feed: Iterable[FeedEntry]) -> Iterator[LinkLine]:
    """Give the lines in English about assets, in the order of the feed."""
    for entry in feed:
        found = _ON_TICKET.fullmatch(_line(entry))
        if found:
            is_added = found["verb"].casefold() == "added"
            yield LinkLine(entry, found["name"].strip().casefold(), is_added)


def last_removal_of_name(feed: Iterable[FeedEntry], names: Collection[str]) -> FeedEntry | None:
    """Give the newest line of a ticket's feed about the removal of an asset of one of these names.

    Args:
        feed: In any order.
        names: What the asset is called, which is not linked now.
    """
    wanted = {name.strip().casefold() for name in names}
    return _newest(
        entry
        for entry in feed
        if mentions_removal(entry) and (_name_in(entry) or "").casefold() in wanted
    )


def last_removal_of_asset(feed: Iterable[FeedEntry], ticket_id: int) -> FeedEntry | None:
    """Give the newest line of an asset's feed about its removal from a ticket it is not linked to now."""
    return _newest(entry for entry in feed if _ticket_removed_from(entry) == ticket_id)


def mentions_removal(entry: FeedEntry) -> bool:
    """Tell whether an entry of a ticket's feed may be TDX's line about a link that was removed."""
    if entry.update_type == COMMENT:
        return False
    text = _line(entry)
    if english := _ON_TICKET.fullmatch(text):
        return english["verb"].casefold() == "removed"
    return _is_foreign_edit(entry, text) and _name_in(entry) is not None


def last_line_of_name(feed: Iterable[FeedEntry], names: Collection[str]) -> FeedEntry | None:
    """Give the newest line of a ticket's feed that links an asset of one of these names or removes it."""
    wanted = {name.strip().casefold() for name in names}
    return _newest(
        entry
        for entry in feed
        if entry.update_type != COMMENT and (_name_in(entry) or "").casefold() in wanted
    )


def is_by(entry: FeedEntry, uid: str) -> bool:
    """Tell whether an account has caused an entry."""
    return (entry.created_uid or "").casefold() == uid.casefold()


def _name_in(entry: FeedEntry) -> str | None:
    """Give the only thing that a line has in quotes."""
    text = _line(entry)
    if english := _ON_TICKET.fullmatch(text):
        return english["name"].strip()
    quoted = _QUOTED.findall(text)
    return quoted[0].strip() if len(quoted) == 1 else None


def _ticket_removed_from(entry: FeedEntry) -> int | None:
    if entry.update_type == COMMENT:
        return None
    text = _line(entry)
    if english := _ON_ASSET.fullmatch(text):
        return int(english["ticket"]) if english["verb"].casefold() == "removed" else None
    numbered = _NUMBERED.search(text) if _is_foreign_edit(entry, text) else None
    return int(numbered["ticket"]) if numbered else None


def _is_foreign_edit(entry: FeedEntry, text: str) -> bool:
    return entry.update_type == EDIT and not _OTHER_ENGLISH.match(text)


def _line(entry: FeedEntry) -> str:
    return visible_text(entry.body).strip()


def _newest(entries: Iterable[FeedEntry]) -> FeedEntry | None:
    unset = datetime.min.replace(tzinfo=UTC)
    return max(entries, key=lambda entry: (entry.created_at or unset, entry.id), default=None)
