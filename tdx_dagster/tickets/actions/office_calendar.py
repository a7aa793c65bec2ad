"""When the desk is at work: office hours, holidays, and counting business days.

Belongs here: the calendar of the settings and its arithmetic, right across changes of daylight saving time.
Does not: what is done when a day has passed (`follow_up`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK: tuple[Day, ...] = DAYS[:5]

_HOURS = re.compile(r"(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)")
_YEARLY = re.compile(r"(\d\d)-(\d\d)")
_MIDNIGHT = "24:00"

LONGEST_CLOSED_DAYS = 3_660


class OfficeCalendar(BaseModel):
    """Office hours by day of the week, and holidays."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    time_zone: str
    """IANA name of the zone that the hours are in, like America/Detroit."""
    office_hours: Mapping[Day, str] = Field(
        default_factory=lambda: dict.fromkeys(WEEK, "8:00-17:00")
    )
    """Hours by day, like `mon: 8:00-17:00`; a day not named is off. Left out: Monday to Friday, 8:00-17:00."""
    holidays: tuple[date | str, ...] = ()
    """Days off: `2026-11-26`, every year `12-25`, from and to `2026-12-24..2027-01-01`."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if not self.hours:
            raise ValueError("office_hours names no day, so that no step would ever be due")
        _ = self.zone, self.days_off
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone.

        Raises:
            ValueError: There is none of this name.
        """
        try:
            return ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"time_zone = {self.time_zone!r} is no time zone; write it like America/Detroit"
            ) from None

    @cached_property
    def hours(self) -> Mapping[int, tuple[time, time]]:
        """Opening and closing by number of the day, Monday 0; midnight at its end is 0:00.

        Raises:
            ValueError: Hours of a day cannot be read.
        """
        return {DAYS.index(day): _read_hours(day, text) for day, text in self.office_hours.items()}

    @cached_property
    def days_off(self) -> tuple["_DaysOff", ...]:
        """The holidays.

        Raises:
            ValueError: One cannot be read.
        """
        return tuple(map(_DaysOff.read, self.holidays))

    def is_business_day(self, day: date) -> bool:
        """Tell whether the desk is at work on a day."""
        return day.weekday() in self.hours and not any(day in off for off in self.days_off)

    def is_open(self, at: datetime) -> bool:
        """Tell whether the desk is at work at a moment."""
        return self.next_open(at) == at

    def next_open(self, at: datetime) -> datetime:
        """Give the first moment in office hours that is not before a moment; in UTC.

        Raises:
            ValueError: There is none for years.
        """
        moment, first = at.astimezone(UTC), at.astimezone(self.zone).date()
        for number in range(LONGEST_CLOSED_DAYS):
            hours = self._open_on(first + timedelta(days=number))
            if hours and moment < hours[1]:
                return max(moment, hours[0])
        raise ValueError(f"the calendar has no business day after {first}: see its holidays")

    def after(self, at: datetime, business_days: int) -> datetime:
        """Give the moment that lies business days after another one, in office hours; in UTC.

        It has the same time of day. What begins out of office hours begins when the desk next opens.

        Args:
            at: The moment from which it is counted.
            business_days: How many.
        """
        start = self.next_open(at).astimezone(self.zone)
        day = start.date()
        for _ in range(business_days):
            day = self._next_business_day(day)
        return self.next_open(datetime.combine(day, start.time(), self.zone))

    def shown(self, at: datetime) -> str:
        """Say a moment as people at the desk do."""
        return f"{at.astimezone(self.zone):%a %Y-%m-%d %H:%M %Z}"

    def _next_business_day(self, day: date) -> date:
        days = (day + timedelta(days=number) for number in range(1, LONGEST_CLOSED_DAYS))
        found = next(filter(self.is_business_day, days), None)
        if found is None:
            raise ValueError(f"the calendar has no business day after {day}: see its holidays")
        return found

    def _open_on(self, day: date) -> tuple[datetime, datetime] | None:
        """Give opening and closing of a day in UTC; None for one that is no business day."""
        if not self.is_business_day(day):
            return None
        opens, closes = self.hours[day.weekday()]
        last = day + timedelta(days=1) if closes == time() else day
        return (
            datetime.combine(day, opens, self.zone).astimezone(UTC),
            datetime.combine(last, closes, self.zone).astimezone(UTC),
        )


@dataclass(frozen=True, slots=True)
class _DaysOff:
    """A stretch of days off.

    Args:
        first: The first day.
        last: The last day.
        is_yearly: Every year; the year of `first` and `last` does not matter.
    """

    first: date
    last: date
    is_yearly: bool = False

    def __contains__(self, day: date) -> bool:
        if self.is_yearly:
            return (day.month, day.day) == (self.first.month, self.first.day)
        return self.first <= day <= self.last

    @classmethod
    def read(cls, given: date | str) -> "_DaysOff":
        """Read one entry of the holidays.

        Raises:
            ValueError: It is none.
        """
        if isinstance(given, date):
            return cls(given, given)
        try:
            if yearly := _YEARLY.fullmatch(given.strip()):
                # A leap year, so that 29 February is a day.
                day = date(2000, int(yearly[1]), int(yearly[2]))
                return cls(day, day, is_yearly=True)
            first, _, last = (part.strip() for part in given.partition(".."))
            days = cls(date.fromisoformat(first), date.fromisoformat(last or first))
        except ValueError:
            raise ValueError(
                f"holidays: {given!r} is no day; write 2026-11-26, 12-25 for every year, or "
                "2026-12-24..2027-01-01"
            ) from None
        if days.last < days.first:
            raise ValueError(f"holidays: {given!r} ends before it begins")
        return days


def _read_hours(day: str, text: str) -> tuple[time, time]:
    found = _HOURS.fullmatch(text.strip())
    try:
        times = [_read_time(part) for part in found.groups()] if found else []
    except ValueError:
        times = []
    if not times:
        raise ValueError(f"office_hours: {day}: {text!r} are no hours; write them like 8:00-17:00")
    opens, closes = times
    if closes <= opens and closes != time():
        raise ValueError(f"office_hours: {day}: {text!r} ends before it begins")
    return opens, closes


def _read_time(text: str) -> time:
    return time() if text == _MIDNIGHT else time.fromisoformat(text.rjust(5, "0"))
