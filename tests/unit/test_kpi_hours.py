"""Business minutes: they run only in the company's hours, on its days, outside public holidays."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kpi.domain.hours import Calendar, on_the_wall

TOKYO = ZoneInfo("Asia/Tokyo")
WEEK = Calendar.of({"from": 9, "to": 18, "days": "Mon-Fri"}, TOKYO)
JAPAN = Calendar.of({"from": 9, "to": 18, "days": "Mon-Fri", "country": "JP"}, TOKYO)


def local(day: int, hour: int, minute: int = 0, month: int = 5) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=TOKYO).astimezone(UTC)


def minutes(calendar: Calendar, start: datetime, end: datetime) -> float:
    return float(calendar.minutes(on_the_wall([start], TOKYO), on_the_wall([end], TOKYO))[0])


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (local(25, 10), local(26, 11), 600),  # Monday to Tuesday
        (local(25, 7), local(25, 9), 0),
        (local(25, 17, 30), local(26, 9, 30), 60),
        (local(22, 17), local(25, 10), 120),  # over a weekend
        (local(23, 12), local(24, 12), 0),  # within one
        (local(25, 10), local(25, 10), 0),
    ],
)
def test_only_business_hours_count(start: datetime, end: datetime, wanted: float) -> None:
    assert minutes(WEEK, start, end) == wanted


def test_public_holidays_are_no_business_days() -> None:
    """3 to 6 May 2026: Constitution Day on a Sunday, Greenery and Children's Day, and the day in lieu."""
    assert minutes(WEEK, local(1, 17), local(7, 10)) == 60 + 3 * 540 + 60
    assert minutes(JAPAN, local(1, 17), local(7, 10)) == 60 + 60


def test_the_company_has_days_of_its_own() -> None:
    closed = Calendar.of({"from": 9, "to": 18, "days": "Mon-Fri", "holidays": ["2026-05-26"]}, TOKYO)
    assert minutes(closed, local(25, 17), local(27, 10)) == 120


@pytest.mark.parametrize(("told", "days"), [("Mon-Fri", 5), ("Sat-Mon", 3), ("Mon,Wed,Fri", 3), ("Tue", 1)])
def test_days_are_told_by_name(told: str, days: int) -> None:
    calendar = Calendar.of({"from": 0, "to": 24, "days": told}, TOKYO)
    assert minutes(calendar, local(4, 0), local(11, 0)) == days * 24 * 60


instants = st.integers(0, 20 * 24 * 60).map(lambda late: datetime(2026, 4, 25, tzinfo=UTC) + timedelta(minutes=late))


@settings(deadline=None)
@given(instants, instants)
def test_it_is_what_counting_minute_by_minute_gives(one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    closed = {date(2026, 4, 29), date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 6)}
    count, moment = 0, start.astimezone(TOKYO)
    while moment < end:
        count += moment.weekday() < 5 and 9 <= moment.hour < 18 and moment.date() not in closed
        moment += timedelta(minutes=1)
    assert minutes(JAPAN, start, end) == count
