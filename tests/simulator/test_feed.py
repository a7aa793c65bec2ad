"""Feeds: what a comment does."""

from typing import Any

import pytest

from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.tenant.constants import ZERO_GUID
from tests.simulator.client import Client
from tests.simulator.conftest import PERSON

CLOSED, ON_HOLD, NEW = 103, 105, 101
TICKET = "/46/tickets/7001"
FEED = f"{TICKET}/feed"


def test_a_comment_answers_201_with_the_entry(client: Client) -> None:
    """Must-have 8: documented as 200, seen as 201; strict clients filed it as unclear."""
    answer = client.post(FEED, {"Comments": "Hello", "IsPrivate": True})
    entry = answer.json()
    assert answer.status_code == 201
    assert (entry["Body"], entry["UpdateType"], entry["IsPrivate"]) == ("Hello", 1, True)
    assert entry["ItemID"] == 7001


def test_a_comment_can_answer_200(client: Client, simulator: Simulator) -> None:
    """What the documentation promises; a client must take both."""
    simulator.options.feed_post_status = 200
    assert client.post(FEED, {"Comments": "Hello"}).status_code == 200


def test_plain_text_is_escaped_and_its_lines_are_broken(client: Client) -> None:
    """A feed's body is HTML; a robot that searches for its own text must expect that."""
    entry = client.post(FEED, {"Comments": 'a "b" <c>\nd'}).json()
    assert entry["Body"] == "a &quot;b&quot; &lt;c&gt;<br />d"


def test_rich_text_keeps_its_markup_but_no_scripts(client: Client) -> None:
    """Rich comments are stored as given, scripts apart."""
    given = {"Comments": "<b onclick='x()'>a</b><script>x()</script>", "IsRichHtml": True}
    assert client.post(FEED, given).json()["Body"] == "<b>a</b>"


@pytest.mark.parametrize("status", [0, None])
def test_no_new_status_leaves_the_status(client: Client, status: int | None) -> None:
    """Zero and null both mean no change (case A42)."""
    client.post(FEED, {"Comments": "Hello", "NewStatusID": status})
    assert client.get(TICKET).json()["StatusID"] == NEW


def test_a_new_status_changes_the_ticket_and_is_told_first(client: Client) -> None:
    """A status change wins over the comment in type, and its line stands before the text."""
    entry = client.post(FEED, {"Comments": "Done", "NewStatusID": CLOSED}).json()
    line = "Changed Status from &quot;<b>New</b>&quot; to &quot;<b>Closed</b>&quot;.<br />"
    assert (entry["Body"], entry["UpdateType"]) == (f"{line}Done", 2)
    ticket = client.get(TICKET).json()
    assert (ticket["StatusName"], ticket["StatusClass"]) == ("Closed", 3)
    assert ticket["CompletedDate"] > ticket["CreatedDate"]
    client.post(FEED, {"Comments": "Again", "NewStatusID": NEW})
    assert client.get(TICKET).json()["CompletedDate"] == "0001-01-01T05:00:00Z"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Comments": ""},
        {"Comments": "x", "NewStatusID": 999},
        {"Comments": "x", "NewStatusID": 201},
        {"Comments": "x", "NewStatusID": ON_HOLD},
    ],
)
def test_what_cannot_be_posted_answers_400_and_leaves_nothing(
    client: Client, simulator: Simulator, body: Any
) -> None:
    """Case A41: a status that needs a date is refused whole, without a comment left behind."""
    assert client.post(FEED, body).status_code == 400
    assert simulator.state.feed_of_ticket(7001) == []


def test_a_cascading_status_reaches_the_children(client: Client, simulator: Simulator) -> None:
    """Case A42: that is what the flag does, so a robot must send it as false."""
    simulator.state.tickets[7002]["ParentID"] = 7001
    client.post(FEED, {"Comments": "x", "NewStatusID": CLOSED, "CascadeStatus": True})
    assert client.get("/46/tickets/7002").json()["StatusName"] == "Closed"
    assert client.get("/46/tickets/7003").json()["StatusName"] == "New"


def test_only_addresses_and_groups_are_notified(client: Client, simulator: Simulator) -> None:
    """Case A44: a placeholder such as 'null' mails nobody."""
    given = {"Comments": "x", "Notify": ["null", "zchem@example.edu", "861"]}
    entry = client.post(FEED, given).json()
    assert entry["NotifiedList"] == "Zoe Chem <zchem@example.edu>, Service Desk"
    assert [mail["To"] for mail in simulator.state.mails] == ["zchem@example.edu", "861"]


def test_a_comment_can_reopen_a_finished_ticket(client: Client, simulator: Simulator) -> None:
    """Case A40: tenants are set up so, and a robot's note then wakes people up."""
    simulator.options.comment_reopens = True
    client.post(FEED, {"Comments": "Done", "NewStatusID": CLOSED})
    client.post(FEED, {"Comments": "A note"})
    assert client.get(TICKET).json()["StatusName"] == "New"


