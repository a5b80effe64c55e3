"""How long it takes from one milestone to another, and how many come that far at all (metrics.md 2c).

Everyone who entered the base in the span is followed until as_of. Another end (a deal lost, a lead dropped) competes
with the goal; an end that was taken back did not happen.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.kpi.domain.stages import MILESTONES
from services.kpi.metrics.entries import entered
from services.kpi.metrics.figures import COHORT, Figures, Metric, no_value
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE, ends_between, rate
from services.kpi.metrics.records import Source, shown
from services.kpi.metrics.subjects import ARRIVED, DEFAULT_WINDOW, outcomes
from services.kpi.metrics.survival import OPEN, OTHER, REACHED, Incidence, incidence
from services.kpi.schemas.figures import Figure, RateOut

AGES = (30, 60, 90, 180)
DAY = 86_400.0
KIND = f"CASE WHEN {ARRIVED} THEN {REACHED} WHEN end_at IS NOT NULL THEN {OTHER} ELSE {OPEN} END"
"""What became of a row of `outcomes`, as SQL."""
NO_EVENTS = "nobody_yet"


class Followed(NamedTuple):
    """`days` until each reached its goal or another end, or until as_of; `kinds` which; `ages` of each at as_of."""

    days: NDArray[np.float64]
    kinds: NDArray[np.int_]
    ages: NDArray[np.float64]


async def follow(view: View, base: str, goal: str) -> Mapping[Cell, Followed]:
    """Everyone who entered `base` in the span, by cell."""
    query, bound = outcomes(view, base, [goal], ends_between(base, goal, MILESTONES))
    query = f"""
        SELECT {view.shown}, array_agg(days) AS days, array_agg(kind) AS kinds, array_agg(age) AS ages FROM (
            SELECT period, slice, kind, extract(epoch FROM :until - at)::float8 / {DAY} AS age,
                   extract(epoch FROM (CASE kind WHEN {REACHED} THEN goal_at WHEN {OTHER} THEN end_at ELSE :until END)
                                      - at)::float8 / {DAY} AS days
            FROM (SELECT o.*, {KIND} AS kind FROM ({query}) AS o) AS k
        ) AS d {view.cells()} HAVING count(*) > 0
    """
    rows = await view.rows(query, bound)
    return {cell_of(row): Followed(np.array(row.days), np.array(row.kinds), np.array(row.ages)) for row in rows}


def matured(found: Followed, days: float) -> RateOut:
    """Of those that entered so long ago, the share that had reached the goal within that time."""
    old = found.ages >= days
    return rate(int(np.sum(old & (found.kinds == REACHED) & (found.days <= days))), int(np.sum(old)))


def described(found: Followed, days: float) -> Figure:
    """The share that reached the goal within `days`, however many are still on the way."""
    curve = incidence(found.days, found.kinds)
    reached, other = curve.at(days)
    whole = len(found.days)
    return Figure(
        value=reached,
        numerator=int(np.sum((found.kinds == REACHED) & (found.days <= days))),
        denominator=whole,
        ci95=curve.ci95(days),
        more={
            "days": days,
            "other_end": other,
            "reached_at": {str(age): curve.at(age)[0] for age in AGES},
            "other_at": {str(age): curve.at(age)[1] for age in AGES},
            "eventual": curve.eventual(),
            "matured": matured(found, days).model_dump(exclude={"target"}),
            "open": int(np.sum(found.kinds == OPEN)),
            "one_minus_kaplan_meier": _biased(found, days),
        },
    )


def _biased(found: Followed, days: float) -> float:
    """What comes out when other ends are taken as if they were only censored: too much; shown to be compared with."""
    return incidence(found.days, np.where(found.kinds == REACHED, REACHED, OPEN)).at(days)[0]


async def _cohort(view: View, base: str, goal: str) -> Figures:
    days = view.question.window_days or DEFAULT_WINDOW
    return {cell: described(found, days) for cell, found in (await follow(view, base, goal)).items()}


def steps(curve: Incidence) -> list[dict[str, Any]]:
    """The curve as rows, for an answer."""
    return [
        {"days": float(day), "reached": float(one), "other_end": float(two), "at_risk": int(risk)}
        for day, one, two, risk in zip(curve.times, curve.reached, curve.other, curve.at_risk, strict=True)
    ]


async def lead_time(view: View) -> Figures:
    """Days from a lead to its deal won in the span: from the entry of the cycle, and from the person's first."""
    query = f"""
        SELECT {view.shown}, count(cycle_days) AS deals, count(*) AS won, sum(cycle_days) AS total,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY cycle_days) AS middle,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY first_days) AS first_middle,
               avg(first_days) AS first_mean
        FROM ({won_leads(view)}) AS w {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["won"], "starts": view.starts})
    return {cell_of(row): _lead_time(row) for row in rows}


def won_leads(view: View) -> str:
    """Deals won in the span with the days since their cycle's entry and the person's first, as SQL."""
    since = f"extract(epoch FROM e.at - {{}})::float8 / {DAY}"
    return f"""
        SELECT e.*, {since.format("c.at")} AS cycle_days, {since.format("f.at")} AS first_days
        FROM ({entered(view)}) AS e
        LEFT JOIN {{schema}}.passage c ON c.milestone = 'lead' AND c.subject = e.lead_id
                                      AND c.subject_cycle = e.cycle AND c.ordinal = 0
        LEFT JOIN {{schema}}.passage f ON f.milestone = 'lead' AND f.subject = e.lead_id
                                      AND f.subject_cycle = 1 AND f.ordinal = 0
    """


def _lead_time(row: Any) -> Figure:
    return Figure(
        value=row.middle,
        numerator=row.total,
        denominator=row.deals,
        reason=None if row.deals else NO_BASE,
        more={"first_median": row.first_middle, "first_mean": row.first_mean, "undated": row.won - row.deals},
    )


def _followed_records(view: View) -> Source:
    query, bound = outcomes(view, "opportunity", ["won"], ends_between("opportunity", "won", MILESTONES))
    days = f"extract(epoch FROM least(goal_at, end_at, :until) - at)::float8 / {DAY}"
    rows = shown(
        f"'goal_at', goal_at, 'end_at', end_at, 'days', {days}",
        numerator=ARRIVED,
        denominator="true",
    )
    return Source(f"SELECT {rows} FROM ({query}) AS o", bound)


def _won_records(view: View) -> Source:
    rows = shown("'cycle_days', cycle_days, 'first_days', first_days")
    return Source(f"SELECT {rows} FROM ({won_leads(view)}) AS w", {"milestones": ["won"], "starts": view.starts})


_WITHIN = "share within `window` days (default 90) by Aalen-Johansen, other ends competing"
METRICS = (
    Metric(
        "win_cohort",
        "受注率(コホート)",
        "Win rate of a cohort",
        "ratio",
        f"opportunities opened in the span, won: {_WITHIN}",
        partial(_cohort, base="opportunity", goal="won"),
        no_value,
        (COHORT,),
        records=_followed_records,
    ),
    Metric(
        "leadtime",
        "リードタイム(リード→受注)",
        "Lead time",
        "days",
        "from the entry of the cycle to the win, of deals won in the span; value is the median",
        lead_time,
        no_value,
        records=_won_records,
    ),
)
