"""Which computers a ticket is about: phases, search, cap, requestor fallback, confirmation."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from tdx_dagster.discovery import discover as discover_module
from tdx_dagster.discovery import identifiers, scans
from tdx_dagster.discovery.discover import (
    SEARCH_RESULTS,
    Discovery,
    DiscoverySettings,
    Enquiry,
    Reason,
    confirm,
    discover,
)
from tdx_dagster.discovery.explain import explain_text
from tdx_dagster.discovery.identifiers import IdentifierSettings
from tdx_dagster.discovery.passages import OwnPosts
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.discovery.text import LONGEST_TEXT
from tdx_dagster.discovery.wording import summary_line
from tdx_dagster.inventory.computers import Computer, InventoryUnavailable
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.inventory.statuses import ActiveStatuses, Listed
from tdx_dagster.tdx.errors import TdxRetryLater
from tdx_dagster.tdx.models import Asset, AssetSearch, FeedEntry
from tests.inventory.records import (
    COLLEAGUE,
    REQUESTOR,
    ScriptedSearch,
    asset,
    computer,
    entry,
    reply,
    ticket,
)

DEFAULTS = DiscoverySettings()
MINE = computer(asset_id=7, name="ROBIN-1", owner_uid=REQUESTOR)
KNOWN = (
    computer(asset_id=1, name="PSYC-ZLAB08", serial_number="7K2QX93", tag="104233"),
    computer(asset_id=2, name="PSYC-ZLAB09", serial_number="JX51QF2"),
    computer(asset_id=3, name="GEO-FIELD2", serial_number="H4TJ8M2", status_name="Retired"),
    computer(asset_id=4, name="GEO-FIELD2", serial_number="9ZB6WN3"),
    computer(asset_id=5, name="GEO-FIELD9", status_name="Retired"),
    computer(asset_id=6, name="STAT-MFP4", form_id=99),
    MINE,
)


def find(
    title: str = "",
    description: str = "",
    *,
    feed: Sequence[FeedEntry] = (),
    known: Collection[Computer] = KNOWN,
    search: Any = None,
    settings: DiscoverySettings = DEFAULTS,
    has_assets: bool = False,
    **fields: Any,
) -> Discovery:
    """Discover for a ticket."""
    enquiry = Enquiry(
        ticket(title=title, description=description, **fields),
        conversation=lambda: feed,
        has_assets=lambda: has_assets,
    )
    return discover(enquiry, MemoryInventory(known), search, settings)


def ids(found: Discovery) -> list[int]:
    """The computers found, in order."""
    return [match.computer.asset_id for match in found.matches]


def test_title_and_description_come_first_and_the_feed_is_not_read() -> None:
    """Reading a feed costs calls; what the ticket says is enough."""

    def feed() -> Sequence[FeedEntry]:
        raise AssertionError("the feed was read")

    enquiry = Enquiry(ticket(title="psyc-zlab09", description="and 7k2qx93"), conversation=feed)
    found = discover(enquiry, MemoryInventory(KNOWN), None, DEFAULTS)
    assert (ids(found), found.phase, found.reason) == ([2, 1], 1, Reason.NAMED_IN_TICKET)
    assert found.tokens == ("psyc-zlab09", "7k2qx93")


def test_the_conversation_comes_second() -> None:
    """Many tickets say "my computer", and the name comes when somebody asks."""
    found = find("help", feed=[entry(2, "psyc-zlab08"), entry(1, "which one?")])
    assert (ids(found), found.phase) == ([1], 2)
    assert [e.where for e in found.matches[0].evidence] == ["entry 2 (other)"]


def test_a24_empty_title_and_bodies_are_no_error() -> None:
    """Nulls were read as empty texts (case A24)."""
    assert ids(find("", "", feed=[entry(1, ""), entry(2, "psyc-zlab08")])) == [1]


def test_a25_an_identifier_in_a_reply_is_found() -> None:
    """The test of case A25."""
    found = find(feed=[entry(70, "", replies=(reply(71, "serial 7K2QX93"),))])
    assert ids(found) == [1]
    assert found.matches[0].evidence[0].where == "reply 71 (other)"


def test_a27_a_person_who_writes_of_a_system_is_read() -> None:
    """The test of case A27."""
    body = "My system psyc-zlab08 was assigned to me last week, due date is Friday."
    assert ids(find(feed=[entry(1, body, created_uid=REQUESTOR)])) == [1]


def test_the_robots_own_words_are_no_evidence() -> None:
    """It would find what it wrote itself, for ever."""
    own = entry(1, "Added 1 asset: PSYC-ZLAB08. Reason: …", created_uid=COLLEAGUE)
    enquiry = Enquiry(ticket(), lambda: [own], own_posts=OwnPosts(entry_ids=frozenset({1})))
    assert ids(discover(enquiry, MemoryInventory(KNOWN[:2]), None, DEFAULTS)) == []


def test_b17_one_computer_named_three_ways_is_one_match() -> None:
    """One attachment, one line in the summary (case B17)."""
    found = find("name PSYC-ZLAB08, S/N 7k2qx93, asset tag 104233")
    assert ids(found) == [1]
    assert [(e.token, e.field) for e in found.matches[0].evidence] == [
        ("PSYC-ZLAB08", "name"),
        ("7k2qx93", "serial number"),
        ("104233", "tag"),
    ]
    assert found.ambiguous == ()


def test_b04_b15_b19_whole_keys_only() -> None:
    """No prefix, no near miss, no foreign letters (cases B04, B15, B19)."""
    known = [computer(asset_id=1, name="CHEM-C02ZK4QLMD", serial_number="C02ZK4QLMD6T")]
    assert ids(find("CHEM-C02ZK4QLMD6T", known=known)) == []
    assert ids(find("C02ZK4QLMD6T", known=known)) == [1]
    cells = "<td>CHEM-A101</td><td>CHEM-A102</td>"
    rows = f"<table><tr>{cells}</tr></table>"
    both = [computer(asset_id=1, name="CHEM-A101"), computer(asset_id=2, name="CHEM-A102")]
    assert ids(find(description=rows, is_rich_html=True, known=both)) == [1, 2]
    kiosk = [computer(asset_id=1, name="LIB-KSK-03")]
    assert ids(find("lib-ksk-03", known=kiosk)) == [1]
    assert ids(find("L\u0130B-KSK-03", known=kiosk)) == []


def test_b11_a_filler_attaches_nothing() -> None:
    """Two machines share the serial number that counts to nine (case B11)."""
    twins = [computer(asset_id=n, serial_number="0123456789") for n in (1, 2)]
    assert ids(find("serial 0123456789", known=twins)) == []


def test_a36_of_two_records_with_one_name_the_active_one_counts() -> None:
    """Replacement machines inherit the name (case A36), on every way to find them."""
    assert ids(find("GEO-FIELD2 is slow")) == [4]
    assert ids(find("GEO-FIELD2", settings=DiscoverySettings(active_only=False))) == [3, 4]
    search = ScriptedSearch(
        asset(id=3, name="BIO-FIELD2", status_id=40, status_name="Retired"),
        asset(id=4, name="BIO-FIELD2"),
    )
    assert ids(find("BIO-FIELD2 is slow", search=search)) == [4]


def test_status_ids_decide_where_they_are_set() -> None:
    """Some places call it "In use"."""
    settings = DiscoverySettings(active=ActiveStatuses(ids=(50,)))
    used = computer(asset_id=1, name="BIO-1", status_id=50, status_name="In use")
    assert ids(find("BIO-1 and PSYC-ZLAB08", known=[used, *KNOWN], settings=settings)) == [1]
    search = ScriptedSearch(asset(id=1, name="BIO-12", status_id=50, status_name="In use"))
    assert ids(find("BIO-12", known=[], search=search, settings=settings)) == [1]


def test_the_form_decides_only_when_asked() -> None:
    """A printer is an asset and no computer."""
    assert ids(find("STAT-MFP4 jams")) == []
    assert ids(find("STAT-MFP4 jams", settings=DiscoverySettings(form_id=None))) == [6]


def test_one_serial_number_on_two_active_records_is_pointed_out() -> None:
    """Both are expected, and a person should look."""
    twins = [computer(asset_id=n, name=f"CHEM-A{n}", serial_number="9ZB6WN3") for n in (2, 1)]
    found = find("9zb6wn3 beeps", known=twins)
    assert ids(found) == [1, 2]
    (one,) = found.ambiguous
    assert (one.token, [c.asset_id for c in one.computers]) == ("9zb6wn3", [1, 2])


def test_a47_beyond_the_cap_matches_are_named_in_order() -> None:
    """Twelve machines named, ten attached, two named (case A47)."""
    known = [computer(asset_id=100 - n, name=f"LAB-PC{n:02}") for n in range(12)]
    found = find(" ".join(f"lab-pc{n:02}" for n in range(12)), known=known)
    assert ids(found) == [100 - n for n in range(10)]
    assert [match.computer.name for match in found.left_over] == ["LAB-PC10", "LAB-PC11"]


# The search of TDX


def test_a_candidate_the_inventory_does_not_know_is_searched_for_in_one_call() -> None:
    """A machine bought today is in TDX, and tonight in the inventory."""
    search = ScriptedSearch(asset(id=9, name="NEW-1", serial_number="5CG2381LQT"))
    found = find("serial 5cg2381lqt and psyc-zlab08", search=search)
    assert ids(found) == [9, 1]
    assert found.api_searches == 1
    (asked,) = search.asked
    assert (asked.search_text, asked.form_ids) == ("5CG2381LQT", (2448,))


def test_e05_what_the_inventory_knows_is_not_searched_for() -> None:
    """Not even a retired record: it is known (case E05)."""
    search = ScriptedSearch()
    find("psyc-zlab08, GEO-FIELD9", search=search)
    assert search.asked == []


def test_a32_search_hits_are_compared_exactly() -> None:
    """The search is a LIKE search; a lone hit is not yet the right one (case A32)."""
    search = ScriptedSearch(asset(id=9, serial_number="5CG2381LQTX"))
    found = find("5CG2381LQT", search=search, known=())
    assert (ids(found), found.api_searches) == ([], 1)


def test_a33_blank_terms_are_never_searched_and_empty_fields_never_match() -> None:
    """An empty search finds the whole inventory (case A33)."""
    search = ScriptedSearch(asset(id=9), asset(id=10, name="  ", tag="N/A"))
    for text in ("", " ", "-", "x", "serial: ", "serial 5", "N/A"):
        assert ids(find(text, search=search, known=())) == []
    assert search.asked == []


def test_b01_a_long_mail_costs_at_most_five_searches(caplog: pytest.LogCaptureFixture) -> None:
    """Eighty hyphenated words and one unknown serial number (case B01)."""
    words = [
        f"{a}-{b}" for a in ("self", "multi", "follow", "read") for b in "abcdefghijklmnopqrst"
    ]
    filler = "word " * 500
    search = ScriptedSearch()
    found = find(f"{filler} {' '.join(words)} serial 5CG2381LQT", search=search, known=())
    assert ids(found) == []
    assert [asked.search_text for asked in search.asked] == ["5CG2381LQT"]
    with caplog.at_level(logging.WARNING):
        many = find(" ".join(f"UNKNOWN{n}" for n in range(8)) + " asset tag BX5512", search=search)
    assert many.api_searches == 5
    assert search.asked[1].search_text == "BX5512"
    assert many.not_searched == ("UNKNOWN4", "UNKNOWN5", "UNKNOWN6", "UNKNOWN7")
    assert "cut after 5" in caplog.text


def test_the_budget_holds_for_all_texts_and_nothing_is_searched_twice() -> None:
    """A person repeats the name in every mail."""
    search = ScriptedSearch()
    feed = [entry(n, f"UNKNOWN1 and UNKNOWN{n}") for n in range(1, 9)]
    found = find("UNKNOWN1", feed=feed, search=search)
    assert [asked.search_text for asked in search.asked] == [f"UNKNOWN{n}" for n in range(1, 6)]
    assert found.reason is Reason.SEARCH_INCOMPLETE


def test_a_search_that_hits_its_limit_without_the_exact_one_is_not_complete() -> None:
    """The right one may be behind the limit, and is then not absent."""
    crowd = [asset(id=n, name=f"LAB-01-{n}") for n in range(SEARCH_RESULTS + 5)]
    found = find("LAB-01", search=ScriptedSearch(*crowd))
    assert (ids(found), found.reason) == ([], Reason.SEARCH_INCOMPLETE)
    assert found.not_searched == ("LAB-01",)


class Broken:
    """An inventory and a search that cannot be asked."""

    def find(self, *_: object, **__: object) -> Mapping[str, tuple[Computer, ...]]:
        raise InventoryUnavailable("away")

    owned_by = find

    def is_empty(self) -> bool:
        raise InventoryUnavailable("away")

    is_distrusted = is_empty

    def statuses(self) -> Listed:
        raise InventoryUnavailable("away")

    def asset(self, asset_id: int) -> Asset:
        raise TdxRetryLater("away", call=str(asset_id))

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        raise TdxRetryLater("away", call=str(search.search_text))


def test_e20_a_database_that_is_away_ends_the_discovery_before_any_search() -> None:
    """Its silence must not send every lookup to the limited API (case E20)."""
    search = ScriptedSearch()
    with pytest.raises(InventoryUnavailable):
        discover(Enquiry(ticket(title="psyc-zlab08")), Broken(), search, DEFAULTS)
    assert search.asked == []


def test_a_search_that_fails_ends_the_discovery_before_the_requestor_fallback() -> None:
    """No answer is never no hit; the next run asks again."""
    with pytest.raises(TdxRetryLater):
        find("UNKNOWN1", search=Broken())


# The requestor fallback


def test_the_requestors_only_active_computer_is_the_fallback() -> None:
    """Retired machines and printers do not make a second computer."""
    more = [
        computer(asset_id=8, name="OLD", status_name="Retired", owner_uid=REQUESTOR),
        computer(asset_id=9, name="PRN", form_id=99, owner_uid=REQUESTOR),
    ]
    found = find("it is slow", known=[*KNOWN, *more])
    assert (ids(found), found.phase, found.reason) == ([7], 3, Reason.ONLY_COMPUTER)
    counted = find(known=[*KNOWN, *more], settings=DiscoverySettings(active_only=False))
    assert ids(counted) == [7]


@pytest.mark.parametrize("count", [0, 2, 3])
def test_none_or_several_computers_are_no_answer(count: int) -> None:
    """Which of them would be a guess."""
    owned = [computer(asset_id=n, name=f"R-{n}", owner_uid=REQUESTOR) for n in range(count)]
    found = find("slow", known=owned)
    assert (ids(found), found.reason) == ([], Reason.NOT_EXACTLY_ONE)
    assert found.requestor_computer_count == count


@pytest.mark.parametrize("uid", [None, "", "00000000-0000-0000-0000-000000000000"])
def test_a38_without_a_requestor_nobody_is_asked_for(uid: str | None) -> None:
    """A search by the zero id returns everything that has no owner (case A38)."""
    unowned = computer(asset_id=8, name="SPARE-1", owner_uid=uid)
    found = find("slow", requestor_uid=uid, known=[unowned])
    assert (ids(found), found.reason) == ([], Reason.NO_REQUESTOR)


@pytest.mark.parametrize("account", [REQUESTOR.upper(), " Robin@Example.edu ", "robin example"])
def test_a39_service_accounts_are_excluded(account: str) -> None:
    """A monitor owns one machine by accident (case A39)."""
    settings = DiscoverySettings(fallback_excluded_accounts=("noc@example.edu", account))
    found = find("disk full", settings=settings)
    assert (ids(found), found.reason) == ([], Reason.EXCLUDED_ACCOUNT)


def test_a_ticket_that_has_assets_is_left_alone_unless_set_otherwise() -> None:
    """Somebody has decided already."""
    found = find("slow", has_assets=True)
    assert (ids(found), found.reason) == ([], Reason.HAS_ASSETS)
    anyway = DiscoverySettings(skip_fallback_if_ticket_has_assets=False)
    assert ids(find("slow", has_assets=True, settings=anyway)) == [7]


@pytest.mark.parametrize("text", ["GEO-FIELD9 is slow", "STAT-MFP4 jams"])
def test_a_ticket_about_a_record_that_does_not_count_gets_no_other_computer(text: str) -> None:
    """A retired machine or a printer is named; the requestor's computer is another one."""
    found = find(text)
    assert (ids(found), found.reason) == ([], Reason.NOT_ELIGIBLE)


