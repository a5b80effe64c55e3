"""From visitors to leads."""

from collections.abc import Mapping

from services.kpi.domain.decisions import WEB_CHANNELS
from services.kpi.metrics.entries import counted, entered, visitors_of
from services.kpi.metrics.figures import Figures, Metric, count, nothing, ratio, zero
from services.kpi.metrics.question import Cell, View, cell_of


async def visitors(view: View) -> Figures:
    return {cell: count(number) for cell, number in (await visitors_of(view)).items()}


async def visitor_to_lead(view: View) -> Figures:
    """New leads that came over the web by visitors. Recycled leads and those of events or calls are no visitors."""
    came = await visitors_of(view)
    leads = await _web_leads(view)
    return {cell: ratio(leads.get(cell, 0), came.get(cell, 0)) for cell in {*came, *leads}}


async def _web_leads(view: View) -> Mapping[Cell, int]:
    channels = view.decisions.setting(WEB_CHANNELS, view.question.whole.start)
    if channels is None:
        query = "SELECT DISTINCT channel FROM {schema}.visit_day WHERE day >= :first AND day < :last"
        whole = view.question.whole
        channels = [row.channel for row in await view.rows(query, {"first": whole.start, "last": whole.end})]
    query = f"""
        SELECT {view.shown}, {counted(view, "NOT outside AND channel = ANY(:channels)")} AS leads
        FROM ({entered(view)}) AS e {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["lead"], "starts": view.starts, "channels": channels})
    return {cell_of(row): row.leads for row in rows}


METRICS = (
    Metric("visitors", "来訪者数", "Visitors", "count", "sum of the days' visitors", visitors, zero),
    Metric("v2l", "来訪者→リード獲得率", "Visitor to lead", "ratio", "web leads ÷ visitors", visitor_to_lead, nothing),
)
