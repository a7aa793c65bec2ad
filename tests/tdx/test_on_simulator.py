"""The client against a whole TDX: every call, every documented uncertainty with both outcomes, every fault."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine

from tdx_dagster.simulator import (
    ACTIVE_STATUS_ID,
    ASSET_APP_ID,
    BEID,
    COMPUTER_FORM_ID,
    PASSWORD,
    REPORT_ID,
    TICKET_APP_ID,
    USER_NAME,
    WEB_SERVICES_KEY,
    Simulator,
    State,
    blank_state,
)
from tdx_dagster.state.rate_limit import PostgresLimiter
from tdx_dagster.tdx.call import CallLimits
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.clock import REAL_CLOCK
from tdx_dagster.tdx.errors import (
    TdxError,
    TdxRefused,
    TdxRetryLater,
    TdxSettingError,
    TdxUnclear,
)
from tdx_dagster.tdx.models import AssetSearch, FeedPost, PatchOperation, StatusClass
from tdx_dagster.tdx.parse import parse_id
from tdx_dagster.tdx.rate_limit import Limiter
from tdx_dagster.tdx.sign_in import Credentials

# How late a busy machine may wake a thread; what is not cut off at its bound would last far longer.
BUSY = 1.0

PERSON = "aaaaaaaa-0000-4000-8000-000000000001"
POST = FeedPost("First line\nSecond <line>", is_private=True)
FEED = "/{app}/tickets/{id}/feed"
LINK = "/{app}/tickets/{id}/assets/{asset}"
NEW, CLOSED, NEEDS_DATE = 101, 103, 105
QUICK = CallLimits(max_wait_seconds=0.5, connect_seconds=0.5, answer_seconds=0.5)


@pytest.fixture
def state() -> State:
    """Two tickets, an active computer and its retired twin, and who owns the first."""
    made = blank_state()
    made.add_person(
        UID=PERSON, UserName="zchem", FirstName="Zoe", LastName="Chem", FullName="Zoe Chem",
        PrimaryEmail="zchem@example.edu", ReferenceID=5001, TypeID=2,
    )  # fmt: skip
    for number in (7001, 7002):
        made.add_ticket(ID=number, Title=f"Ticket {number}", RequestorUid=PERSON)
    for number, serial, status in ((1001, "7K2QX93", ACTIVE_STATUS_ID), (1002, "H4TJ8M2", 39)):
        made.add_asset(
            ID=number, Name="GEO-FIELD2", SerialNumber=serial, StatusID=status,
            FormID=COMPUTER_FORM_ID, OwningCustomerID=PERSON,
        )  # fmt: skip
    return made


@pytest.fixture
def simulator(state: State) -> Iterator[Simulator]:
    with Simulator(state) as running:
        yield running


ADMIN = Credentials(beid=BEID, web_services_key=WEB_SERVICES_KEY)
USER = Credentials(username=USER_NAME, password=PASSWORD)


def make(
    simulator: Simulator,
    credentials: Credentials = USER,
    *,
    limits: CallLimits | None = None,
    limiter: Limiter | None = None,
    ticket_app: int = TICKET_APP_ID,
    asset_app: int = ASSET_APP_ID,
    base_url: str | None = None,
    time_zone: str = "UTC",
) -> Tdx:
    connection = Connection(
        base_url or simulator.url, ticket_app, asset_app, credentials, time_zone
    )
    return Tdx.create(connection, limits=limits, limiter=limiter)


@pytest.fixture
def tdx(simulator: Simulator) -> Tdx:
    return make(simulator)


@pytest.mark.parametrize("credentials", [ADMIN, USER])
@pytest.mark.parametrize("quoted", [False, True])
def test_both_sign_ins_work_with_both_forms_of_token(
    simulator: Simulator, credentials: Credentials, quoted: bool
) -> None:
    """Some tenants put the token in quotes, as several clients expect."""
    simulator.options.token_quoted = quoted
    tdx = make(simulator, credentials)
    assert tdx.ticket(7001).title == "Ticket 7001"
    assert tdx.account().full_name != ""


def test_a_static_token_is_good_until_it_ends(simulator: Simulator) -> None:
    """Case A07, with the token people copy from the sign-in page."""
    tdx = make(simulator, Credentials(api_token=simulator.token()))
    assert tdx.ticket(7001).id == 7001
    simulator.tenant.expire_tokens()
    with pytest.raises(TdxSettingError, match="TDX_API_TOKEN"):
        tdx.ticket(7001)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_wrong_password_is_a_setting_whatever_the_status(
    simulator: Simulator, status: int
) -> None:
    """Which one a tenant answers is not documented."""
    simulator.options.bad_credentials_status = status
    with pytest.raises(TdxSettingError, match="TDX_PASSWORD"):
        make(simulator, Credentials(username=USER_NAME, password="wrong")).ticket(7001)


def test_tokens_that_run_out_are_renewed_without_anybody_noticing(
    simulator: Simulator, tdx: Tdx
) -> None:
    """Case A07: reads and writes go on after a day."""
    tdx.ticket(7001)
    simulator.tenant.expire_tokens()
    assert tdx.post_feed(7001, POST) is not None
    assert tdx.calls["POST /auth"] == 2
    assert simulator.calls.count("POST", FEED) == 2
    assert len([e for e in tdx.feed(7001) if e.is_private]) == 1


def test_every_base_address_people_write_works(simulator: Simulator) -> None:
    """With /api, without anything, and the sandbox beside production (case A48)."""
    root = simulator.url.removesuffix("/TDWebApi")
    for written in (root, f"{root}/TDWebApi/api/", f"{root}/SBTDWebApi", f"{root}/tdwebapi"):
        assert make(simulator, base_url=written).ticket(7001).id == 7001


def test_a_ticket_is_read_with_its_unset_fields_settled(simulator: Simulator, tdx: Tdx) -> None:
    """Year-1 dates, zero GUIDs and nulls end at the border."""
    ticket = tdx.ticket(7001)
    assert ticket.requestor_uid == PERSON
    assert ticket.status_class is StatusClass.NEW
    simulator.state.tickets[7002].pop("RequestorUid")
    assert tdx.ticket(7002).requestor_uid is None


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("newlines", ["br", "raw"])
def test_a_comment_is_posted_once_and_read_back(
    simulator: Simulator, tdx: Tdx, oldest_first: bool, status: int, newlines: Any
) -> None:
    """Order of the feed, status of the answer and line breaks are all undocumented or wrong."""
    simulator.options.feed_oldest_first = oldest_first
    simulator.options.feed_post_status = status
    simulator.options.plain_newlines = newlines
    posted = [tdx.post_feed(7001, FeedPost(text, is_private=True)) for text in ("one", "two")]
    private = [entry for entry in tdx.feed(7001) if entry.is_private]
    assert [entry.body for entry in private] == ["one", "two"]
    assert private == posted


def test_nobody_is_mailed_unless_named(simulator: Simulator, tdx: Tdx) -> None:
    """Case A44: neither by default nor by the old word for nobody."""
    tdx.post_feed(7001, FeedPost("x", is_private=True))
    tdx.post_feed(7001, FeedPost("x", is_private=True, notify=("null",)))
    assert simulator.state.mails == []
    tdx.post_feed(7001, FeedPost("x", is_private=True, notify=("desk@example.edu",)))
    assert len(simulator.state.mails) == 1


def test_a_comment_changes_the_status_only_when_told_to(tdx: Tdx) -> None:
    """Case A42: id 0 means no change."""
    tdx.post_feed(7001, FeedPost("Working on it", is_private=False))
    assert tdx.ticket(7001).status_id == NEW
    tdx.post_feed(7001, FeedPost("Done", is_private=False, new_status_id=CLOSED))
    ticket = tdx.ticket(7001)
    assert (ticket.status_id, ticket.status_class) == (CLOSED, StatusClass.COMPLETED)


def test_a_status_that_needs_a_date_is_refused_and_leaves_nothing(tdx: Tdx) -> None:
    """Case A41: one request for both, so that no half is left behind."""
    before = len(tdx.feed(7001))
    with pytest.raises(TdxRefused) as caught:
        tdx.post_feed(7001, FeedPost("Later", is_private=True, new_status_id=NEEDS_DATE))
    assert caught.value.status == 400
    assert len(tdx.feed(7001)) == before


def test_replies_are_in_the_entry_and_not_in_the_feed(simulator: Simulator, tdx: Tdx) -> None:
    """Case A25: the computer may be named in a reply."""
    entry = tdx.post_feed(7001, POST)
    assert entry is not None
    reply = {"ID": 9999, "Body": "serial 7K2QX93", "CreatedUid": PERSON}
    simulator.state.feed[entry.id]["Replies"] = [reply | {"CreatedDate": "2026-04-03T15:22:01Z"}]
    found = next(one for one in tdx.feed(7001) if one.id == entry.id)
    assert (found.replies, found.replies_count) == ((), 1)
    assert [one.body for one in tdx.feed_entry(entry.id).replies] == ["serial 7K2QX93"]


@pytest.mark.parametrize(("body", "clearly"), [("message", True), ("text", True), ("empty", False)])
def test_an_asset_is_attached_once_and_found_by_its_own_id(
    simulator: Simulator, tdx: Tdx, body: Any, clearly: bool
) -> None:
    """Cases A13, A14: whatever the answer says, the ticket's items tell."""
    simulator.options.link_body = body
    assert tdx.attach_asset(7001, 1001) is clearly
    assert [item.asset_id for item in tdx.ticket_items(7001)] == [1001]
    (item,) = tdx.ticket_items(7001)
    assert item.id != 1001
    # A second link answers 204, which does not say whether it is there.
    assert tdx.attach_asset(7001, 1001) is False
    assert len(tdx.ticket_items(7001)) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_attaching_an_asset_that_is_not_there_is_refused(
    simulator: Simulator, tdx: Tdx, status: int
) -> None:
    """Which of the two TDX answers is not documented."""
    simulator.options.unknown_link_target_status = status
    with pytest.raises(TdxRefused):
        tdx.attach_asset(7001, 4711)
    assert tdx.ticket_items(7001) == ()


