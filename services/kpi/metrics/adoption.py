"""Adoption: who of the customers keeps using the product, from the weeks customer success adds up (metrics.md A6)."""

from datetime import timedelta
from typing import Any

from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.figures import STOCK, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import WHOLE, WINDOWS, View, cell_of, held
from services.kpi.metrics.records import Source
from services.kpi.metrics.voices import stayed
from shared.clock import day_of

WEEKS, LEAST_WEEKS = 4, 3
NOT_TOLD = "not_told"


def _standing(view: View) -> str:
    """Tables before a query: `users` are customers at both ends of each window, with the weeks they used of the last
    full four, and whether they are customers at its end. `told` are the moments of which any use is told.

    Of two tellings of a week the later holds, also where two companies turned out to be one.
    """
    full = "date_trunc('week', m.moment AT TIME ZONE :zone)::date"
    return f"""
        WITH {WINDOWS}, moments AS (
            SELECT period, false AS early, ends AS moment, ends FROM windows
            UNION ALL SELECT period, true, starts, ends FROM windows
        ), weeks AS MATERIALIZED (
            SELECT DISTINCT ON (account_id, week) account_id, week, used, active_days FROM (
                SELECT coalesce(a.canonical_id, p.account_id) AS account_id, p.week, p.count > 0 AS used,
                       p.active_days, p.at, p.key
                FROM {{schema}}.use_week p
                LEFT JOIN {{schema}}.alias a ON a.kind = 'account' AND a.id = p.account_id
                WHERE p.week = ANY(:full_weeks) AND {HOLDS}
            ) AS u ORDER BY account_id, week, at DESC, key DESC
        ), use AS MATERIALIZED (
            SELECT m.period, m.early, w.account_id, count(*) FILTER (WHERE w.used) AS weeks,
                   avg(w.active_days)::float8 AS active_days
            FROM moments m JOIN weeks w ON w.week >= {full} - 7 * :weeks AND w.week < {full} GROUP BY 1, 2, 3
        ), told AS (SELECT DISTINCT period, early FROM use), users AS (
            SELECT m.period, m.early, p.account_id, p.at, p.lead_id, p.cycle, p.opportunity_id, {view.slice} AS slice,
                   coalesce(u.weeks, 0) AS weeks, u.active_days, coalesce(u.weeks, 0) >= :least AS adopted,
                   EXISTS (SELECT 1 FROM {{schema}}.customer_span x WHERE x.account_id = p.account_id
                           AND {held("m.ends", "x")}) AS stays
            FROM moments m
            JOIN {{schema}}.customer_span p ON {held("m.moment")}
            LEFT JOIN use u ON u.period = m.period AND u.early = m.early AND u.account_id = p.account_id
            WHERE true {view.filters}
        )
    """


def _bound(view: View) -> dict[str, Any]:
    windows, zone = view.windows, view.question.zone
    days = {day_of(moment, zone) for moment in (*windows["window_starts"], *windows["window_ends"])}
    mondays = {day - timedelta(days=day.weekday()) for day in days}
    full = sorted({monday - timedelta(weeks=number) for monday in mondays for number in range(1, WEEKS + 1)})
    more = {"weeks": WEEKS, "least": LEAST_WEEKS, "full_weeks": full, "zone": zone.key}
    return {**windows, **more}


async def adoption(view: View) -> Figures:
    """Beside it whether those who had adopted it at the start of the span are customers at its end."""
    count = "count(*) FILTER (WHERE {})"
    query = f"""
        {_standing(view)}
        SELECT {view.window_shown}, {count.format("NOT early")} AS customers,
               {count.format("NOT early AND adopted")} AS adopted, {count.format("NOT early AND weeks > 0")} AS used,
               avg(active_days) FILTER (WHERE NOT early) AS active_days,
               bool_or((period, false) IN (SELECT period, early FROM told)) AS told,
               {count.format("early AND adopted")} AS keen, {count.format("early AND adopted AND stays")} AS keen_stay,
               {count.format("early AND NOT adopted")} AS idle,
               {count.format("early AND NOT adopted AND stays")} AS idle_stay
        FROM users {view.window_cells()}
    """
    return {cell_of(row): _figure(row) for row in await view.rows(query, _bound(view))}


def _figure(row: Any) -> Any:
    found = ratio(row.adopted, row.customers)
    if not row.told and row.customers:
        found = found.model_copy(update={"value": None, "ci95": None, "reason": NOT_TOLD})
    more = {
        "used": row.used,
        "active_days": row.active_days,
        "retention": stayed((row.keen_stay, row.keen), (row.idle_stay, row.idle)),
    }
    return found.model_copy(update={"more": more})


def _records(view: View) -> Source:
    query = f"""
        {_standing(view)}
        SELECT at, account_id::text AS key, 'customer' AS kind, adopted AS numerator, true AS denominator, lead_id,
               cycle, opportunity_id, account_id, slice,
               jsonb_build_object('weeks_used', weeks, 'active_days', active_days) AS figures
        FROM users WHERE period = {WHOLE} AND NOT early
    """
    return Source(query, _bound(view))


METRICS = (
    Metric(
        "adoption",
        "定着率(活用顧客の割合)",
        "Adoption",
        "ratio",
        f"customers that used the product in {LEAST_WEEKS} of the last {WEEKS} full weeks ÷ customers, at the end of "
        "the span, or at as_of where that is earlier",
        adoption,
        nothing,
        (STOCK,),
        records=_records,
    ),
)
