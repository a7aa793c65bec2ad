"""The texts of a ticket that count as evidence, in the order in which they are read.

Belongs here: title and description, what people wrote in the conversation, without what TDX and
the robot wrote, quoted or not. Does not: what the texts name (`identifiers`, `discovery`).
"""

# ruff: noqa: E501  the expressions list words, among them such signs, as people write them

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from tdx_dagster.discovery.text import LONGEST_TEXT
from tdx_dagster.tdx.html import body_text, normalised
from tdx_dagster.tdx.models import FeedEntry, Reply, Ticket

Role = Literal["requestor", "other"]
Kind = Literal["title", "description", "entry", "reply"]


class UpdateType(IntEnum):
    """What made a feed entry."""

    NONE = 0
    COMMENT = 1
    STATUS_CHANGE = 2
    EDIT = 3
    CREATED = 4
    MY_WORK_CHANGE = 5
    MERGE = 6
    MOVED_COMMENT = 7


# Texts of these are TDX's own ("Removed the … asset from this incident."), whoever caused them.
_WRITTEN_BY_TDX = frozenset({UpdateType.EDIT, UpdateType.CREATED, UpdateType.MY_WORK_CHANGE})

SYSTEM_NAME = "System"

# Below this, a text of the robot's own is too short to be recognised inside somebody's sentence.
_SHORTEST_QUOTE = 12

# What may stand between two words of a quoted text: blanks, line breaks and the quote marks of
# mail.
_QUOTED_GAP = r"[\s>|]+"

# Our own summary sentences (`wording` writes them), for texts whose original is not at hand, such as
# a description made from a forwarded mail. Mail programs wrap and quote them, people put them in their
# own sentences.
_GAP = r"[\s>|]+"
_SUMMARY = re.compile(
    rf"(?:Added{_GAP}\d+{_GAP}asset(?:s|\(s\))?:|No{_GAP}assets{_GAP}added\.)", re.IGNORECASE
)
_REASON = re.compile(rf"Reason:{_GAP}?", re.IGNORECASE)
_LONGEST_NAMES = 2000
_WHY = re.compile(
    rf"""
    (?: Computer{_GAP}identifier\(s\){_GAP}found{_GAP}in{_GAP}ticket{_GAP}[\w/]+{_GAP}? \([^()]{{0,500}}
            (?:\([^()]{{0,40}}\))? [^()]{{0,40}}\) (?:{_GAP}and{_GAP}already{_GAP}on{_GAP}ticket:[^\n]{{0,500}})?
      | Only{_GAP}computers{_GAP}that{_GAP}do{_GAP}not{_GAP}count{_GAP}were{_GAP}found{_GAP}\([^()]{{0,500}}\)
      | User{_GAP}only{_GAP}has{_GAP}one{_GAP}computer
      | Requestor's{_GAP}only{_GAP}asset{_GAP}already{_GAP}on{_GAP}ticket
      | No{_GAP}computer{_GAP}identifiers{_GAP}found{_GAP}and{_GAP}[^.\n"”»]{{0,300}} )
    (?: \.{_GAP}(?:Already{_GAP}on{_GAP}ticket|Not{_GAP}added|Left{_GAP}out{_GAP}beyond|Note):? [^\n"”»]{{0,1000}} )*
    """,
    re.VERBOSE | re.IGNORECASE,
)