@pytest.mark.parametrize("partial", ["null", "empty"])
def test_assets_are_found_by_every_filter_we_use(
    simulator: Simulator, tdx: Tdx, partial: Any
) -> None:
    """Searches are LIKE searches: retired twins come too unless excluded (cases A32, A36)."""
    simulator.options.partial_lists = partial
    searches = {
        AssetSearch(search_text="geo-field2"): [1001, 1002],
        AssetSearch(search_text="GEO-FIELD2", status_ids=(ACTIVE_STATUS_ID,)): [1001],
        AssetSearch(serial_like="7K2Q"): [1001],
        AssetSearch(owner_uids=(PERSON,), form_ids=(COMPUTER_FORM_ID,)): [1001, 1002],
        AssetSearch(form_ids=(2450,)): [],
        AssetSearch(max_results=1): [1001],
        AssetSearch(): [1001, 1002],
    }
    for search, expected in searches.items():
        assert sorted(asset.id for asset in tdx.search_assets(search)) == expected


def test_an_asset_in_full_has_more_in_raw_than_one_in_a_search(tdx: Tdx) -> None:
    """Near case A21: bronze keeps what TDX sent, and searches send less."""
    asset = tdx.asset(1001)
    (found,) = tdx.search_assets(AssetSearch(serial_like="7K2QX93"))
    assert asset == found
    assert asset.owner_uid == PERSON
    assert asset.raw["SerialNumber"] == found.raw["SerialNumber"] == "7K2QX93"
    assert isinstance(asset.raw["Attributes"], list)
    assert not found.raw["Attributes"]


