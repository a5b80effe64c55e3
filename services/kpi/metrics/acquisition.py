"""From visitors to leads, and what they cost."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial

from services.kpi.domain.decisions import WEB_CHANNELS
from services.kpi.metrics.entries import NONE, counted, days_bound, days_of, entered, entries, visitors_of
from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import (
    Figures,
    Metric,
    count,
    no_money,
    no_value,
    nothing,
    ratio,
    unpriced,
    zero,
)
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Records, Source, shown
from services.kpi.schemas.figures import Figure

NO_SPEND = "no_spend"


async def visitors(view: View) -> Figures:
    return {cell: count(number) for cell, number in (await visitors_of(view)).items()}


async def visitor_to_lead(view: View) -> Figures:
    """New leads that came over the web by visitors. Recycled leads and those of events or calls are no visitors."""
    came = await visitors_of(view)
    leads = await web_leads(view)
    return {cell: ratio(leads.get(cell, 0), came.get(cell, 0)) for cell in {*came, *leads}}


async def web_leads(view: View) -> Mapping[Cell, int]:
    """New leads of the channels that visits are told of."""
    channels = await _web(view)
    query = f"""
        SELECT {view.shown}, {counted(view, "NOT outside AND channel = ANY(:channels)")} AS leads
        FROM ({entered(view)}) AS e {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["lead"], "starts": view.starts, "channels": channels})
    return {cell_of(row): row.leads for row in rows}


async def all_leads_by_visitor(view: View) -> Figures:
    """New leads of every channel by visitors, for who does not tell channels apart."""
    found = await entries(view, ["visitor", "lead"])
    return {
        cell: ratio(counts.get("lead", NONE).chained, counts.get("visitor", NONE).value)
        for cell, counts in found.items()
    }


def lag(view: View) -> int:
    """By how many days (`window`) what is spent comes before what comes of it; none where nothing is said."""
    return view.question.window_days or 0


async def spend_of(view: View, back: int = 0) -> Mapping[Cell, Decimal | None]:
    """What was spent in the span, or `back` days before it, in minor units; None where a plan rate is missing."""
    query = f"""
        WITH {RATES}
        SELECT {view.shown}, sum(figure * factor) AS spent, bool_or(factor IS NULL) AS unpriced
        FROM ({days_of(view, "spend_day")}) AS e LEFT JOIN rates r USING (currency) {view.cells()}
    """
    rows = await view.rows(query, {**days_bound(view, back), **bound(view)})
    return {cell_of(row): None if row.unpriced else row.spent for row in rows if row.spent is not None or row.unpriced}


async def spend(view: View) -> Figures:
    return {
        cell: unpriced() if spent is None else Figure(value=money(spent, view))
        for cell, spent in (await spend_of(view)).items()
    }


async def _cost(view: View, milestone: str, which: str) -> Figures:
    """Spend by entries, both of the span, or the spend of `window` days before. Where no spend is told there is no
    cost: it is not free."""
    counts, spending, found = await entries(view, [milestone]), await spend_of(view, lag(view)), {}
    for cell in {*counts, *spending}:
        number = getattr(counts.get(cell, {}).get(milestone, NONE), which)
        spent = spending.get(cell, Decimal(0))
        if spent is None:
            found[cell] = unpriced()
        else:
            told = number and cell in spending
            found[cell] = Figure(
                value=money(spent / number, view) if told else None,
                numerator=money(spent, view),
                denominator=number,
                reason=None if told else NO_SPEND if number else NO_BASE,
            )
    return found


def _days(table: str, *, numerator: str, denominator: str) -> str:
    """COLUMNS of the days' figures, as SQL around `days_of`."""
    return f"""
        SELECT (day::timestamp AT TIME ZONE :zone) AS at, key, '{table}' AS kind, {numerator} AS numerator,
               {denominator} AS denominator, NULL::uuid AS lead_id, NULL::int AS cycle, NULL::uuid AS opportunity_id,
               NULL::uuid AS account_id, slice, jsonb_build_object('channel', channel, 'campaign', campaign,
               'figure', figure, 'currency', currency) AS figures"""


def _of_days(table: str) -> Records:
    def source(view: View) -> Source:
        query = f"{_days(table, numerator='true', denominator='NULL::boolean')} FROM ({days_of(view, table)}) AS d"
        return Source(query, {**days_bound(view), "zone": view.question.zone.key})

    return source


def _by_days(table: str, milestone: str, where: str, *, above: bool) -> Records:
    """Entries on one side of a quotient, the days' figures on the other; `above` says that the entries are above."""

    def source(view: View) -> Source:
        sides = {"numerator": "true", "denominator": "false"}
        other = {"numerator": "false", "denominator": "true"}
        own, days = (sides, other) if above else (other, sides)
        query = f"""
            {_days(table, **days)} FROM ({days_of(view, table)}) AS d
            UNION ALL SELECT {shown("'channel', channel", **own)} FROM ({entered(view)}) AS e WHERE {where}
        """
        given = {"milestones": [milestone], "starts": view.starts, "zone": view.question.zone.key}
        given |= {"web": view.decisions.setting(WEB_CHANNELS, view.question.whole.start)}
        return Source(query, {**days_bound(view, 0 if above else lag(view)), **given})

    return source


async def _web(view: View) -> list[str]:
    """The channels whose leads come by visits: as decided, else those visits were told of in the span."""
    channels: list[str] | None = view.decisions.setting(WEB_CHANNELS, view.question.whole.start)
    if channels is None:
        query = "SELECT DISTINCT channel FROM {schema}.visit_day WHERE day >= :first AND day < :last"
        whole = view.question.whole
        channels = [row.channel for row in await view.rows(query, {"first": whole.start, "last": whole.end})]
    return channels


_CAME = """NOT outside AND (channel = ANY(CAST(:web AS text[])) OR (CAST(:web AS text[]) IS NULL AND channel IN (
    SELECT channel FROM {schema}.visit_day WHERE day >= :first AND day < :last)))"""
LAGGED = " (of the span `window` days before, where asked)"
_ALL = "first cycles of every channel ÷ visitors"
METRICS = (
    Metric(
        "v2l_all",
        "来訪者→リード獲得率(全チャネル)",
        "Visitor to lead, all",
        "ratio",
        _ALL,
        all_leads_by_visitor,
        nothing,
        records=_by_days("visit_day", "lead", "NOT outside", above=True),
    ),
    Metric(
        "spend",
        "費用",
        "Spend",
        "money",
        "Σ spend of the days",
        spend,
        no_money,
        additive=True,
        records=_of_days("spend_day"),
    ),
    Metric(
        "cpl",
        "リード獲得単価",
        "Cost per lead",
        "money",
        f"spend{LAGGED} ÷ new leads",
        partial(_cost, milestone="lead", which="chained"),
        no_value,
        records=_by_days("spend_day", "lead", "NOT outside", above=False),
    ),
    Metric(
        "cpmql",
        "MQL獲得単価",
        "Cost per MQL",
        "money",
        f"spend{LAGGED} ÷ MQLs",
        partial(_cost, milestone="mql", which="value"),
        no_value,
        records=_by_days("spend_day", "mql", "true", above=False),
    ),
    Metric(
        "visitors",
        "来訪者数",
        "Visitors",
        "count",
        "sum of the days' visitors",
        visitors,
        zero,
        records=_of_days("visit_day"),
    ),
    Metric(
        "v2l",
        "来訪者→リード獲得率",
        "Visitor to lead",
        "ratio",
        "web leads ÷ visitors",
        visitor_to_lead,
        nothing,
        records=_by_days("visit_day", "lead", _CAME, above=True),
    ),
)
