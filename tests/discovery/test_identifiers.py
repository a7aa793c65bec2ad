"""Which parts of a text may name a computer, and which look as if they did."""

import re
from pathlib import Path

import pytest

from tdx_dagster.discovery import identifiers
from tdx_dagster.discovery.identifiers import IdentifierSettings, candidates, scan
from tdx_dagster.inventory.keys import fold_key, fold_text

DEFAULTS = IdentifierSettings()

SERIALS = ("7K2QX93", "h4tj8m2", "PF3K9T2B", "K7QF2M9XJR", "C02ZK4QLMD6T", "mxl1042r7k")

FILLERS = (
    "None",
    "N/A",
    "unknown",
    "test",
    "nan",
    "null",
    "Default string",
    "System Serial Number",
    "To be filled by O.E.M.",
    "0123456789",
    "",
    "   ",
    "0000000",
    "XXXXXXX",
    "----",
    "\0",
)


def keys(text: str, settings: IdentifierSettings = DEFAULTS) -> list[str]:
    """All keys that would be looked up, in order."""
    return [key for candidate in candidates(text, settings) for key in candidate.keys]


def searched(text: str) -> list[str]:
    """Tokens worth a search of TDX."""
    return [c.token for c in candidates(text, DEFAULTS) if c.looks_like_identifier]


@pytest.mark.parametrize("tag", SERIALS)
def test_b05_serial_numbers_of_all_makers_are_seen(tag: str) -> None:
    """Patterns that start at ten capitals miss Dell, Lenovo and whoever types small (case B05)."""
    assert searched(f"it says {tag} underneath") == [tag]


@pytest.mark.parametrize("word", ["follow-up", "multi-factor", "self-service", "x-ray", "co-op"])
def test_b01_english_words_with_hyphens_are_not_searched_for(word: str) -> None:
    """Each would cost a call of a budget of sixty a minute (case B01)."""
    assert searched(f"please do a {word} today") == []


@pytest.mark.parametrize(
    "text",
    [
        "COVID-19 rules, UTF-8 files, USB-3 ports, HTTP-502 errors, TLS-1_2",
        "the 22nd at 10am, 16GB of 3200MHz memory, 30min",
        "Win11 and Windows10 with Office365, KB5034441",
        "fall2025, FY2026, Q3-2025, 14-Mar-2025, 2025-03-14T09:30:00Z",
        "versions R-4.3.2 and Python-3.11 on host.example.edu",
        "a1 b2 c3 ok",
    ],
)
def test_everyday_tokens_are_not_searched_for(text: str) -> None:
    """Half of all mails have one of them."""
    assert searched(text) == []


def test_b07_a_longer_name_is_not_the_shorter_one() -> None:
    """A word boundary sits beside a hyphen, but the token goes on (case B07)."""
    assert keys("CHEM-QBENCH7-OLD and preCHEM-QBENCH7") == ["CHEM-QBENCH7-OLD", "PRECHEM-QBENCH7"]


def test_b08_emphasis_is_no_part_of_a_name() -> None:
    """Chat programs mark words with underscores, stars and back-ticks (case B08)."""
    assert keys("_psyc-zlab08_ **chem-a1** `geo-1` ~~bio-2~~") == [
        "PSYC-ZLAB08",
        "CHEM-A1",
        "GEO-1",
        "BIO-2",
    ]
    assert keys("ENG_LEC_12_backup") == ["ENG_LEC_12_BACKUP"]


