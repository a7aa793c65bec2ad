"""The texts of a ticket that count as evidence, in the order in which they are read.

Belongs here: title and description, what people wrote in the conversation, and keeping out what TDX
and the robot wrote, quoted or not. Does not: what the texts name (`identifiers`, `discovery`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from tdx_dagster.tdx.html import body_text, normalised
from tdx_dagster.tdx.models import FeedEntry, Reply, Ticket

Role = Literal["requestor", "other"]
Kind = Literal["title", "description", "entry", "reply"]


class UpdateType(IntEnum):
    """What made a feed entry (reference, section 13)."""

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

# Our own summary lines (`summaries` writes them), for texts whose original is not at hand, such as
# a description made from a forwarded mail. A quoted one goes on in the next quoted lines.
_SUMMARY_LINE = re.compile(
    r"^[>| \t]*(?:\d+\.[ \t]*)?(?:Added \d+ asset(?:s|\(s\))?:|No assets added\.)[^\n]*"
    r"(?:\n[ \t]*[>|][>| \t]*(?!\d+\.)[^\s>|][^\n]*)*",
    re.MULTILINE,
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
class Robot:
    """What is known of the robot's own writing, none of which is evidence.

    Args:
        uids: Accounts only the robot writes with.
        entry_ids: Feed entries it is known to have posted.
        texts: Comments it posted, or beginnings of them that nobody else writes.
    """

    uids: frozenset[str] = frozenset()
    entry_ids: frozenset[int] = frozenset()
    texts: tuple[str, ...] = ()


NO_ROBOT = Robot()


def opening_passages(ticket: Ticket, robot: Robot) -> tuple[Passage, ...]:
    """A ticket's title and description. A null was read as empty text (case A24)."""
    description = body_text(ticket.description, ticket.is_rich_html)
    return (
        Passage("title", ticket.title),
        Passage("description", _without_quotes(description, robot.texts)),
    )


def conversation_passages(
    entries: Iterable[FeedEntry], ticket: Ticket, robot: Robot
) -> tuple[Passage, ...]:
    """What people wrote in a ticket's feed, replies included, oldest first (cases A25, A27).

    Args:
        entries: The feed with replies.
        ticket: Whose feed it is.
        robot: Whose entries are left out, and whose words are removed where people quote them.
    """
    said = [
        (statement, body_text(statement.body, is_html=True))
        for statement in sorted(_statements(entries), key=_moment)
    ]
    own = [body for statement, body in said if _is_robots(statement, body, robot)]
    return tuple(
        Passage(
            "entry" if isinstance(statement, FeedEntry) else "reply",
            _without_quotes(body, (*robot.texts, *own)),
            statement.id,
            _role(statement.created_uid, ticket.requestor_uid),
        )
        for statement, body in said
        if _is_by_a_person(statement) and not _is_robots(statement, body, robot)
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
    """Told by author and type, never by words: people write of systems and due dates (case A27)."""
    kind = statement.update_type if isinstance(statement, FeedEntry) else UpdateType.COMMENT
    if kind in _WRITTEN_BY_TDX:
        return False
    if statement.created_uid is not None:
        return True
    # Mail of senders whom TDX does not know has no author id, but neither has it System's name.
    return statement.created_name.strip() != SYSTEM_NAME and kind != UpdateType.STATUS_CHANGE


def _role(author: str | None, requestor: str | None) -> Role:
    return "requestor" if author is not None and author == requestor else "other"


def _is_robots(statement: Statement, body: str, robot: Robot) -> bool:
    if statement.id in robot.entry_ids or statement.created_uid in robot.uids:
        return True
    beginnings = tuple(t for text in robot.texts if len(t := normalised(text)) >= _SHORTEST_QUOTE)
    return normalised(body).startswith(beginnings)


def _without_quotes(text: str, quotable: Sequence[str]) -> str:
    """A text without the robot's words in it, however a mail program wrapped and marked them."""
    for line in _lines(quotable):
        if line.split()[0] in text:
            text = _quoted(line).sub("\n", text)
    return _SUMMARY_LINE.sub(lambda line: "" if "Reason:" in line[0] else line[0], text)


def _lines(texts: Sequence[str]) -> Iterator[str]:
    seen = dict.fromkeys(line.strip() for text in texts for line in text.splitlines())
    return (line for line in seen if len(line) >= _SHORTEST_QUOTE)


def _quoted(line: str) -> re.Pattern[str]:
    return re.compile(_QUOTED_GAP.join(re.escape(word) for word in line.split()))
