"""Pipeline coverage: what is open and due in the span by what is still to be won in it (metrics.md 1c).

The target by value is the company's for `won_value` (`/v1/metric-targets`), by deals that of field sales' stage
(`/v1/targets`), of the same period or of the shorter ones that fill it. Nothing else has a target, so nothing else
has coverage. Where the target is reached, nothing is left to cover: null, with the reason `met`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.kpi.domain.stages import WON
from services.kpi.metrics.deals import PRICED, won_value
from services.kpi.metrics.entries import NONE, entries
from services.kpi.metrics.exchange import RATES, bound, factors, money
from services.kpi.metrics.figures import STOCK, Figures, Metric, unpriced
from services.kpi.metrics.pipeline_moves import DUE_WINDOWS, due_windows, inside
from services.kpi.metrics.question import ALL, WHOLE, Cell, View, cell_of, held
from services.kpi.metrics.records import Source
from services.kpi.schemas.figures import Figure
from shared.money import Money, decimals

MET, NO_TARGET = "met", "no_target"
VALUE_TARGET = "won_value"


def _due(view: View) -> str:
    """Tables before a query: `due`, deals in the pipeline of each window at its end."""
    return f"""
        WITH {RATES}, {DUE_WINDOWS}, due AS (
            SELECT * FROM (
                SELECT w.period, w.last_day, {view.slice} AS slice, p.opportunity_id, p.lead_id, p.cycle, p.account_id,
                       coalesce(p.opened_at, p.at) AS at, p.status, p.phase, p.expected_close_date AS due,
                       p.forecast_category AS category {PRICED}
                FROM due_windows w JOIN {{schema}}.opportunity_state p
                  ON p.status = 'open' AND {held("w.ends")} WHERE true {view.filters}
            ) AS d WHERE {inside("d", "d")}
        )
    """


async def _open(view: View) -> Mapping[Cell, Any]:
    query = f"""
        {_due(view)}
        SELECT {view.window_shown}, count(*) AS deals, coalesce(sum(worth), 0) AS total,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced
        FROM due {view.window_cells()}
    """
    return {cell_of(row): row for row in await view.rows(query, {**due_windows(view), **bound(view)})}


def _target(view: View, name: str, cell: Cell) -> float | None:
    """What is to be reached in the period of a cell; by segment where that was decided."""
    segment = (cell.value or "") if view.question.by == "segment" else ""
    if view.question.filters or (cell.value is not None and not segment):
        return None
    span = view.question.whole if cell.period is None else view.periods[cell.period]
    found = view.decisions.target(name, segment, span)
    return found.wanted if found else None


def _cells(view: View, *given: Mapping[Cell, Any]) -> set[Cell]:
    """Also those of which there is nothing but a target."""
    return {ALL, *(Cell(place) for place in range(len(view.periods))), *(cell for each in given for cell in each)}


async def coverage(view: View) -> Figures:
    """By value; `target` and `won` beside it."""
    due, won, found = await _open(view), await won_value(view), {}
    asked = view.question
    rate = factors(view).get(asked.company_currency)
    for cell in _cells(view, due, won):
        row, sold = due.get(cell), won.get(cell)
        target = _target(view, VALUE_TARGET, cell)
        if (row and row.unpriced) or (sold and sold.value is None) or (target is not None and rate is None):
            found[cell] = unpriced()
            continue
        total = row.total if row else Decimal(0)
        closed = Decimal(sold.value.amount) if sold and isinstance(sold.value, Money) else Decimal(0)
        more = {"deals": row.deals if row else 0, "won": money(closed, view).model_dump()}
        if target is None or rate is None:
            found[cell] = Figure(value=None, numerator=money(total, view), reason=NO_TARGET, more=more)
            continue
        wanted = Decimal(str(target)) * 10 ** decimals(asked.company_currency) * rate
        more["target"] = money(wanted, view).model_dump()
        left = wanted - closed
        found[cell] = Figure(
            value=float(total / left) if left > 0 else None,
            numerator=money(total, view),
            denominator=money(max(left, Decimal(0)), view),
            reason=None if left > 0 else MET,
            more=more,
        )
    return found


async def coverage_deals(view: View) -> Figures:
    """By deals, where winning is what field sales' stage ends with."""
    due, counts, found = await _open(view), await entries(view, [WON]), {}
    ends_with_won = any(cut.stage == "field_sales" and cut.goal == WON for cut in view.chain())
    for cell in _cells(view, due, counts):
        deals, won = due[cell].deals if cell in due else 0, counts.get(cell, {}).get(WON, NONE).passes
        target = _target(view, "field_sales", cell) if ends_with_won else None
        left = None if target is None else target - won
        found[cell] = Figure(
            value=deals / left if left is not None and left > 0 else None,
            numerator=deals,
            denominator=None if left is None else max(0.0, left),
            reason=NO_TARGET if left is None else None if left > 0 else MET,
            more={"won": won, "target": target},
        )
    return found


def _without_target(_: View) -> Figure:
    return Figure(value=None, reason=NO_TARGET)


def _records(view: View) -> Source:
    query = f"""
        {_due(view)}
        SELECT at, opportunity_id::text AS key, 'open' AS kind, true AS numerator, NULL::boolean AS denominator,
               lead_id, cycle, opportunity_id, account_id, slice,
               jsonb_build_object('worth', worth, 'due', due, 'phase', phase, 'category', category) AS figures
        FROM due WHERE period = {WHOLE}
    """
    return Source(query, {**due_windows(view), **bound(view)})


_DUE = "open deals due before the span is over ÷ (target - won in it)"
METRICS = (
    Metric(
        "coverage",
        "カバレッジ(金額)",
        "Pipeline coverage",
        "ratio",
        f"by value: {_DUE}",
        coverage,
        _without_target,
        (STOCK,),
        records=_records,
    ),
    Metric(
        "coverage_deals",
        "カバレッジ(件数)",
        "Pipeline coverage by deals",
        "ratio",
        f"by deals: {_DUE}",
        coverage_deals,
        _without_target,
        (STOCK,),
        records=_records,
    ),
)
