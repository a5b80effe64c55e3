"""Customer success' stage: who was a customer at the start, came in the span, and is under contract at its end.

Entries are customers at the start, deals won in the span (the goal of the stage before) and customers that came
without a deal. A customer who wins another deal is two entries counted by ways; counted by companies it is one.
"""

from collections.abc import Mapping
from typing import NamedTuple

from services.kpi.metrics.entries import COMPANY, HOLDS, SAME, UNITS
from services.kpi.metrics.question import WINDOWS, Cell, View, cell_of, held


class Kept(NamedTuple):
    """The base's parts, and how many of the base are under contract at the end."""

    opening: int = 0
    outside: int = 0
    retained: int = 0
    won: int = 0


def _paying(moment: str, company: str) -> str:
    """Is a company under contract just before a moment? As SQL."""
    return f"""EXISTS (SELECT 1 FROM {{schema}}.customer_span x WHERE x.account_id = {company}
                       AND {held(moment, "x")})"""


def _base(view: View) -> str:
    """Every entry of every window with its part, unit and slice, as SQL."""
    unit, own = UNITS[view.question.unit], "p.account_id AS company, p.account_id::text"
    if view.question.unit == "lead":
        own += " || '/account'"  # a company is nobody's person
    no_deal = "NOT EXISTS (SELECT 1 FROM won x WHERE x.period = w.period AND x.company = p.account_id)"
    return f"""
        WITH {WINDOWS}, won AS (
            SELECT w.period, 'won' AS part, {COMPANY} AS company, ({unit})::text AS unit, {view.slice} AS slice
            FROM windows w JOIN {{schema}}.passage p ON p.milestone = 'won' AND p.at >= w.starts AND p.at < w.ends
            {SAME} WHERE {HOLDS} {view.filters}
        ), opening AS (
            SELECT w.period, 'opening' AS part, {own} AS unit, {view.slice} AS slice
            FROM windows w
            JOIN {{schema}}.customer_span p ON {held("w.starts")}
            WHERE {no_deal if view.question.unit == "account" else "true"} {view.filters}
        ), outside AS (
            SELECT DISTINCT ON (w.period, p.account_id)
                   w.period, 'outside' AS part, {own} AS unit, {view.slice} AS slice
            FROM windows w JOIN {{schema}}.customer_span p ON p.at >= w.starts AND p.at < w.ends
            WHERE NOT {_paying("w.starts", "p.account_id")} AND {no_deal} {view.filters}
            ORDER BY w.period, p.account_id, p.at
        )
    """


async def kept(view: View) -> Mapping[Cell, Kept]:
    """For each cell the parts of the base, and who of all of it is under contract at the end of its span."""
    number = "count(*)" if view.question.unit == "cycle" else "count(DISTINCT unit)"
    query = f"""
        {_base(view)}
        SELECT {view.window_shown}, {number} FILTER (WHERE part = 'opening') AS opening,
               {number} FILTER (WHERE part = 'outside') AS outside, {number} FILTER (WHERE stays) AS retained,
               {number} FILTER (WHERE part = 'won') AS won
        FROM (
            SELECT e.*, {_paying("w.ends", "e.company")} AS stays
            FROM (SELECT * FROM won UNION ALL SELECT * FROM opening UNION ALL SELECT * FROM outside) AS e
            JOIN windows w USING (period)
        ) AS f {view.window_cells()}
    """
    rows = await view.rows(query, view.windows)
    return {cell_of(row): Kept(row.opening, row.outside, row.retained, row.won) for row in rows}
