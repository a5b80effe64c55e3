"""Churn: will this customer leave, or pay at most four fifths, within 90 days? Told at the first of every month.

One row is a customer under contract at such a moment. What was known is what had occurred and was recorded by then;
MRR decides who is looked at and what came of it, and is no feature: it is restated when news come late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from services.kpi.domain.periods import cut
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.learning.dataset import Dataset, Feature, of_rows, with_numbers
from services.kpi.metrics.learning.knowing import SAMPLED, facts_of, known_by, last_words, share_of
from services.kpi.metrics.learning.training import Recipe
from services.kpi.metrics.question import View, held
from shared.clock import start_of_day

HORIZON_DAYS = 90
LEFT_OF = 0.8  # of MRR: who pays at most so much counts as lost
NUMBERS = (
    Feature("usage_4w", "直近4週の利用回数(週平均)", "Use a week, last 4 weeks", -1),
    Feature("usage_trend", "利用の増減(4週/12週)", "Trend of use, 4 to 12 weeks", -1),
    Feature("active_days_4w", "直近4週の利用日数(週平均)", "Active days a week, last 4 weeks", -1),
    Feature("features_4w", "使っている機能の数", "Features in use, last 4 weeks", -1),
    Feature("errors_4w", "直近4週のエラー数", "Errors, last 4 weeks", 1),
    Feature("quiet_days", "最後の利用からの日数", "Days since last use", 1),
    Feature("tickets_90d", "直近90日の問い合わせ数", "Tickets, last 90 days"),
    Feature("complaints_90d", "直近90日のクレーム・重大な問い合わせ", "Complaints and critical tickets, 90 days", 1),
    Feature("nps", "推奨度(NPS)", "NPS score", -1),
    Feature("csat", "顧客満足度(CSAT)", "CSAT score", -1),
    Feature("csm", "CSM所感", "CSM pulse", -1),
    Feature("onboarded", "オンボーディング完了", "Onboarded", -1),
    Feature("promises_kept", "守られた約束の割合", "Promises kept", -1),
    Feature("growths_180d", "直近180日の拡大の回数", "Expansions, last 180 days", -1),
    Feature("cuts_180d", "直近180日の縮小の回数", "Contractions, last 180 days", 1),
    Feature("tenure_days", "契約してからの日数", "Days under contract"),
    Feature("renewal_days", "更新日までの日数", "Days to renewal"),
)
WORDS = (
    Feature("segment", "セグメント", "Segment"),
    Feature("industry", "業種", "Industry"),
    Feature("product", "商品", "Product"),
    Feature("price_band", "価格帯", "Price band"),
)
FEATURES = (*NUMBERS, *WORDS)
LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "cancel_tickets": ("解約の申し出は結果そのもの", "A request to cancel is the outcome itself"),
    "churned_dormant": ("解約・休眠の記録は結果そのもの", "Churn and dormancy are the outcome itself"),
    "health_score": ("比べる相手であるルールのスコア", "The rule the model is compared with"),
    "churn_risk": ("ルールが出す警告と、それへの対応を含む", "The rule's alarm, and what people did about it"),
    "mrr": ("後から訂正されることがある", "Restated when news come late; it decides the value at risk instead"),
    "owner": ("担当者の評価になるため使わない", "Would judge colleagues"),
}
RECIPE = Recipe(HORIZON_DAYS, least_rows=0, least_events=30, boosted_from=200, features=FEATURES)


@dataclass(frozen=True)
class Book:
    """Who is under contract at as_of, row by row; `mrr` in minor units, nan where a plan rate is missing."""

    data: Dataset
    accounts: Sequence[UUID]
    mrr: Sequence[Any]
    bands: Sequence[str | None]
    rule_reasons: Sequence[Sequence[Mapping[str, Any]]]


async def dataset(view: View, strict: bool) -> tuple[Dataset, int]:
    """Snapshots whose 90 days are over, about MOST_ROWS of them, whole accounts; and how many there are."""
    moments = _moments(view)
    asked = {**_bound(view), "moments": moments}
    counted = f"WITH {_snapshots(view, 'true')} SELECT count(*) AS rows FROM snapshots"
    population: int = (await view.rows(counted, asked))[0].rows
    query = _query(view, SAMPLED.format(whose="c.account_id"), strict)
    rows = await view.rows(query, {**asked, "share": share_of(population)})
    return _read(rows), population


async def book(view: View, strict: bool) -> Book:
    """As of now: nothing of it has come yet."""
    asked = {**_bound(view), "moments": [view.question.as_of]}
    rows = await view.rows(_query(view, "true", strict), asked)
    return Book(
        _read(rows),
        [row.whose for row in rows],
        [row.start if row.priced else None for row in rows],
        [row.band for row in rows],
        [row.rule_reasons or () for row in rows],
    )


def _moments(view: View) -> list[datetime]:
    """The first of every month of the span, as long ago as it takes to know what came."""
    asked, ripe = view.question, view.question.as_of - timedelta(days=HORIZON_DAYS)
    starts = (start_of_day(part.start, asked.zone) for part in cut(asked.whole, "month", 1) if part.start.day == 1)
    return [moment for moment in starts if moment <= ripe]


def _bound(view: View) -> dict[str, Any]:
    return {**bound(view), "horizon": HORIZON_DAYS, "left_of": LEFT_OF, "zone": view.question.zone.key}


def _snapshots(view: View, sampled: str) -> str:
    """Tables before a query: customers under contract at each moment, what they paid, and what came of it.

    `worth` of an account without a plan rate is in its own currency: what counts is only whether it falls.
    """
    return f"""
        {RATES}, accounts AS (
            SELECT DISTINCT ON (p.account_id) p.account_id FROM {{schema}}.movement p
            WHERE p.basis = 'booked' {view.filters} ORDER BY p.account_id, p.at
        ), moves AS (
            SELECT m.account_id, m.at, sum(m.delta * coalesce(r.factor, 1)) AS delta,
                   bool_or(m.kind = 'churn') AS churned, bool_and(r.factor IS NOT NULL) AS priced
            FROM {{schema}}.movement m JOIN accounts USING (account_id) LEFT JOIN rates r USING (currency)
            WHERE m.basis = 'booked' AND m.at <= :as_of GROUP BY m.account_id, m.at
        ), course AS MATERIALIZED (
            SELECT account_id, at, churned, sum(delta) OVER w AS worth, bool_and(priced) OVER w AS priced,
                   lead(at) OVER w AS until
            FROM moves WINDOW w AS (PARTITION BY account_id ORDER BY at)
        ), snapshots AS MATERIALIZED (
            SELECT c.account_id, t.at, c.worth AS start, c.priced
            FROM unnest(CAST(:moments AS timestamptz[])) AS t(at)
            JOIN course c ON {held("t.at", "c")}
            WHERE c.worth > 0 AND {sampled}
        )
    """


def _query(view: View, sampled: str, strict: bool) -> str:
    return f"""
        WITH {_snapshots(view, sampled)}, fates AS (
            SELECT s.account_id, s.at,
                   coalesce(bool_or(d.churned OR d.worth <= :left_of * s.start), false) AS came
            FROM snapshots s LEFT JOIN course d ON d.account_id = s.account_id AND d.at >= s.at
                 AND d.at < s.at + make_interval(days => :horizon)
            GROUP BY 1, 2
        ), subjects AS MATERIALIZED (
            SELECT s.*, f.came, ARRAY(SELECT s.account_id UNION SELECT a.id FROM {{schema}}.alias a
                                      WHERE a.kind = 'account' AND a.canonical_id = s.account_id) AS same
            FROM snapshots s JOIN fates f USING (account_id, at)
        )
        SELECT extract(epoch FROM s.at)::float8 AS at, s.account_id AS whose, s.came, s.start, s.priced, k.*
        FROM subjects s CROSS JOIN LATERAL (
            SELECT {_KNOWN}, {last_words([feature.id for feature in WORDS])}
            FROM {facts_of(view, "k.account_id = ANY(s.same)")} AS f
            WHERE f.occurred_at < s.at AND {known_by("s.at", strict)}
              AND (f.type <> {_OF_USE} OR {_since(365)})
        ) AS k
        ORDER BY s.at, s.account_id
    """


def _type(name: str) -> str:
    return f"f.type = 'customer_success.{name}.v1'"


def _last(value: str, where: str) -> str:
    """The last told value among the facts `f`."""
    ordered = "ORDER BY f.occurred_at DESC, f.recorded_at DESC, f.sequence DESC"
    return f"(array_agg({value} {ordered}) FILTER (WHERE {where}))[1]"


def _since(days: int) -> str:
    return f"f.occurred_at >= s.at - interval '{days} days'"


_OF_USE = "'customer_success.usage_summarised.v1'"
_USE, _TICKET, _CHANGE = _type("usage_summarised"), _type("ticket_opened"), _type("subscription_changed")
_HEALTH, _PULSE, _REVIEW = _type("health_changed"), _type("pulse_recorded"), _type("promise_reviewed")
_TERMS = f"({_type('contract_started')} OR {_type('contract_renewed')})"
_NO_REQUEST = "coalesce(f.data ->> 'kind', '') !~* 'cancel|churn|terminat|解約'"
_SCORE = "(f.data ->> 'score')::float8"
_PULSES = ", ".join(
    _last(_SCORE, f"{_PULSE} AND {_since(180)} AND f.data ->> 'kind' = '{kind}'") + f" AS {kind}"
    for kind in ("nps", "csat", "csm")
)
_LAST_USE = f"max(f.occurred_at) FILTER (WHERE {_USE} AND (f.data ->> 'count')::float8 > 0)"
_BEGAN = f"min(f.occurred_at) FILTER (WHERE {_TERMS} OR f.type = 'field_sales.deal_won.v1')"
_AGE = "extract(epoch FROM s.at - {moment})::float8 / 86400"
_KNOWN = f"""
    100 - {_last(_SCORE, _HEALTH)} AS rule,
    {_last("f.data ->> 'band'", _HEALTH)} AS band, {_last("f.data -> 'reasons'", _HEALTH)} AS rule_reasons,
    sum((f.data ->> 'count')::float8) FILTER (WHERE {_USE} AND {_since(28)}) / 4 AS used_4w,
    sum((f.data ->> 'count')::float8) FILTER (WHERE {_USE} AND {_since(84)}) / 12 AS used_12w,
    avg((f.data ->> 'active_days')::float8) FILTER (WHERE {_USE} AND {_since(28)}) AS active_days_4w,
    max((f.data ->> 'features')::float8) FILTER (WHERE {_USE} AND {_since(28)}) AS features_4w,
    sum((f.data ->> 'errors')::float8) FILTER (WHERE {_USE} AND {_since(28)}) AS errors_4w,
    {_AGE.format(moment=_LAST_USE)} AS quiet_days,
    count(*) FILTER (WHERE {_TICKET} AND {_NO_REQUEST} AND {_since(90)}) AS tickets_90d,
    count(*) FILTER (WHERE {_TICKET} AND {_NO_REQUEST} AND {_since(90)}
        AND (f.data ->> 'kind' = 'complaint' OR f.data ->> 'priority' = 'critical')) AS complaints_90d,
    {_PULSES},
    coalesce(bool_or({_type("onboarding_completed")}), false)::int AS onboarded,
    avg(CASE f.data ->> 'kept' WHEN 'yes' THEN 1 WHEN 'partly' THEN 0.5 ELSE 0 END)
        FILTER (WHERE {_REVIEW})::float8 AS promises_kept,
    count(*) FILTER (WHERE {_CHANGE} AND f.mrr_amount > 0 AND {_since(180)}) AS growths_180d,
    count(*) FILTER (WHERE {_CHANGE} AND f.mrr_amount < 0 AND {_since(180)}) AS cuts_180d,
    {_AGE.format(moment=_BEGAN)} AS tenure_days,
    {_last("(f.data ->> 'renewal_on')::date", f"{_TERMS} AND f.data ->> 'renewal_on' IS NOT NULL")}
        - (s.at AT TIME ZONE :zone)::date AS renewal_days
"""


def _read(rows: Sequence[Any]) -> Dataset:
    told = {"usage_4w", "usage_trend"}
    data = of_rows(rows, [feature.id for feature in NUMBERS if feature.id not in told], [word.id for word in WORDS])
    ever = ~np.isnan(data.numbers["quiet_days"])  # of who never told of use, nothing is known
    four, twelve = (
        np.nan_to_num(np.array([getattr(row, name) for row in rows], dtype=float)) for name in ("used_4w", "used_12w")
    )
    usage = {
        "usage_4w": np.where(ever, four, np.nan),
        "usage_trend": np.where(ever, np.log((four + 1) / (twelve + 1)), np.nan),
    }
    return with_numbers(data, **usage)
