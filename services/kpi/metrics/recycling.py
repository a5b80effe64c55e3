"""Recycling: what ended and may come back, what came back, and what became of it (metrics.md 1e and A5)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import HOLDS, counted, entered
from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import COHORT, Figures, Metric, no_value, nothing, ratio, unpriced
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Source, entries_of, shown
from services.kpi.schemas.figures import Figure

ENDED = {"mql_rejected": "mql_rejected", "dropped": "no_opportunity", "sql_returned": "sql_returned"}
ENDED |= {"lost": "deal_lost", "customer": "dormant_customer"}
"""Each end of a way, and the reason its next cycle bears."""
UNFOLLOWED = "unfollowed"
LOOPS = 3
"""So often with one owner, and another may try."""
_ENDS = tuple(name for name in ENDED if name != "customer")
_OPPORTUNITY = f"""
    , EXISTS (SELECT FROM {{schema}}.passage g WHERE g.milestone = 'opportunity' AND g.lead_id = p.lead_id
              AND g.cycle = p.cycle AND {HOLDS.replace("p.", "g.")}) AS reached
"""
_STUCK = f"""
    , p.cycle > {LOOPS} AND EXISTS (
        SELECT FROM {{schema}}.passage g WHERE g.lead_id = p.lead_id AND g.cycle < p.cycle AND g.owner IS NOT NULL
        GROUP BY g.owner HAVING count(DISTINCT g.cycle) >= {LOOPS}) AS stuck
"""
_DAYS = """
    , extract(epoch FROM p.at - (
        SELECT max(g.at) FROM {schema}.passage g WHERE g.lead_id = p.lead_id AND g.cycle = p.cycle - 1
        AND g.milestone = ANY(:ends) AND g.at <= p.at))::float8 / 86400 AS days
"""
_GONE = ("customer_success.customer_churned.v1", "customer_success.customer_dormant.v1")
Reasons = Mapping[Cell, Mapping[str, int]]


async def ended(view: View) -> Reasons:
    """Ways that ended in the span and may come back, by cell and reason. What was disqualified may not."""
    ways = entered(view, ", (SELECT f.data ->> 'recyclable' FROM public.fact f WHERE f.event_id = p.event_id) AS may")
    query = f"""
        SELECT milestone, reason = '{UNFOLLOWED}' AS alone, {view.shown}, {counted(view)} AS ways
        FROM ({ways}) AS e WHERE milestone <> 'dropped' OR may IS DISTINCT FROM 'false'
        {view.cells("milestone", f"reason = '{UNFOLLOWED}'")}
    """
    found: defaultdict[Cell, dict[str, int]] = defaultdict(dict)
    for row in await view.rows(query, {"milestones": list(_ENDS), "starts": view.starts}):
        reason = UNFOLLOWED if row.alone else ENDED[row.milestone]
        found[cell_of(row)][reason] = found[cell_of(row)].get(reason, 0) + row.ways
    for row in await view.rows(_gone(view), {"gone": list(_GONE), "starts": view.starts}):
        found[cell_of(row)][ENDED["customer"]] = row.customers
    return found


def _gone(view: View) -> str:
    """Customers that went quiet or left in the span, each once."""
    return f"""
        SELECT {view.shown}, count(DISTINCT account_id) AS customers FROM (
            SELECT p.account_id, {view.slice} AS slice,
                   width_bucket(p.occurred_at, CAST(:starts AS timestamptz[])) - 1 AS period
            FROM (SELECT f.*, to_jsonb(f) AS latest FROM {view.facts} AS f) AS p
            WHERE p.type = ANY(:gone) AND p.occurred_at >= :from AND p.occurred_at < :to
              AND (p.data ->> 'recyclable') IS DISTINCT FROM 'false' {view.filters}
        ) AS e {view.cells()}
    """


async def recycled(view: View) -> Reasons:
    """Cycles opened again in the span, by cell and why the one before ended."""
    query = f"""
        SELECT coalesce(cycle_source, '(unset)') AS source, {view.shown}, {counted(view)} AS ways
        FROM ({entered(view)}) AS e WHERE outside {view.cells("coalesce(cycle_source, '(unset)')")}
    """
    found: defaultdict[Cell, dict[str, int]] = defaultdict(dict)
    for row in await view.rows(query, {"milestones": ["lead"], "starts": view.starts}):
        found[cell_of(row)][row.source] = row.ways
    return found


async def recycle_rate(view: View) -> Figures:
    over, under, found = await recycled(view), await ended(view), {}
    for cell in {*over, *under}:
        came, went = over.get(cell, {}), under.get(cell, {})
        reasons = {name: {"ended": went.get(name, 0), "recycled": came.get(name, 0)} for name in sorted({*came, *went})}
        figure = ratio(sum(came.values()), sum(went.values()))
        found[cell] = figure.model_copy(update={"more": {"reasons": reasons}})
    return found


async def reached_again(view: View) -> Figures:
    """Of the cycles opened again in the span, the share that became an opportunity by as_of."""
    query = f"""
        SELECT {view.shown}, {counted(view)} AS ways, {counted(view, "reached")} AS reached
        FROM ({entered(view, _OPPORTUNITY)}) AS e WHERE outside {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["lead"], "starts": view.starts})
    return {cell_of(row): ratio(row.reached, row.ways) for row in rows}


