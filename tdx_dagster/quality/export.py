"""Faults as cases that others may read: the texts of a ticket, the computers, and what is right.

Belongs here: making a case and replacing personal data. Does not: which tickets (`store`), reading them.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tdx_dagster.discovery.identifiers import IdentifierSettings
from tdx_dagster.discovery.passages import (
    NO_POSTS,
    OwnPosts,
    conversation_passages,
    opening_passages,
)
from tdx_dagster.discovery.scans import remembered_scan
from tdx_dagster.inventory.computers import Computer, Inventory
from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.quality.verdicts import Judgement, Outcome
from tdx_dagster.tdx.models import FeedEntry, Ticket

SHORTEST_NAME = 3
"""Parts of names shorter than this are words of their own too often to be replaced everywhere."""

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(r"https?://\S+")
_GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
)
_GREETING = re.compile(
    r"\b(?i:(hi|hello|dear|thanks|thank you|regards|cheers|sincerely))(,?\s+)[A-Z][a-z]+(?: [A-Z][a-z]+)?\b"
)


class Anonymiser:
    """Replaces what identifies a person; the same name becomes the same word throughout.

    Args:
        people: Full names, and other texts that name a person.
    """

    def __init__(self, people: Iterable[str]) -> None:
        self._words: dict[str, str] = {}
        for number, name in enumerate(dict.fromkeys(one.strip() for one in people), start=1):
            for part in re.split(r"[\s,.@_-]+", name):
                if len(part) >= SHORTEST_NAME and part.isalpha():
                    self._words.setdefault(part.casefold(), f"Person{number}")
        parts = "|".join(sorted(map(re.escape, self._words), key=len, reverse=True))
        # With an initial too, and inside identifiers: computers are called after their users.
        self._names = re.compile(rf"(?<![a-z])[a-z]?({parts})(?![a-z])", re.IGNORECASE)

    def clean(self, text: str) -> str:
        """Replace addresses, phone numbers, known names, and names in a greeting."""
        text = _MAIL.sub("person@example.edu", text)
        text = _LINK.sub("https://example.edu/", text)
        text = _GUID.sub("00000000-0000-0000-0000-000000000000", text)
        text = _PHONE.sub("734-555-0100", text)
        if self._words:
            text = self._names.sub(lambda found: self._words[found[1].casefold()], text)
        return _GREETING.sub(r"\1\2Person", text)


def people_of(ticket: Ticket, feed: Sequence[FeedEntry]) -> list[str]:
    """Give the people that a ticket shows: requestor and authors."""
    authors = [entry.created_name for entry in feed]
    replies = [reply.created_name for entry in feed for reply in entry.replies]
    mail = ticket.requestor_email.partition("@")[0]
    return [ticket.requestor_name, mail, ticket.modified_name, *authors, *replies]


def case_of(
    ticket: Ticket,
    feed: Sequence[FeedEntry],
    verdicts: Sequence[Judgement],
    inventory: Inventory,
    own_posts: OwnPosts = NO_POSTS,
) -> dict[str, Any]:
    """Make a case in the form of `tests/discovery/extraction.jsonl`.

    Args:
        ticket: The ticket.
        feed: Its feed with replies.
        verdicts: All verdicts about it.
        inventory: Which computers its texts name.
        own_posts: The robot's own posts, which are left out.
    """
    clean = Anonymiser(people_of(ticket, feed)).clean
    passages = (
        *opening_passages(ticket, own_posts),
        *conversation_passages(feed, ticket, own_posts),
    )
    text = "\n\n".join(passage.text.strip() for passage in passages if passage.text.strip())
    faults = ", ".join(
        f"{one.outcome} ({one.evidence})" for one in verdicts if one.outcome.is_fault
    )
    return {
        "id": f"T{ticket.id}",
        "text": clean(text),
        "is_html": False,
        "known_assets": [_record(one, clean) for one in _known(text, verdicts, inventory)],
        "expect_asset_ids": sorted(
            one.asset_id for one in verdicts if one.outcome in {Outcome.KEPT, Outcome.MISS}
        ),
        "why": faults,
    }


def _known(text: str, verdicts: Sequence[Judgement], inventory: Inventory) -> list[Computer]:
    """Give the computers of the verdicts, and all others that the text may name."""
    scan = remembered_scan(text, IdentifierSettings())
    keys = {key for candidate in scan.candidates for key in candidate.keys}
    by_name = {key for one in verdicts if (key := fold_key(one.name))}
    named = inventory.find(keys)
    judged = {one.asset_id for one in verdicts}
    found = {one.asset_id: one for each in named.values() for one in each}
    for each in inventory.find(by_name).values():
        found |= {one.asset_id: one for one in each if one.asset_id in judged}
    return [found[number] for number in sorted(found)]


def _record(computer: Computer, clean: Callable[[str], str]) -> Mapping[str, Any]:
    return {
        "ID": computer.asset_id,
        "Name": clean(computer.name),
        "SerialNumber": computer.serial_number or None,
        "Tag": computer.tag or None,
        "StatusName": computer.status_name,
    }
