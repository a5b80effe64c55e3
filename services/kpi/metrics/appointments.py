"""First meetings: held, missed by the customer, moved or called off (metrics.md A4).

An appointment counts in the span its meeting was last set for. One that is past without a word is undecided.
"""

from collections.abc import Callable, Mapping
from typing import Any

from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.figures import CLOSED, Figures, Metric, count, nothing, ratio, zero
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Records, Source
from services.kpi.schemas.figures import Figure


def meetings(view: View) -> str:
    """Appointments whose meeting was to be in the span, with what was known of each by as_of. As SQL."""
    return f"""
        SELECT p.start_at AS at, p.appointment_id::text AS appointment, p.held, p.missed, p.cancelled, p.moves,
               p.lead_id, p.cycle, p.opportunity_id, p.account_id,
               {view.slice} AS slice, width_bucket(p.start_at, CAST(:starts AS timestamptz[])) - 1 AS period
        FROM {{schema}}.appointment p
        WHERE p.start_at >= :from AND p.start_at < :to AND {HOLDS} {view.filters}
    """


def _of(figure: Callable[[Any], Figure]) -> Any:
    async def compute(view: View) -> Figures:
        query = f"""
            SELECT {view.shown}, count(*) AS arranged, count(*) FILTER (WHERE held) AS held,
                   count(*) FILTER (WHERE missed) AS missed, count(*) FILTER (WHERE cancelled) AS cancelled,
                   count(*) FILTER (WHERE moves > 0) AS moved,
                   count(*) FILTER (WHERE NOT (held OR missed OR cancelled) AND at < :until) AS undecided
            FROM ({meetings(view)}) AS m {view.cells()}
        """
        return {
            cell_of(row): figure(row).model_copy(update={"more": _more(row)})
            for row in await view.rows(query, {"starts": view.starts})
        }

    return compute


def _more(row: Any) -> Mapping[str, int]:
    return {name: getattr(row, name) for name in ("arranged", "held", "missed", "cancelled", "moved", "undecided")}


def _records(numerator: str, denominator: str) -> Records:
    def source(view: View) -> Source:
        figures = "'held', held, 'missed', missed, 'cancelled', cancelled, 'moves', moves"
        query = f"""
            SELECT at, appointment AS key, 'appointment' AS kind, {numerator} AS numerator,
                   {denominator} AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
                   jsonb_build_object({figures}) AS figures
            FROM ({meetings(view)}) AS m
        """
        return Source(query, {"starts": view.starts})

    return source


METRICS = (
    Metric(
        "appointments",
        "アポイント数",
        "Appointments",
        "count",
        "first meetings set for the span",
        _of(lambda row: count(row.arranged)),
        zero,
        additive=True,
        records=_records("true", "NULL::boolean"),
    ),
    Metric(
        "show_rate",
        "実施率",
        "Show rate",
        "ratio",
        "held ÷ (held + missed), of the meetings of the span",
        _of(lambda row: ratio(row.held, row.held + row.missed)),
        nothing,
        (CLOSED,),
        records=_records("held", "held OR missed"),
    ),
    Metric(
        "no_show_rate",
        "無断キャンセル率",
        "No-show rate",
        "ratio",
        "missed by the customer ÷ (held + missed), of the meetings of the span",
        _of(lambda row: ratio(row.missed, row.held + row.missed)),
        nothing,
        (CLOSED,),
        records=_records("missed", "held OR missed"),
    ),
    Metric(
        "reschedule_rate",
        "日程変更率",
        "Reschedule rate",
        "ratio",
        "moved at least once ÷ meetings set for the span",
        _of(lambda row: ratio(row.moved, row.arranged)),
        nothing,
        (CLOSED,),
        records=_records("moves > 0", "true"),
    ),
)
