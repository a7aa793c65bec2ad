"""Is this feed entry the one we posted? Judged by what the server cannot change.

Belongs here: the rule and its measure. An entry is ours where the account that posts wrote it, not before the
intent, with the same privacy, and with words that are alike: the server may drop characters, add a footer,
shorten links, cut the text, or write quotes and mentions its own way (case F01). Equal words of anybody else
are not ours (case F02).
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.html import visible_text
from tdx_dagster.tdx.models import FeedEntry

# Clocks or zones of TDX and the database may differ by hours; entries of other effects are told apart by
# their words and their id, not by their time.
RECOGNITION_WINDOW = timedelta(hours=24)

# Texts are alike from this share of common letters and digits on.
ALIKE = 0.75

# A text that was cut is recognised by its beginning if so much of it is left.
SHORTEST_CUT = 8

# Some servers drop or replace what lies beyond, emoji among it.
LAST_OF_BASIC_PLANE = 0xFFFF

# Shorter runs of common letters are chance.
SHORTEST_BLOCK = 5

# Comparing letter by letter grows with the square of the length; the beginning is enough.
LONGEST_COMPARED = 2_000

# The server rewrites these: they are left out of the comparison.
_REWRITTEN = re.compile(r"(?:https?://|www\.)\S+|@\[?[\w.-]+\]?|\S+@\S+\.\w+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Posted:
    """A post that was begun on the ticket.

    Args:
        text: What was to be posted, as sent.
        is_rich: The text is HTML.
        is_private: Its privacy.
    """

    text: str
    is_rich: bool
    is_private: bool

    @classmethod
    def of(cls, detail: Mapping[str, Any]) -> "Posted | None":
        """Read it from the detail of an effect; None where the effect is no post."""
        if not isinstance(detail.get("comments"), str):
            return None
        return cls(
            detail["comments"],
            is_rich=bool(detail.get("is_rich_html")),
            is_private=bool(detail.get("is_private")),
        )

    def likeness(self, shown: str) -> float:
        """Measure how alike the sent and a shown text are, from 0 to 1."""
        sent = visible_text(self.text) if self.is_rich else self.text
        return likeness(sent, shown)


def find_own_entry(
    feed: Iterable[FeedEntry],
    record: EffectRecord,
    others: Collection[EffectRecord],
    account_uid: str | None,
) -> FeedEntry | None:
    """Find the entry that an open post has left on the ticket.

    Args:
        feed: The ticket's feed.
        record: The post that is looked for; what was sent stands in its detail.
        others: All other effects on the ticket: their entries are theirs.
        account_uid: The account that posts.
    """
    wanted = Posted.of(record.detail)
    if wanted is None or account_uid is None:
        return None
    taken = {one.detail.get("feed_id") for one in others if one.state is EffectState.DONE}
    rivals = [
        posted
        for one in others
        if one.detail.get("feed_id") is None and (posted := Posted.of(one.detail))
    ]
    since = datetime.now(UTC) - timedelta(seconds=record.age_seconds) - RECOGNITION_WINDOW
    best: tuple[float, FeedEntry] | None = None
    for entry in feed:
        if not _is_candidate(entry, wanted, account_uid, since) or entry.id in taken:
            continue
        shown = visible_text(entry.body)
        score = wanted.likeness(shown)
        rivalled = max((rival.likeness(shown) for rival in rivals), default=0.0)
        if score >= ALIKE and score >= rivalled and (best is None or score >= best[0]):
            best = (score, entry)
    return best[1] if best else None


def _is_candidate(entry: FeedEntry, wanted: Posted, account_uid: str, since: datetime) -> bool:
    is_recent = entry.created_at is None or entry.created_at >= since
    is_by_account = (entry.created_uid or "").casefold() == account_uid.casefold()
    return is_by_account and is_recent and entry.is_private == wanted.is_private


def likeness(sent: str, shown: str) -> float:
    """Measure how alike a sent and a shown text are, from 0 to 1.

    Only letters and digits of the basic plane count, without case; links, mentions and addresses do not. A
    text that stands whole in the other one (a footer was added) is like it, and so is one that was cut.
    """
    ours, theirs = _comparable(sent), _comparable(shown)
    if not ours:
        # Nothing but symbols or links was sent: what is left of it cannot be compared.
        return 1.0 if len(theirs) <= SHORTEST_CUT else 0.0
    if ours in theirs:
        return 1.0 if len(ours) >= SHORTEST_CUT else max(len(ours) / len(theirs), 0.8)
    if len(theirs) >= SHORTEST_CUT and ours.startswith(theirs):
        return 1.0
    ours, theirs = ours[:LONGEST_COMPARED], theirs[:LONGEST_COMPARED]
    if not theirs:
        return 0.0
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    common = sum(block.size for block in blocks if block.size >= SHORTEST_BLOCK)
    # A footer makes the shown text longer and a cut makes it shorter: the shorter one is the measure.
    return common / max(min(len(ours), len(theirs)), SHORTEST_CUT)


def _comparable(text: str) -> str:
    plain = unicodedata.normalize("NFKC", _REWRITTEN.sub(" ", text)).casefold()
    return "".join(
        letter for letter in plain if letter.isalnum() and ord(letter) <= LAST_OF_BASIC_PLANE
    )