@pytest.mark.parametrize(
    "written",
    [
        "CHEM\u2013QBENCH7",
        "CHEM\u2011QBENCH7",
        "CHEM\u2010QBENCH7",
        "CHEM\u2012QBENCH7",
        "CHEM\u2212QBENCH7",
        "CHEM\uff0dQBENCH7",
        "CHEM\ufe63QBENCH7",
        "CHEM-\u200bQBENCH7",
        "C\u00adHEM-QBENCH7",
        "\ufeffCHEM-QBENCH7",
        "\u202aCHEM-QBENCH7\u202c",
        "CHEM-QBENCH\u20607",
        "\uff23\uff28\uff25\uff2d-QBENCH7",
        "\U0001d402HEM-QBENCH\U0001d7d5",
        "CHEM-QBENCH7\u2014the other one",
        "CHEM-QBENCH7\U0001f525\U0001f525",
        "CHEM-QBENCH7\u2122",
        "CHEM-QBENCH7\u2026",
        "\u2460CHEM-QBENCH7",
        "1\ufe0f\u20e3CHEM-QBENCH7",
        "\u300cCHEM-QBENCH7\u300d",
        "the\u00a0CHEM-QBENCH7\u3000is",
    ],
)
def test_b09_what_only_looks_different_is_the_same(written: str) -> None:
    """Word processors, chat and keyboards write one name in many ways (case B09)."""
    assert keys(written) == ["CHEM-QBENCH7"]


@pytest.mark.parametrize(
    "written",
    [
        "L\u0130B-KSK-03",
        "\u0421HEM-QBENCH7",
        "CHEM-QBENCH7\u00e9",
        "B\u00fccher-PC1",
        "CHEM-Q\u0302BENCH7",
        "CHEM-QBENCH\u0667",
        "CHEM-QBENCH7\ufe0f\u20e3",
        "chem-a1.b\u00fcro.example.edu",
    ],
)
def test_b19_a_letter_outside_ascii_spoils_the_token_and_its_tail(written: str) -> None:
    """It folds in one way here and in another in the database; a part of it is another name (B19)."""
    seen = scan(written, DEFAULTS)
    assert seen.candidates == ()
    assert [dropped.why for dropped in seen.dropped] == ["holds a letter outside ASCII"]


@pytest.mark.parametrize(
    "label",
    [
        "serial ",
        "Serial: ",
        "serial number ",
        "SERIAL NUMBER:\t",
        "Serial No.",
        "serial-no: ",
        "SerialNumber\n",
        "serial number is ",
        "serial (S/N): ",
        "S/N ",
        "s/n: ",
        "S/N",
        "S.N. ",
        "SN: ",
        "SN=",
        "Service Tag: ",
        "service tag is ",
        "ServiceTag ",
        "Asset tag ",
        "asset-tag: ",
        "Asset Tag:\n",
        "ASSET TAG NO. ",
        "asset #",
        "property tag ",
        "tag no. ",
        "tag: #",
        "Asset tag (",
        'tag: "',
        "**tag:** ",
        "asset tag [",
        "| Tag | ",
        "inventory no. ",
        "Inventory No ",
        "inventory number: ",
        "inventory \u2116",
        "Inv.-Nr. ",
        "Tag\uff1a",
        "Tag \u2013 ",
    ],
)
def test_b12_a_number_counts_right_after_a_label(label: str) -> None:
    """Inventory numbers are plain numbers, and people say that they are (case B12)."""
    assert keys(f"please look\n{label}104233, please") == ["104233"]


@pytest.mark.parametrize(
    "text",
    [
        "ticket 104233",
        "room 104233",
        "call 104233 or 734-555-0142",
        "I lost the asset tag\n104233",
        "it has no tag. 104233 is my badge",
        "(it has no tag) 104233",
        "the tag of the one in 104233",
        "stag 104233",
        "price tag 104233",
        "VLAN tag 104233",
        "express service code 104233",
        "asset tag https://example.edu/x 104233",
        "Serial: unknown 104233",
    ],
)
def test_b12_other_numbers_do_not_count(text: str) -> None:
    """Rooms, telephones, orders and tickets have numbers too (case B12)."""
    assert keys(text) == []


def test_a_label_in_the_plural_names_a_list() -> None:
    """The plural names several; after one tag a second number is something else."""
    text = "Asset tags: 104233, 104234 and UA-0045512 / 104235, phone 7345550142"
    assert keys(text) == ["104233", "104234", "UA-0045512", "104235"]
    assert keys("tags:\n104233\n104234") == ["104233", "104234"]
    assert keys("asset tag 104233 and 104234") == ["104233"]
    assert keys("asset tags 104233\n7345550142") == ["104233"]


