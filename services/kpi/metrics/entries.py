"""Counts: entries into milestones in a span of time, and ends of the way.

`value` counts the unit that was asked for (ways, people, companies), `passes` always ways, `unique` always people.
`chained` leaves out what came from outside the chain: recycled leads, opportunities no SQL preceded; `outside` are
those. Who came both ways is one person, and in both.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from services.kpi.metrics.question import Cell, View, cell_of
from shared.contracts.base import DIMENSIONS

PERSON = "coalesce(l.canonical_id, p.lead_id, p.opportunity_id, p.account_id)"
COMPANY = "coalesce(a.canonical_id, p.account_id, l.canonical_id, p.lead_id, p.opportunity_id)"
UNITS = {"cycle": "1", "lead": PERSON, "account": COMPANY}
SAME = """
    LEFT JOIN {schema}.alias l ON l.kind = 'lead' AND l.id = p.lead_id
    LEFT JOIN {schema}.alias a ON a.kind = 'account' AND a.id = p.account_id
"""
HOLDS = "p.at <= :as_of AND (p.until IS NULL OR p.until > :as_of)"
WAY = "coalesce(p.lead_id::text || '/' || coalesce(p.cycle, 1), p.opportunity_id::text, p.account_id::text)"


class Entries(NamedTuple):
    value: int = 0
    chained: int = 0
    outside: int = 0
    passes: int = 0
    unique: int = 0


NONE = Entries()
Counts = Mapping[Cell, Mapping[str, Entries]]


def counted(view: View, where: str = "true", name: str = "unit") -> str:
    """How many of the unit, as SQL over rows with `unit`."""
    what = "*" if view.question.unit == "cycle" else f"DISTINCT {name}"
    return f"count({what}) FILTER (WHERE {where})"


def entered(view: View, columns: str = "", holding: str = HOLDS) -> str:
    """Rows of passage `p` that were entered in the span, with their unit, person, period and slice, as SQL."""
    return f"""
        SELECT p.*, {UNITS[view.question.unit]} AS unit, {PERSON} AS person, {view.slice} AS slice,
               width_bucket(p.at, CAST(:starts AS timestamptz[])) - 1 AS period {columns}
        FROM {{schema}}.passage p {SAME}
        WHERE p.milestone = ANY(:milestones) AND p.at >= :from AND p.at < :to AND {holding} {view.filters}
    """


async def entries(view: View, milestones: Iterable[str], *, people: bool = False) -> Counts:
    """For each cell the entries into each milestone; `visitor` is counted from the days' figures. How many `people`
    they are is counted where it is asked for: it takes as long as all the rest."""
    names = sorted(set(milestones))
    query = f"""
        SELECT milestone, {view.shown}, {counted(view)} AS value, {counted(view, "NOT outside")} AS chained,
               {counted(view, "outside")} AS outside, count(*) AS passes,
               {"count(DISTINCT person)" if people else "0"} AS people
        FROM ({entered(view)}) AS e {view.cells("milestone")}
    """
    found: dict[Cell, dict[str, Entries]] = {}
    for row in await view.rows(query, {"milestones": names, "starts": view.starts}):
        figures = Entries(row.value, row.chained, row.outside, row.passes, row.people)
        found.setdefault(cell_of(row), {})[row.milestone] = figures
    if "visitor" in names:
        for cell, visitors in (await visitors_of(view)).items():
            found.setdefault(cell, {})["visitor"] = Entries(visitors, visitors, 0, visitors, 0)
    return found


async def skipped(view: View, milestones: Iterable[str]) -> Mapping[Cell, Mapping[str, int]]:
    """For each cell and milestone: ways that entered a later one in the span without ever having entered it."""
    query = f"""
        SELECT missing AS milestone, {view.shown}, count(DISTINCT way) AS ways
        FROM ({entered(view, f", {WAY} AS way")}) AS e, unnest(e.skipped) AS missing {view.cells("missing")}
    """
    found: dict[Cell, dict[str, int]] = {}
    for row in await view.rows(query, {"milestones": sorted(set(milestones)), "starts": view.starts}):
        found.setdefault(cell_of(row), {})[row.milestone] = row.ways
    return found


async def visitors_of(view: View) -> Mapping[Cell, int]:
    """Sums of the days' figures. Visits are told by channel and campaign only: in other dimensions they are unset."""
    rows = await view.rows(
        f"SELECT {view.shown}, sum(figure)::bigint AS visitors FROM ({days_of(view, 'visit_day')}) AS e {view.cells()}",
        days_bound(view),
    )
    return {cell_of(row): row.visitors for row in rows if row.visitors is not None}


def days_of(view: View, table: str) -> str:
    """The figures of the days of the span, `visit_day` or `spend_day`, with their period and slice, as SQL."""
    return f"""
        SELECT p.key, p.day, p.channel, p.campaign, p.figure, p.currency, {view.slice} AS slice,
               width_bucket(p.day, CAST(:days AS date[])) - 1 AS period
        FROM (
            SELECT d.*, {_NOT_TOLD}, 1 AS cycle,
                   jsonb_build_object('channel', d.channel, 'campaign', d.campaign) AS latest
            FROM {{schema}}.{table} d
            WHERE d.day >= :first AND d.day < :last AND d.at <= :as_of AND (d.until IS NULL OR d.until > :as_of)
        ) AS p WHERE true {view.filters}
    """


def days_bound(view: View, back: int = 0) -> dict[str, object]:
    """The parameters of `days_of`; of the days that lie `back` days before the span and its periods."""
    whole, earlier = view.question.whole, timedelta(days=back)
    days = [period.start - earlier for period in view.periods] or [whole.start - earlier]
    return {"first": whole.start - earlier, "last": whole.end - earlier, "days": days}


_NOT_TOLD = ", ".join(f"NULL::text AS {name}" for name in DIMENSIONS if name not in ("channel", "campaign"))
