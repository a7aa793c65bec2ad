"""What is shown to a person who asks why."""

import json
from io import StringIO

from rich.console import Console

from tdx_dagster.discovery.discover import DiscoverySettings, Enquiry
from tdx_dagster.discovery.explain import explain_text, explain_ticket
from tdx_dagster.inventory.lookup import MemoryInventory
from tests.inventory.records import computer, entry, ticket

ASSETS = [
    {"ID": 2, "Name": "CHEM-A2", "SerialNumber": None, "Tag": "104233", "StatusName": "Active"},
    {"ID": 1, "Name": "CHEM-A1", "SerialNumber": "7K2QX93", "Tag": "", "StatusName": "Active"},
    {"ID": 3, "Name": "CHEM-A3", "SerialNumber": None, "Tag": None, "StatusName": "Retired"},
]
TEXT = (
    "<p>chem-a2, then <b>CHEM</b>-A1; not CHEM-A3, not 104233, not https://example.edu/CHEM-A1</p>"
)


def test_a_text_is_explained_with_ids_in_order_of_appearance() -> None:
    """Programs read the object, people the table; both say the same."""
    inventory = MemoryInventory.from_json(json.dumps(ASSETS))
    seen = explain_text(TEXT, True, inventory, DiscoverySettings())  # noqa: FBT003  as the CLI calls it
    answer = seen.as_json()
    assert json.loads(json.dumps(answer))["asset_ids"] == [2, 1]
    assert answer["decision"].startswith("Added 2 assets: CHEM-A2, CHEM-A1. Reason:")
    assert [(one["token"], one["outcome"]) for one in answer["tokens"]] == [
        ("chem-a2", "found CHEM-A2 (asset 2, name)"),
        ("CHEM-A1", "found CHEM-A1 (asset 1, name)"),
        ("CHEM-A3", "found CHEM-A3 (asset 3, name), but its status is Retired"),
        ("104233", "dropped: a number without a label such as 'asset tag' before it"),
        ("https://example.edu/CHEM-A1", "dropped: part of a web address"),
    ]


def test_a_person_sees_tokens_matches_and_decision() -> None:
    """Brackets in a text are no markup of the table's."""
    inventory = MemoryInventory.from_json(json.dumps(ASSETS))
    printed = StringIO()
    console = Console(width=160, file=printed)
    console.print(explain_text("[bold] CHEM-A1 [/x]", False, inventory, DiscoverySettings()))  # noqa: FBT003  the same
    shown = printed.getvalue()
    for part in ("Tokens considered", "Computers found", "7K2QX93", "Added 1 asset: CHEM-A1"):
        assert part in shown


def test_all_matches_are_listed_and_those_beyond_the_limit_marked() -> None:
    """The question is what the text names; how many get attached is another."""
    inventory = MemoryInventory.from_json(json.dumps(ASSETS))
    settings = DiscoverySettings(max_assets=1)
    answer = explain_text("CHEM-A1 CHEM-A2", None, inventory, settings).as_json()
    assert (answer["asset_ids"], answer["beyond_limit"]) == ([1, 2], [2])


def test_a_list_that_knows_forms_is_judged_by_them() -> None:
    """And one that does not, is not: the default form would hide everything."""
    records = json.dumps([{**ASSETS[0], "FormID": 99}, {**ASSETS[1], "FormID": 2448}])
    inventory = MemoryInventory.from_json(records)
    answer = explain_text("CHEM-A1 CHEM-A2", None, inventory, DiscoverySettings()).as_json()
    assert answer["asset_ids"] == [1]


def test_a_ticket_is_explained_with_the_conversation_read_once() -> None:
    """Explaining must not cost more calls than doing."""
    reads = []

    def feed() -> list[object]:
        reads.append("feed")
        return [entry(5, "it is CHEM-A1")]

    inventory = MemoryInventory([computer(asset_id=1, name="CHEM-A1")])
    enquiry = Enquiry(ticket(title="slow since 2025-03-14"), conversation=feed)
    seen = explain_ticket(enquiry, inventory, None, DiscoverySettings())
    assert reads == ["feed"]
    assert [(one.where, one.token) for one in seen.tokens] == [
        ("title", "2025-03-14"),
        ("entry 5 (other)", "CHEM-A1"),
    ]
    assert seen.as_json()["phase"] == 2
