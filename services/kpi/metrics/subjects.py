"""Subjects one by one: who entered a milestone in the span, and what became of each.

The base of everything that needs more than counts: times, medians, and the records behind a figure.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.kpi.metrics.entries import HOLDS, counted, entered
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import OF_DEALS, Counted

ARRIVED = "goal_at IS NOT NULL AND (end_at IS NULL OR goal_at <= end_at)"
"""Of rows of `outcomes`: who came to the goal, and to no other end before."""
DECIDED = "(goal_at IS NOT NULL OR end_at IS NOT NULL OR at <= :ripe)"
"""Whose fate is known: who came to the goal or another end, or entered the base long ago (`ripe`)."""
DEFAULT_WINDOW = 90
BY_DEAL = "g.opportunity_id = e.opportunity_id"
BY_WAY = "g.lead_id = e.lead_id AND g.cycle = e.cycle"
_KNOWN = """
    milestone, subject, subject_cycle, ordinal, at, event_id, lead_id, cycle, opportunity_id, account_id, unit, person,
    slice, period
"""
"""As much of an entry as is asked for: with all of it, a quarter's leads of a million cycles nearly fill the memory a
query may use, and are slower to join."""


def ripe(view: View) -> datetime:
    """The parameter of DECIDED."""
    return view.question.as_of - timedelta(days=DEFAULT_WINDOW)


def outcomes(view: View, base: str, goals: Sequence[str], ends: Sequence[str] = ()) -> tuple[str, dict[str, object]]:
    """SQL and its parameters: each entry `e` into `base` in the span, with `goal_at` and `end_at`: when it first
    reached one of `goals`, or came to one of `ends`, by as_of. Either may be null.
    """
    link = BY_DEAL if base in OF_DEALS else BY_WAY
    query = f"""
        WITH e AS MATERIALIZED (
            SELECT {_KNOWN}, row_number() OVER () AS number FROM ({entered(view)}) AS e
        ), g AS MATERIALIZED (
            SELECT p.milestone, p.at, p.lead_id, p.cycle, p.opportunity_id FROM {{schema}}.passage p
            WHERE p.milestone = ANY(:after) AND p.at >= :from AND {HOLDS}
        ), firsts AS (
            SELECT e.number, min(g.at) FILTER (WHERE g.milestone = ANY(:goals)) AS goal_at,
                   min(g.at) FILTER (WHERE g.milestone = ANY(:ends)) AS end_at
            FROM e JOIN g ON {link} AND g.at >= e.at GROUP BY 1
        )
        SELECT e.*, f.goal_at, f.end_at
        FROM e LEFT JOIN firsts f USING (number)
    """
    bound = {
        "milestones": [base],
        "starts": view.starts,
        "after": [*goals, *ends],
        "goals": list(goals),
        "ends": list(ends),
    }
    return query, bound


async def followed(view: View, base: str, goal: str) -> Mapping[Cell, Counted]:
    """Mode `cohort`: of those that entered `base` in the span, who entered `goal` by as_of (or within the window)."""
    query, bound = following(view, base, goal)
    query = f"""
        SELECT {view.shown}, {counted(view)} AS trials, {counted(view, "reached")} AS successes
        FROM ({query}) AS e {view.cells()}
    """
    return {cell_of(row): Counted(row.successes, row.trials) for row in await view.rows(query, bound)}


def following(view: View, base: str, goal: str) -> tuple[str, dict[str, object]]:
    """SQL and its parameters: each entry into `base` in the span, and whether it `reached` the goal."""
    query, bound = outcomes(view, base, [goal])
    within = "AND goal_at < at + make_interval(days => :window)" if view.question.window_days else ""
    reached = f"goal_at IS NOT NULL {within} AS reached"
    return f"SELECT o.*, {reached} FROM ({query}) AS o", {**bound, "window": view.question.window_days}
