"""Why deals are lost, and which of them may come back (metrics.md 1c)."""

from decimal import Decimal
from typing import Any

from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import entered
from services.kpi.metrics.exchange import NO_PLAN_RATE, RATES, bound, money
from services.kpi.metrics.figures import CLOSED, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import UNSET, Cell, View, cell_of
from services.kpi.metrics.records import Source, shown
from services.kpi.metrics.voices import plain

_LOST = f"""
    {PRICED}, (SELECT f.data ->> 'recyclable' FROM public.fact f WHERE f.event_id = p.event_id)
    IS DISTINCT FROM 'false' AS recyclable
"""


async def reasons(view: View) -> Figures:
    """Of the deals lost in the span, those that may come back; beside it each reason with its share and value."""
    query = f"""
        WITH {RATES}
        SELECT coalesce(reason, '{UNSET}') AS why, {view.shown}, count(*) AS deals,
               count(*) FILTER (WHERE recyclable) AS recyclable, coalesce(sum(worth), 0) AS total,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced
        FROM ({entered(view, _LOST)}) AS e {view.cells(f"coalesce(reason, '{UNSET}')")}
    """
    found: dict[Cell, list[Any]] = {}
    for row in await view.rows(query, {"milestones": ["lost"], "starts": view.starts, **bound(view)}):
        found.setdefault(cell_of(row), []).append(row)
    return {
        cell: ratio(sum(row.recyclable for row in rows), sum(row.deals for row in rows)).model_copy(
            update={"more": {"reasons": _by_reason(rows, view)}}
        )
        for cell, rows in found.items()
    }


def _by_reason(rows: list[Any], view: View) -> list[dict[str, Any]]:
    """The most frequent first."""
    whole = sum(row.deals for row in rows)
    return [
        {
            "code": row.why,
            **plain(ratio(row.deals, whole)),
            "recyclable": row.recyclable,
            "value_lost": None if row.unpriced else money(Decimal(row.total), view).model_dump(),
            "value_reason": NO_PLAN_RATE if row.unpriced else None,
        }
        for row in sorted(rows, key=lambda row: (-row.deals, row.why))
    ]


def _records(view: View) -> Source:
    rows = shown(
        "'reason', reason, 'worth', worth, 'recyclable', recyclable", numerator="recyclable", denominator="true"
    )
    query = f"WITH {RATES} SELECT {rows} FROM ({entered(view, _LOST)}) AS e"
    return Source(query, {"milestones": ["lost"], "starts": view.starts, **bound(view)})


METRICS = (
    Metric(
        "loss_reason",
        "失注理由(再アプローチできる割合)",
        "Loss reasons",
        "ratio",
        "deals lost in the span that may come back ÷ deals lost in it; by reason with share and value",
        reasons,
        nothing,
        (CLOSED,),
        records=_records,
    ),
)
