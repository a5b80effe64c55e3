"""Where every lead's cycle is: each in exactly one place, so the places add up to the cycles."""

from services.kpi.metrics.figures import HELD, STOCK, Figures, Metric, zero
from services.kpi.metrics.question import WHOLE, WINDOWS, Cell, View, cell_of, held
from services.kpi.metrics.records import Source
from services.kpi.projections.places import PLACES
from services.kpi.schemas.figures import Figure


async def occupancy(view: View) -> Figures:
    """Cycles by place at the end of the span, or at as_of where that is earlier."""
    query = f"""
        WITH {WINDOWS}
        SELECT place, {view.window_shown}, count(*) AS ways
        FROM (
            SELECT w.period, {view.slice} AS slice, p.place FROM windows w
            JOIN {{schema}}.place p ON {held("w.ends")}
            WHERE true {view.filters}
        ) AS e {view.window_cells("place")}
    """
    found: dict[Cell, dict[str, int]] = {}
    for row in await view.rows(query, view.windows):
        found.setdefault(cell_of(row), {})[row.place] = row.ways
    return {cell: _figure(places) for cell, places in found.items()}


def _figure(places: dict[str, int]) -> Figure:
    shown = {name: places[name] for name in PLACES if name in places}
    return Figure(value=sum(shown.values()), more={"places": shown})


def _cycles(view: View) -> Source:
    figures = "'place', place, 'contacted_at', contacted_at, 'revisit_on', revisit_on"
    query = f"""
        WITH {WINDOWS}
        SELECT p.at, p.lead_id || '/' || p.cycle AS key, p.place AS kind, true AS numerator,
               NULL::boolean AS denominator, p.lead_id, p.cycle, NULL::uuid AS opportunity_id,
               NULL::uuid AS account_id, {view.slice} AS slice, jsonb_build_object({figures}) AS figures
        FROM windows w JOIN {{schema}}.place p ON {held("w.ends")}
        WHERE w.period = {WHOLE} {view.filters}
    """
    return Source(query, view.windows)


_HELD = f"lead cycles by place {HELD}"
METRICS = (
    Metric("occupancy", "滞留(どこにいるか)", "Occupancy", "count", _HELD, occupancy, zero, (STOCK,), records=_cycles),
)
