"""A share with its interval, and the three ways of counting it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.kpi.metrics.entries import HOLDS, counted, entered
from services.kpi.metrics.question import Cell, View, cell_of
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


async def followed(view: View, base: str, goal: str) -> Mapping[Cell, Counted]:
    """Mode `cohort`: of those that entered `base` in the span, who entered `goal` by as_of (or within the window)."""
    query = f"""
        SELECT {view.shown}, {counted(view)} AS trials, {counted(view, "reached")} AS successes
        FROM ({entered(view, reached(view, base))}) AS e {view.cells()}
    """
    rows = await view.rows(query, following(view, base, goal))
    return {cell_of(row): Counted(row.successes, row.trials) for row in rows}


def reached(view: View, base: str) -> str:
    """A column `reached` beside an entry `p` into `base`, as SQL."""
    by_deal, by_way = "g.opportunity_id = p.opportunity_id", "g.lead_id = p.lead_id AND g.cycle = p.cycle"
    link = by_deal if base in OF_DEALS else by_way
    within = "AND g.at < p.at + make_interval(days => :window)" if view.question.window_days else ""
    return f"""
        , EXISTS (SELECT 1 FROM {{schema}}.passage g WHERE g.milestone = :goal AND {link} AND g.at >= p.at {within}
                  AND {HOLDS.replace("p.", "g.")}) AS reached
    """


def following(view: View, base: str, goal: str) -> dict[str, Any]:
    """The parameters of entries with `reached`."""
    return {"milestones": [base], "goal": goal, "starts": view.starts, "window": view.question.window_days}


def ends_between(base: str, goal: str, order: tuple[str, ...]) -> list[str]:
    """The ends of a stage from `base` to `goal`."""
    first, last = order.index(base), order.index(goal)
    return [
        name for name, (after, before) in ENDS.items() if first <= order.index(after) and order.index(before) <= last
    ]
