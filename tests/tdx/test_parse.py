"""From JSON to records: the right value, or an error that names the place."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdx_dagster.tdx import parse, records
from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.http import Response
from tdx_dagster.tdx.models import StatusClass
from tdx_dagster.tdx.rate_headers import RateHeaders, wait_after_429

NEW_YORK = ZoneInfo("America/New_York")
EARLIEST, LATEST = (datetime(year, 1, 1) for year in (1900, 2100))  # noqa: DTZ001  drawn

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEXT_LIKE_VALUES = st.from_regex(r"\A[0-9TZ:. +\-]{0,40}\Z")
VALUES = JSON | TEXT_LIKE_VALUES

TICKET_FIELDS = {
    "ID": 31,
    "Title": "Slow",
    "Description": "<b>Slow</b>",
    "IsRichHtml": True,
    "StatusID": 4,
    "StatusName": "New",
    "StatusClass": 1,
    "RequestorUid": "11111111-2222-3333-4444-555555555555",
    "RequestorName": "A. Person",
    "RequestorEmail": "person@example.edu",
    "ModifiedDate": "2026-04-03T15:22:01.607Z",
}
ENTRY_FIELDS = {
    "ID": 70,
    "Body": "Hello",
    "CreatedUid": None,
    "CreatedFullName": "System",
    "CreatedDate": "2026-04-03T15:22:01Z",
    "UpdateType": 1,
    "ItemType": 9,
    "IsPrivate": False,
    "RepliesCount": 1,
    "Replies": [{"ID": 71, "Body": "serial 7K2QX93", "CreatedDate": "2026-04-03T15:23:01Z"}],
}
ITEM_FIELDS = {"ID": 900001, "BackingItemID": 1001, "BackingItemType": 27, "Name": "LAB-PC-07"}
ASSET_FIELDS = {
    "ID": 1001,
    "Name": "LAB-PC-07",
    "SerialNumber": "7K2QX93",
    "Tag": None,
    "FormID": 2448,
    "StatusID": 1,
    "StatusName": "Active",
    "OwningCustomerID": "00000000-0000-0000-0000-000000000000",
    "OwningCustomerName": "None",
    "ConfigurationItemID": 900001,
    "ModifiedDate": "0001-01-01T05:00:00Z",
}
STATUS_FIELDS = {
    "ID": 4,
    "Name": "On hold",
    "IsActive": True,
    "StatusClass": 5,
    "IsOutOfService": False,
}
PERSON_FIELDS = {
    "UID": "11111111-2222-3333-4444-555555555555",
    "FullName": "A. Person",
    "PrimaryEmail": "person@example.edu",
    "UserName": "person",
    "IsActive": True,
}
REPORT_FIELDS = {
    "ID": 321,
    "Name": "Open queue",
    "MaxResults": 50,
    "DisplayedColumns": [{"HeaderText": "ID", "ColumnName": "TicketID", "SortColumnName": None}],
    "DataRows": [{"TicketID": 7001, "18375": None}],
}
PARSERS: list[tuple[dict[str, Any], Callable[[object], object]]] = [
    (TICKET_FIELDS, lambda data: records.parse_ticket(data, NEW_YORK)),
    (ENTRY_FIELDS, lambda data: records.parse_feed_entry(data, NEW_YORK)),
    (ITEM_FIELDS, records.parse_ticket_item),
    (ASSET_FIELDS, lambda data: records.parse_asset(data, NEW_YORK)),
    (STATUS_FIELDS, records.parse_status),
    (PERSON_FIELDS, records.parse_account),
    (REPORT_FIELDS, records.parse_report),
]


@settings(max_examples=500)
@given(case=st.sampled_from(PARSERS), data=st.data())
def test_any_json_in_any_field_gives_a_record_or_our_error(
    case: tuple[dict[str, Any], Callable[[object], object]], data: st.DataObject
) -> None:
    """One odd ticket must not end a run with a KeyError nobody can place."""
    fields, parser = case
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(fields)), VALUES, max_size=3))
    left_out = data.draw(st.sets(st.sampled_from(sorted(fields)), max_size=2))
    odd = {name: value for name, value in {**fields, **changed}.items() if name not in left_out}
    try:
        record = parser(odd)
    except TdxBadAnswer:
        return
    assert type(record) is type(parser(fields))


@given(value=JSON, case=st.sampled_from(PARSERS))
def test_any_json_in_place_of_a_record_is_our_error(
    value: object, case: tuple[dict[str, Any], Callable[[object], object]]
) -> None:
    """An error object, a list or a text instead of a ticket is an answer to retry, not a crash."""
    if not isinstance(value, dict) or "ID" not in value:
        with pytest.raises(TdxBadAnswer, match="TDX"):
            case[1](value)


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_json_or_our_error(body: bytes) -> None:
    """Web pages, cut bodies and garbage come from proxies, not from TDX, and come all the same."""
    answer = Response(200, {}, body)
    assert isinstance(answer.message, str)
    try:
        answer.json()
    except TdxBadAnswer:
        return


@pytest.mark.parametrize("body", [b"[" * 100_000, b"9" * 5000, b'{"a": NaN}', b"\xff\xfe{}"])
def test_hostile_json_is_our_error(body: bytes) -> None:
    """Python's own parser answers these with other exceptions, or with values JSON does not have."""
    with pytest.raises(TdxBadAnswer):
        Response(200, {}, body).json()