def test_a_post_shows_that_our_account_wrote_it(tdx: Tdx) -> None:
    """An entry is ours by what the server does not change: who posts it."""
    tdx.post_feed(7001, POST)
    account = tdx.account()
    assert account.uid is not None
    assert [entry.created_uid for entry in tdx.feed(7001) if "First line" in entry.body] == [
        account.uid
    ]


@pytest.mark.parametrize("ids_as", ["integer", "float", "text"])
def test_report_rows_give_ids_in_any_dress(simulator: Simulator, tdx: Tdx, ids_as: Any) -> None:
    """Case A18: the same ticket as number, float and text."""
    simulator.options.report_ids_as = ids_as
    report = tdx.report(REPORT_ID)
    assert sorted(parse_id(row["TicketID"]) or 0 for row in report.rows) == [7001, 7002]
    assert "TicketID" in {column.name for column in report.columns}


def test_an_empty_report_is_empty_and_not_an_error(simulator: Simulator, tdx: Tdx) -> None:
    """Nothing to do is a good answer."""
    for ticket in simulator.state.tickets.values():
        ticket["StatusID"] = CLOSED
    assert tdx.report(REPORT_ID).rows == ()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_report_that_is_hidden_or_missing_names_the_setting(
    simulator: Simulator, tdx: Tdx, status: int
) -> None:
    """What TDX answers is not documented; the person has to share the report, or correct the id."""
    simulator.options.invisible_report_status = status
    for report_id in (REPORT_ID + 2, 1):
        with pytest.raises(TdxSettingError, match=f"DAEMON_REPORT_ID.*{report_id}"):
            tdx.report(report_id)