async def won_share(view: View) -> Figures:
    """Of the deals won in the span, the share whose cycle was not the person's first."""
    query = f"""
        SELECT {view.shown}, {counted(view, "cycle > 1")} AS again, {counted(view)} AS deals
        FROM ({entered(view)}) AS e {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["won"], "starts": view.starts})
    return {cell_of(row): ratio(row.again, row.deals) for row in rows}


async def won_value_share(view: View) -> Figures:
    query = f"""
        WITH {RATES}
        SELECT {view.shown}, coalesce(sum(worth) FILTER (WHERE cycle > 1), 0) AS again, sum(worth) AS total,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced
        FROM ({entered(view, PRICED)}) AS e {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["won"], "starts": view.starts, **bound(view)})
    return {cell_of(row): unpriced() if row.unpriced else _share(row, view) for row in rows}


def _share(row: Any, view: View) -> Figure:
    return Figure(
        value=float(row.again / row.total) if row.total else None,
        numerator=money(row.again, view),
        denominator=money(row.total, view),
        reason=None if row.total else NO_BASE,
    )


async def loops(view: View) -> Figures:
    """How many of the span's lead entries are whose first, second, third … cycle; value is the highest. Beside it how
    many of them ended with one owner three times or more before: somebody else may try."""
    query = f"""
        SELECT cycle, {view.shown}, {counted(view)} AS ways, {counted(view, "stuck")} AS stuck
        FROM ({entered(view, _STUCK)}) AS e {view.cells("cycle")}
    """
    found: defaultdict[Cell, dict[str, Any]] = defaultdict(dict)
    for row in await view.rows(query, {"milestones": ["lead"], "starts": view.starts}):
        found[cell_of(row)][str(row.cycle or 1)] = row
    return {
        cell: Figure(
            value=max(map(int, cycles)),
            more={
                "cycles": {cycle: row.ways for cycle, row in sorted(cycles.items())},
                "same_owner": sum(row.stuck for row in cycles.values()),
            },
        )
        for cell, cycles in found.items()
    }