def test_a_word_that_equals_some_record_does_not_stand_in_the_way() -> None:
    """In large inventories something is called "e-mail"."""
    odd = computer(asset_id=8, name="E-MAIL", form_id=99)
    assert ids(find("my e-mail is slow", known=[*KNOWN, odd])) == [7]


def test_the_same_ticket_gives_the_same_answer_from_a_remembering_inventory() -> None:
    """A batch asks once; nobody may notice."""
    inventory = RememberingInventory(MemoryInventory(KNOWN))
    inventory.prefetch(["psyc-zlab08 STAT-MFP4"], IdentifierSettings(), [REQUESTOR])
    for title in ("psyc-zlab08 7k2qx93", "GEO-FIELD2", "slow", "STAT-MFP4"):
        assert discover(Enquiry(ticket(title=title)), inventory, None, DEFAULTS) == find(title)


# Just before attaching


def test_a_record_that_still_is_what_it_was_is_confirmed() -> None:
    """Blanks and case are nobody's business."""
    found = computer(asset_id=1, name="CHEM-A1", serial_number="7K2QX93")
    now = asset(id=1, name=" chem-a1 ", serial_number="other")
    assert confirm(found, now, DEFAULTS) is None


@pytest.mark.parametrize(
    ("found", "now", "why"),
    [
        ({"name": "A1"}, {"name": "B1"}, "its name is now B1"),
        ({"name": "A1"}, {"name": ""}, "its name is now empty"),
        (
            {"name": "A1", "serial_number": "S1", "matched_field": "serial number"},
            {"name": "A1", "serial_number": "S2"},
            "its serial number is now S2",
        ),
        ({"name": "A1"}, {"name": "A1", "status_name": "Retired"}, "its status is Retired"),
        ({"name": "A1"}, {"name": "A1", "form_id": 99}, "it is not of the computer form"),
        ({"name": "A1"}, {"name": "A1", "id": 2}, "TDX gave asset 2 instead of 1"),
        (
            {"name": "A1", "owner_uid": REQUESTOR, "matched_field": "owner"},
            {"name": "A1", "owner_uid": COLLEAGUE},
            "it now belongs to somebody else",
        ),
    ],
)
def test_a_record_that_changed_since_is_refused_with_the_reason(
    found: dict[str, Any], now: dict[str, Any], why: str
) -> None:
    """The inventory is a night old; a wrong computer is the worst failure."""
    current = asset(**{"id": 1, **now})
    assert confirm(computer(asset_id=1, **found), current, DEFAULTS) == why


