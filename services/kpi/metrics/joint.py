"""Work done together: deals that several departments had a part in, and the outcome they all share (metrics.md C5 and
C6).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.kpi.domain.decisions import CREDIT_WEIGHTS
from services.kpi.domain.stages import STAGES
from services.kpi.metrics.entries import entered
from services.kpi.metrics.exchange import money
from services.kpi.metrics.figures import CLOSED, HELD, STOCK, Figures, Metric, no_money, nothing, ratio, unpriced
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Source
from services.kpi.metrics.recurring import OF_THE_END, courses
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.projections.facts import CONTRACT_RENEWED
from services.kpi.schemas.figures import Figure
from shared.money import Money

LEAST_DEPARTMENTS = 3


def _deals(view: View) -> str:
    """Deals won and contracts renewed in the span, with the departments that had a part in each. As SQL."""
    at, ids = "p.occurred_at", "lead_id, {0}.cycle, {0}.opportunity_id, {0}.account_id"
    return f"""
        SELECT d.*, j.departments, cardinality(j.departments) AS number FROM (
            SELECT e.at, e.opportunity_id || '/' || e.ordinal AS key, 'won' AS kind, e.{ids.format("e")}, e.slice,
                   e.period, e.event_id
            FROM ({entered(view)}) AS e
            UNION ALL
            SELECT {at}, p.event_id::text, 'renewal', p.{ids.format("p")}, {view.slice},
                   width_bucket({at}, CAST(:starts AS timestamptz[])) - 1, p.event_id
            FROM (SELECT f.*, to_jsonb(f) AS latest FROM {view.facts} AS f WHERE f.type = :renewed) AS p
            WHERE {at} >= :from AND {at} < :to {view.filters}
        ) AS d JOIN {{schema}}.joint_deal j USING (event_id)
    """


def _bound(view: View) -> dict[str, Any]:
    return {
        "milestones": ["won"],
        "starts": view.starts,
        "renewed": CONTRACT_RENEWED,
        "least": LEAST_DEPARTMENTS,
    }


async def joint_touch(view: View) -> Figures:
    """`more` has the renewals among them, how many departments had a part, and which how often."""
    parts = ", ".join(f"count(*) FILTER (WHERE '{stage}' = ANY(departments)) AS {stage}" for stage in STAGES)
    numbers = ", ".join(f"count(*) FILTER (WHERE number = {k}) AS by_{k}" for k in range(len(STAGES) + 1))
    query = f"""
        SELECT {view.shown}, count(*) AS deals, count(*) FILTER (WHERE number >= :least) AS joint,
               count(*) FILTER (WHERE kind = 'renewal') AS renewals, {parts}, {numbers}
        FROM ({_deals(view)}) AS d {view.cells()} HAVING count(*) > 0
    """
    return {
        cell_of(row): ratio(row.joint, row.deals).model_copy(
            update={
                "more": {
                    "renewals": row.renewals,
                    "departments": {stage: getattr(row, stage) for stage in STAGES},
                    "by_number": {str(k): getattr(row, f"by_{k}") for k in range(len(STAGES) + 1)},
                }
            }
        )
        for row in await view.rows(query, _bound(view))
    }


def _records(view: View) -> Source:
    query = f"""
        SELECT at, key, kind, number >= :least AS numerator, true AS denominator, lead_id, cycle, opportunity_id,
               account_id, slice, jsonb_build_object('departments', to_jsonb(departments)) AS figures
        FROM ({_deals(view)}) AS d
    """
    return Source(query, _bound(view))


def credited(outcome: Decimal, weights: Mapping[str, float], currency: str) -> dict[str, Money]:
    """Each department's share; the shares add up to the outcome, rounded once."""
    shares = [outcome * Decimal(str(weights.get(stage, 0))) for stage in STAGES]
    amounts = apportion(shares, half_even(outcome))
    return {stage: Money(amount=amount, currency=currency) for stage, amount in zip(STAGES, amounts, strict=True)}


async def shared_credit(view: View) -> Figures:
    """What customers pay in the end is everybody's: each sees its share, whatever attribution says of the touches."""
    weights = view.decisions.setting(CREDIT_WEIGHTS, view.question.whole.start) or dict.fromkeys(
        STAGES, 1 / len(STAGES)
    )
    found = {}
    for cell, course in (await courses(view)).items():
        if course.unpriced:
            found[cell] = unpriced()
            continue
        shares = credited(course.end, weights, view.question.currency)
        more = {"weights": weights, "departments": {stage: share.model_dump() for stage, share in shares.items()}}
        found[cell] = Figure(value=money(course.end, view), more=more)
    return found


METRICS = (
    Metric(
        "joint_touch",
        "共同関与率",
        "Joint touch",
        "ratio",
        f"those {LEAST_DEPARTMENTS} or more departments had a recorded part in ÷ deals won and contracts renewed",
        joint_touch,
        nothing,
        (CLOSED,),
        records=_records,
    ),
    Metric(
        "shared_credit",
        "四部門で分け合う成果(MRR)",
        "Shared credit",
        "money",
        f"MRR {HELD}, split between the departments by the setting credit_weights (a quarter each)",
        shared_credit,
        no_money,
        (STOCK,),
        records=OF_THE_END,
    ),
)
