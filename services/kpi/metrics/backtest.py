"""The health score held against what came: of those who left or renewed in a quarter, the band they were in 60 and 90
days before, as it was known then.

A renewal counts where its term is a year or longer, as everywhere. Whom somebody attended to in between (a note of
the customer success manager, a ticket solved, feedback about the account) is told apart: a risk that was averted was
no false alarm. Where no event tells of it, nobody knows whether anybody did.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kpi.metrics.learning.knowing import facts_of
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import rate
from services.kpi.metrics.renewals import A_YEAR
from services.kpi.schemas.figures import RateOut

DAYS_BEFORE = (60, 90)
GREEN, RED, UNKNOWN = "healthy", "risk", "unknown"
BANDS = (GREEN, "watch", RED, UNKNOWN)
CHURNED, RENEWED = "churned", "renewed"
GREEN_CHURNED, RED_RENEWED = "green_churned", "red_renewed"


@dataclass(frozen=True)
class Fate:
    """What became of a customer `at` a moment in the period of this place, and its band so many days before."""

    account_id: UUID
    at: datetime
    period: int
    outcome: str
    days_before: int
    band: str
    score: float | None
    treated: bool
    alarmed: bool

    @property
    def miss(self) -> str | None:
        """What the score got wrong."""
        wrong = {(CHURNED, GREEN): GREEN_CHURNED, (RENEWED, RED): RED_RENEWED}
        return wrong.get((self.outcome, self.band))


@dataclass(frozen=True)
class Verdict:
    """How often each band came to each outcome, and what follows; only known bands are of the shares."""

    confusion: Counter[tuple[str, str]]
    recall: RateOut
    precision: RateOut
    untreated_precision: RateOut
    green_churned: RateOut
    red_renewed: RateOut


async def fates(view: View) -> Sequence[Fate]:
    """Everyone who left or renewed in the span, once for each of DAYS_BEFORE; the newest last."""
    own = facts_of(view, "k.account_id = ANY(s.same)")
    query = f"""
        WITH outcomes AS MATERIALIZED (
            SELECT p.account_id, p.at, '{CHURNED}' AS outcome FROM {{schema}}.movement p
            WHERE p.basis = 'booked' AND p.kind = 'churn' AND p.at >= :from AND p.at < :to AND p.at <= :as_of
            {view.filters}
            UNION
            SELECT coalesce(a.canonical_id, p.account_id), p.occurred_at, '{RENEWED}'
            FROM (SELECT f.*, to_jsonb(f) AS latest FROM {view.facts} AS f
                  WHERE f.type = 'customer_success.contract_renewed.v1' AND f.occurred_at >= :from
                    AND f.occurred_at < :to) AS p
            LEFT JOIN {{schema}}.alias a ON a.kind = 'account' AND a.id = p.account_id
            WHERE p.account_id IS NOT NULL AND coalesce((p.data ->> 'term_months')::int, :year) >= :year {view.filters}
        ), subjects AS (
            SELECT o.*, d.days AS days_before, o.at - make_interval(days => d.days) AS moment,
                   ARRAY(SELECT o.account_id UNION SELECT a.id FROM {{schema}}.alias a
                         WHERE a.kind = 'account' AND a.canonical_id = o.account_id) AS same
            FROM outcomes o CROSS JOIN unnest(CAST(:days AS int[])) AS d(days)
        )
        SELECT s.account_id, s.at, s.outcome, s.days_before, h.band, h.score, coalesce(t.treated, false) AS treated,
               coalesce(t.alarmed, false) AS alarmed, width_bucket(s.at, CAST(:starts AS timestamptz[])) - 1 AS period
        FROM subjects s LEFT JOIN LATERAL (
            SELECT f.data ->> 'band' AS band, (f.data ->> 'score')::float8 AS score
            FROM {own} AS f
            WHERE f.type = 'customer_success.health_changed.v1' AND f.occurred_at <= s.moment
              AND f.recorded_at <= s.moment
            ORDER BY f.occurred_at DESC, f.recorded_at DESC, f.sequence DESC LIMIT 1
        ) AS h ON true LEFT JOIN LATERAL (
            SELECT bool_or({_ATTENDED}) AS treated,
                   bool_or(f.type = 'customer_success.churn_risk_raised.v1') AS alarmed
            FROM {own} AS f WHERE f.occurred_at > s.moment AND f.occurred_at < s.at
        ) AS t ON true
        ORDER BY s.at, s.account_id, s.outcome, s.days_before
    """
    bound = {"year": A_YEAR, "days": list(DAYS_BEFORE), "starts": view.starts}
    return [_fate(row) for row in await view.rows(query, bound)]


_ATTENDED = """(
    f.type = 'customer_success.pulse_recorded.v1' AND f.data ->> 'kind' = 'csm'
    OR f.type = 'customer_success.ticket_closed.v1' OR f.type LIKE '%.feedback_given.v1'
)"""


def _fate(row: Any) -> Fate:
    return Fate(
        row.account_id,
        row.at,
        row.period,
        row.outcome,
        row.days_before,
        row.band or UNKNOWN,
        row.score,
        row.treated,
        row.alarmed,
    )


def verdict(found: Sequence[Fate]) -> Verdict:
    """Of fates of the same days before."""
    counted = Counter((fate.band, fate.outcome) for fate in found)
    untreated = Counter(fate.outcome for fate in found if fate.band == RED and not fate.treated)
    churned = sum(counted[band, CHURNED] for band in BANDS if band != UNKNOWN)
    renewed = sum(counted[band, RENEWED] for band in BANDS if band != UNKNOWN)
    red = counted[RED, CHURNED]
    return Verdict(
        counted,
        rate(red, churned),
        rate(red, red + counted[RED, RENEWED]),
        rate(untreated[CHURNED], untreated.total()),
        rate(counted[GREEN, CHURNED], churned),
        rate(counted[RED, RENEWED], renewed),
    )
