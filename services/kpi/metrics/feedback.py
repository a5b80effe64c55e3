"""The reverse flow: what was fed back, and whether it was heard, acted on and closed (metrics.md F1, F3, F4, F8 and
F9).

Never a ranking of persons.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from services.kpi.domain.decisions import REVERSE_FLOW_TARGET
from services.kpi.metrics.entries import NONE, entries
from services.kpi.metrics.figures import COHORT, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Records, Source, entries_of
from services.kpi.metrics.standing import GIVEN
from services.kpi.metrics.survival import OPEN, REACHED, incidence
from services.kpi.models import FEEDBACK
from services.kpi.schemas.figures import Figure

DAY = 86_400.0
ACK_HOURS, CLOSE_DAYS = 72, 14
DEFAULT_FLOW_TARGET = 0.3
EDGES = {
    "marketing>inside_sales": ("inside_sales", "marketing", "mql"),
    "inside_sales>field_sales": ("field_sales", "inside_sales", "sql"),
    "field_sales>customer_success": ("customer_success", "field_sales", "won"),
}
"""Each hand-over of the chain: who feeds back to whom, and the milestone that counts what was handed on."""


_TIMELY = f"at + interval '{ACK_HOURS} hours'"
_AGED = f"(at + interval '{CLOSE_DAYS} days' <= :until)"
_CLOSED = f"count(*) FILTER (WHERE {_AGED} AND closed_at IS NOT NULL)"
_VOICE = "sender = 'inside_sales' AND receiver = 'marketing' AND kind IN ('voice', 'campaign_wish')"
_USED = "acted_at IS NOT NULL AND change IS NOT NULL"


def items(view: View) -> str:
    """Feedback given in the span, with when each step was first taken by as_of. As SQL."""

    def first(what: str, value: str = "f.occurred_at") -> str:
        """What was first told of the item. One by one in their order, so that the index is the way to them."""
        return f"""(
            SELECT {value} FROM {view.facts} AS f WHERE f.{FEEDBACK} = p.feedback_id AND {what}
            ORDER BY f.occurred_at LIMIT 1
        )"""

    updated = "f.type <> ALL(:given) AND f.data ->>"
    steps = {"acked_at": "<> 'given'", "acted_at": "= 'acted'", "closed_at": "= 'closed'"}
    told = [first(f"{updated} 'state' {is_}") + f" AS {at}" for at, is_ in steps.items()]
    told.append(first(f"{updated} 'change' IS NOT NULL", "f.data ->> 'change'") + " AS change")
    return f"""
        SELECT p.sent AS at, p.feedback_id, p.sender, p.receiver, p.lead_id, p.opportunity_id, p.account_id, p.kind,
               p.reason, p.external_id, {view.slice} AS slice,
               width_bucket(p.sent, CAST(:starts AS timestamptz[])) - 1 AS period, {", ".join(told)}
        FROM (
            SELECT DISTINCT ON (f.{FEEDBACK}) f.*, f.occurred_at AS sent, to_jsonb(f) AS latest,
                   f.{FEEDBACK} AS feedback_id, f.data ->> 'sender' AS sender, f.data ->> 'receiver' AS receiver,
                   f.data ->> 'kind' AS kind, f.data ->> 'reason' AS reason, f.data ->> 'external_id' AS external_id
            FROM {view.facts} AS f WHERE f.type = ANY(:given) AND f.occurred_at >= :from AND f.occurred_at < :to
            ORDER BY f.{FEEDBACK}, f.occurred_at
        ) AS p
        WHERE p.sent = {first("f.type = ANY(:given)")} {view.filters}
    """


def parameters(view: View) -> dict[str, Any]:
    """Those of `items`."""
    return {"given": GIVEN, "starts": view.starts}


class Edge(NamedTuple):
    """Of two departments: what the one handed on, the items that came back, those of them old enough, and closed."""

    handed: int
    items: int
    aged: int
    closed: int

    @property
    def flow(self) -> float | None:
        return self.items / self.handed if self.handed else None

    def both_ways(self, target: float) -> float | None:
        """How much of the flow wanted there is, times the share that was closed; None while that cannot be known."""
        if self.flow is None or (self.items and not self.aged):
            return None
        return min(1.0, self.flow / target) * (self.closed / self.aged if self.aged else 0.0)


async def _edges(view: View, closed: str = _CLOSED) -> Mapping[Cell, Mapping[str, Edge]]:
    """`closed` counts those closed, as SQL: looking for it takes as long as all the rest."""
    query = f"""
        SELECT sender, receiver, {view.shown}, count(*) AS items, count(*) FILTER (WHERE {_AGED}) AS aged,
               {closed} AS closed
        FROM ({items(view)}) AS i {view.cells("sender", "receiver")}
    """
    sent: defaultdict[Cell, dict[tuple[str, str], Any]] = defaultdict(dict)
    for row in await view.rows(query, parameters(view)):
        sent[cell_of(row)][row.sender, row.receiver] = row
    handed, found = await entries(view, [milestone for _, _, milestone in EDGES.values()]), {}
    for cell in {*sent, *handed}:
        edges = {}
        for name, (sender, receiver, milestone) in EDGES.items():
            back = sent[cell].get((sender, receiver))
            counts = (back.items, back.aged, back.closed) if back else (0, 0, 0)
            edges[name] = Edge(handed.get(cell, {}).get(milestone, NONE).passes, *counts)
        found[cell] = edges
    return found


def _weakest(edges: Mapping[str, dict[str, Any]], **more: Any) -> Figure:
    known = [edge["value"] for edge in edges.values() if edge["value"] is not None]
    value = min(known) if known else None
    return Figure(value=value, reason=None if known else NO_BASE, more={"edges": edges, **more})


async def reverse_flow(view: View) -> Figures:
    """Items by hand-overs of the same edge; value is the weakest edge's."""
    return {
        cell: _weakest(
            {
                name: {"value": edge.flow, "numerator": edge.items, "denominator": edge.handed}
                for name, edge in edges.items()
            }
        )
        for cell, edges in (await _edges(view, closed="0")).items()
    }


