"""Periods: named ones of the fiscal calendar, and the cutting of a span of days into equal ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = {"month": 1, "quarter": 3}
NAMED = re.compile(r"^(?:(?P<month>\d{4}-\d{2})|(?P<year>\d{4})-(?P<part>Q[1-4]|H[12])|FY(?P<whole>\d{4}))$")
FORMS = "2026-04, 2026-Q2 (of the fiscal year), 2026-H1 or FY2026"
FIRST_YEAR, LAST_YEAR = 1990, 2200


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` inclusive to `end` exclusive."""

    start: date
    end: date


def named(name: str, first_month: int) -> Period:
    """A month or a part of a fiscal year that begins with `first_month`. Raises ValueError."""
    found = NAMED.match(name)
    if found is None:
        raise ValueError(f"a period is {FORMS}")
    if found["month"]:
        year, month = map(int, found["month"].split("-"))
        if not 1 <= month <= 12 or not FIRST_YEAR <= year <= LAST_YEAR:
            raise ValueError("there is no such month")
        return Period(date(year, month, 1), months_after(date(year, month, 1), 1))
    year = int(found["year"] or found["whole"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError("there is no such year")
    start = date(year, first_month, 1)
    if found["whole"]:
        return Period(start, months_after(start, 12))
    length = 3 if found["part"][0] == "Q" else 6
    begin = months_after(start, length * (int(found["part"][1]) - 1))
    return Period(begin, months_after(begin, length))


def months_after(day: date, months: int) -> date:
    """The first of a month, so many months on."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def preceding(period: Period) -> Period:
    """The span before of the same length: whole months before whole months, else as many days."""
    start, end = period.start, period.end
    if start.day == end.day == 1:
        return Period(months_after(start, (start.year - end.year) * 12 + start.month - end.month), start)
    return Period(start - (end - start), start)


def fiscal_year(day: date, first_month: int) -> Period:
    start = date(day.year if day.month >= first_month else day.year - 1, first_month, 1)
    return Period(start, months_after(start, 12))


def cut(whole: Period, interval: str, first_month: int) -> Iterator[Period]:
    """`whole` in days, ISO weeks, months or fiscal quarters; the first and last may be shorter."""
    start = whole.start
    while start < whole.end:
        end = min(_next(start, interval, first_month), whole.end)
        yield Period(start, end)
        start = end


def full(period: Period, interval: str, first_month: int) -> bool:
    """Is it as long as its interval is? What was cut off at the ends of a span is not."""
    return _begin(period.start, interval, first_month) == period.start and period.end == _next(
        period.start, interval, first_month
    )


def _begin(day: date, interval: str, first_month: int) -> date:
    if interval == "day":
        return day
    if interval == "week":
        return day - timedelta(days=day.weekday())
    length = MONTHS[interval]
    return months_after(day, -((day.month - first_month) % length)) if length > 1 else day.replace(day=1)


def _next(day: date, interval: str, first_month: int) -> date:
    begin = _begin(day, interval, first_month)
    if interval in MONTHS:
        return months_after(begin, MONTHS[interval])
    return begin + timedelta(days=7 if interval == "week" else 1)


MONTH_DAYS = 365.25 / 12


def months(period: Period) -> float:
    """How many months it is; whole where it begins and ends with one."""
    if period.start.day == period.end.day == 1:
        return float((period.end.year - period.start.year) * 12 + period.end.month - period.start.month)
    return (period.end - period.start).days / MONTH_DAYS
