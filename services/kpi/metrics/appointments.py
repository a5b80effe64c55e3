"""First meetings: held, missed by the customer, moved or called off (metrics.md A4).

An appointment counts in the span its meeting was last set for. One that is past without a word is undecided.
"""

from collections.abc import Callable, Mapping
from typing import Any

from services.kpi.metrics.figures import CLOSED, Figures, Metric, count, nothing, ratio, zero
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Records, Source
from services.kpi.schemas.figures import Figure

SET = "inside_sales.appointment_set.v1"
HELD, MISSED, CANCELLED, MOVED = (
    f"field_sales.appointment_{name}.v1" for name in ("held", "missed", "cancelled", "rescheduled")
)


def meetings(view: View) -> str:
    """Appointments whose meeting was to be in the span, with what was told of each by as_of. As SQL.

    What is told of an opportunity's appointment without saying which is told of its latest.
    """
    return f"""
        WITH arranged AS (
            SELECT DISTINCT ON (f.data ->> 'appointment_id') f.*, f.data ->> 'appointment_id' AS appointment,
                   (f.data ->> 'opportunity_id')::uuid AS deal
            FROM {view.facts} AS f WHERE f.type = '{SET}' ORDER BY f.data ->> 'appointment_id', f.occurred_at
        ), told AS (
            SELECT f.type, f.occurred_at, f.data, coalesce(f.data ->> 'appointment_id', (
                SELECT a.appointment FROM arranged a WHERE a.deal = f.opportunity_id AND a.occurred_at <= f.occurred_at
                ORDER BY a.occurred_at DESC LIMIT 1
            )) AS appointment
            FROM {view.facts} AS f WHERE f.type = ANY(:told)
        ), known AS (
            SELECT a.appointment, bool_or(t.type = '{HELD}') AS held, bool_or(t.type = '{MISSED}') AS missed,
                   bool_or(t.type = '{CANCELLED}') AS cancelled, count(*) FILTER (WHERE t.type = '{MOVED}') AS moves,
                   (array_agg((t.data ->> 'start_at')::timestamptz ORDER BY t.occurred_at DESC)
                    FILTER (WHERE t.type = '{MOVED}'))[1] AS moved_to
            FROM arranged a JOIN told t USING (appointment) GROUP BY 1
        )
        SELECT p.*, {view.slice} AS slice, width_bucket(p.at, CAST(:starts AS timestamptz[])) - 1 AS period
        FROM (
            SELECT a.lead_id, a.cycle, a.deal AS opportunity_id, a.account_id, a.appointment, {_DIMENSIONS},
                   to_jsonb(a) AS latest, coalesce(k.moved_to, (a.data ->> 'start_at')::timestamptz) AS at,
                   coalesce(k.held, false) AS held, coalesce(k.missed, false) AND NOT coalesce(k.held, false) AS missed,
                   coalesce(k.cancelled, false) AND NOT coalesce(k.held, false) AS cancelled,
                   coalesce(k.moves, 0) AS moves
            FROM arranged a LEFT JOIN known k USING (appointment)
        ) AS p
        WHERE p.at >= :from AND p.at < :to {view.filters}
    """


_DIMENSIONS = "a.channel, a.campaign, a.segment, a.industry, a.product, a.price_band, a.region, a.owner"


def parameters(view: View) -> dict[str, Any]:
    """Those of `meetings`."""
    return {"told": [HELD, MISSED, CANCELLED, MOVED], "starts": view.starts}


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
            for row in await view.rows(query, parameters(view))
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
        return Source(query, parameters(view))

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
