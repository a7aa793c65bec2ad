"""What each method of the client sends, what it makes of the answer, and which setting it blames."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tdx_dagster.tdx.call import SENSOR_LIMITS
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.errors import TdxBadAnswer, TdxRefused, TdxSettingError, TdxUnclear
from tdx_dagster.tdx.models import (
    Account,
    AssetSearch,
    Choice,
    FeedPost,
    PatchOperation,
    TicketAttribute,
)
from tdx_dagster.tdx.sign_in import Credentials
from tests.tdx.conftest import MakeTdx
from tests.tdx.scripted_server import ScriptedServer, Step, answer

UID = "11111111-2222-3333-4444-555555555555"
ENTRY = {"ID": 9, "Body": "Hello", "CreatedDate": "2026-04-03T15:22:01Z"}


def last_body(server: ScriptedServer) -> str:
    return server.seen[-1].body.decode()


def test_a_post_sends_every_field_so_that_no_default_decides(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Cases A42, A44: nothing cascades, no status changes, nobody is mailed unless asked for."""
    server.play(answer(201, ENTRY))
    tdx.post_feed(31, FeedPost("Hello", is_private=True))
    assert server.seen[-1].json == {
        "Comments": "Hello",
        "NewStatusID": 0,
        "CascadeStatus": False,
        "IsPrivate": True,
        "IsRichHtml": False,
        "IsCommunication": False,
        "Notify": [],
    }
    assert server.calls == ["POST /TDWebApi/api/46/tickets/31/feed"]


@pytest.mark.parametrize("private", [True, False])
def test_the_private_flag_is_a_json_boolean(
    server: ScriptedServer, tdx: Tdx, private: bool
) -> None:
    """Case A43: sent as text it published internal notes."""
    server.play(answer(201, ENTRY))
    tdx.post_feed(31, FeedPost("Hello", is_private=private))
    assert f'"IsPrivate": {"true" if private else "false"}' in last_body(server)


def test_the_old_word_for_nobody_is_sent_as_nobody(server: ScriptedServer, tdx: Tdx) -> None:
    """Case A44: what TDX makes of the address "null" is not documented."""
    server.play(answer(201, ENTRY))
    tdx.post_feed(31, FeedPost("Hello", is_private=True, notify=("null", "desk@example.edu")))
    assert server.seen[-1].json["Notify"] == ["desk@example.edu"]


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_success_of_a_post_is_one(server: ScriptedServer, tdx: Tdx, status: int) -> None:
    """TDX documents 200 and sends 201; a strict client took a posted comment for lost."""
    server.play(answer(status, ENTRY))
    entry = tdx.post_feed(31, FeedPost("Hello", is_private=True))
    assert entry is not None
    assert (entry.id, entry.body) == (9, "Hello")


@pytest.mark.parametrize(
    ("step", "clearly"),
    [
        (answer(200, "Successfully added the asset."), True),
        (answer(200, b"Successfully added the asset."), True),
        (answer(201, {"Message": "Added"}), True),
        (answer(200, b""), False),
        (answer(200, ""), False),
        (answer(200, b"null"), False),
        (answer(204), False),
        (answer(204, None, {"Content-Type": "text/html; charset=utf-8"}), False),
    ],
)
def test_attaching_says_whether_the_answer_was_clear(
    server: ScriptedServer, tdx: Tdx, step: Step, clearly: bool
) -> None:
    """Case A13: an unclear answer is settled by reading back, a clear one needs no second call."""
    server.play(step)
    assert tdx.attach_asset(31, 1001) is clearly
    assert server.calls == ["POST /TDWebApi/api/46/tickets/31/assets/1001"]


CALLS: list[tuple[Callable[[Tdx], object], str]] = [
    (lambda tdx: tdx.ticket_statuses(), "TDX_TICKET_APP_ID 46"),
    (lambda tdx: tdx.asset_statuses(), "TDX_ASSET_APP_ID 32"),
    (lambda tdx: tdx.search_assets(AssetSearch(search_text="LAB")), "TDX_ASSET_APP_ID 32"),
    (lambda tdx: tdx.report(5), "DAEMON_REPORT_ID"),
]


