"""A share with its interval, and the three ways of counting it."""

from typing import NamedTuple

from services.kpi.metrics.statistics import wilson
from services.kpi.schemas.figures import RateOut

NO_BASE, NOT_FOLLOWED, NOT_DECIDED = "no_base", "not_followable", "mode_not_applicable"

OF_DEALS = frozenset({"opportunity", "won", "lost"})
ENDS = {
    "mql_rejected": ("mql", "mql_accepted"),
    "dropped": ("mql", "sql"),
    "sql_returned": ("sql", "opportunity"),
    "lost": ("opportunity", "won"),
}
"""Ends of the way, and the milestones between which they lie."""


class Counted(NamedTuple):
    """`successes` out of `trials`."""

    successes: int
    trials: int


def rate(successes: int, trials: int) -> RateOut:
    """A quotient; null instead of a zero denominator. Above 1 it is no share and has no interval."""
    if trials == 0:
        return RateOut(value=None, numerator=successes, denominator=0, reason=NO_BASE)
    interval = wilson(successes, trials)
    return RateOut(value=successes / trials, numerator=successes, denominator=trials, ci95=interval)


def ends_between(base: str, goal: str, order: tuple[str, ...]) -> list[str]:
    """The ends of a stage from `base` to `goal`."""
    first, last = order.index(base), order.index(goal)
    return [
        name for name, (after, before) in ENDS.items() if first <= order.index(after) and order.index(before) <= last
    ]
