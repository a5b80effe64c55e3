"""Deals: what was won and how long it took, what is open, and what it is worth.

A deal's value is its MRR where one was told, else its whole amount.
"""

from decimal import Decimal
from typing import Any

from services.kpi.metrics.entries import SAME, UNITS, counted, entered
from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import CLOSED, HELD, STOCK, Figures, Metric, count, no_money, no_value, unpriced, zero
from services.kpi.metrics.question import WHOLE, WINDOWS, Cell, View, cell_of, held
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Records, Source, shown
from services.kpi.schemas.figures import Figure

WORTH = "coalesce(p.mrr_amount, p.whole_amount)"
CURRENCY = "CASE WHEN p.mrr_amount IS NULL THEN p.whole_currency ELSE p.mrr_currency END"
PRICED = f"""
    , {WORTH} * (SELECT factor FROM rates WHERE currency = {CURRENCY}) AS worth, {WORTH} IS NOT NULL AS told
"""


async def _closed(view: View) -> list[Any]:
    """By cell and result: number, sum and middle of the values of deals closed in the span."""
    query = f"""
        WITH {RATES}
        SELECT milestone, {view.shown}, count(*) AS deals, sum(worth) AS total,
               count(*) FILTER (WHERE told) AS valued,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced,
               array_agg(worth ORDER BY worth) FILTER (WHERE worth IS NOT NULL) AS worths
        FROM ({entered(view, PRICED)}) AS e {view.cells("milestone")}
    """
    return await view.rows(query, {"milestones": ["won", "lost"], "starts": view.starts, **bound(view)})


async def won_value(view: View) -> Figures:
    return {
        cell_of(row): unpriced() if row.unpriced else _beside(row, Figure(value=money(row.total, view)))
        for row in await _closed(view)
        if row.milestone == "won"
    }


async def won_average(view: View) -> Figures:
    found = {}
    for row in await _closed(view):
        if row.milestone == "won":
            mean = money(row.total / row.valued, view) if row.valued and not row.unpriced else None
            figure = Figure(value=mean, reason=None if mean else NO_BASE)
            found[cell_of(row)] = unpriced() if row.unpriced else _beside(row, figure)
    return found


async def won_median(view: View) -> Figures:
    found = {}
    for row in await _closed(view):
        if row.milestone == "won":
            middle = money(_middle(row.worths), view) if row.worths else None
            figure = Figure(value=middle, reason=None if middle else NO_BASE)
            found[cell_of(row)] = unpriced() if row.unpriced else _beside(row, figure)
    return found


def _middle(ordered: list[Decimal]) -> Decimal:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _beside(row: Any, figure: Figure) -> Figure:
    """With the number of deals and of those nobody told the value of."""
    return figure.model_copy(update={"more": {"deals": row.deals, "without_value": row.deals - row.valued}})


async def win_value(view: View) -> Figures:
    """Of the value of all deals closed in the span, the share won."""
    sums: dict[Cell, dict[str, Any]] = {}
    for row in await _closed(view):
        sums.setdefault(cell_of(row), {})[row.milestone] = row
    found = {}
    for cell, rows in sums.items():
        if any(row.unpriced for row in rows.values()):
            found[cell] = unpriced()
            continue
        won = rows["won"].total or Decimal(0) if "won" in rows else Decimal(0)
        whole = sum((row.total or Decimal(0) for row in rows.values()), Decimal(0))
        if not whole:
            found[cell] = no_value(view)
            continue
        found[cell] = Figure(value=float(won / whole), numerator=money(won, view), denominator=money(whole, view))
    return found


def cycle_days(*results: str) -> Any:
    """Days from opened to closed of the deals that ended so; the clock of a reopened deal runs on."""

    async def compute(view: View) -> Figures:
        days = ", extract(epoch FROM p.at - p.since)::float8 / 86400 AS days"
        query = f"""
            SELECT {view.shown}, count(days) AS deals, sum(days) AS total, count(*) - count(days) AS undated,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median,
                   percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS late
            FROM ({entered(view, days)}) AS e {view.cells()}
        """
        rows = await view.rows(query, {"milestones": list(results), "starts": view.starts})
        return {cell_of(row): _days(row) for row in rows}

    return compute


def _days(row: Any) -> Figure:
    mean = row.total / row.deals if row.deals else None
    more = {"median": row.median, "p90": row.late, "mean": mean, "undated": row.undated}
    reason = None if row.deals else NO_BASE
    return Figure(value=row.median, numerator=row.total, denominator=row.deals, reason=reason, more=more)


