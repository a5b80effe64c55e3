"""Subjects one by one: who entered a milestone in the span, and what became of each.

The base of everything that needs more than counts: times, medians, and the records behind a figure.
"""

from collections.abc import Sequence

from services.kpi.metrics.entries import HOLDS, entered
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import OF_DEALS

BY_DEAL = "g.opportunity_id = e.opportunity_id"
BY_WAY = "g.lead_id = e.lead_id AND g.cycle = e.cycle"


def outcomes(view: View, base: str, goals: Sequence[str], ends: Sequence[str] = ()) -> tuple[str, dict[str, object]]:
    """SQL and its parameters: each entry `e` into `base` in the span, with `goal_at` and `end_at`: when it first
    reached one of `goals`, or came to one of `ends`, by as_of. Either may be null.
    """
    link = BY_DEAL if base in OF_DEALS else BY_WAY
    query = f"""
        WITH e AS MATERIALIZED ({entered(view)}), g AS MATERIALIZED (
            SELECT p.milestone, p.at, p.lead_id, p.cycle, p.opportunity_id FROM {{schema}}.passage p
            WHERE p.milestone = ANY(:after) AND p.at >= :from AND {HOLDS}
        ), firsts AS (
            SELECT e.milestone, e.subject, e.subject_cycle, e.ordinal,
                   min(g.at) FILTER (WHERE g.milestone = ANY(:goals)) AS goal_at,
                   min(g.at) FILTER (WHERE g.milestone = ANY(:ends)) AS end_at
            FROM e JOIN g ON {link} AND g.at >= e.at GROUP BY 1, 2, 3, 4
        )
        SELECT e.*, f.goal_at, f.end_at
        FROM e LEFT JOIN firsts f USING (milestone, subject, subject_cycle, ordinal)
    """
    bound = {
        "milestones": [base],
        "starts": view.starts,
        "after": [*goals, *ends],
        "goals": list(goals),
        "ends": list(ends),
    }
    return query, bound
