"""What customers say: how likely they recommend us, how content they are (metrics.md A6).

Every answer counts; how many were asked is not told. Whether those who are content stay is told beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.kpi.metrics.figures import CLOSED, Figures, Metric, no_value, nothing, ratio
from services.kpi.metrics.question import View, cell_of, held
from services.kpi.metrics.records import Records, Source
from services.kpi.metrics.statistics import net_promoters, newcombe
from services.kpi.metrics.telling import told_by_customers
from services.kpi.schemas.figures import Figure

PULSE, TICKET = "customer_success.pulse_recorded.v1", "customer_success.ticket_closed.v1"


@dataclass(frozen=True)
class Voice:
    """Answers of some kinds of facts: their `score`, and which are `high` or `low`; what is neither is between."""

    kinds: tuple[str, ...]
    score: str
    where: str
    high: str
    low: str

    def answers(self, view: View) -> str:
        """Answers of the span, with whether the account stayed a customer: until as_of, or for `window` days. As SQL.

        An answer too young for the window says nothing of that.
        """
        then = "coalesce(e.occurred_at + make_interval(days => CAST(:window AS int)), :until)"
        kept = f"""EXISTS (SELECT 1 FROM {{schema}}.customer_span x WHERE x.account_id = e.account_id
                   AND {held(then, "x")})"""
        return f"""
            SELECT e.*, {self.high} AS high, {self.low} AS low, customer AND {then} <= :until AS followed,
                   {kept} AS kept
            FROM ({told_by_customers(view, f"{self.score} AS score", self.where)}) AS e
        """

    def bound(self, view: View) -> dict[str, Any]:
        return {"kinds": list(self.kinds), "starts": view.starts, "window": view.question.window_days}

    async def counts(self, view: View) -> list[Any]:
        """By cell: answers high and low, and how many accounts stayed of those that gave high and other ones."""
        accounts = "count(DISTINCT account_id) FILTER (WHERE followed AND {})"
        query = f"""
            SELECT {view.shown}, count(*) AS answers, count(*) FILTER (WHERE high) AS high,
                   count(*) FILTER (WHERE low) AS low, count(DISTINCT account_id) AS accounts,
                   {accounts.format("high")} AS content, {accounts.format("high AND kept")} AS content_kept,
                   {accounts.format("NOT high")} AS others, {accounts.format("NOT high AND kept")} AS others_kept
            FROM ({self.answers(view)}) AS a {view.cells()}
        """
        return [row for row in await view.rows(query, self.bound(view)) if row.answers]


NPS = Voice((PULSE,), "(f.data ->> 'score')::int", "f.data ->> 'kind' = 'nps'", "score >= 9", "score <= 6")
CSAT = Voice(
    (PULSE, TICKET),
    "coalesce(f.data ->> 'score', f.data ->> 'satisfaction')::int",
    "(f.data ->> 'kind' = 'csat' OR f.data ? 'satisfaction')",
    "score >= 4",
    "score <= 2",
)


def stayed(yes: tuple[int, int], no: tuple[int, int]) -> Mapping[str, Any]:
    """How many of one sort stayed against how many of the other, each as (stayed, all), with the difference."""
    sides = [ratio(*side) for side in (yes, no)]
    known = sides[0].value is not None and sides[1].value is not None
    return {
        "yes": plain(sides[0]),
        "no": plain(sides[1]),
        "difference": yes[0] / yes[1] - no[0] / no[1] if known else None,
        "ci95": newcombe(no, yes),
    }


def plain(figure: Figure) -> dict[str, Any]:
    """A figure that stands beside another."""
    return figure.model_dump(mode="json", exclude={"more", "small_sample"})


def _more(row: Any) -> dict[str, Any]:
    kept = stayed((row.content_kept, row.content), (row.others_kept, row.others))
    return {"answers": row.answers, "accounts": row.accounts, "retention": kept}


async def nps(view: View) -> Figures:
    """In points: the share of 9 and 10 minus that of 0 to 6."""
    found = {}
    for row in await NPS.counts(view):
        between = row.answers - row.high - row.low
        found[cell_of(row)] = Figure(
            value=100 * (row.high - row.low) / row.answers,
            denominator=row.answers,
            ci95=net_promoters(row.high, between, row.low),
            more={"promoters": row.high, "passives": between, "detractors": row.low, **_more(row)},
        )
    return found


async def csat(view: View) -> Figures:
    return {
        cell_of(row): ratio(row.high, row.answers).model_copy(update={"more": _more(row)})
        for row in await CSAT.counts(view)
    }


def _records(voice: Voice) -> Records:
    def source(view: View) -> Source:
        query = f"""
            SELECT occurred_at AS at, event_id::text AS key, split_part(type, '.', 2) AS kind, high AS numerator,
                   true AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
                   jsonb_build_object('score', score, 'kept', CASE WHEN followed THEN kept END) AS figures
            FROM ({voice.answers(view)}) AS a
        """
        return Source(query, voice.bound(view))

    return source


METRICS = (
    Metric(
        "nps",
        "推奨度(NPS)",
        "NPS",
        "points",
        "100 x (answers of 9 and 10 - answers of 0 to 6) ÷ answers of the span",
        nps,
        no_value,
        (CLOSED,),
        records=_records(NPS),
    ),
    Metric(
        "csat",
        "顧客満足度(CSAT)",
        "CSAT",
        "ratio",
        "scores of 4 and 5 ÷ scores of the span, asked or given when a ticket was closed",
        csat,
        nothing,
        (CLOSED,),
        records=_records(CSAT),
    ),
)
