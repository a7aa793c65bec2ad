"""Which texts of a ticket count as evidence, and in which order."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tdx_dagster.discovery.passages import (
    NO_POSTS,
    OwnPosts,
    UpdateType,
    conversation_passages,
    opening_passages,
)
from tdx_dagster.tdx.models import FeedEntry
from tests.inventory.records import REQUESTOR, entry, reply, ticket

ROBOT = "33333333-2222-3333-4444-555555555555"
SUMMARY = (
    "🤖 Automated Actions Summary\n\n1. Added 2 assets: MAC-WARD04, PSYC-GID08. Reason: Computer "
    "identifier(s) found in ticket title/description (mac-ward04, psyc-gid08)\n2. Comment posted"
)


def texts(*entries: FeedEntry, own_posts: OwnPosts = NO_POSTS) -> list[str]:
    """What is left of some entries."""
    return [one.text for one in conversation_passages(entries, ticket(), own_posts)]


def test_title_and_description_are_read_as_the_ticket_says() -> None:
    """A plain description keeps its brackets, a rich one loses its tags."""
    rich = ticket(title="T <x>", description="a<b>b</b><br>c", is_rich_html=True)
    assert [p.text for p in opening_passages(rich, NO_POSTS)] == ["T <x>", "ab\nc"]
    plain = ticket(description="<CHEM-A1>")
    assert [p.text for p in opening_passages(plain, NO_POSTS)] == ["", "<CHEM-A1>"]


def test_a24_an_empty_body_is_an_empty_text() -> None:
    """A null body must not end the conversation step (case A24)."""
    said = texts(entry(1, ""), entry(2, "psyc-zlab08"))
    assert said == ["", "psyc-zlab08"]


def test_a25_replies_are_read_oldest_first() -> None:
    """The identifier often stands only in a reply (case A25)."""
    late = entry(70, "first", replies=(reply(90, "third"), reply(80, "second")))
    assert texts(entry(100, "fourth"), late) == ["first", "second", "third", "fourth"]


def test_a_passage_says_where_it_stands_and_who_wrote_it() -> None:
    """Evidence must lead a person to the place."""
    by_requestor = reply(71, "b", created_uid=REQUESTOR)
    passages = conversation_passages([entry(70, "a", replies=(by_requestor,))], ticket(), NO_POSTS)
    assert [p.label for p in passages] == ["entry 70 (other)", "reply 71 (requestor)"]
    nobody = conversation_passages(
        [entry(1, created_uid=None, created_name="x@example.edu")],
        ticket(requestor_uid=None),
        NO_POSTS,
    )
    assert nobody[0].label == "entry 1 (other)"


def test_dates_unknown_or_equal_do_not_disturb_the_order() -> None:
    """The order decides about the cap, and must be the same in every process."""
    same = datetime(2026, 1, 1, tzinfo=UTC)
    said = texts(
        entry(3, "c", created_at=same),
        entry(2, "b", created_at=same),
        entry(9, "a", created_at=None),
    )
    assert said == ["a", "b", "c"]


def test_a27_people_are_read_whatever_words_they_use() -> None:
    """A system that "was assigned to me" is no message of a system (case A27)."""
    body = "My system psyc-zlab08 was assigned to me last week, due date is Friday."
    assert texts(entry(1, body)) == [body]
    combined = entry(2, "Changed Status.<br />psyc-zlab08", update_type=2)
    assert texts(combined) == ["Changed Status.\npsyc-zlab08"]


@pytest.mark.parametrize(
    "fields",
    [
        {"created_uid": None, "created_name": "System", "update_type": UpdateType.COMMENT},
        {"created_uid": None, "created_name": "System", "update_type": UpdateType.STATUS_CHANGE},
        {"created_uid": None, "created_name": "", "update_type": UpdateType.STATUS_CHANGE},
        {"update_type": UpdateType.EDIT},
        {"update_type": UpdateType.CREATED},
    ],
)
def test_a27_what_tdx_wrote_is_told_by_type_and_author(fields: dict[str, Any]) -> None:
    """Else a machine that somebody removed would be attached again."""
    removed = 'Removed the "CHEM-A1" asset from this incident.'
    assert texts(entry(1, removed, **fields)) == []


def test_mail_of_people_whom_tdx_does_not_know_is_read() -> None:
    """They have no account, and a computer."""
    unknown = entry(1, "CHEM-A1", created_uid=None, created_name="x@example.edu")
    assert texts(unknown) == ["CHEM-A1"]


@pytest.mark.parametrize(
    "own_posts",
    [
        OwnPosts(uids=frozenset({ROBOT})),
        OwnPosts(entry_ids=frozenset({1})),
        OwnPosts(texts=("🤖 Automated Actions Summary",)),
    ],
)
def test_the_robots_own_entries_are_no_evidence(own_posts: OwnPosts) -> None:
    """It would find what it wrote itself, for ever."""
    own = entry(1, SUMMARY.replace("\n", "<br />"), created_uid=ROBOT)
    assert texts(own, entry(2, "thanks"), own_posts=own_posts) == ["thanks"]


QUOTES = {
    "html": "No, mine is CHEM-A1.<blockquote>" + SUMMARY.replace("\n", "<br>") + "</blockquote>",
    "marked": "No, mine is CHEM-A1.\n> " + SUMMARY.replace("\n", "\n> "),
    "wrapped": "No, mine is CHEM-A1.<br>"
    + SUMMARY.replace("\n", "<br>&gt; ")
    .replace("Computer ", "Computer<br>&gt; ")
    .replace("(mac-ward04, ", "(mac-ward04,<br>&gt;&gt; "),
}


@pytest.mark.parametrize("quoted", QUOTES.values(), ids=QUOTES)
def test_the_robots_words_are_no_evidence_when_quoted(quoted: str) -> None:
    """People answer below a copy of what the robot wrote."""
    own = entry(1, SUMMARY.replace("\n", "<br />"), created_uid=ROBOT)
    own_posts = OwnPosts(uids=frozenset({ROBOT}))
    (said,) = texts(own, entry(2, quoted), own_posts=own_posts)
    assert "CHEM-A1" in said
    assert not any(name in said.upper() for name in ("MAC-WARD04", "PSYC-GID08"))


@pytest.mark.parametrize("quoted", QUOTES.values(), ids=QUOTES)
def test_summaries_are_no_evidence_where_the_original_is_not_at_hand(quoted: str) -> None:
    """A forwarded mail becomes the description of another ticket."""
    rich = ticket(description=quoted, is_rich_html="<" in quoted)
    said = opening_passages(rich, NO_POSTS)[1].text
    assert "CHEM-A1" in said
    assert not any(name in said.upper() for name in ("MAC-WARD04", "PSYC-GID08"))


def test_a_person_who_writes_like_the_robot_is_read() -> None:
    """Only the whole shape of a summary is taken for one."""
    said = "Added 2 assets: CHEM-A1 and CHEM-A2, please check"
    assert texts(entry(1, said)) == [said]


@pytest.mark.parametrize("update_type", [None, *range(8)])
@pytest.mark.parametrize("author", [ROBOT, REQUESTOR, None])
@pytest.mark.parametrize(
    "body",
    [
        'Added the "CHEM-A1" asset to this incident.',
        'Removed the "CHEM-A1" asset from this ticket.',
        'Changed Title from "CHEM-A1" to "CHEM-A2".',
        "Assigned this incident to CHEM-A1.",
    ],
)
def test_what_tdx_records_of_its_own_doing_is_no_evidence(
    body: str, author: str | None, update_type: int | None
) -> None:
    """Whatever type such an entry bears, and whoever caused it."""
    seen = texts(entry(1, body, created_uid=author, update_type=update_type or 0))
    assert "CHEM-A1" not in "".join(seen)


def test_what_a_person_says_beside_a_record_of_tdx_is_read() -> None:
    """A status change and its comment are one entry."""
    body = 'Changed Status from "New" to "Open".<br />It is CHEM-A1.'
    assert texts(entry(1, body, update_type=UpdateType.COMMENT)) == ["\nIt is CHEM-A1."]
