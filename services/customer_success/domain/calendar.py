"""Days of a contract and of a week, and the order in which things may be told."""

from calendar import monthrange
from datetime import date, datetime, timedelta

from shared.errors import Refused


class BeforePreviousStep(Refused):
    """Over HTTP nothing may be told as earlier than what is already told of the same record."""

    rule = "before_previous_step"


def moment(told: datetime | None, now: datetime, previous: datetime | None) -> datetime:
    """When an act occurred: as told, which raises BeforePreviousStep, or now.

    Now is never before the previous step: that may have waited less long for the same record, or been told by
    another department whose clock is a little ahead.
    """
    if told is None:
        return max(now, previous) if previous else now
    if previous is not None and told < previous:
        raise BeforePreviousStep(f"The previous step was at {previous.isoformat()}", previous_at=previous.isoformat())
    return told


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day: 31 January and one month is 28 or 29 February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def next_renewal(starts_on: date, term_months: int, on: date) -> date:
    """The first end of a term that lies after `on`, for a contract that renews itself."""
    terms = max(1, ((on.year - starts_on.year) * 12 + on.month - starts_on.month) // term_months)
    while (falls := add_months(starts_on, terms * term_months)) <= on:
        terms += 1
    return falls


def week_of(day: date) -> date:
    """The Monday its ISO week begins with."""
    return day - timedelta(days=day.weekday())


def is_over(week: date, today: date) -> bool:
    return week + timedelta(days=7) <= today
