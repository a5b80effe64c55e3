"""Lead score: will this MQL be an opportunity within 60 days? Told from what was known when it was handed on.

One row is a cycle that became an MQL: it is what inside sales chooses from, and when marketing tells its score. What
was known then is what had occurred by the MQL and was recorded by the time the MQL was.
"""

from collections.abc import Mapping
from typing import Any

from services.kpi.metrics.entries import HOLDS, entered
from services.kpi.metrics.learning.dataset import Dataset, Feature, of_rows
from services.kpi.metrics.learning.knowing import SAMPLED, facts_of, known_by, last_words, share_of
from services.kpi.metrics.learning.training import Recipe
from services.kpi.metrics.question import View
from services.kpi.projections.facts import LEAD_CREATED, LEAD_RECYCLED, MQL_CREATED

HORIZON_DAYS = 60
NUMBERS = (
    Feature("score", "スコア", "Score", 1),
    Feature("fit", "属性スコア", "Fit score", 1),
    Feature("engagement", "行動スコア", "Engagement score", 1),
    Feature("declared", "手動でMQLにした", "Declared by a person"),
    Feature("overridden", "基準を満たさずMQLにした", "Declared against the criteria"),
    Feature("recycled", "n周目(リサイクル)", "Recycled"),
    Feature("age_days", "リードになってからの日数", "Days since it became a lead"),
    Feature("touches_30d", "直近30日の接触数", "Touches of the last 30 days"),
    Feature("touch_kinds", "接触の種類の数", "Different kinds of touches"),
    Feature("days_since_touch", "最後の接触からの日数", "Days since the last touch"),
)
WORDS = (
    Feature("channel", "チャネル", "Channel"),
    Feature("segment", "セグメント", "Segment"),
    Feature("industry", "業種", "Industry"),
    Feature("product", "商品", "Product"),
    Feature("price_band", "価格帯", "Price band"),
    Feature("region", "地域", "Region"),
)
FEATURES = (*NUMBERS, *WORDS)
LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "first_contact": (
        "MQLになった後に起きることであり、結果に近い",
        "Occurs after the MQL, on the way to what is to be told",
    ),
    "acceptance": ("MQLになった後の判断そのもの", "The judgement itself, made after the MQL"),
    "owner": ("担当者の評価になるため使わない", "Would judge colleagues, and changes with who is on duty"),
    "campaign": ("数が多く、次の期には使えない", "Too many, and gone with the next season"),
    "latest": ("後から分かった属性値は当時の値ではない", "Values learned later were not known then"),
}
RECIPE = Recipe(HORIZON_DAYS, least_rows=1000, least_events=120, boosted_from=None, features=FEATURES)


async def dataset(view: View, strict: bool) -> tuple[Dataset, int]:
    """MQLs of the span whose days are over, at most MOST_ROWS of them, whole people; and how many there are."""
    ripe = "e.at + make_interval(days => :horizon) <= :until"
    bound = {"milestones": ["mql"], "starts": view.starts, "horizon": HORIZON_DAYS}
    counted = f"SELECT count(*) AS rows FROM ({entered(view)}) AS e WHERE {ripe}"
    population: int = (await view.rows(counted, bound))[0].rows
    rows = await view.rows(_rows(view, ripe, strict), {**bound, **_told(), "share": share_of(population)})
    data = of_rows(rows, [feature.id for feature in NUMBERS], [feature.id for feature in WORDS])
    return data, population


def _told() -> dict[str, Any]:
    return {"mql": MQL_CREATED, "touch": "marketing.touch_recorded.v1", "began": [LEAD_CREATED, LEAD_RECYCLED]}


def _rows(view: View, ripe: str, strict: bool) -> str:
    touches = "f.type = :touch"
    last = last_words([feature.id for feature in WORDS])
    return f"""
        WITH subjects AS MATERIALIZED (
            SELECT e.person AS whose, e.lead_id, e.cycle, e.at, m.recorded_at AS known_at, m.data,
                   EXISTS (SELECT FROM {{schema}}.passage p WHERE p.milestone = 'opportunity'
                           AND p.lead_id = e.lead_id AND p.cycle = e.cycle AND p.at >= e.at
                           AND p.at < e.at + make_interval(days => :horizon) AND {HOLDS}) AS came
            FROM ({entered(view)}) AS e JOIN public.fact m ON m.event_id = e.event_id AND m.type = :mql
            WHERE {ripe} AND {SAMPLED.format(whose="e.person")}
        )
        SELECT extract(epoch FROM s.at)::float8 AS at, s.whose, s.came, (s.data ->> 'score')::float8 AS rule,
               (s.data ->> 'score')::float8 AS score, (s.data ->> 'fit')::float8 AS fit,
               (s.data ->> 'engagement')::float8 AS engagement,
               coalesce(s.data ->> 'declared' = 'true', false)::int AS declared,
               coalesce(s.data ->> 'overridden' = 'true', false)::int AS overridden,
               (s.cycle > 1)::int AS recycled, k.*
        FROM subjects s CROSS JOIN LATERAL (
            SELECT extract(epoch FROM s.at - min(f.occurred_at) FILTER (
                       WHERE f.type = ANY(:began) AND f.cycle = s.cycle))::float8 / 86400 AS age_days,
                   count(*) FILTER (WHERE {touches} AND f.occurred_at > s.at - interval '30 days') AS touches_30d,
                   count(DISTINCT f.data ->> 'kind') FILTER (WHERE {touches}) AS touch_kinds,
                   extract(epoch FROM s.at - max(f.occurred_at) FILTER (WHERE {touches}))::float8 / 86400
                       AS days_since_touch, {last}
            FROM {facts_of(view, "k.lead_id = s.lead_id")} AS f
            WHERE f.occurred_at <= s.at AND {known_by("s.known_at", strict)}
        ) AS k
        ORDER BY s.at, s.lead_id, s.cycle
    """