@pytest.mark.parametrize(("call", "setting"), CALLS)
def test_a_404_that_only_a_setting_can_cause_names_it(
    server: ScriptedServer, tdx: Tdx, call: Callable[[Tdx], object], setting: str
) -> None:
    """Case A35: with one id for both applications every asset search gave 404."""
    server.play(answer(404, {"ID": -1, "Message": "Not found."}))
    with pytest.raises(TdxSettingError, match=setting):
        call(tdx)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_report_nobody_shared_with_us_is_a_setting_whatever_the_status(
    server: ScriptedServer, tdx: Tdx, status: int
) -> None:
    """Which status TDX answers is not documented; all mean the same to a person."""
    server.play(answer(status, {"ID": -1, "Message": "No access."}))
    with pytest.raises(TdxSettingError, match="no report this account can see"):
        tdx.report(5)


def test_assets_are_asked_of_the_asset_application_and_tickets_of_theirs(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Case A35: the two ids must never change places."""
    server.play(answer(200, {"ID": 7}), answer(200, {"ID": 7}), answer(200, []))
    tdx.ticket(7)
    tdx.asset(7)
    tdx.search_assets(AssetSearch())
    assert server.calls == [
        "GET /TDWebApi/api/46/tickets/7",
        "GET /TDWebApi/api/32/assets/7",
        "POST /TDWebApi/api/32/assets/search",
    ]


@pytest.mark.parametrize("wrong", [0, -1, None, "", "forty-six"])
def test_a_missing_app_id_is_an_error_at_the_start(wrong: object) -> None:
    """Case A35: before any call, and by name."""
    ids = {"ticket_app_id": 46, "asset_app_id": 32}
    for field, setting in (
        ("ticket_app_id", "TDX_TICKET_APP_ID"),
        ("asset_app_id", "TDX_ASSET_APP_ID"),
    ):
        connection = Connection(
            "https://x.example.edu",
            **(ids | {field: wrong}),  # type: ignore[arg-type]
            credentials=Credentials(api_token="a.b.c"),
        )
        with pytest.raises(TdxSettingError, match=setting):
            Tdx.create(connection)


def test_an_unknown_time_zone_is_an_error_at_the_start(make_tdx: MakeTdx) -> None:
    """Dates read in a wrong zone would sort conversations wrongly."""
    for name in ("Eastern", "../etc/passwd", ""):
        with pytest.raises(TdxSettingError, match="TDX_TIME_ZONE"):
            make_tdx(time_zone=name)


def test_a_feed_is_oldest_first_whatever_its_order_and_dates(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """Case A50: TDX sends newest first, or not; the conversation must read in order."""
    server.play(
        answer(
            200,
            [
                {"ID": 3, "CreatedDate": "2026-04-03T15:22:01.607"},
                {"ID": 1, "CreatedDate": "2026-04-03T12:00:00Z", "RepliesCount": 2},
                {"ID": 2, "CreatedDate": "2026-04-03T18:00:00Z"},
            ],
        )
    )
    feed = make_tdx(time_zone="America/New_York").feed(31)
    assert [entry.id for entry in feed] == [1, 2, 3]
    assert feed[0].replies_count == 2


def test_an_entry_read_by_itself_has_its_replies_in_order(server: ScriptedServer, tdx: Tdx) -> None:
    """Case A25: the identifier may stand in a reply, which the ticket's feed leaves out."""
    replies = [
        {"ID": 72, "Body": "Thanks", "CreatedDate": "2026-04-03T16:00:00Z"},
        {"ID": 71, "Body": "serial 7K2QX93", "CreatedDate": "2026-04-03T15:00:00Z"},
    ]
    server.play(answer(200, {"ID": 70, "RepliesCount": 2, "Replies": replies}))
    entry = tdx.feed_entry(70)
    assert [reply.body for reply in entry.replies] == ["serial 7K2QX93", "Thanks"]
    assert server.calls == ["GET /TDWebApi/api/feed/70"]


def test_a_report_is_read_with_its_data(server: ScriptedServer, tdx: Tdx) -> None:
    """Without being asked for, TDX leaves the rows out; all of them come, whatever the cap."""
    rows = [{"TicketID": number} for number in (31, 32, 33)]
    server.play(answer(200, {"ID": 5, "MaxResults": 2, "DataRows": rows}))
    report = tdx.report(5)
    assert (len(report.rows), report.max_results) == (3, 2)
    assert server.calls == ["GET /TDWebApi/api/reports/5?withData=true&dataSortExpression="]


@pytest.mark.parametrize(
    ("search", "body"),
    [
        (AssetSearch(), {}),
        (AssetSearch(search_text=" LAB-PC-07 "), {"SearchText": "LAB-PC-07"}),
        (AssetSearch(serial_like="7K2QX93"), {"SerialLike": "7K2QX93"}),
        (
            AssetSearch(
                status_ids=(1, 2),
                form_ids=(2448,),
                owner_uids=(UID,),
                modified_from=datetime(2026, 4, 3, 15, 22, tzinfo=UTC),
                max_results=10,
            ),
            {
                "StatusIDs": [1, 2],
                "FormIDs": [2448],
                "OwningCustomerIDs": [UID],
                "ModifiedDateFrom": "2026-04-03T15:22:00+00:00",
                "MaxResults": 10,
            },
        ),
    ],
)
def test_a_search_sends_only_the_filters_that_are_set(
    server: ScriptedServer, tdx: Tdx, search: AssetSearch, body: dict[str, object]
) -> None:
    """A filter of zero or nothing may be read as one, or not; it is not documented for all."""
    server.play(answer(200, [{"ID": 7, "Name": "LAB-PC-07", "Custom": 1}]))
    (asset,) = tdx.search_assets(search)
    assert server.seen[-1].json == body
    assert asset.raw == {"ID": 7, "Name": "LAB-PC-07", "Custom": 1}


@pytest.mark.parametrize(
    "search",
    [
        AssetSearch(search_text=""),
        AssetSearch(search_text=" "),
        AssetSearch(serial_like="7"),
        AssetSearch(owner_uids=()),
        AssetSearch(status_ids=()),
    ],
)
def test_a_filter_that_would_find_everything_is_never_sent(
    server: ScriptedServer, tdx: Tdx, search: AssetSearch
) -> None:
    """Case A33: a blank serial searched for the whole inventory."""
    with pytest.raises(ValueError, match="would find"):
        tdx.search_assets(search)
    assert server.seen == []


def test_a_person_is_asked_for_by_an_id_that_cannot_leave_its_place(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """A user name with a slash must not become another call."""
    server.play(answer(200, {"UID": UID}))
    tdx.person_record("a/../../b?c")
    assert server.calls == ["GET /TDWebApi/api/people/a%2F..%2F..%2Fb%3Fc"]


def test_a_record_that_is_not_the_one_asked_for_is_refused(
    server: ScriptedServer, make_tdx: MakeTdx
) -> None:
    """A cache or a proxy that mixes answers up must not make us act on another ticket."""
    calls: list[Callable[[Tdx], object]] = [
        lambda tdx: tdx.ticket(31),
        lambda tdx: tdx.asset(31),
        lambda tdx: tdx.feed_entry(31),
        lambda tdx: tdx.report(31),
    ]
    server.play(answer(200, {"ID": 32, "DataRows": []}))
    for call in calls:
        with pytest.raises(TdxBadAnswer, match=r"asked for .* 31 and sent 32"):
            call(make_tdx())


@pytest.mark.parametrize("body", [None, {}, "", b"null"])
def test_only_a_list_is_a_list_of_items(
    server: ScriptedServer, make_tdx: MakeTdx, body: object
) -> None:
    """Case A30: an error taken for an empty list switched off the guard against duplicates."""
    server.play(answer(200, body))
    with pytest.raises(TdxBadAnswer):
        make_tdx(attempts=2).ticket_items(31)
    server.play(answer(200, []))
    assert make_tdx().ticket_items(31) == ()


def test_items_name_their_assets(server: ScriptedServer, tdx: Tdx) -> None:
    """Case A14: the list holds configuration items, whose own ids are no asset's."""
    server.play(
        answer(
            200,
            [
                {"ID": 900001, "BackingItemID": 1001, "BackingItemType": 27},
                {"ID": 900002, "BackingItemID": 5, "BackingItemType": 47},
            ],
        )
    )
    assert [item.asset_id for item in tdx.ticket_items(31)] == [1001, None]


def test_statuses_tell_what_they_mean(server: ScriptedServer, tdx: Tdx) -> None:
    """Names differ from tenant to tenant; classes and flags do not."""
    server.play(
        answer(200, [{"ID": 4, "Name": "On hold", "StatusClass": 5}]),
        answer(200, [{"ID": 1, "Name": "Active", "IsActive": True, "IsOutOfService": False}]),
    )
    (hold,) = tdx.ticket_statuses()
    assert hold.status_class == 5
    (active,) = tdx.asset_statuses()
    assert (active.is_active, active.is_out_of_service, active.status_class) == (True, False, 0)


def test_lists_of_what_a_ticket_refers_to(server: ScriptedServer, tdx: Tdx) -> None:
    """Ids stay as TDX has them; a person is known by name, mail address and user name."""
    server.play(
        answer(200, [{"ID": 853, "Name": "High"}]),
        answer(200, [{"ID": 861, "Name": "Service Desk"}]),
        answer(200, [{"ID": 301, "Name": "Old Hall"}]),
        answer(200, [{"UID": UID, "FullName": "Ann Onimo", "PrimaryEmail": "ann@example.edu"}]),
        answer(200, [{"ID": 5, "Name": "Lab", "Choices": [{"ID": 9, "Name": "Room 5"}]}]),
    )
    assert tdx.ticket_choices("priorities") == (Choice(853, "High"),)
    assert tdx.groups() == (Choice(861, "Service Desk"),)
    assert tdx.locations() == (Choice(301, "Old Hall"),)
    assert tdx.people_named("ann") == (Choice(UID, "Ann Onimo", ("ann@example.edu",)),)
    assert tdx.ticket_attributes() == (TicketAttribute(5, "Lab", (Choice(9, "Room 5"),)),)


def test_other_refusals_stay_with_their_item(server: ScriptedServer, tdx: Tdx) -> None:
    """A 403 on the statuses is a permission, not a wrong number."""
    server.play(answer(403, {"Message": "No access."}))
    with pytest.raises(TdxRefused, match="No access"):
        tdx.ticket_statuses()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_ticketing_application_is_told_from_a_missing_ticket(
    server: ScriptedServer, tdx: Tdx, status: int
) -> None:
    """TDX_APP_ID alone was the application of the assets: every ticket got a 404, and none was at fault."""
    server.play(answer(200, [{"ID": 1}]))
    tdx.check_ticket_app()
    server.play(answer(status, {"ID": -1, "Message": "Not found."}))
    with pytest.raises(TdxSettingError, match=r"TDX_TICKET_APP_ID \(or TDX_APP_ID.*\) 46"):
        tdx.check_ticket_app()
    assert server.calls[0] == "GET /TDWebApi/api/46/tickets/statuses"


@pytest.mark.parametrize(
    ("body", "clearly"),
    [("Successfully removed the asset.", True), (b"", False), (b"null", False), ("Hello", False)],
)
def test_detaching_says_whether_the_answer_was_clear(
    server: ScriptedServer, tdx: Tdx, body: object, clearly: bool
) -> None:
    """As attaching does."""
    server.play(answer(200, body))
    assert tdx.detach_asset(31, 1001) is clearly
    assert server.calls == ["DELETE /TDWebApi/api/46/tickets/31/assets/1001"]


def test_a_patch_sends_its_operations_and_gives_the_ticket(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Only what it names is changed; a removal has no value."""
    server.play(answer(200, {"ID": 31, "StatusID": 4}))
    operations = [
        PatchOperation("replace", "/StatusID", 4),
        PatchOperation("remove", "/attributes/12"),
    ]
    assert tdx.patch_ticket(31, operations).status_id == 4
    assert server.calls == ["PATCH /TDWebApi/api/46/tickets/31?notifyNewResponsible=false"]
    assert server.seen[-1].json == [
        {"op": "replace", "path": "/StatusID", "value": 4},
        {"op": "remove", "path": "/attributes/12"},
    ]
    with pytest.raises(ValueError, match="without operations"):
        tdx.patch_ticket(31, [])


def test_a_patch_answered_with_another_ticket_is_unclear(server: ScriptedServer, tdx: Tdx) -> None:
    """A cache or a proxy that mixes answers up says nothing about ours."""
    server.play(answer(200, {"ID": 32}))
    with pytest.raises(TdxUnclear):
        tdx.patch_ticket(31, [PatchOperation("replace", "/StatusID", 4)])


class Overtaken(Exception):
    """Raised right before a write."""


def test_what_is_raised_right_before_sending_keeps_every_write_from_being_sent(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """A claim that was lost while the call waited for its turn."""
    server.play(answer(200, {"ID": 31}))

    def refuse() -> None:
        raise Overtaken

    for write in (
        lambda: tdx.attach_asset(31, 1001, before_send=refuse),
        lambda: tdx.detach_asset(31, 1001, before_send=refuse),
        lambda: tdx.post_feed(31, FeedPost("x", is_private=True), before_send=refuse),
        lambda: tdx.patch_ticket(31, [PatchOperation("remove", "/x")], before_send=refuse),
    ):
        with pytest.raises(Overtaken):
            write()
    assert server.calls == []


@pytest.mark.parametrize("uid", [None, "00000000-0000-0000-0000-000000000000"])
def test_an_account_of_the_system_is_one_without_uid(
    server: ScriptedServer, tdx: Tdx, uid: str | None
) -> None:
    """An admin key may sign in as no person; which it is is not documented, and is no error."""
    server.play(answer(200, {"UID": uid, "FullName": "System"}))
    account = tdx.account()
    assert (account.uid, account.full_name) == (None, "System")


def test_the_account_is_asked_for_once(server: ScriptedServer, tdx: Tdx) -> None:
    """Every look at a feed compares its authors with it."""
    server.play(answer(200, {"UID": UID.upper(), "FullName": "A. Robot", "UserName": "robot"}))
    for _ in range(3):
        assert tdx.account() == Account(UID, "A. Robot", "robot")
    assert tdx.calls == {"POST /auth": 1, "GET /auth/getuser": 1}


def test_an_unreadable_answer_names_the_call_and_the_field(
    server: ScriptedServer, tdx: Tdx
) -> None:
    """Whoever reads the log has a hundred calls of a dozen kinds in it."""
    server.play(answer(200, [{"ID": "x"}]))
    with pytest.raises(
        TdxBadAnswer, match=r"GET /46/tickets/31/feed: field ID of .* 'x'"
    ) as caught:
        tdx.feed(31)
    assert caught.value.call == "GET /{app}/tickets/{id}/feed"


def test_links_are_made_of_the_settings(make_tdx: MakeTdx, server: ScriptedServer) -> None:
    """People click them in the materialisation of a ticket."""
    root = f"http://127.0.0.1:{server.port}/TDNext/Apps"
    assert make_tdx().ticket_link(7) == f"{root}/46/Tickets/TicketDet?TicketID=7"
    assert make_tdx().asset_link(7) == f"{root}/32/Assets/AssetDet?AssetID=7"


def test_the_bound_of_a_sensor_is_well_below_a_tick() -> None:
    """Case C04: Dagster ends a tick after 60 seconds."""
    assert SENSOR_LIMITS.bound(slow=True) <= 30