def test_an_everyday_name_means_a_computer_only_with_a_label_or_by_its_owner() -> None:
    """Everybody writes MacBook-Pro; only its owner means the record of that name (case F22)."""
    known = (
        computer(asset_id=1, name="MacBook-Pro", owner_uid=REQUESTOR),
        computer(asset_id=2, name="Latitude-5420", owner_uid=None),
        MINE,
    )
    assert ids(find("My MacBook-Pro and a Latitude-5420", known=known)) == [1]
    assert ids(find("Computer name: Latitude-5420", known=known)) == [2]


def test_the_end_of_a_text_that_is_too_long_is_not_read_and_the_summary_says_so() -> None:
    """Whatever arrives, a run goes on."""
    found = find("", "CHEM-A1 " + "word " * (LONGEST_TEXT // 5) + "PSYC-ZLAB08")
    assert ids(found) == []
    assert found.cut == ("description",)
    assert summary_line(found, (), (), ()).endswith(
        "Note: too long, only the beginning was read: description"
    )


def test_each_text_is_scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`explain` shows what the decision was made of."""
    scanned = []
    scan = scans.remembered_scan
    monkeypatch.setattr(
        discover_module, "remembered_scan", lambda *a: scanned.append(a[0]) or scan(*a)
    )
    explain_text(
        "see PSYC-ZLAB08", is_html=False, inventory=MemoryInventory(KNOWN), settings=DEFAULTS
    )
    assert scanned == ["", "see PSYC-ZLAB08"]


def test_a_text_that_was_prefetched_is_not_scanned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan is most of what a ticket costs before its first call."""
    scanned = []
    scan = identifiers.scan
    monkeypatch.setattr(scans, "scan", lambda *a: scanned.append(a[0]) or scan(*a))
    inventory = RememberingInventory(MemoryInventory(KNOWN))
    title = "PSYC-ZLAB08 does not start since the storm"
    inventory.prefetch([title, ""], DEFAULTS.identifiers)
    discover(Enquiry(ticket(title=title)), inventory, None, DEFAULTS)
    assert scanned.count(title) == 1
