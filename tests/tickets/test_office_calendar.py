"""Business days: office hours, holidays, daylight saving time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.tickets.actions.office_calendar import OfficeCalendar

DETROIT = ZoneInfo("America/Detroit")
DESK = OfficeCalendar(
    time_zone="America/Detroit",
    office_hours={**dict.fromkeys(("mon", "tue", "wed", "thu"), "8:00-17:00"), "fri": "8:00-15:00"},
    holidays=(date(2026, 11, 26), "12-25", "2026-12-28..2027-01-01"),
)


def at(text: str) -> datetime:
    """A time at the desk."""
    return datetime.fromisoformat(text).replace(tzinfo=DETROIT)


@pytest.mark.parametrize(
    ("begins", "days", "due"),
    [
        ("2026-11-16 10:30", 3, "2026-11-19 10:30"),
        ("2026-11-19 10:30", 2, "2026-11-23 10:30"),  # over a weekend
        ("2026-11-25 10:30", 1, "2026-11-27 10:30"),  # over a holiday
        ("2026-12-23 10:30", 3, "2027-01-05 10:30"),  # over one of every year, and days between two
        ("2026-11-14 12:00", 1, "2026-11-17 08:00"),  # what begins on a Saturday begins on Monday
        ("2026-11-16 19:00", 1, "2026-11-18 08:00"),  # what begins in the evening, in the morning
        ("2026-11-19 16:30", 1, "2026-11-23 08:00"),  # Friday ends before the time of day
        ("2026-03-06 09:00", 1, "2026-03-09 09:00"),  # the clock goes forward between the two
        ("2026-10-30 09:00", 1, "2026-11-02 09:00"),  # and back
    ],
)
def test_business_days_are_counted_at_the_desk(begins: str, days: int, due: str) -> None:
    assert DESK.after(at(begins), days) == at(due)


def test_a_day_of_a_change_of_time_lasts_an_hour_less_or_more() -> None:
    nights = OfficeCalendar(time_zone="America/Detroit", office_hours={"sun": "0:00-24:00"})
    for day, hours in (("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-08", 24)):
        begin = at(f"{day} 00:00").astimezone(UTC)
        assert nights.is_open(begin + timedelta(hours=hours, seconds=-1)), day
        assert not nights.is_open(begin + timedelta(hours=hours)), day


@given(
    begins=st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  the zone is given
    days=st.integers(0, 30),
)
def test_what_is_due_lies_in_office_hours_and_never_before_the_days_have_passed(
    begins: datetime, days: int
) -> None:
    due = DESK.after(begins, days)
    assert DESK.is_open(due)
    first, last = (one.astimezone(DETROIT).date() for one in (DESK.next_open(begins), due))
    between = [first + timedelta(days=number) for number in range(1, (last - first).days + 1)]
    assert sum(map(DESK.is_business_day, between)) >= days
    assert due >= begins


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"time_zone": "Detroit"}, "'Detroit' is no time zone; write it like America/Detroit"),
        ({"office_hours": {"mon": "8-17"}}, "mon: '8-17' are no hours; write them like 8:00-17:00"),
        ({"office_hours": {"mon": "17:00-8:00"}}, "ends before it begins"),
        ({"office_hours": {}}, "names no day"),
        ({"holidays": ["Christmas"]}, "'Christmas' is no day; write 2026-11-26, 12-25"),
        ({"holidays": ["2026-12-28..2026-12-24"]}, "ends before it begins"),
    ],
)
def test_a_calendar_that_cannot_be_read_says_what_to_write(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        OfficeCalendar.model_validate({"time_zone": "UTC", **settings})


def test_a_calendar_without_any_business_day_ends_instead_of_looking_for_ever() -> None:
    never = OfficeCalendar(time_zone="UTC", holidays=("2000-01-01..2999-12-31",))
    with pytest.raises(ValueError, match="no business day after 2026-01-01"):
        never.next_open(datetime(2026, 1, 1, tzinfo=UTC))
