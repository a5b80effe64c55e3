"""Weeks are ISO weeks in the company's own time zone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.clock import day_of, start_of_day


def week_of(instant: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The week `instant` lies in: its first instant, and that of the next week."""
    day = day_of(instant, zone)
    monday = day - timedelta(days=day.weekday())
    return start_of_day(monday, zone), start_of_day(monday + timedelta(days=7), zone)
