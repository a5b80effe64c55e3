"""Renewals: contracts whose term ended in the span, and what of them goes on (metrics.md 1d and A7).

A term is told by the start of a contract and by each renewal. Terms shorter than a year renew by themselves every few
weeks and are no renewals that fall due: they are counted beside. What was due is judged some days after (setting
`renewal_grace_days`), or as of now where that is earlier: the lower of what was paid before and then, so that growing
at a renewal renews no more than what was due.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.kpi.domain.decisions import RENEWAL_GRACE_DAYS
from services.kpi.metrics.entries import HOLDS, days_bound
from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import CLOSED, Figures, Metric, no_value, nothing, ratio, unpriced
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Source
from services.kpi.models import PAID
from services.kpi.projections.facts import CONTRACT_STARTED, SUBSCRIPTION_CHANGED
from services.kpi.schemas.figures import Figure

DEFAULT_GRACE = 30
A_YEAR = 12


def due(view: View) -> str:
    """Contracts due in the span: `at` (midnight of the day), what was paid `before` and `after`, as SQL.

    What a change of MRR does not say the contract of is the account's only one's.
    """
    return f"""
        WITH {RATES}, told AS MATERIALIZED (
            SELECT p.*, p.due_on::timestamp AT TIME ZONE :zone AS midnight
            FROM {{schema}}.term p WHERE p.due_on >= :first AND p.due_on < :last AND {HOLDS}
        ), due AS (
            SELECT p.contract_id, p.account_id, p.midnight AS at, coalesce(p.term_months, :year) < :year AS monthly,
                   {view.slice} AS slice, width_bucket(p.midnight, CAST(:starts AS timestamptz[])) - 1 AS period
            FROM (SELECT DISTINCT ON (contract_id, due_on) * FROM told ORDER BY contract_id, due_on, at DESC) AS p
            WHERE p.midnight < :until {view.filters}
        ), paid AS MATERIALIZED (
            SELECT f.type, f.contract_id, f.occurred_at AS at, f.mrr_amount * r.factor AS worth,
                   min(f.contract_id::text) FILTER (WHERE f.type <> :changed) OVER account AS first,
                   max(f.contract_id::text) FILTER (WHERE f.type <> :changed) OVER account AS last
            FROM (SELECT DISTINCT account_id FROM told) AS t
            JOIN (SELECT * FROM {view.facts} AS f WHERE {PAID}) AS f USING (account_id)
            LEFT JOIN rates r ON r.currency = f.mrr_currency
            WINDOW account AS (PARTITION BY f.account_id)
        ), changes AS (
            (SELECT DISTINCT ON (contract_id) contract_id, at, worth FROM paid WHERE type = :started
             ORDER BY contract_id, at DESC)
            UNION ALL
            SELECT coalesce(contract_id, CASE WHEN first = last THEN first::uuid END), at, worth
            FROM paid WHERE type = :changed
        )
        SELECT d.*, coalesce(sum(c.worth) FILTER (WHERE c.at < d.at), 0) AS before,
               coalesce(sum(c.worth) FILTER (WHERE c.at < least(d.at + make_interval(days => :grace), :until)), 0)
                   AS after, bool_or(c.at IS NOT NULL AND c.worth IS NULL) AS unpriced
        FROM due d LEFT JOIN changes c USING (contract_id)
        GROUP BY d.contract_id, d.account_id, d.at, d.monthly, d.slice, d.period
    """


def parameters(view: View) -> dict[str, Any]:
    """Those of `due`."""
    grace = view.decisions.setting(RENEWAL_GRACE_DAYS, view.question.whole.start) or DEFAULT_GRACE
    return {
        **days_bound(view),
        "started": CONTRACT_STARTED,
        "changed": SUBSCRIPTION_CHANGED,
        "year": A_YEAR,
        "zone": view.question.zone.key,
        "starts": view.starts,
        "grace": grace,
        **bound(view),
    }


async def _renewals(view: View) -> list[Any]:
    kept = "least(before, greatest(after, 0))"
    query = f"""
        SELECT {view.shown}, count(*) FILTER (WHERE counts) AS due, count(*) FILTER (WHERE monthly) AS monthly,
               count(*) FILTER (WHERE counts AND after > 0) AS renewed, bool_or(unpriced) AS unpriced,
               coalesce(sum(before) FILTER (WHERE counts), 0) AS before,
               coalesce(sum({kept}) FILTER (WHERE counts), 0) AS kept
        FROM (SELECT *, NOT monthly AND before > 0 AS counts FROM ({due(view)}) AS t) AS d {view.cells()}
    """
    return await view.rows(query, parameters(view))


def _of(figure: Callable[[Any, View], Figure]) -> Any:
    async def compute(view: View) -> Figures:
        return {
            cell_of(row): unpriced()
            if row.unpriced
            else figure(row, view).model_copy(update={"more": {"monthly_not_included": row.monthly}})
            for row in await _renewals(view)
        }

    return compute


def _logos(row: Any, _: View) -> Figure:
    return ratio(row.renewed, row.due)


def _value(row: Any, view: View) -> Figure:
    before: Decimal = row.before
    return Figure(
        value=float(row.kept / before) if before else None,
        numerator=money(row.kept, view),
        denominator=money(before, view),
        reason=None if before else NO_BASE,
    )


def _records(view: View) -> Source:
    query = f"""
        SELECT at, contract_id || '/' || at AS key, CASE WHEN monthly THEN 'monthly' ELSE 'due' END AS kind,
               after > 0 AND NOT monthly AS numerator, NOT monthly AND before > 0 AS denominator,
               NULL::uuid AS lead_id, NULL::int AS cycle, NULL::uuid AS opportunity_id, account_id, slice,
               jsonb_build_object('contract_id', contract_id, 'before', before, 'after', after) AS figures
        FROM ({due(view)}) AS d
    """
    return Source(query, parameters(view))


METRICS = (
    Metric(
        "renew",
        "更新率(件数)",
        "Renewal rate",
        "ratio",
        "contracts that go on ÷ contracts of a year or longer whose term ended in the span",
        _of(_logos),
        nothing,
        (CLOSED,),
        records=_records,
    ),
    Metric(
        "renew_value",
        "更新率(金額)",
        "Renewal rate by value",
        "ratio",
        "MRR that goes on, at most what was due ÷ MRR due in the span",
        _of(_value),
        no_value,
        (CLOSED,),
        records=_records,
    ),
)