async def dormant(view: View) -> Figures:
    """Days from the end of the cycle before to the new one; value is the median. Of a customer who comes back no end is
    known by the cycle: those are `undated`."""
    query = f"""
        SELECT {view.shown}, count(days) AS ways, sum(days) AS total, count(*) - count(days) AS undated,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median
        FROM ({entered(view, _DAYS)}) AS e WHERE outside {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["lead"], "starts": view.starts, "ends": list(_ENDS)})
    return {
        cell_of(row): Figure(
            value=row.median,
            numerator=row.total,
            denominator=row.ways,
            reason=None if row.ways else NO_BASE,
            more={"mean": row.total / row.ways if row.ways else None, "undated": row.undated},
        )
        for row in rows
    }


def _recycled_records(view: View) -> Source:
    ways = entered(view, ", (SELECT f.data ->> 'recyclable' FROM public.fact f WHERE f.event_id = p.event_id) AS may")
    rows = shown(
        "'reason', reason, 'cycle_source', cycle_source",
        numerator="milestone = 'lead'",
        denominator="milestone <> 'lead'",
    )
    query = f"""
        SELECT {rows} FROM ({ways}) AS e
        WHERE CASE milestone WHEN 'lead' THEN outside WHEN 'dropped' THEN may IS DISTINCT FROM 'false' ELSE true END
    """
    return Source(query, {"milestones": ["lead", *_ENDS], "starts": view.starts})


def _again(view: View) -> Source:
    rows = shown("'cycle_source', cycle_source", numerator="reached", denominator="true")
    query = f"SELECT {rows} FROM ({entered(view, _OPPORTUNITY)}) AS e WHERE outside"
    return Source(query, {"milestones": ["lead"], "starts": view.starts})


def _slept(view: View) -> Source:
    rows = shown("'days', days, 'cycle_source', cycle_source", numerator="days IS NOT NULL", denominator="true")
    query = f"SELECT {rows} FROM ({entered(view, _DAYS)}) AS e WHERE outside"
    return Source(query, {"milestones": ["lead"], "starts": view.starts, "ends": list(_ENDS)})


def _won_again(view: View) -> Source:
    rows = shown("'worth', worth, 'cycle_source', cycle_source", numerator="cycle > 1", denominator="true")
    query = f"WITH {RATES} SELECT {rows} FROM ({entered(view, PRICED)}) AS e"
    return Source(query, {"milestones": ["won"], "starts": view.starts, **bound(view)})


def _cycles(view: View) -> Source:
    return entries_of(view, ["lead"], figures="'cycle_source', cycle_source")


_ENDED = "ways ended in the span that may come back: MQLs rejected, dropped, SQLs returned, deals lost, customers gone"
METRICS = (
    Metric(
        "recycle_rate",
        "リサイクル率",
        "Recycle rate",
        "ratio",
        f"recycled ÷ {_ENDED}",
        recycle_rate,
        nothing,
        records=_recycled_records,
    ),
    Metric(
        "recycled_to_opp",
        "リサイクル→有効商談率",
        "Recycled to opportunity",
        "ratio",
        "became an opportunity by as_of ÷ cycles opened again in the span",
        reached_again,
        nothing,
        (COHORT,),
        records=_again,
    ),
    Metric(
        "dormant_days",
        "リサイクルまでの日数",
        "Days dormant",
        "days",
        "from the end of the cycle before to the new cycle, of cycles opened again in the span; value is the median",
        dormant,
        no_value,
        records=_slept,
    ),
    Metric(
        "recycled_won",
        "受注に占めるリサイクル(件数)",
        "Won from recycled",
        "ratio",
        "deals won of a later cycle ÷ deals won",
        won_share,
        nothing,
        records=_won_again,
    ),
    Metric(
        "recycled_won_value",
        "受注に占めるリサイクル(金額)",
        "Won from recycled, value",
        "ratio",
        "value won of a later cycle ÷ value won",
        won_value_share,
        no_value,
        records=_won_again,
    ),
    Metric(
        "loops",
        "n周目の内訳",
        "Cycles by number",
        "count",
        f"lead entries by their cycle; beside it those that had {LOOPS} or more cycles with one owner before",
        loops,
        no_value,
        records=_cycles,
    ),
)