@pytest.mark.parametrize("listed", [False, True])
def test_statuses_of_both_applications_are_read(
    simulator: Simulator, tdx: Tdx, listed: bool
) -> None:
    """Whether inactive asset statuses are listed is not documented; the flag is there to filter."""
    simulator.options.inactive_asset_statuses_listed = listed
    assert {status.id for status in tdx.ticket_statuses()} >= {NEW, CLOSED}
    active = [status.id for status in tdx.asset_statuses() if status.is_active]
    assert ACTIVE_STATUS_ID in active
    assert 42 not in active


def test_swapped_app_ids_are_named(simulator: Simulator) -> None:
    """Case A35: one id for both makes every asset search a 404."""
    tdx = make(simulator, ticket_app=ASSET_APP_ID, asset_app=TICKET_APP_ID)
    with pytest.raises(TdxSettingError, match="TDX_TICKET_APP_ID 48"):
        tdx.ticket_statuses()
    with pytest.raises(TdxSettingError, match="TDX_ASSET_APP_ID 46"):
        tdx.asset_statuses()
    with pytest.raises(TdxSettingError, match="TDX_ASSET_APP_ID 46"):
        tdx.search_assets(AssetSearch())
    with pytest.raises(TdxRefused, match="TDX_TICKET_APP_ID 48"):
        tdx.ticket(7001)
    with pytest.raises(TdxRefused, match="TDX_ASSET_APP_ID 46"):
        tdx.asset(1001)


@pytest.mark.parametrize("status", [401, 403])
def test_a_denied_application_is_refused_and_never_retried(
    simulator: Simulator, tdx: Tdx, status: int
) -> None:
    """Case A10: TDX may say 401 or 403; neither is a reason to try again."""
    simulator.options.denied_status = status
    simulator.options.denied_apps = (TICKET_APP_ID,)
    for call in (lambda: tdx.ticket(7001), lambda: tdx.post_feed(7001, POST)):
        with pytest.raises(TdxRefused) as caught:
            call()
        assert caught.value.status == status


@pytest.mark.parametrize("unset", ["0001-01-01T05:00:00Z", "0001-01-01T00:00:00"])
def test_two_forms_of_date_are_one_time(simulator: Simulator, unset: str) -> None:
    """Case A50: the same moment, with Z and as the tenant's wall clock."""
    simulator.options.unset_date = unset
    simulator.state.tickets[7001]["ModifiedDate"] = "2026-01-03T15:22:01.607Z"
    tdx = make(simulator, time_zone="America/New_York")
    with_zone = tdx.ticket(7001).modified_at
    simulator.options.zoneless_dates = True
    assert tdx.ticket(7001).modified_at == with_zone
    assert with_zone is not None


FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "503 after the effect": {"status": 503, "effect": True},
    "504 with a page": {"status": 504, "body": "<html>", "content_type": "text/html"},
    "dropped before": {"drop": "before"},
    "dropped after": {"drop": "after"},
    "held before": {"hold": "before"},
    "held after": {"hold": "after"},
    "slow": {"delay_seconds": 2.0},
    "slow after": {"delay_seconds": 2.0, "delay": "after"},
    "cut": {"cut_body": True},
    "web page": {"web_page": True},
    "429 for ever": {"status": 429, "headers": {"X-RateLimit-Reset": "soon"}},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_ends_a_read_as_retryable_within_the_bound(
    simulator: Simulator, fault: dict[str, Any]
) -> None:
    """Cases A49, A51 and A04: measured for each fault switch."""
    simulator.faults.add("GET", "/{app}/tickets/{id}", **fault)
    tdx = make(simulator, limits=QUICK)
    started = REAL_CLOCK.monotonic()
    with pytest.raises(TdxRetryLater):
        tdx.ticket(7001)
    assert REAL_CLOCK.monotonic() - started < QUICK.bound() + BUSY


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_of_a_write_leaves_at_most_one_comment(
    simulator: Simulator, fault: dict[str, Any]
) -> None:
    """Cases A49, D01, D08: a write is sent once, and what became of it is said to be unclear."""
    simulator.faults.add("POST", FEED, **fault)
    tdx = make(simulator, limits=QUICK)
    started = REAL_CLOCK.monotonic()
    with pytest.raises(TdxRetryLater if fault.get("status") == 429 else TdxUnclear):
        tdx.post_feed(7001, POST)
    assert REAL_CLOCK.monotonic() - started < QUICK.bound() + BUSY
    assert simulator.calls.count("POST", FEED) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_of_a_link_leaves_at_most_one_link(
    simulator: Simulator, fault: dict[str, Any]
) -> None:
    """Linking twice is harmless, but the caller decides when, after reading back (case A13)."""
    simulator.faults.add("POST", LINK, **fault)
    tdx = make(simulator, limits=QUICK)
    with pytest.raises((TdxRetryLater, TdxUnclear)):
        tdx.attach_asset(7001, 1001)
    assert simulator.calls.count("POST", LINK) == 1
    simulator.faults.clear()
    assert len(tdx.ticket_items(7001)) <= 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_of_a_sign_in_ends_within_the_bound(
    simulator: Simulator, fault: dict[str, Any]
) -> None:
    """Case A51: sign-in has the same time-outs, and a call behind it was not made."""
    simulator.faults.add("POST", "/auth", **fault)
    started = REAL_CLOCK.monotonic()
    with pytest.raises((TdxRetryLater, TdxSettingError)):
        make(simulator, limits=QUICK).post_feed(7001, POST)
    assert REAL_CLOCK.monotonic() - started < QUICK.bound() + BUSY
    assert simulator.calls.count("POST", FEED) == 0


