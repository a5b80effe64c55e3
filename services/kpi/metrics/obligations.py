"""Feedback that is owed: for what was rejected, returned, lost or churned, and whether it came (metrics.md F2)."""

from typing import Any

from services.kpi.domain.decisions import OBLIGATION_DAYS
from services.kpi.metrics.figures import COHORT, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Source
from services.kpi.metrics.standing import GIVEN

DEFAULT_OBLIGATION_DAYS = 5


def obligations(view: View) -> str:
    """What owes the department before a word, and whether it came in time: an item of the owing department about the
    same person, deal or company, sent within the days allowed. A loss taken back later was owed all the same. As SQL.
    """
    at, latest = "p.occurred_at", "to_jsonb(f)" if view.question.slice == "latest" else "NULL::jsonb"
    answered = """
        SELECT o.key FROM owed o JOIN given g USING ({id})
        WHERE g.sender = o.sender AND g.sent >= o.at AND g.sent < o.at + make_interval(days => :days)
    """
    return f"""
        WITH owed AS (
            SELECT p.event_id::text AS key, {at} AS at, p.publisher AS sender, p.type AS kind, p.lead_id, p.cycle,
                   p.opportunity_id,
                   p.account_id, {view.slice} AS slice,
                   width_bucket({at}, CAST(:starts AS timestamptz[])) - 1 AS period
            FROM (SELECT f.*, {latest} AS latest FROM {view.facts} AS f WHERE f.type = ANY(:owing)) AS p
            WHERE {at} >= :from AND {at} < :to {view.filters}
            UNION ALL
            SELECT p.account_id || '/' || p.at, p.at, 'customer_success', 'churn', p.lead_id, p.cycle,
                   p.opportunity_id, p.account_id,
                   {view.slice}, width_bucket(p.at, CAST(:starts AS timestamptz[])) - 1
            FROM {{schema}}.movement p
            WHERE p.kind = 'churn' AND p.basis = 'booked' AND p.at >= :from AND p.at < :to AND p.at <= :as_of
              {view.filters}
        ), given AS (
            SELECT f.occurred_at AS sent, f.data ->> 'sender' AS sender, f.lead_id, f.opportunity_id, f.account_id
            FROM {view.facts} AS f WHERE f.type = ANY(:given) AND f.occurred_at >= :from
        ), kept AS ({" UNION ".join(answered.format(id=id_) for id_ in ("lead_id", "opportunity_id", "account_id"))})
        SELECT o.*, o.at + make_interval(days => :days) <= :until AS due, k.key IS NOT NULL AS fulfilled
        FROM owed o LEFT JOIN kept k USING (key)
    """


def owing(view: View) -> dict[str, Any]:
    """The parameters of `obligations`."""
    days = view.decisions.setting(OBLIGATION_DAYS, view.question.whole.start) or DEFAULT_OBLIGATION_DAYS
    types = ("inside_sales.mql_rejected.v1", "field_sales.sql_returned.v1", "field_sales.deal_lost.v1")
    return {"owing": list(types), "given": GIVEN, "starts": view.starts, "days": days}


async def fulfilled(view: View) -> Figures:
    query = f"""
        SELECT {view.shown}, count(*) FILTER (WHERE due) AS due, count(*) FILTER (WHERE due AND fulfilled) AS done,
               count(*) FILTER (WHERE NOT due) AS pending
        FROM ({obligations(view)}) AS o {view.cells()}
    """
    bound = owing(view)
    return {
        cell_of(row): ratio(row.done, row.due).model_copy(
            update={"more": {"days": bound["days"], "pending": row.pending}}
        )
        for row in await view.rows(query, bound)
    }


def _owed_records(view: View) -> Source:
    query = f"""
        SELECT at, key, kind, due AND fulfilled AS numerator,
               due AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
               jsonb_build_object('owed_by', sender) AS figures
        FROM ({obligations(view)}) AS o
    """
    return Source(query, owing(view))


METRICS = (
    Metric(
        "obligations",
        "必須フィードバック実施率",
        "Owed feedback given",
        "ratio",
        "given in the days allowed ÷ MQLs rejected, SQLs returned, deals lost, customers churned whose days are up",
        fulfilled,
        nothing,
        (COHORT,),
        records=_owed_records,
    ),
)