def test_a_label_heads_the_column_of_a_table() -> None:
    """Inventories are pasted from spreadsheets and mails."""
    table = "Name\tAsset tag\tRoom\nCHEM-A1\t104233\t2410\nCHEM-A2\t104234\t2411\n\n2410\t2411\t9"
    assert keys(table) == ["CHEM-A1", "104233", "CHEM-A2", "104234"]
    assert keys("| Name | Tag |\n| CHEM-A1 | 104233 |") == ["CHEM-A1", "104233"]
    assert keys("Serial\tAsset tag\n2410\t104233") == ["2410", "104233"]
    assert keys("Room\tAsset tag\n2410\t104233") == ["104233"]


def test_b14_a_host_name_may_be_meant_by_its_first_label() -> None:
    """People paste names with their domain; versions are no host names (case B14)."""
    assert keys("psyc-zlab08.lsa.example.edu:3389.") == [
        "PSYC-ZLAB08.LSA.EXAMPLE.EDU",
        "PSYC-ZLAB08",
    ]
    assert keys("Janes-MacBook-Pro.local") == ["JANES-MACBOOK-PRO.LOCAL", "JANES-MACBOOK-PRO"]
    assert keys("ADSROOT\\ECON-LABQ14$") == ["ECON-LABQ14"]
    assert keys("R-4.3.2") == ["R-4.3.2"]
    assert keys("restarted CHEM-A1.It runs") == ["CHEM-A1.IT", "CHEM-A1"]
    assert keys("kiosk.lsa.example.edu") == ["KIOSK.LSA.EXAMPLE.EDU", "KIOSK"]


@pytest.mark.parametrize(
    "text",
    [
        "https://helpdesk.example.edu/x?asset=CHEM-A1",
        "HTTP://it-help.example.edu:8080/",
        "www.example.edu/CHEM-A1",
        "helpdesk.example.edu/index.php?a=CHEM-A1&b=2",
        "jane.doe@chem-a1.example.edu",
        "mailto:help@example.edu?subject=CHEM-A1",
        "[cid:image001.png@01DA7B2C.5F3E1A20]",
        "{6D2E91B4-0042-3510-8a51-b7c0ff4d3332}",
        "02:1A:7F:A1:B2:C3",
        "MAC:02-1a-7f-a1-b2-c4.",
        "021a.7fa1.b2c3",
        "02 1a 7f a1 b2 c3",
        "fe80::1a2b:3c4d",
        "2001:db8:0:0:8:800:200c:417a",
        "56 4d 1b 7e 02 c9 f3 88-0a d1 6e 35 b7 22 4c 91",
        "C:\\labs\\CHEM-A1\\notes.txt",
        "CHEM-A1.pdf",
        "SHA1 a9:09:50:2d:d8:2a:e4:14",
        "0x80070643 and 0XDEADBEEF",
    ],
)
def test_addresses_are_taken_out_whole(text: str) -> None:
    """Their parts look like names and serial numbers."""
    known = {"WWW.EXAMPLE.EDU", "HELPDESK.EXAMPLE.EDU", "SHA1"}
    assert [key for key in keys(text) if key not in known] == []
    assert scan(text, DEFAULTS).dropped


@pytest.mark.parametrize(
    "text",
    [
        "CHEM-A1 https://example.edu/CHEM-A2 CHEM-A3",
        "<https://example.edu/CHEM-A2|CHEM-A1>,CHEM-A3",
        "[CHEM-A1](https://example.edu/CHEM-A2) CHEM-A3",
        "ssh root@CHEM-A1 or CHEM-A3:~$",
        "CHEM-A1/CHEM-A3",
        "CHEM-A1/bob@example.edu/CHEM-A3",
        "\\\\CHEM-A1\\share \\\\CHEM-A3\\c$",
        "CHEM-A1... CHEM-A3",
        "CHEM-A1--CHEM-A3",
        "1.CHEM-A1\n2.CHEM-A3",
        "Re:CHEM-A1 Fwd:[CHEM-A3]",
        "'CHEM-A1';\"CHEM-A3\"",
        "@CHEM-A1 #CHEM-A3",
        "CHEM-A1's disk & CHEM-A3?!",
        "<CHEM-A1>{CHEM-A3}",
        "_CHEM-A1_ |CHEM-A3|",
    ],
)
def test_everything_else_separates(text: str) -> None:
    """What people put around names says nothing about the name."""
    assert keys(text) == ["CHEM-A1", "CHEM-A3"]