def test_a_read_survives_a_fault_that_passes(simulator: Simulator, tdx: Tdx) -> None:
    """Case A49: one dropped connection is no failed run."""
    simulator.faults.add("GET", FEED, on=(1,), drop="before")
    assert isinstance(tdx.feed(7001), tuple)
    assert simulator.calls.count("GET", FEED) == 2


def test_a_restart_of_the_server_goes_unnoticed(simulator: Simulator, tdx: Tdx) -> None:
    """A kept connection that the server has closed is no reason to doubt a write."""
    tdx.ticket(7001)
    simulator.stop()
    simulator.start()
    assert tdx.post_feed(7001, POST) is not None
    assert simulator.calls.count("POST", FEED) == 1


def test_an_empty_success_of_a_post_is_unclear(simulator: Simulator, tdx: Tdx) -> None:
    """Perhaps posted, but the answer does not show the entry: to be looked for, and never posted blindly."""
    simulator.faults.add("POST", FEED, empty=True, effect=True)
    with pytest.raises(TdxUnclear):
        tdx.post_feed(7001, POST)
    assert simulator.calls.count("POST", FEED) == 1


def test_a_link_is_taken_off_again(tdx: Tdx) -> None:
    """For undoing; a second time there is nothing to take off."""
    assert tdx.attach_asset(7001, 1001)
    assert tdx.detach_asset(7001, 1001)
    assert tdx.ticket_items(7001) == ()
    with pytest.raises(TdxRefused):
        tdx.detach_asset(7001, 1001)


def test_a_ticket_is_patched(simulator: Simulator, tdx: Tdx) -> None:
    """A status without any comment."""
    simulator.state.tickets[7001].update(TypeID=801, AccountID=201, PriorityID=851)
    ticket = tdx.patch_ticket(7001, [PatchOperation("replace", "/StatusID", CLOSED)])
    assert (ticket.id, ticket.status_id) == (7001, CLOSED)
    assert tdx.ticket(7001).status_id == CLOSED


def test_the_application_of_the_assets_is_no_ticketing_application(simulator: Simulator) -> None:
    """Case A35: no ticket is at fault then."""
    make(simulator).check_ticket_app()
    with pytest.raises(TdxSettingError, match="TDX_APP_ID"):
        make(simulator, ticket_app=ASSET_APP_ID).check_ticket_app()


def test_eight_runs_share_one_limit_without_running_into_it(database_url: str) -> None:
    """Case A05: 429s stay below five per cent of the calls, and nothing fails."""
    state = blank_state()
    for number in range(7001, 7041):
        state.add_ticket(ID=number, Title="x")
    failures: list[TdxError] = []
    # Windows of 1.2 s instead of 60 s, 60 calls each.
    with Simulator(state, limits=0.02) as simulator:

        def run(tickets: range) -> None:
            tdx = make(simulator, limiter=PostgresLimiter(create_engine(database_url)))
            try:
                for number in tickets:
                    for _ in range(2):
                        tdx.ticket(number)
            except TdxError as error:
                failures.append(error)

        threads = [
            threading.Thread(target=run, args=(range(7001 + run_, 7041, 8),)) for run_ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        calls = list(simulator.calls)
    assert failures == []
    assert len([call for call in calls if call.status == 200 and "tickets" in call.template]) == 80
    assert len([call for call in calls if call.status == 429]) <= 0.05 * len(calls)