def test_replies_are_counted_in_the_feed_and_sent_with_the_entry(
    client: Client, simulator: Simulator
) -> None:
    """Must-have 8, case A25: one more call per entry with replies."""
    reply = {
        "ID": 9500,
        "Body": "serial 7K2QX93",
        "CreatedUid": ZERO_GUID,
        "CreatedDate": "2026-11-01T11:00:00Z",
    }
    simulator.state.add_feed_entry(
        ID=9400, ItemID=7001, Body="Which one?", CreatedUid=ZERO_GUID, CreatedDate="2026-11-01T10:30:00Z",
        Replies=[reply],
    )  # fmt: skip
    listed = client.get(FEED).json()[0]
    assert (listed["Replies"], listed["RepliesCount"], listed["Uri"]) == ([], 1, "api/feed/9400")
    alone = client.get("/feed/9400").json()
    assert [each["Body"] for each in alone["Replies"]] == ["serial 7K2QX93"]


def test_the_newest_entry_comes_first_unless_switched(client: Client, simulator: Simulator) -> None:
    """Clients disagree about the order, so it can be turned round."""
    for text in ("first", "second"):
        client.post(FEED, {"Comments": text})
    assert [entry["Body"] for entry in client.get(FEED).json()] == ["second", "first"]
    simulator.options.feed_oldest_first = True
    assert [entry["Body"] for entry in client.get(FEED).json()] == ["first", "second"]


def test_a_private_comment_on_an_asset_comes_back_public(client: Client) -> None:
    """Seen live; whoever posts private notes to assets must know."""
    entry = client.post("/48/assets/1001/feed", {"Comments": "x", "IsPrivate": True}).json()
    assert entry["IsPrivate"] is False


def test_a_reply_tells_everyone_who_took_part(client: Client, simulator: Simulator) -> None:
    """Case A44: this is why a robot posts entries of its own and never replies."""
    entry = simulator.state.add_feed_entry(
        ItemID=7001, Body="Mine", CreatedUid=PERSON, CreatedDate="2026-11-01T10:30:00Z"
    )
    assert client.post(f"/feed/{entry['ID']}", {"Comments": "Ours"}).json()["RepliesCount"] == 1
    assert [mail["To"] for mail in simulator.state.mails] == ["zchem@example.edu"]


def test_an_application_feed_pages_through_all_tickets(client: Client) -> None:
    """The one call that sees entries of many tickets; it ends with the date to go on from."""
    for number in (7001, 7002, 7003):
        client.post(f"/46/tickets/{number}/feed", {"Comments": f"on {number}"})
    page = client.get("/46/tickets/feed?ReturnCount=2").json()
    assert [entry["ItemID"] for entry in page["Entries"]] == [7003, 7002]
    rest = client.get(f"/46/tickets/feed?DateTo={page['NextDateTo']}").json()
    assert [entry["ItemID"] for entry in rest["Entries"]] == [7001]
    assert rest["NextDateTo"] is None


def test_a_feed_of_half_seconds_is_in_order(client: Client, simulator: Simulator) -> None:
    """`05Z` sorts after `05.1Z` as text; a simulator that did so would mislead its clients."""
    for date in ("2026-11-01T10:00:05.1Z", "2026-11-01T10:00:05Z", "2026-11-01T10:00:06Z"):
        simulator.state.add_feed_entry(
            ItemID=7001, Body=date, CreatedUid=ZERO_GUID, CreatedDate=date
        )
    dates = [entry["CreatedDate"] for entry in client.get(FEED).json()]
    assert [date[17:] for date in dates] == ["06Z", "05.1Z", "05Z"]


@pytest.mark.parametrize("nobody", [None, ""])
def test_nobody_told_is_null_or_empty(
    client: Client, simulator: Simulator, nobody: str | None
) -> None:
    """Both were seen."""
    simulator.options.notified_nobody = nobody
    assert client.post(FEED, {"Comments": "x"}).json()["NotifiedList"] == nobody


def test_zoneless_dates_can_be_mixed_in(client: Client, simulator: Simulator) -> None:
    """Case A50: in one answer some dates end in Z and others are local."""
    simulator.options.zoneless_dates = True
    for number, text in ((9401, "local"), (9402, "UTC")):
        simulator.state.add_feed_entry(
            ID=number, ItemID=7001, Body=text, CreatedUid=ZERO_GUID,
            CreatedDate="2026-11-01T10:00:00.5Z",
        )  # fmt: skip
    dates = {entry["Body"]: entry["CreatedDate"] for entry in client.get(FEED).json()}
    assert dates == {"local": "2026-11-01T05:00:00.500", "UTC": "2026-11-01T10:00:00.5Z"}


def test_a_status_alone_can_be_refused(client: Client, simulator: Simulator) -> None:
    """Whether empty comments are taken with a status is documented nowhere."""
    assert client.post(FEED, {"Comments": "", "NewStatusID": CLOSED}).status_code == 201
    simulator.options.status_alone_accepted = False
    assert client.post(FEED, {"Comments": "", "NewStatusID": NEW}).status_code == 400


def test_a_feed_can_have_a_cap(client: Client, simulator: Simulator) -> None:
    """Nobody knows whether there is one; a robot that searches for its entry must accept both."""
    simulator.options.feed_cap = 1
    for text in ("first", "second"):
        client.post(FEED, {"Comments": text})
    assert [entry["Body"] for entry in client.get(FEED).json()] == ["second"]


def test_newlines_can_come_back_raw(client: Client, simulator: Simulator) -> None:
    """Newer entries were seen with the newline itself."""
    simulator.options.plain_newlines = "raw"
    assert client.post(FEED, {"Comments": "a\nb"}).json()["Body"] == "a\nb"
