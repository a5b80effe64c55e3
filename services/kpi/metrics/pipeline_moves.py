"""What moves the pipeline of a period: what came, grew, slipped, was lost and won (metrics.md 1c).

In the pipeline of a period is a deal that is open, due before the period is over and not left out of the forecast.
A deal is told of once in each window, in the slice it stands in at the end; so every slice adds up, too.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import STOCK, Figures, Metric, no_money, no_value, nothing, ratio, unpriced, zero
from services.kpi.metrics.question import WHOLE, WINDOWS, Cell, View, cell_of, held
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Records, Source
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.schemas.figures import Figure

OMITTED = "omitted"
OFTEN = 3
UP, DOWN = ("new", "pulled_in", "reopened", "increased"), ("decreased", "pushed", "lost", "won")
DUE_WINDOWS = f"""
    {WINDOWS}, due_windows AS (
        SELECT w.*, d.last_day FROM windows w
        JOIN unnest(CAST(:windows AS int[]), CAST(:last_days AS date[])) AS d(period, last_day) USING (period)
    )
"""
"""Windows with the day from which a deal is due no more in their period."""


def due_windows(view: View) -> dict[str, Any]:
    """The parameters of DUE_WINDOWS."""
    return {**view.windows, "last_days": [span.end for span in (view.question.whole, *view.periods)]}


def inside(state: str, window: str) -> str:
    """Whether a state of a deal is in the pipeline of a window, as SQL."""
    return f"""({state}.status = 'open' AND coalesce({state}.due < {window}.last_day, false)
                AND {state}.category IS DISTINCT FROM '{OMITTED}')"""


def _moves(view: View) -> str:
    """Tables before a query: `moves`, each deal in each window with its value before (`was`) and after (`worth`), and
    the step by which it came in, changed and went out; null for each that did not happen."""
    state = f"""p.status, p.expected_close_date AS due, p.forecast_category AS category, p.opportunity_id, p.lead_id,
                p.cycle, p.account_id, coalesce(p.opened_at, p.at) AS opened_at {PRICED}"""
    ends = f"SELECT w.*, {view.slice} AS slice, {state} FROM due_windows w JOIN {{schema}}.opportunity_state p"
    return f"""
        WITH {RATES}, {DUE_WINDOWS}, ends AS (
            {ends} ON p.status = 'open' AND {held("w.ends")} WHERE true {view.filters}
            UNION ALL
            {ends} ON p.status IN ('won', 'lost') AND p.at >= w.starts AND p.closed_at >= w.starts
                  AND {held("w.ends")} WHERE true {view.filters}
        ), both_ends AS (
            SELECT w.period, w.slice, w.opportunity_id, w.lead_id, w.cycle, w.account_id, w.opened_at, w.status,
                   w.due, w.last_day, coalesce(w.worth, 0) AS worth, coalesce(b.worth, 0) AS was, b.status AS before,
                   {inside("w", "w")} AS stays, w.status <> 'open' AS closed,
                   b.status IS NOT NULL AND {inside("b", "w")} AS was_inside,
                   w.told AND w.worth IS NULL OR coalesce(b.told AND b.worth IS NULL, false) AS unpriced
            FROM ends w LEFT JOIN LATERAL (
                SELECT {state} FROM {{schema}}.opportunity_state p
                WHERE p.opportunity_id = w.opportunity_id AND {held("w.starts")}
                OFFSET 0  -- looked up deal by deal: joined, all deals there ever were would be priced
            ) AS b ON true
        ), moves AS MATERIALIZED (
            SELECT *,
                   CASE WHEN was_inside OR NOT (stays OR closed) THEN NULL WHEN before = 'open' THEN 'pulled_in'
                        WHEN before IN ('won', 'lost') THEN 'reopened' ELSE 'new' END AS entry,
                   CASE WHEN NOT was_inside OR NOT (stays OR closed) OR worth = was THEN NULL
                        WHEN worth > was THEN 'increased' ELSE 'decreased' END AS change,
                   CASE WHEN closed THEN status WHEN was_inside AND NOT stays THEN 'pushed' END AS exit,
                   was_inside AND status = 'open' AND coalesce(due >= last_day, true) AS slipped
            FROM both_ends
        )
    """


def _bound(view: View) -> dict[str, Any]:
    return {**due_windows(view), **bound(view)}


class _Step(NamedTuple):
    amount: Decimal
    deals: int


async def walk(view: View) -> Figures:
    """From the pipeline at the start of the span to that at its end; value is their difference."""
    query = f"""
        {_moves(view)}
        SELECT step, {view.window_shown}, sum(amount) AS amount, count(*) AS deals, bool_or(unpriced) AS unpriced
        FROM moves m CROSS JOIN LATERAL (
            VALUES (CASE WHEN was_inside THEN 'start' END, was), (entry, worth), (change, abs(worth - was)),
                   (exit, CASE exit WHEN 'pushed' THEN was ELSE worth END), (CASE WHEN stays THEN 'end' END, worth)
        ) AS s(step, amount)
        WHERE step IS NOT NULL {view.window_cells("step")}
    """
    steps: dict[Cell, dict[str, _Step]] = {}
    missing = set()
    for row in await view.rows(query, _bound(view)):
        steps.setdefault(cell_of(row), {})[row.step] = _Step(row.amount, row.deals)
        if row.unpriced:
            missing.add(cell_of(row))
    return {cell: unpriced() if cell in missing else _walked(found, view) for cell, found in steps.items()}


def _walked(found: Mapping[str, _Step], view: View) -> Figure:
    """Rounded once, so that the steps still add up."""
    start, end = (half_even(found[name].amount) if name in found else 0 for name in ("start", "end"))
    names = [name for name in (*UP, *DOWN) if name in found]
    signed = [-found[name].amount if name in DOWN else found[name].amount for name in names]
    rounded = dict(zip(names, apportion(signed, end - start), strict=True))
    amounts = {"start": start, **{name: abs(rounded.get(name, 0)) for name in (*UP, *DOWN)}, "end": end}
    more: dict[str, Any] = {name: money(Decimal(amount), view).model_dump() for name, amount in amounts.items()}
    more["deals"] = {name: found[name].deals if name in found else 0 for name in amounts}
    return Figure(value=money(Decimal(end - start), view), more=more)


async def _slipped(view: View) -> list[Any]:
    query = f"""
        {_moves(view)}
        SELECT {view.window_shown}, count(*) AS due, count(*) FILTER (WHERE slipped) AS slipped, sum(was) AS due_value,
               coalesce(sum(was) FILTER (WHERE slipped), 0) AS slipped_value, bool_or(unpriced) AS unpriced
        FROM moves WHERE was_inside {view.window_cells()}
    """
    return [row for row in await view.rows(query, _bound(view)) if row.due]


async def slip(view: View) -> Figures:
    """Of the deals due in the span at its start, those still open whose day has moved out of it."""
    return {cell_of(row): ratio(row.slipped, row.due) for row in await _slipped(view)}


async def slip_value(view: View) -> Figures:
    return {cell_of(row): unpriced() if row.unpriced else _share(row, view) for row in await _slipped(view)}


def _share(row: Any, view: View) -> Figure:
    return Figure(
        value=float(row.slipped_value / row.due_value) if row.due_value else None,
        numerator=money(row.slipped_value, view),
        denominator=money(row.due_value, view),
        reason=None if row.due_value else NO_BASE,
    )


def _pushes(view: View) -> str:
    """Tables before a query: `standing`, deals open at the end of each window, with how often each was put off."""
    return f"""
        WITH {RATES}, {WINDOWS}, open AS (
            SELECT w.period, w.ends, {view.slice} AS slice, p.* {PRICED} FROM windows w
            JOIN {{schema}}.opportunity_state p ON p.status = 'open' AND {held("w.ends")}
            WHERE true {view.filters}
        ), standing AS (
            SELECT o.*, n.pushes FROM open o CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE later) AS pushes FROM (
                    SELECT expected_close_date > lag(expected_close_date) OVER (ORDER BY at) AS later
                    FROM {{schema}}.opportunity_state s WHERE s.opportunity_id = o.opportunity_id AND s.at < o.ends
                ) AS d
            ) AS n
        )
    """


async def pushed_often(view: View) -> Figures:
    """Open deals whose day was moved to a later one three times or more."""
    query = f"""
        {_pushes(view)}
        SELECT {view.window_shown}, least(pushes, {OFTEN}) AS pushes, count(*) AS deals
        FROM standing {view.window_cells(f"least(pushes, {OFTEN})")}
    """
    found: dict[Cell, dict[int, int]] = {}
    for row in await view.rows(query, {**view.windows, **bound(view)}):
        found.setdefault(cell_of(row), {})[row.pushes] = row.deals
    return {
        cell: Figure(
            value=deals.get(OFTEN, 0),
            more={"open": sum(deals.values()), "pushes": {str(number): deals[number] for number in sorted(deals)}},
        )
        for cell, deals in found.items()
    }


def _deals(numerator: str, denominator: str, where: str) -> Records:
    def source(view: View) -> Source:
        figures = "'was', was, 'worth', worth, 'entry', entry, 'change', change, 'exit', exit, 'due', due"
        query = f"""
            {_moves(view)}
            SELECT opened_at AS at, opportunity_id::text AS key, coalesce(exit, entry, change, 'unchanged') AS kind,
                   {numerator} AS numerator, {denominator} AS denominator, lead_id, cycle, opportunity_id, account_id,
                   slice, jsonb_build_object({figures}) AS figures
            FROM moves WHERE period = {WHOLE} AND ({where})
        """
        return Source(query, _bound(view))

    return source


def _put_off(view: View) -> Source:
    query = f"""
        {_pushes(view)}
        SELECT coalesce(opened_at, at) AS at, opportunity_id::text AS key, 'open' AS kind, true AS numerator,
               NULL::boolean AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
               jsonb_build_object('pushes', pushes, 'worth', worth, 'due', expected_close_date) AS figures
        FROM standing WHERE period = {WHOLE} AND pushes >= {OFTEN}
    """
    return Source(query, {**view.windows, **bound(view)})


_MOVED = "coalesce(entry, change, exit) IS NOT NULL"
_WALK = (
    "end - start = new + pulled in + reopened + increased - decreased - pushed - lost - won, of deals due before the "
    "span is over"
)
_SLIP = "still open with their day moved out of the span ÷ deals due in it at its start"
METRICS = (
    Metric(
        "walk",
        "パイプライン増減",
        "Pipeline walk",
        "money",
        _WALK,
        walk,
        no_money,
        records=_deals("stays", "was_inside", f"was_inside OR {_MOVED}"),
    ),
    Metric(
        "slip",
        "期ずれ率(クローズ日の後ろ倒し、件数)",
        "Slippage",
        "ratio",
        _SLIP,
        slip,
        nothing,
        records=_deals("slipped", "true", "was_inside"),
    ),
    Metric(
        "slip_value",
        "期ずれ率(クローズ日の後ろ倒し、金額)",
        "Slippage by value",
        "ratio",
        f"by value: {_SLIP}",
        slip_value,
        no_value,
        records=_deals("slipped", "true", "was_inside"),
    ),
    Metric(
        "pushed_often",
        "3回以上後ろ倒しされた商談",
        "Deals put off again and again",
        "count",
        f"open deals whose close date was moved to a later day {OFTEN} times or more, at the end of the span",
        pushed_often,
        zero,
        (STOCK,),
        records=_put_off,
    ),
)