async def two_way(view: View) -> Figures:
    """One dead edge is nothing; an edge whose items are all too young is not judged."""
    target = view.decisions.setting(REVERSE_FLOW_TARGET, view.question.whole.start) or DEFAULT_FLOW_TARGET
    return {
        cell: _weakest(
            {name: {"value": edge.both_ways(target), **edge._asdict()} for name, edge in edges.items()}, target=target
        )
        for cell, edges in (await _edges(view)).items()
    }


async def voice_used(view: View) -> Figures:
    """Of what inside sales told marketing of its customers, what marketing says it changed something for."""
    query = f"""
        SELECT {view.shown}, count(*) FILTER (WHERE {_AGED}) AS aged, count(*) FILTER (WHERE NOT {_AGED}) AS young,
               count(*) FILTER (WHERE {_AGED} AND {_USED}) AS used
        FROM ({items(view)}) AS i WHERE {_VOICE} {view.cells()} HAVING count(*) > 0
    """
    return {
        cell_of(row): ratio(row.used, row.aged).model_copy(
            update={"more": {"young": row.young, "least_age_days": CLOSE_DAYS}}
        )
        for row in await view.rows(query, parameters(view))
    }


async def _steps(view: View, step: str, days: float) -> Mapping[Cell, tuple[Figure, Any]]:
    """Of the items so old by as_of, the share that had come to a step by then (within `days` where it is a limit)."""
    query = f"""
        SELECT {view.shown}, array_agg(extract(epoch FROM :until - at)::float8 / {DAY}) AS ages,
               array_agg(extract(epoch FROM coalesce({step}, :until) - at)::float8 / {DAY}) AS days,
               array_agg({step} IS NOT NULL) AS done
        FROM ({items(view)}) AS i {view.cells()} HAVING count(*) > 0
    """
    found = {}
    for row in await view.rows(query, parameters(view)):
        ages, taken, done = np.array(row.ages), np.array(row.days), np.array(row.done)
        old, limit = ages >= days, days if step == "acked_at" else np.inf
        curve = incidence(taken, np.where(done, REACHED, OPEN))
        figure = ratio(int(np.sum(old & done & (taken <= limit))), int(np.sum(old)))
        median = curve.median()
        found[cell_of(row)] = figure, (median, float(np.median(taken[done])) if done.any() else None)
    return found