@given(text=st.text(), other=st.text(), now=st.floats(0, 1e11))
def test_any_header_is_read_or_left_alone(text: str, other: str, now: float) -> None:
    """Headers come through proxies of every make (case A03)."""
    headers = {"X-RateLimit-Reset": text, "Date": other, "X-RateLimit-Limit": text}
    seen = RateHeaders.of(headers, now)
    assert seen.limit is None or seen.limit >= 0
    wait = wait_after_429(headers, now)
    assert wait is None or wait >= 5


@pytest.mark.parametrize("value", [31, 31.0, "31", " 31 ", "31.0", "31 ", "031", "31.00"])
def test_an_id_in_any_dress_is_one_id(value: object) -> None:
    """Case A18: through spreadsheets and JSON the same ticket comes in many forms."""
    assert parse.parse_id(value) == 31


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -31,
        31.5,
        "",
        " ",
        "31.5",
        "31,0",
        "1,031",
        "3 1",
        "0x1F",
        "3.1e1",
        "+31",
        "-31",
        "٣١",
        "31abc",
        "TDX-31",
        float("nan"),
        float("inf"),
        1e300,
        2**63,
        str(2**63),
        "9" * 5000,
        [31],
        {"ID": 31},
        b"31",
    ],
)
def test_what_is_no_id_is_rejected(value: object) -> None:
    """Case A18: a wrong guess here acts on somebody else's ticket."""
    assert parse.parse_id(value) is None


@given(number=st.integers(1, 2**63 - 1))
def test_every_id_a_database_can_hold_survives_as_number_and_as_text(number: int) -> None:
    """Case D23: one conversion at the border, the same for all."""
    assert parse.parse_id(number) == parse.parse_id(str(number)) == number
    as_float = float(number)
    assert parse.parse_id(as_float) == (number if number <= 2**53 else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-11-20T21:22:52.057Z", "2014-11-20T21:22:52.057000+00:00"),
        ("2017-09-15T15:25:09.79Z", "2017-09-15T15:25:09.790000+00:00"),
        ("2017-09-15T15:25:09.1234567Z", "2017-09-15T15:25:09.123456+00:00"),
        ("2026-04-03T15:22:01.607", "2026-04-03T19:22:01.607000+00:00"),
        ("2026-01-03T15:22:01", "2026-01-03T20:22:01+00:00"),
        ("2026-04-03T15:22:01+02:00", "2026-04-03T13:22:01+00:00"),
        ("2026-04-03T15:22:01-0430", "2026-04-03T19:52:01+00:00"),
        ("2026-04-03 15:22", "2026-04-03T19:22:00+00:00"),
        ("2026-04-03", "2026-04-03T04:00:00+00:00"),
        (" 2026-04-03T15:22:01z ", "2026-04-03T15:22:01+00:00"),
    ],
)
def test_every_form_of_date_is_one_moment(text: str, expected: str) -> None:
    """Case A50: some fields end in Z, others show the tenant's wall clock."""
    moment = parse.parse_date(text, NEW_YORK)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize(
    "unset", [None, "", " ", "0001-01-01T05:00:00Z", "0001-01-01T00:00:00", "0001-01-01"]
)
def test_an_unset_date_is_none(unset: object) -> None:
    """The year 1 stands for null where .NET has no null."""
    assert parse.parse_date(unset, NEW_YORK) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "yesterday",
        "2026-02-30T00:00:00Z",
        "2026-04-03T25:00:00Z",
        "2026-04-03T15:22:01+99:00",
        "9999-12-31T23:59:59-05:00",
        "0000-01-01",
        "2026-04-03T15:22:01Z and more",
        "٢٠٢٦-04-03",
        1743693721,
        True,
        {},
    ],
)
def test_what_is_no_date_is_an_error_and_not_a_moment(wrong: object) -> None:
    """A guessed date would sort the conversation wrongly, and nobody would know."""
    with pytest.raises(ValueError):  # noqa: PT011  whatever it says
        parse.parse_date(wrong, NEW_YORK)


