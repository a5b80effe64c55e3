"""Marketing's view of the environment: the company's calendar."""

from datetime import date, datetime
from functools import cache

from shared.clock import day_of, start_of_day
from shared.settings import Settings


@cache
def settings() -> Settings:
    return Settings(service="marketing")


def company_day(instant: datetime) -> date:
    """The calendar day in the company's time zone."""
    return day_of(instant, settings().zone)


def day_begins(day: date) -> datetime:
    return start_of_day(day, settings().zone)