async def acknowledged(view: View) -> Figures:
    return {
        cell: figure.model_copy(
            update={"more": {"median_hours": None if medians[0] is None else medians[0] * 24, "limit_hours": ACK_HOURS}}
        )
        for cell, (figure, medians) in (await _steps(view, "acked_at", ACK_HOURS / 24)).items()
    }


async def _matured(view: View, step: str) -> Figures:
    return {
        cell: figure.model_copy(
            update={"more": {"median_days": medians[0], "done_median_days": medians[1], "least_age_days": CLOSE_DAYS}}
        )
        for cell, (figure, medians) in (await _steps(view, step, CLOSE_DAYS)).items()
    }


def _item_records(reached: str, aged: str = _AGED, where: str = "true") -> Records:
    """Items given in the span: those old enough are below, those of them that came so far above."""

    def source(view: View) -> Source:
        figures = "'sender', sender, 'receiver', receiver, 'acknowledged_at', acked_at, 'acted_at', acted_at"
        query = f"""
            SELECT at, feedback_id AS key, 'feedback' AS kind, {aged} AND {reached} AS numerator,
                   {aged} AS denominator, lead_id, NULL::int AS cycle, opportunity_id, account_id, slice,
                   jsonb_build_object({figures}, 'closed_at', closed_at) AS figures
            FROM ({items(view)}) AS i WHERE {where}
        """
        return Source(query, parameters(view))

    return source


def _handed(view: View) -> Source:
    return entries_of(view, ["mql", "sql", "won"], numerator="false", denominator="true")


_GIVEN = "of items given in the span that are"
METRICS = (
    Metric(
        "reverse_flow",
        "フィードバック率",
        "Reverse flow",
        "ratio",
        "items to the department before ÷ what it handed over, by edge; value is the weakest edge",
        reverse_flow,
        nothing,
        records=_handed,
    ),
    Metric(
        "ack_72h",
        "72時間以内の確認率",
        "Acknowledged within 72 h",
        "ratio",
        f"acknowledged within 72 hours ÷ {_GIVEN} older than that",
        acknowledged,
        nothing,
        (COHORT,),
        records=_item_records(f"acked_at <= {_TIMELY}", f"{_TIMELY} <= :until"),
    ),
    Metric(
        "acted",
        "対応実施率",
        "Acted on",
        "ratio",
        f"acted on by as_of ÷ {_GIVEN} 14 days old or older",
        partial(_matured, step="acted_at"),
        nothing,
        (COHORT,),
        records=_item_records("acted_at IS NOT NULL"),
    ),
    Metric(
        "closure",
        "完結率",
        "Closed",
        "ratio",
        f"closed by their sender by as_of ÷ {_GIVEN} 14 days old or older",
        partial(_matured, step="closed_at"),
        nothing,
        (COHORT,),
        records=_item_records("closed_at IS NOT NULL"),
    ),
    Metric(
        "two_way",
        "双方向指数",
        "Two-way index",
        "ratio",
        "reverse flow ÷ the one wanted (setting reverse_flow_target, 0.3), at most 1, x closure; value is the weakest "
        "edge's",
        two_way,
        nothing,
        (COHORT,),
        records=_item_records("closed_at IS NOT NULL"),
    ),
    Metric(
        "voice_used",
        "お客様の声の活用率",
        "Customers' voice used",
        "ratio",
        "inside sales' items to marketing (voice, campaign_wish) acted on with the change told ÷ those of the span 14 "
        "days old or older",
        voice_used,
        nothing,
        (COHORT,),
        records=_item_records(_USED, where=_VOICE),
    ),
)