async def _open(view: View) -> list[Any]:
    """By cell: opportunities open at the end of its span, or at as_of where that is earlier."""
    query = f"""
        WITH {RATES}, {WINDOWS}
        SELECT {view.window_shown}, {counted(view)} AS deals, sum(worth) AS total,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced
        FROM (
            SELECT w.period, {view.slice} AS slice, {UNITS[view.question.unit]} AS unit {PRICED}
            FROM windows w JOIN {{schema}}.opportunity_state p
              ON p.status = 'open' AND {held("w.ends")}
            {SAME} WHERE true {view.filters}
        ) AS e {view.window_cells()}
    """
    return await view.rows(query, {**view.windows, **bound(view)})


async def open_deals(view: View) -> Figures:
    return {cell_of(row): count(row.deals) for row in await _open(view)}


async def pipeline(view: View) -> Figures:
    return {
        cell_of(row): unpriced() if row.unpriced else Figure(value=money(row.total, view), more={"deals": row.deals})
        for row in await _open(view)
    }


def _closings(*results: str) -> Records:
    """Deals closed so in the span with their worth and days."""

    def source(view: View) -> Source:
        days = f"{PRICED}, extract(epoch FROM p.at - p.since)::float8 / 86400 AS days"
        figures = "'worth', worth, 'days', days, 'reason', reason"
        rows = shown(figures, numerator="milestone = 'won'", denominator="true")
        query = f"WITH {RATES} SELECT {rows} FROM ({entered(view, days)}) AS e"
        return Source(query, {"milestones": list(results), "starts": view.starts, **bound(view)})

    return source


def open_at_end(view: View) -> Source:
    """Opportunities open at the end of the span, with what is known of them then."""
    figures = "'worth', worth, 'phase', phase, 'category', category, 'expected_close_date', due, 'opened_at', opened_at"
    query = f"""
        WITH {RATES}, {WINDOWS}
        SELECT opened_at AS at, opportunity_id::text AS key, 'open' AS kind, true AS numerator,
               NULL::boolean AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
               jsonb_build_object({figures}) AS figures
        FROM (
            SELECT p.*, p.forecast_category AS category, p.expected_close_date AS due, {view.slice} AS slice {PRICED}
            FROM windows w JOIN {{schema}}.opportunity_state p
              ON p.status = 'open' AND {held("w.ends")}
            WHERE w.period = {WHOLE} {view.filters}
        ) AS e
    """
    return Source(query, {**view.windows, **bound(view)})


_WON = "of deals won in the span, by MRR where one was told, else by the whole amount"
_DAYS = "from opened to closed, the clock of a reopened deal runs on; value is the median"
_ENDED = (CLOSED,)
METRICS = (
    Metric("open_deals", "進行中の商談", "Open deals", "count", HELD, open_deals, zero, (STOCK,), records=open_at_end),
    Metric(
        "pipeline",
        "パイプライン",
        "Pipeline",
        "money",
        f"Σ value of open deals {HELD}",
        pipeline,
        no_money,
        (STOCK,),
        records=open_at_end,
    ),
    Metric(
        "won_value",
        "受注金額",
        "Value won",
        "money",
        f"Σ {_WON}",
        won_value,
        no_money,
        additive=True,
        records=_closings("won"),
    ),
    Metric(
        "won_average",
        "平均受注金額",
        "Average value won",
        "money",
        f"mean {_WON}",
        won_average,
        no_value,
        records=_closings("won"),
    ),
    Metric(
        "won_median",
        "受注金額の中央値",
        "Median value won",
        "money",
        f"median {_WON}",
        won_median,
        no_value,
        records=_closings("won"),
    ),
    Metric(
        "win_value",
        "受注率(金額)",
        "Win rate by value",
        "ratio",
        "won ÷ closed",
        win_value,
        no_value,
        _ENDED,
        records=_closings("won", "lost"),
    ),
    Metric(
        "cycle_days",
        "商談期間(受注)",
        "Cycle, won",
        "days",
        _DAYS,
        cycle_days("won"),
        no_value,
        _ENDED,
        records=_closings("won"),
    ),
    Metric(
        "cycle_days_lost",
        "商談期間(失注)",
        "Cycle, lost",
        "days",
        _DAYS,
        cycle_days("lost"),
        no_value,
        _ENDED,
        records=_closings("lost"),
    ),
    Metric(
        "cycle_days_all",
        "商談期間(決着)",
        "Cycle",
        "days",
        _DAYS,
        cycle_days("won", "lost"),
        no_value,
        _ENDED,
        records=_closings("won", "lost"),
    ),
)
