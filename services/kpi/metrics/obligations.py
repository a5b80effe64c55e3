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
    at = "p.occurred_at"
    return f"""
        WITH owed AS (
            SELECT p.event_id, {at} AS at, p.publisher AS sender, p.type AS kind, p.lead_id, p.cycle, p.opportunity_id,
                   p.account_id, {view.slice} AS slice,
                   width_bucket({at}, CAST(:starts AS timestamptz[])) - 1 AS period
            FROM (SELECT f.*, to_jsonb(f) AS latest FROM {view.facts} AS f WHERE f.type = ANY(:owing)) AS p
            WHERE {at} >= :from AND {at} < :to {view.filters}
            UNION ALL
            SELECT NULL, p.at, 'customer_success', 'churn', p.lead_id, p.cycle, p.opportunity_id, p.account_id,
                   {view.slice}, width_bucket(p.at, CAST(:starts AS timestamptz[])) - 1
            FROM {{schema}}.movement p
            WHERE p.kind = 'churn' AND p.basis = 'booked' AND p.at >= :from AND p.at < :to AND p.at <= :as_of
              {view.filters}
        ), given AS (
            SELECT f.occurred_at AS sent, f.data ->> 'sender' AS sender, f.lead_id, f.opportunity_id, f.account_id
            FROM {view.facts} AS f WHERE f.type = ANY(:given)
        )
        SELECT o.*, o.at + make_interval(days => :days) <= :until AS due, EXISTS (
            SELECT FROM given g WHERE g.sender = o.sender AND g.sent >= o.at
            AND g.sent < o.at + make_interval(days => :days)
            AND (g.lead_id = o.lead_id OR g.opportunity_id = o.opportunity_id OR g.account_id = o.account_id)
        ) AS fulfilled
        FROM owed o
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
        SELECT at, coalesce(event_id::text, account_id || '/' || at) AS key, kind, due AND fulfilled AS numerator,
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
