"""The moments a forecast of a period is kept at, so that it can be judged once the period is over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.kpi.domain.periods import Period, fiscal_year, months_after
from shared.clock import day_of, start_of_day

LENGTHS: Mapping[str, int] = {"month": 1, "quarter": 3, "year": 12}
"""Months of each; quarters and years are fiscal."""
START, BY_HAND = "start", "by_hand"
DAYS_BEFORE: Mapping[str, int] = {"d60": 60, "d30": 30, "d14": 14, "d7": 7}
HORIZONS = (START, *DAYS_BEFORE)
LOOK_BACK_YEARS = 3


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a forecast of a period is kept."""

    at: datetime
    length: str
    horizon: str
    start: date
    end: date

    @property
    def period(self) -> Period:
        return Period(self.start, self.end)

    @property
    def key(self) -> str:
        return key_of(self.period, self.horizon)


def key_of(period: Period, horizon: str) -> str:
    return f"{period.start}/{period.end}/{horizon}"


def holding(day: date, length: str, first_month: int) -> Period:
    """The month, fiscal quarter or fiscal year that `day` lies in."""
    months = LENGTHS[length]
    start = months_after(day, -((day.month - first_month) % months))
    return Period(start, months_after(start, months))


def length_of(period: Period) -> str | None:
    """None where it is neither a month, nor a quarter, nor a year."""
    return next((name for name, months in LENGTHS.items() if months_after(period.start, months) == period.end), None)


def name_of(period: Period, first_month: int) -> str:
    """As people name it: 2026-04, 2026-Q1 (of the fiscal year), FY2026."""
    year = fiscal_year(period.start, first_month).start
    match length_of(period):
        case "month":
            return f"{period.start:%Y-%m}"
        case "quarter":
            months = (period.start.year - year.year) * 12 + period.start.month - year.month
            return f"{year.year}-Q{months // 3 + 1}"
        case "year":
            return f"FY{year.year}"
    raise ValueError("a month, a quarter or a year has a name")


def horizons(period: Period) -> Iterator[tuple[str, date]]:
    """Its start, and so many days before its end; none lies before its start."""
    yield START, period.start
    for name, days in DAYS_BEFORE.items():
        if (day := period.end - timedelta(days=days)) >= period.start:
            yield name, day


def moments(first: datetime, now: datetime, zone: ZoneInfo, first_month: int) -> list[Moment]:
    """Every moment that has come since `first`, and not too long ago, the newest first."""
    today = day_of(now, zone)
    begin = max(day_of(first, zone), months_after(today, -12 * LOOK_BACK_YEARS))
    found = []
    for length in LENGTHS:
        period = holding(begin, length, first_month)
        while period.start <= today:
            for horizon, day in horizons(period):
                at = start_of_day(day, zone)
                if first <= at <= now:
                    found.append(Moment(at, length, horizon, period.start, period.end))
            period = holding(period.end, length, first_month)
    return sorted(found, reverse=True)
