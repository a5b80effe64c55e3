"""From booked to live: what was won and what is billed, and what lies between (metrics.md A3).

booked - not billed yet - expansion not billed yet + billed beyond what is booked = live, of each account and so of all.
"""

from decimal import Decimal
from typing import Any

from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import HELD, STOCK, Figures, Metric, no_money, unpriced
from services.kpi.metrics.question import WHOLE, WINDOWS, View, cell_of, held
from services.kpi.metrics.records import Source
from services.kpi.metrics.recurring import beginnings, is_sliced
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.projections.rows import BOOKED
from services.kpi.schemas.figures import Figure

PARTS = ("not_billed_yet", "expansion_not_billed_yet", "billed_beyond")


def _both(view: View) -> str:
    """Tables before a query: `both`, each account with what it pays at the end of each window on either basis."""
    return f"""
        WITH {RATES}, {WINDOWS}, {beginnings(view)}, each AS (
            SELECT w.period, m.account_id, bool_or(r.factor IS NULL) AS unpriced,
                   coalesce(sum(m.paid * r.factor) FILTER (WHERE m.basis = 'booked'), 0) AS booked,
                   coalesce(sum(m.paid * r.factor) FILTER (WHERE m.basis = 'live'), 0) AS live
            FROM windows w JOIN {{schema}}.movement m ON m.basis IN ('booked', 'live') AND {held("w.ends", "m")}
            LEFT JOIN rates r USING (currency) WHERE m.paid <> 0 GROUP BY 1, 2
        ), both_bases AS (
            SELECT *, CASE WHEN live <= 0 THEN greatest(booked - live, 0) ELSE 0 END AS not_billed_yet,
                   CASE WHEN live > 0 THEN greatest(booked - live, 0) ELSE 0 END AS expansion_not_billed_yet,
                   greatest(live - booked, 0) AS billed_beyond
            FROM each
        )
    """


def _bound(view: View) -> dict[str, Any]:
    return {**view.windows, **bound(view), "basis": BOOKED}


async def booked_to_live(view: View) -> Figures:
    """Live less booked MRR; beside it both, and what lies between."""
    parts = ", ".join(f"sum({name}) AS {name}, count(*) FILTER (WHERE {name} > 0) AS {name}_accounts" for name in PARTS)
    query = f"""
        {_both(view)}
        SELECT {view.window_shown}, sum(booked) AS booked, sum(live) AS live, bool_or(unpriced) AS unpriced, {parts}
        FROM both_bases {"JOIN accounts USING (account_id)" if is_sliced(view) else ""} {view.window_cells()}
    """
    rows = await view.rows(query, _bound(view))
    return {cell_of(row): unpriced() if row.unpriced else _walked(row, view) for row in rows if row.booked is not None}


def _walked(row: Any, view: View) -> Figure:
    """Rounded once, so that the parts still add up."""
    booked, live = half_even(row.booked), half_even(row.live)
    signed = [-row.not_billed_yet, -row.expansion_not_billed_yet, row.billed_beyond]
    rounded = apportion(signed, live - booked)
    amounts = {"booked": booked, "live": live, **dict(zip(PARTS, map(abs, rounded), strict=True))}
    more: dict[str, Any] = {name: money(Decimal(amount), view).model_dump() for name, amount in amounts.items()}
    more["accounts"] = {name: getattr(row, f"{name}_accounts") for name in PARTS}
    return Figure(value=money(Decimal(live - booked), view), more=more)


def _records(view: View) -> Source:
    figures = ", ".join(f"'{name}', {name}" for name in ("booked", "live", *PARTS))
    query = f"""
        {_both(view)}
        SELECT since AS at, account_id::text AS key, 'account' AS kind, live > 0 AS numerator,
               booked > 0 AS denominator, NULL::uuid AS lead_id, NULL::int AS cycle, NULL::uuid AS opportunity_id,
               account_id, slice, jsonb_build_object({figures}) AS figures
        FROM both_bases JOIN accounts USING (account_id) WHERE period = {WHOLE} AND (booked > 0 OR live > 0)
    """
    return Source(query, _bound(view))


METRICS = (
    Metric(
        "booked_live",
        "受注ベースと課金ベースのMRRの差",
        "Booked to live MRR",
        "money",
        f"live MRR - booked MRR, both {HELD}",
        booked_to_live,
        no_money,
        (STOCK,),
        records=_records,
    ),
)
