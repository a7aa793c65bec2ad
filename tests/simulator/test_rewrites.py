"""A desk that shows comments in another form than they were sent (case F01)."""

from typing import Any

import pytest
import requests

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.tenant.options import REWRITES
from tests.simulator.client import Client

FEED = "/46/tickets/7001/feed"
PLAIN = (
    '\U0001f916 We found "GEO-FIELD2" -- it\'s yours... ask @zchem or zoe@example.edu\n'
    "https://portal.example.edu/TDClient/Requests/TicketRequests/TicketDet?TicketID=7001"
)


def shown(client: Client) -> str:
    body: str = client.get(FEED).json()[0]["Body"]
    return body


@pytest.mark.parametrize(
    ("rewrite", "gone", "there"),
    [
        ("astral_dropped", "\U0001f916", "We found"),
        ("astral_lost", "\U0001f916", "?? We found"),
        ("typography", "&quot;", "\u201cGEO-FIELD2\u201d \u2013 it\u2019s yours\u2026"),
        ("links", ">https://portal.example.edu/TDC", ">https://portal.example.e\u2026</a>"),
        ("mentions", "@zchem", '<span class="mention" data-name="zchem">zchem</span>'),
        ("cut", "zoe@example.edu", "\U0001f916 We found &quot;GEO-FIELD2&quot;"),
        ("footer", "never", "<br /><br />Reply to this message or sign in"),
        ("reserialised", "<br />", '<p>\U0001f916 We found "GEO-FIELD2" -- it\'s yours'),
    ],
)
def test_each_rewrite_changes_what_is_shown_and_not_what_is_kept(
    client: Client, simulator: Simulator, rewrite: str, gone: str, there: str
) -> None:
    """The answer of the POST, the feed and the single entry agree; the state has what was sent."""
    before = client.post(FEED, {"Comments": PLAIN}).json()
    simulator.options.set("rewrites", [rewrite])
    simulator.options.rewrite_cut_at = 30
    body = shown(client)
    assert body != before["Body"]
    assert (gone in body, there in body) == (False, True), body
    assert client.get(f"/feed/{before['ID']}").json()["Body"] == body
    assert client.post(FEED, {"Comments": PLAIN}).json()["Body"] == body
    assert [entry["Body"] for entry in simulator.state.feed_of_ticket(7001)] == [before["Body"]] * 2
    simulator.options.rewrites = ()
    assert shown(client) == before["Body"]


def test_an_address_is_no_mention(client: Client, simulator: Simulator) -> None:
    """Only a word behind a free at-sign is one."""
    simulator.options.rewrites = ("mentions",)
    client.post(FEED, {"Comments": PLAIN})
    assert "zoe@example.edu" in shown(client)


def test_a_character_of_the_upper_planes_is_found_as_an_entity_too(
    client: Client, simulator: Simulator
) -> None:
    """Rich text may hold it as a number; a character of the base plane stays."""
    simulator.options.rewrites = ("astral_lost",)
    client.post(FEED, {"Comments": "&#129302; &#x1F916; &#8364; \u20ac", "IsRichHtml": True})
    assert shown(client) == "?? ?? &#8364; \u20ac"


def test_a_cut_ends_in_no_tag_and_no_entity(client: Client, simulator: Simulator) -> None:
    """Visible characters count; the tags around them stay."""
    simulator.options.rewrites = ("cut",)
    simulator.options.rewrite_cut_at = 4
    client.post(FEED, {"Comments": "<b>a&amp;b</b><i>cdef</i>", "IsRichHtml": True})
    assert shown(client) == "<b>a&amp;b</b><i>c</i>"


def test_system_lines_and_system_entries_stay(client: Client, simulator: Simulator) -> None:
    """TDX writes those itself."""
    simulator.options.rewrites = REWRITES
    client.post("/46/tickets/7001/assets/1001")
    assert shown(client) == 'Added the "GEO-FIELD2" asset to this incident.'
    client.post(FEED, {"Comments": "Bye", "NewStatusID": 103})
    line = "Changed Status from &quot;<b>New</b>&quot; to &quot;<b>Closed</b>&quot;.<br />"
    assert shown(client).startswith(f"{line}<p>Bye<br><br>Reply")


def test_replies_are_rewritten_too(client: Client, simulator: Simulator) -> None:
    """They are comments of people."""
    entry = client.post(FEED, {"Comments": "Which one?"}).json()
    client.post(f"/feed/{entry['ID']}", {"Comments": "\U0001f916 this"})
    simulator.options.rewrites = ("astral_dropped",)
    assert client.get(f"/feed/{entry['ID']}").json()["Replies"][0]["Body"] == " this"


def test_all_of_them_can_be_switched_over_http(client: Client, simulator: Simulator) -> None:
    """An unknown one is refused with the list."""
    address = f"{simulator.control_url}/options"
    sent: dict[str, Any] = {"rewrites": list(REWRITES), "rewrite_cut_at": 30}
    assert requests.patch(address, json=sent, timeout=10).json()["rewrites"] == list(REWRITES)
    client.post(FEED, {"Comments": PLAIN})
    assert shown(client).startswith("<p> We found \u201cGEO-FIELD2\u201d")
    refused = requests.patch(address, json={"rewrites": ["emoji"]}, timeout=10)
    assert refused.status_code == 400
    assert "astral_lost" in refused.json()["error"]