@given(moment=st.datetimes(EARLIEST, LATEST, timezones=st.timezones()))
def test_every_date_of_ours_is_read_back(moment: datetime) -> None:
    """Offsets with seconds, from before time zones were round, are the only exception."""
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % 60:
        return
    assert parse.parse_date(moment.isoformat(), UTC) == moment.astimezone(UTC)


def test_conversations_with_two_forms_of_date_sort_right() -> None:
    """Case A50: 18:00Z is 14:00 in New York, before the local 15:22."""
    entries = [
        records.parse_feed_entry({**ENTRY_FIELDS, "ID": number, "CreatedDate": date}, NEW_YORK)
        for number, date in [(1, "2026-04-03T15:22:01.607"), (2, "2026-04-03T18:00:00Z")]
    ]
    assert [entry.id for entry in records.oldest_first(entries)] == [2, 1]


def test_null_texts_are_empty() -> None:
    """Case A24: a null title became the text None, a null body ended the conversation step."""
    ticket = records.parse_ticket({"ID": 31, "Title": None, "Description": None}, UTC)
    assert (ticket.title, ticket.description, ticket.requestor_uid) == ("", "", None)
    assert ticket.is_rich_html is None
    assert records.parse_feed_entry({"ID": 70, "Body": None}, UTC).body == ""


@pytest.mark.parametrize("uid", [None, "", "00000000-0000-0000-0000-000000000000"])
def test_no_requestor_in_any_form_is_none(uid: object) -> None:
    """Case A38: searching by the zero GUID finds everything that has no owner."""
    assert records.parse_ticket({**TICKET_FIELDS, "RequestorUid": uid}, UTC).requestor_uid is None


def test_guids_are_lower_case() -> None:
    """They are compared as text later on."""
    upper = "AAAAAAAA-2222-3333-4444-555555555555"
    assert records.parse_ticket({**TICKET_FIELDS, "RequestorUid": upper}, UTC).requestor_uid == (
        "aaaaaaaa-2222-3333-4444-555555555555"
    )


def test_an_item_names_its_asset_only_where_an_asset_backs_it() -> None:
    """Case A14: the item's own id is never the asset's."""
    assert records.parse_ticket_item(ITEM_FIELDS).asset_id == 1001
    service = records.parse_ticket_item({**ITEM_FIELDS, "BackingItemType": 47})
    assert service.asset_id is None


def test_a_report_keeps_its_rows_and_its_cap() -> None:
    """Cases A17, A21: columns, cap and rows are all there to judge by."""
    report = records.parse_report(REPORT_FIELDS)
    assert report.rows == ({"TicketID": 7001, "18375": None},)
    assert report.max_results == 50
    assert [(c.header, c.name, c.sort_name) for c in report.columns] == [("ID", "TicketID", None)]


def test_a_report_without_rows_is_empty_and_one_without_data_is_unreadable() -> None:
    """Case A22: an unreadable report must never look like an empty queue."""
    assert records.parse_report({**REPORT_FIELDS, "DataRows": []}).rows == ()
    with pytest.raises(TdxBadAnswer, match="data rows"):
        records.parse_report({**REPORT_FIELDS, "DataRows": None})


def test_an_unknown_status_class_is_not_guessed() -> None:
    """Case A40: whether a ticket is finished decides whether we write to it."""
    assert records.parse_ticket(TICKET_FIELDS, UTC).status_class is StatusClass.NEW
    with pytest.raises(TdxBadAnswer, match="StatusClass"):
        records.parse_ticket({**TICKET_FIELDS, "StatusClass": 9}, UTC)


def test_text_that_no_database_takes_is_cleaned() -> None:
    """A NUL or half a surrogate pair in a mail would fail at the very last step."""
    odd = json.loads('"a\\u0000b\\ud800c"')
    assert records.parse_ticket({**TICKET_FIELDS, "Title": odd}, UTC).title == "abc"
    assert records.parse_ticket({**TICKET_FIELDS, "Title": "🤖"}, UTC).title == "🤖"


def test_raw_records_are_kept_as_tdx_sent_them() -> None:
    """Bronze holds what TDX said, not what we made of it (case A21)."""
    assert records.parse_asset(ASSET_FIELDS, UTC).raw == ASSET_FIELDS


def test_an_unreadable_field_is_named() -> None:
    """Somebody has to find it among a hundred fields."""
    with pytest.raises(TdxBadAnswer, match="ModifiedDate of a TDX ticket is 'soon'"):
        records.parse_ticket({**TICKET_FIELDS, "ModifiedDate": "soon"}, UTC)
