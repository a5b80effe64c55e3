"""How well the score that marketing hands on with an MQL told who becomes an opportunity (metrics.md 1a).

MQLs are followed for 60 days (`window`); those whose days are not over, and those without a score, are left out and
counted beside. The top tenth is cut at a score: who has the same score as the last of it belongs to it too.
"""

from collections.abc import Sequence
from typing import Any

from services.kpi.metrics.accuracy import Scored, auc_of, brier_of, top_of
from services.kpi.metrics.figures import COHORT, Figures, Metric, least_sample, no_value
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE, rate
from services.kpi.metrics.records import Source, shown
from services.kpi.metrics.subjects import following
from services.kpi.projections.facts import MQL_CREATED
from services.kpi.schemas.figures import Figure

WINDOW_DAYS = 60
TENTH = 10
FULL_SCORE = 100.0
BASE, GOAL = "mql", "opportunity"


def window(view: View) -> View:
    """The same question with the days an MQL is followed."""
    return view.with_question(window_days=view.question.window_days or WINDOW_DAYS)


def _scored(view: View) -> tuple[str, dict[str, Any]]:
    """MQLs of the span with their `score`, whether they `reached` the goal, and whether they are `ripe`; as SQL."""
    followed, bound = following(view, BASE, GOAL)
    query = f"""
        SELECT e.*, (f.data ->> 'score')::float8 AS score,
               e.at + make_interval(days => :window) <= :until AS ripe
        FROM ({followed}) AS e
        LEFT JOIN public.fact f ON f.event_id = e.event_id AND f.type = :told AND f.occurred_at >= :from
                               AND f.occurred_at < :to
    """
    return query, {**bound, "told": MQL_CREATED}


async def score_lift(asked: View) -> Figures:
    """Conversion of the top tenth by score ÷ conversion of all, by cell."""
    view = window(asked)
    scored, bound = _scored(view)
    query = f"""
        SELECT score, {view.shown}, count(*) FILTER (WHERE ripe) AS trials,
               count(*) FILTER (WHERE ripe AND reached) AS successes, count(*) FILTER (WHERE NOT ripe) AS unripe
        FROM ({scored}) AS s {view.cells("score")}
    """
    found: dict[Cell, list[Any]] = {}
    for row in await view.rows(query, bound):
        found.setdefault(cell_of(row), []).append(row)
    return {cell: _lift(rows, view) for cell, rows in found.items()}


def _lift(rows: Sequence[Any], view: View) -> Figure:
    scored = [Scored(row.score, row.trials, row.successes) for row in rows if row.score is not None and row.trials]
    trials, successes = sum(each.trials for each in scored), sum(each.successes for each in scored)
    top, whole = top_of(scored, TENTH), rate(successes, trials)
    best = rate(top.successes, top.trials)
    chances = [each._replace(score=min(max(each.score / FULL_SCORE, 0.0), 1.0)) for each in scored]
    brier, known = brier_of(chances), brier_of([Scored(successes / trials, trials, successes)]) if trials else None
    return Figure(
        value=best.value / whole.value if best.value is not None and whole.value else None,
        numerator=best.value,
        denominator=whole.value,
        reason=None if whole.value else NO_BASE,
        small_sample=0 < top.trials < least_sample(view),
        more={
            "window_days": view.question.window_days,
            "top": best.model_dump(mode="json", exclude={"target"}),
            "all": whole.model_dump(mode="json", exclude={"target"}),
            "cut": top.score if trials else None,
            "auc": auc_of(scored),
            "brier": brier,
            "brier_skill": 1 - brier / known if brier is not None and known else None,
            "without_score": sum(row.trials for row in rows if row.score is None),
            "not_yet": sum(row.unripe for row in rows),
        },
    )


def _records(asked: View) -> Source:
    view = window(asked)
    scored, bound = _scored(view)
    rows = shown(
        "'score', score, 'top', top",
        numerator="reached",
        denominator="true",
        kind="CASE WHEN top THEN 'top' ELSE 'rest' END",
    )
    query = f"""
        SELECT {rows} FROM (
            SELECT s.*, {TENTH} * (rank() OVER (ORDER BY score DESC) - 1) < count(*) OVER () AS top
            FROM ({scored}) AS s WHERE ripe AND score IS NOT NULL
        ) AS t
    """
    return Source(query, bound)


METRICS = (
    Metric(
        "score_lift",
        "スコア妥当性(リフト)",
        "Lead-score lift",
        "ratio",
        "opportunities within 60 days (or `window`) ÷ MQLs, of the tenth with the highest score ÷ of all MQLs of the "
        "span whose days are over; beside it AUC, and Brier of score ÷ 100 read as a chance",
        score_lift,
        no_value,
        (COHORT,),
        records=_records,
    ),
)
