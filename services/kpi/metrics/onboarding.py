"""Onboarding: of the deals won in the span whose time is up, how many were onboarded in time (metrics.md 1d)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.kpi.domain.decisions import ONBOARDING_DAYS
from services.kpi.metrics.entries import COMPANY, HOLDS, SAME, entered
from services.kpi.metrics.figures import COHORT, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.records import Source, shown
from services.kpi.metrics.survival import OPEN, REACHED, incidence

DAY = 86_400.0
DEFAULT_DAYS = 30


class Onboarding(NamedTuple):
    """Of each deal won: days until its customer was onboarded, or until as_of; `ages` at as_of."""

    days: NDArray[np.float64]
    done: NDArray[np.bool_]
    ages: NDArray[np.float64]


def won_and_onboarded(view: View) -> str:
    """Deals won in the span, with `done_at`: when their customer had been onboarded after the win. As SQL."""
    return f"""
        WITH w AS MATERIALIZED ({entered(view, f", {COMPANY} AS company")}), onboarded AS MATERIALIZED (
            SELECT {COMPANY} AS company, p.at FROM {{schema}}.passage p {SAME}
            WHERE p.milestone = 'onboarded' AND p.at >= :from AND {HOLDS}
        ), firsts AS (
            SELECT w.subject, w.subject_cycle, w.ordinal, min(o.at) AS done_at
            FROM w JOIN onboarded o ON o.company = w.company AND o.at >= w.at GROUP BY 1, 2, 3
        )
        SELECT w.*, f.done_at FROM w LEFT JOIN firsts f USING (subject, subject_cycle, ordinal)
    """


async def onboardings(view: View) -> Mapping[Cell, Onboarding]:
    query = f"""
        SELECT {view.shown}, array_agg(extract(epoch FROM coalesce(done_at, :until) - at)::float8 / {DAY}) AS days,
               array_agg(done_at IS NOT NULL) AS done,
               array_agg(extract(epoch FROM :until - at)::float8 / {DAY}) AS ages
        FROM ({won_and_onboarded(view)}) AS o {view.cells()} HAVING count(*) > 0
    """
    bound = {"milestones": ["won"], "starts": view.starts}
    rows = await view.rows(query, bound)
    return {cell_of(row): Onboarding(np.array(row.days), np.array(row.done), np.array(row.ages)) for row in rows}


async def completion(view: View) -> Figures:
    days, found = target_days(view), {}
    for cell, each in (await onboardings(view)).items():
        due = each.ages >= days
        curve = incidence(each.days, np.where(each.done, REACHED, OPEN))
        whole = ratio(int(np.sum(each.done)), len(each.done))
        more = {
            "days": days,
            "pending": int(np.sum(~due)),
            "completed_of_all": whole.model_dump(mode="json", exclude={"more"}),
            "median_days": curve.median(),
            "completed_median_days": float(np.median(each.days[each.done])) if each.done.any() else None,
        }
        figure = ratio(int(np.sum(due & each.done & (each.days <= days))), int(np.sum(due)))
        found[cell] = figure.model_copy(update={"more": more})
    return found


def _records(view: View) -> Source:
    days = f"extract(epoch FROM coalesce(done_at, :until) - at)::float8 / {DAY}"
    rows = shown(
        f"'onboarded_at', done_at, 'days', {days}",
        numerator=f"done_at IS NOT NULL AND {days} <= :days",
        denominator=f"extract(epoch FROM :until - at) / {DAY} >= :days",
    )
    bound = {"milestones": ["won"], "starts": view.starts, "days": target_days(view)}
    return Source(f"SELECT {rows} FROM ({won_and_onboarded(view)}) AS o", bound)


def target_days(view: View) -> int:
    found: int | None = view.decisions.setting(ONBOARDING_DAYS, view.question.whole.start)
    return found or DEFAULT_DAYS


METRICS = (
    Metric(
        "onb",
        "オンボーディング完了率",
        "Onboarding completion",
        "ratio",
        "onboarded within the target days ÷ deals won in the span whose target days have passed",
        completion,
        nothing,
        (COHORT,),
        records=_records,
    ),
)