@pytest.mark.parametrize("filler", FILLERS)
def test_b11_fillers_are_no_keys(filler: str) -> None:
    """Many records share them; one mention would attach all (cases B11, E18)."""
    assert fold_key(filler) is None
    assert fold_key(None) is None
    assert keys(f"serial {filler}.") == []


def test_a_key_is_upper_case_ascii_without_outer_blanks() -> None:
    """The inventory and the texts must arrive at the same key, whoever typed it."""
    assert fold_key("  lib\u2013ksk-03\u00a0") == "LIB-KSK-03"
    assert fold_key("Studio \t iMac") == "STUDIO IMAC"
    assert fold_key("LAB\0PC") == "LABPC"
    assert fold_key("Caf\u00e9-PC1") is None


def test_folding_a_text_twice_changes_nothing() -> None:
    """Positions refer to the folded text; it must be a fixed point."""
    once = fold_text("\u2460CHEM\u2013A1\u2122 \ufb01x \u2116 5 e\u0301 x\u0302 \U0001f525")
    assert fold_text(once) == once


def test_candidates_come_in_order_of_appearance_each_once() -> None:
    """The summary and the cap depend on it; sets would change from process to process (D20)."""
    seen = candidates("b-2, A-1, (B-2) and a-1; tag: 7", DEFAULTS)
    assert [(c.token, c.position, c.is_labelled) for c in seen] == [
        ("b-2", 0, False),
        ("A-1", 5, False),
        ("7", 30, True),
    ]


def test_words_and_bare_numbers_are_no_candidates() -> None:
    """Podium is a machine somewhere, and a word everywhere."""
    seen = scan("the Podium in 2410 has serial unknown", DEFAULTS)
    assert seen.candidates == ()
    assert [dropped.token for dropped in seen.dropped] == ["2410", "unknown"]


def test_an_installation_adds_patterns_and_exceptions() -> None:
    """Names with blanks, and codes that everybody writes, are a matter of the place."""
    settings = IdentifierSettings(
        identifier_patterns=(r"studio\s+imac", r"cart:(\w+)"),
        ignore_identifiers=("kb*", "grant-r01"),
    )
    text = "the Studio  iMac, cart:podium, KB5034441, GRANT-R01, CHEM-A1"
    assert keys(text, settings) == ["STUDIO IMAC", "PODIUM", "CHEM-A1"]


def test_a_broken_pattern_is_refused_with_its_place() -> None:
    """It would otherwise fail in every run, far from the file it stands in."""
    with pytest.raises(ValueError, match=r"identifier_patterns\[1\].*unterminated"):
        IdentifierSettings(identifier_patterns=("ok", "[a-"))


def test_huge_tokens_are_dropped() -> None:
    """A pasted key or picture must not travel to the database."""
    seen = scan("see " + "A1" * 5000, DEFAULTS)
    assert seen.candidates == ()
    assert len(seen.dropped[0].token) < 50


@pytest.mark.parametrize(
    "run",
    [
        "a",
        "ab ",
        "a.",
        "a-",
        "a@",
        "ab:",
        "1 ",
        "a/",
        "'",
        "tag no. ",
        "tags 1,",
        "tag\n",
        "\n",
        "\t\n",
        "\u0301",
        "name e.g. ",
        "serial,name\nab,cd\n",
        "LAB-01 through ",
        "LAB-01, ",
        "--\n",
        "C:\\a b\\",
        "\t1\n",
        "<",
        "é",
    ],
)
def test_hostile_texts_take_linear_time(run: str) -> None:
    """A mail of a megabyte of anything must not hold up a run; quadratic would be hours."""
    scan(run * (300_000 // len(run)), DEFAULTS)


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python up to 3.11.4, which Debian 12 ships, matches such repeats wrongly: names kept their full stop."""
    package = Path(identifiers.__file__).parents[1]
    found = [
        f"{file.name}: {line.strip()}"
        for file in package.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", line)
    ]
    assert found == []
