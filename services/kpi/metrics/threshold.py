"""What another score for MQLs would do: more of them, of whom fewer are accepted (metrics.md 2b).

A lead becomes an MQL with the first score that reaches the threshold. How many of a score are accepted, and become an
SQL, is a logistic curve through the MQLs of the span whose fate is known. Whom a person declared is one at any score.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from services.kpi.domain.stages import MILESTONES
from services.kpi.metrics.entries import entered
from services.kpi.metrics.forecasting import INSUFFICIENT
from services.kpi.metrics.learning.fitting import sigmoid
from services.kpi.metrics.learning.judging import line
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import ends_between
from services.kpi.metrics.subjects import ARRIVED, DECIDED, outcomes, ripe
from services.kpi.projections.facts import MQL_CREATED

SCORED = ("marketing.lead_created.v1", "marketing.touch_recorded.v1", MQL_CREATED)
LEAST_CASES, LEAST_OF_EACH = 50, 10
GOALS: Mapping[str, tuple[str, Sequence[str]]] = {
    "mql_accepted": ("mql_accepted", ("mql_rejected",)),
    "sql": ("sql", ends_between("mql", "sql", MILESTONES)),
}


class Fate(NamedTuple):
    """So many MQLs of a score that came to the goal, or did not; `declared` by a person."""

    score: float | None
    declared: bool
    reached: bool
    cases: int


@dataclass(frozen=True)
class Curve:
    """The share of a score that comes to the goal, and of those that are declared; None where too few are known."""

    slope: float | None
    intercept: float
    declared: float | None

    def expected(self, scores: np.ndarray[Any, Any], cases: np.ndarray[Any, Any], declared: int) -> float | None:
        """The share of all that come to the goal."""
        number = float(cases.sum()) + declared
        if self.slope is None or not number or (declared and self.declared is None):
            return None
        came = float((sigmoid(self.slope * scores + self.intercept) * cases).sum())
        return (came + declared * (self.declared or 0.0)) / number


class Point(NamedTuple):
    """At a threshold: how many MQLs, of how many of the leads, and the shares that are accepted and become SQLs."""

    threshold: int
    mqls: int
    lead_to_mql: float
    acceptance: float | None
    mql_to_sql: float | None

    @property
    def sqls(self) -> float | None:
        return None if self.mql_to_sql is None else self.mqls * self.mql_to_sql


@dataclass(frozen=True)
class Thresholds:
    leads: int
    without_score: int
    declared: int
    cases: int
    slope: float | None
    points: Sequence[Point]

    @property
    def reason(self) -> str | None:
        return INSUFFICIENT if self.slope is None else None


async def thresholds(view: View, asked: Sequence[int]) -> Thresholds:
    """Of the lead cycles that began in the span, as they would have been at each threshold."""
    rises, declared = await _rises(view)
    leads = sum(number for _, number in rises) + declared
    fates = {name: await _fates(view, name) for name in GOALS}
    curves = {name: await asyncio.to_thread(curve, found) for name, found in fates.items()}
    points = []
    for threshold in asked:
        first = [
            (next(score for score in each if score >= threshold), number)
            for each, number in rises
            if each and each[-1] >= threshold
        ]
        scores, cases = (np.array([one[place] for one in first], float) for place in (0, 1))
        mqls = int(cases.sum()) + declared
        shares = (curves[name].expected(scores, cases, declared) for name in GOALS)
        points.append(Point(threshold, mqls, mqls / leads if leads else 0.0, *shares))
    return Thresholds(
        leads,
        sum(number for each, number in rises if not each),
        declared,
        sum(fate.cases for fate in fates["mql_accepted"]),
        curves["mql_accepted"].slope,
        points,
    )


async def _rises(view: View) -> tuple[list[tuple[list[float], int]], int]:
    """How many lead cycles rose by the same scores, each higher than all before; and how many a person declared."""
    query = f"""
        WITH e AS MATERIALIZED ({entered(view)}), told AS (
            SELECT e.lead_id, e.cycle, f.occurred_at, f.sequence, (f.data ->> 'score')::float8 AS score,
                   f.type = :mql AND (f.data ->> 'declared')::boolean IS TRUE AS declared
            FROM e LEFT JOIN {view.facts} AS f
              ON f.lead_id = e.lead_id AND coalesce(f.cycle, 1) = e.cycle AND f.type = ANY(:scored)
        ), risen AS (
            SELECT *, score > coalesce(max(score) OVER (
                PARTITION BY lead_id, cycle ORDER BY occurred_at, sequence
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), '-infinity') AS rises
            FROM told
        ), each AS (
            SELECT lead_id, cycle, coalesce(bool_or(declared), false) AS declared,
                   coalesce(array_agg(score ORDER BY score) FILTER (WHERE rises), '{{}}') AS scores
            FROM risen GROUP BY 1, 2
        )
        SELECT declared, CASE WHEN declared THEN '{{}}' ELSE scores END AS scores, count(*) AS ways
        FROM each GROUP BY 1, 2
    """
    bound = {"milestones": ["lead"], "starts": view.starts, "mql": MQL_CREATED, "scored": list(SCORED)}
    rows = await view.rows(query, bound)
    declared = sum(row.ways for row in rows if row.declared)
    return [(row.scores, row.ways) for row in rows if not row.declared], declared


async def _fates(view: View, name: str) -> list[Fate]:
    """MQLs of the span that came to the goal or another end, or are 90 days old."""
    goal, ends = GOALS[name]
    query, bound = outcomes(view, "mql", [goal], ends)
    query = f"""
        SELECT (f.data ->> 'score')::float8 AS score, (f.data ->> 'declared')::boolean IS TRUE AS declared,
               {ARRIVED} AS reached, count(*) AS cases
        FROM ({query}) AS o LEFT JOIN public.fact f ON f.event_id = o.event_id AND f.type = :mql
        WHERE {DECIDED} GROUP BY 1, 2, 3
    """
    return [Fate(*row) for row in await view.rows(query, {**bound, "mql": MQL_CREATED, "ripe": ripe(view)})]


def curve(fates: Sequence[Fate]) -> Curve:
    """Through those with a score; of too few, or where all or none came to the goal, there is none."""
    by_hand = [fate for fate in fates if fate.declared]
    asked = sum(fate.cases for fate in by_hand)
    declared = sum(fate.cases for fate in by_hand if fate.reached) / asked if asked else None
    scored = [fate for fate in fates if not fate.declared and fate.score is not None]
    came = sum(fate.cases for fate in scored if fate.reached)
    whole = sum(fate.cases for fate in scored)
    if whole < LEAST_CASES or min(came, whole - came) < LEAST_OF_EACH:
        return Curve(None, 0.0, declared)
    numbers = [fate.cases for fate in scored]
    slope, intercept = line(
        np.repeat([float(fate.score or 0) for fate in scored], numbers),
        np.repeat([fate.reached for fate in scored], numbers),
    )
    return Curve(slope, intercept, declared)