# What TDX writes into a feed itself, whatever the type of the entry and whoever its author.
_RECORD = r"(?:incident|ticket|service[ ]request|request|problem|change|release|issue|task|major[ ]incident)"
_SYSTEM_LINE = re.compile(
    rf"""
    ^[>|\ \t]*
    (?: (?:Added|Removed|Attached|Detached|Linked|Unlinked)[ ]the[ ]["“].{{0,400}}?["”][ ]
            (?:assets?|CIs?|configuration[ ]items?|attachments?|files?|contacts?|articles?|tags?|tasks?|tickets?)
            (?:[ ](?:/[ ]?CI|\([^)\n]{{0,40}}\)))? (?:[ ](?:to|from|with)[ ](?:this|the|ticket)[^.\n]{{0,80}})? \.?
      | (?:Changed|Updated)[ ][\w/()\ -]{{1,60}}?[ ]from[ ]["“][^\n]{{0,400}}?["”][ ]to[ ](?:["“][^\n]{{0,400}}?["”]|Nothing) \.?
      | (?:Assigned|Reassigned|Unassigned|Took|Moved|Merged|Created|Edited|Updated|Closed|Reopened|Cancelled
            |Completed|Approved|Rejected|Converted|Escalated|Shared)[ ](?:this|the)[ ]{_RECORD}\b
            (?:[ ](?:to|from|into|as|with|by)\b[^.\n]{{0,200}})?\.?
    )
    """,
    re.VERBOSE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Passage:
    """One text of a ticket.

    Args:
        kind: What it is.
        text: What a reader sees of it.
        entry_id: TDX id of the feed entry or reply.
        role: Whether the requestor wrote it or somebody else.
    """

    kind: Kind
    text: str
    entry_id: int | None = None
    role: Role | None = None

    @property
    def label(self) -> str:
        """Where it stands, for people: `title`, `entry 70 (requestor)`."""
        return self.kind if self.entry_id is None else f"{self.kind} {self.entry_id} ({self.role})"


@dataclass(frozen=True, slots=True)
class OwnPosts:
    """What is known of the robot's own posts, none of which is evidence.

    Args:
        uids: Accounts only the robot writes with.
        entry_ids: Feed entries it is known to have posted.
        texts: Comments it posted, or beginnings of them that nobody else writes.
    """

    uids: frozenset[str] = frozenset()
    entry_ids: frozenset[int] = frozenset()
    texts: tuple[str, ...] = ()


NO_POSTS = OwnPosts()


def opening_passages(ticket: Ticket, own_posts: OwnPosts) -> tuple[Passage, ...]:
    """Give a ticket's title and description. A null was read as empty text (case A24)."""
    description = body_text(ticket.description, ticket.is_rich_html)
    return (
        Passage("title", _without_quotes(ticket.title, ())),
        Passage("description", _without_quotes(description, own_posts.texts)),
    )


def conversation_passages(
    entries: Iterable[FeedEntry], ticket: Ticket, own_posts: OwnPosts
) -> tuple[Passage, ...]:
    """Give what people wrote in a ticket's feed, replies included, oldest first (cases A25, A27).

    Args:
        entries: The feed with replies.
        ticket: Whose feed it is.
        own_posts: Whose entries are left out, and whose words are removed where people quote them.
    """
    said = [
        (statement, body_text(statement.body, is_html=True))
        for statement in sorted(_statements(entries), key=_moment)
    ]
    own = [body for statement, body in said if _is_own_post(statement, body, own_posts)]
    return tuple(
        Passage(
            "entry" if isinstance(statement, FeedEntry) else "reply",
            _without_quotes(body, (*own_posts.texts, *own)),
            statement.id,
            _role(statement.created_uid, ticket.requestor_uid),
        )
        for statement, body in said
        if _is_by_a_person(statement) and not _is_own_post(statement, body, own_posts)
    )


Statement = FeedEntry | Reply


def _statements(entries: Iterable[FeedEntry]) -> Iterator[Statement]:
    for entry in entries:
        yield entry
        yield from entry.replies


def _moment(statement: Statement) -> tuple[float, int]:
    created = statement.created_at
    return (created.timestamp() if created else 0.0, statement.id)


def _is_by_a_person(statement: Statement) -> bool:
    """Decide by author and type: people write of systems and due dates too (case A27)."""
    kind = statement.update_type if isinstance(statement, FeedEntry) else UpdateType.COMMENT
    if kind in _WRITTEN_BY_TDX:
        return False
    if statement.created_uid is not None:
        return True
    # Mail of senders whom TDX does not know has no author id, but neither has it System's name.
    return statement.created_name.strip() != SYSTEM_NAME and kind != UpdateType.STATUS_CHANGE


def _role(author: str | None, requestor: str | None) -> Role:
    return "requestor" if author is not None and author == requestor else "other"


def _is_own_post(statement: Statement, body: str, own_posts: OwnPosts) -> bool:
    if statement.id in own_posts.entry_ids or statement.created_uid in own_posts.uids:
        return True
    beginnings = tuple(
        t for text in own_posts.texts if len(t := normalised(text)) >= _SHORTEST_QUOTE
    )
    return normalised(body).startswith(beginnings)


def _without_quotes(text: str, quotable: Sequence[str]) -> str:
    """Give a text without the words of the robot and of TDX, however a mail program wrapped and marked them."""
    # One character more than is read, so that the summary can say that the text was cut.
    text = text[: LONGEST_TEXT + 1]
    for line in _lines(quotable):
        if line.split()[0] in text:
            text = _quoted(line).sub("\n", text)
    return _SYSTEM_LINE.sub("", _without_summaries(text))


def _without_summaries(text: str) -> str:
    pieces, end = [], 0
    starts = [found.span() for found in _SUMMARY.finditer(text)]
    for number, (start, after) in enumerate(starts):
        following = starts[number + 1][0] if number + 1 < len(starts) else len(text)
        reason = _REASON.search(text, after, min(after + _LONGEST_NAMES, following))
        why = _WHY.match(text, reason.end()) if reason else None
        if start >= end and reason is not None:
            pieces.append(text[end:start])
            end = why.end() if why else _end_of_line(text, reason.end())
    return " ".join([*pieces, text[end:]])


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _lines(texts: Sequence[str]) -> Iterator[str]:
    seen = dict.fromkeys(line.strip() for text in texts for line in text.splitlines())
    return (line for line in seen if len(line) >= _SHORTEST_QUOTE)


def _quoted(line: str) -> re.Pattern[str]:
    return re.compile(_QUOTED_GAP.join(re.escape(word) for word in line.split()))
