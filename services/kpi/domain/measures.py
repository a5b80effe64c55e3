"""Counter-measures: what was done about a rate, and whether it worked.

One cannot be closed without its effect measured, or the reason why it cannot be.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from services.kpi.domain.periods import Period
from shared.errors import Refused


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Verdict(StrEnum):
    """Only where the interval of the difference leaves out zero is anything said to have changed."""

    IMPROVED = "improved"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    NOT_YET = "not_yet"  # nothing to compare on one of the sides


@dataclass(frozen=True, slots=True)
class Sides:
    """As many days before it began as have passed since, up to the review."""

    before: Period
    after: Period


def sides(started: date, review: date, today: date) -> Sides | None:
    """None before its first day is over."""
    end = min(review, today)
    if end <= started:
        return None
    return Sides(Period(started - (end - started), started), Period(started, end))


def verdict(ci95: tuple[float, float] | None, *, lower_is_better: bool) -> Verdict:
    """Of the interval of the difference after - before."""
    if ci95 is None:
        return Verdict.NOT_YET
    low, high = (-ci95[1], -ci95[0]) if lower_is_better else ci95
    if low > 0:
        return Verdict.IMPROVED
    return Verdict.WORSE if high < 0 else Verdict.INCONCLUSIVE


def may_close(review: date, today: date, *, measured: bool, not_measurable_because: str | None) -> None:
    """Raises Refused."""
    if not_measurable_because:
        return
    if today < review:
        days = (review - today) // timedelta(days=1)
        raise Refused(f"It is reviewed in {days} days; or say why it cannot be measured", rule="not_reviewed_yet")
    if not measured:
        raise Refused("Its effect is not measured; say why it cannot be", rule="effect_not_measured")
