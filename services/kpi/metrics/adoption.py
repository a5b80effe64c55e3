"""Adoption: who of the customers keeps using the product, from the weeks customer success adds up (metrics.md A6)."""

from typing import Any

from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.figures import STOCK, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import WHOLE, WINDOWS, View, cell_of, held
from services.kpi.metrics.records import Source
from services.kpi.metrics.voices import stayed

WEEKS, LEAST_WEEKS = 4, 3
NOT_TOLD = "not_told"


def _standing(view: View) -> str:
    """Tables before a query: `users` are those who were customers at the start (`early`) or the end (`late`) of each
    window, with how many of the last full four weeks before it they used (`use`), and whether they are at its end.

    Of two tellings of a week the later holds, also where two companies turned out to be one: those alone are sorted.
    """
    used, then = "count(*) FILTER (WHERE p.count > 0 AND {})", "date_trunc('week', {} AT TIME ZONE :zone)::date"
    days = "sum(p.active_days) FILTER (WHERE NOT early)::float8 / count(p.active_days) FILTER (WHERE NOT early)"
    summed = f"""
        SELECT f.period, p.account_id, {used.format("early")} AS weeks_before, {used.format("NOT early")} AS weeks,
               {days} AS active_days, NOT bool_and(early) AS told
    """
    return f"""
        WITH {WINDOWS}, full_weeks AS (
            SELECT period, early, monday - 7 * number AS week FROM (
                SELECT period, true AS early, {then.format("starts")} AS monday FROM windows
                UNION ALL SELECT period, false, {then.format("ends")} FROM windows
            ) AS m, generate_series(1, :weeks) AS number
        ), merged AS MATERIALIZED (
            SELECT id, canonical_id FROM {{schema}}.alias WHERE kind = 'account'
            UNION SELECT canonical_id, canonical_id FROM {{schema}}.alias WHERE kind = 'account'
        ), use AS MATERIALIZED (
            {summed} FROM {{schema}}.use_week p JOIN full_weeks f USING (week)
            WHERE {HOLDS} AND p.account_id NOT IN (SELECT id FROM merged) GROUP BY 1, 2
            UNION ALL
            {summed} FROM (
                SELECT DISTINCT ON (g.canonical_id, p.week) g.canonical_id AS account_id, p.week, p.count, p.active_days
                FROM merged g JOIN {{schema}}.use_week p ON p.account_id = g.id
                WHERE p.week IN (SELECT week FROM full_weeks) AND {HOLDS}
                ORDER BY g.canonical_id, p.week, p.at DESC, p.account_id DESC
            ) AS p JOIN full_weeks f USING (week) GROUP BY 1, 2
        ), users AS (
            SELECT p.period, p.account_id, p.at, p.lead_id, p.cycle, p.opportunity_id, p.slice, p.early, p.late,
                   coalesce(u.weeks_before, 0) >= :least AS keen, coalesce(u.weeks, 0) AS weeks,
                   coalesce(u.weeks, 0) >= :least AS adopted, u.active_days,
                   p.late OR EXISTS (SELECT 1 FROM {{schema}}.customer_span x WHERE x.account_id = p.account_id
                                     AND {held("p.ends", "x")}) AS stays
            FROM (
                SELECT p.*, w.period, w.ends, {view.slice} AS slice, {held("w.starts")} AS early,
                       {held("w.ends")} AS late
                FROM windows w JOIN {{schema}}.customer_span p
                  ON p.at < w.ends AND coalesce(p.until, 'infinity') >= w.starts
                WHERE true {view.filters}
            ) AS p LEFT JOIN use u USING (period, account_id) WHERE p.early OR p.late
        )
    """


def _bound(view: View) -> dict[str, Any]:
    return {**view.windows, "weeks": WEEKS, "least": LEAST_WEEKS, "zone": view.question.zone.key}


async def adoption(view: View) -> Figures:
    """Beside it whether those who had adopted it at the start of the span are customers at its end."""
    count = "count(*) FILTER (WHERE {})"
    query = f"""
        {_standing(view)}
        SELECT {view.window_shown}, {count.format("late")} AS customers, {count.format("late AND adopted")} AS adopted,
               {count.format("late AND weeks > 0")} AS used, avg(active_days) FILTER (WHERE late) AS active_days,
               EXISTS (SELECT 1 FROM use u WHERE u.period = users.period AND u.told) AS told,
               {count.format("early AND keen")} AS keen, {count.format("early AND keen AND stays")} AS keen_stay,
               {count.format("early AND NOT keen")} AS idle, {count.format("early AND NOT keen AND stays")} AS idle_stay
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
        FROM users WHERE period = {WHOLE} AND late
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
