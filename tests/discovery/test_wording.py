"""The sentences of the summary, word for word: people and older installations know them."""

from dataclasses import replace

import pytest

from tdx_dagster.discovery.discover import (
    Ambiguity,
    Discovery,
    Evidence,
    Match,
    Reason,
)
from tdx_dagster.discovery.passages import NO_POSTS, opening_passages
from tdx_dagster.discovery.wording import summary_line
from tdx_dagster.inventory.computers import Computer
from tests.inventory.records import computer, ticket

WARD = computer(asset_id=1, name="MAC-WARD04")
GID = computer(asset_id=2, name="PSYC-GID08")
MINE = computer(asset_id=3, name="IC-EHLB760-F16")


def named(*pairs: tuple[str, Computer], phase: int = 1) -> Discovery:
    """Computers named by tokens."""
    matches = tuple(Match(c, (Evidence("title", token, "name"),)) for token, c in pairs)
    return Discovery(matches, phase, Reason.NAMED_IN_TICKET)


BOTH = named(("mac-ward04", WARD), ("psyc-gid08", GID))
ONLY = Discovery((Match(MINE, (Evidence("requestor", "", "owner"),)),), 3, Reason.ONLY_COMPUTER)
FOUND = "Reason: Computer identifier(s) found in ticket"


def test_added_computers_are_named_with_the_tokens_that_named_them() -> None:
    """These sentences stand in thousands of tickets."""
    assert summary_line(BOTH, [WARD, GID], (), ()) == (
        f"Added 2 assets: MAC-WARD04, PSYC-GID08. {FOUND} title/description "
        "(mac-ward04, psyc-gid08)"
    )
    one = named(("mac-ward04", WARD), phase=2)
    assert summary_line(one, [WARD], (), ()) == (
        f"Added 1 asset: MAC-WARD04. {FOUND} conversation (mac-ward04)"
    )
    assert summary_line(ONLY, [MINE], (), ()) == (
        "Added 1 asset: IC-EHLB760-F16. Reason: User only has one computer"
    )


def test_more_than_three_tokens_are_counted() -> None:
    """A ticket may name a whole lab."""
    lab = [(f"lab-{n}", computer(asset_id=n, name=f"LAB-{n}")) for n in range(5)]
    line = summary_line(named(*lab), [c for _, c in lab], (), ())
    assert line.endswith("(lab-0, lab-1, lab-2 (and 2 more))")


def none(reason: Reason, count: int | None = None, *not_searched: str) -> Discovery:
    """Nothing found."""
    return Discovery((), None, reason, requestor_computer_count=count, not_searched=not_searched)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (none(Reason.NOT_EXACTLY_ONE, 3), "user has 3 assets (expected exactly 1)"),
        (none(Reason.NOT_EXACTLY_ONE, 0), "user has 0 assets (expected exactly 1)"),
        (none(Reason.HAS_ASSETS), "ticket already has assets"),
        (none(Reason.NO_REQUESTOR), "no requestor UID available"),
        (none(Reason.EXCLUDED_ACCOUNT), "requestor is a shared or service account"),
        (
            none(Reason.SEARCH_INCOMPLETE, None, "AB-123"),
            "the search was not complete (not looked up: AB-123)",
        ),
    ],
)
def test_where_nothing_was_added_the_reason_is_given(found: Discovery, why: str) -> None:
    """People decide by it whether to do it by hand."""
    line = f"No assets added. Reason: No computer identifiers found and {why}"
    assert summary_line(found, (), (), ()) == line


def test_records_that_do_not_count_are_named() -> None:
    """A retired machine in a ticket is news to somebody."""
    retired = (Match(WARD, (Evidence("title", "mac-ward04", "name"),)),)
    found = replace(none(Reason.NOT_ELIGIBLE), not_eligible=retired)
    assert summary_line(found, (), (), ()) == (
        "No assets added. Reason: Only computers that do not count were found (MAC-WARD04)"
    )


def test_a14_what_was_attached_before_is_said() -> None:
    """The robot must not claim work it did not do (case A14)."""
    assert summary_line(BOTH, (), [WARD, GID], ()) == (
        f"No assets added. {FOUND} title/description (mac-ward04, psyc-gid08) and already on "
        "ticket: MAC-WARD04, PSYC-GID08"
    )
    assert summary_line(BOTH, [GID], [WARD], ()).endswith(". Already on ticket: MAC-WARD04")
    assert summary_line(ONLY, (), [MINE], ()) == (
        "No assets added. Reason: Requestor's only asset already on ticket"
    )


def test_a47_what_was_left_out_is_named() -> None:
    """Nobody would know about the rest (case A47)."""
    found = replace(named(("mac-ward04", WARD)), left_over=BOTH.matches[1:])
    line = summary_line(found, [WARD], (), ())
    assert line.endswith(". Left out beyond the limit of 1: PSYC-GID08")


def test_refusals_and_ambiguities_are_said() -> None:
    """A person should look at both."""
    ambiguous = replace(BOTH, ambiguous=(Ambiguity("7k2qx93", (WARD, GID)),))
    line = summary_line(ambiguous, [GID], (), [(WARD, "its status is Retired")])
    assert line.endswith(
        ". Not added: MAC-WARD04 (its status is Retired)"
        ". Note: 7k2qx93 fits 2 computers: MAC-WARD04, PSYC-GID08"
    )
    refused = summary_line(ONLY, (), (), [(MINE, "its status is Retired")])
    assert refused == (
        "No assets added. Reason: User only has one computer"
        ". Not added: IC-EHLB760-F16 (its status is Retired)"
    )


@pytest.mark.parametrize("added", [[WARD, GID], []])
def test_every_sentence_is_recognised_where_somebody_quotes_it(added: list[Computer]) -> None:
    """The robot would otherwise find what it wrote itself, again and again."""
    line = summary_line(BOTH, added, [] if added else [WARD, GID], ())
    quoting = ticket(description=f"please see\n> 1. {line}\n> 2. done\nthanks")
    seen = opening_passages(quoting, NO_POSTS)[1].text
    assert "WARD04" not in seen.upper()
    assert "thanks" in seen
