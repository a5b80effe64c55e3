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
from services.kpi.metrics.standing import GIVEN
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.schemas.figures import Figure
from shared.money import Money

LEAST_DEPARTMENTS = 3
RENEWED = "customer_success.contract_renewed.v1"
_ACTS: Mapping[str, tuple[str, ...]] = {
    "marketing": ("touch_recorded", "mql_created", "lead_recycled"),
    "inside_sales": ("first_contact_made", "mql_accepted", "sql_accepted", "appointment_set"),
    "field_sales": (
        "appointment_held",
        "opportunity_opened",
        "opportunity_updated",
        "first_visit_reviewed",
        "deal_won",
    ),
    "customer_success": (
        *("customer_accepted", "onboarding_completed", "pulse_recorded", "ticket_closed"),
        *("promise_reviewed", "contract_renewed"),
    ),
}
CONTRIBUTIONS = [*(f"{department}.{act}.v1" for department, acts in _ACTS.items() for act in acts), *GIVEN]
"""What a department does towards a deal or a customer, and feedback it gives about them; nothing a rule works out."""


def _deals(view: View) -> str:
    """Deals won and contracts renewed in the span, with the departments that had a part in each. As SQL.

    In a deal: whatever was done towards the person, the deal or the company until it was won. In a renewal: what was
    done in the year before it. Who won or renewed had a part by that: only what the others did is looked for.
    """
    acts = " UNION ALL ".join(
        f"""SELECT f.type FROM {view.facts} AS f WHERE f.{key} AND f.type = ANY(d.others)
            AND f.occurred_at BETWEEN d.since AND d.at"""
        for key in ("lead_id = ANY(d.people)", "opportunity_id = d.opportunity_id", "account_id = d.account_id")
    )
    parts = ", ".join(f"CASE WHEN {stage} THEN '{stage}' END" for stage in sorted(STAGES))
    had = ", ".join(f"d.owner = '{stage}' OR bool_or(starts_with(f.type, '{stage}.')) AS {stage}" for stage in STAGES)
    at = "p.occurred_at"
    columns = "at, key, kind, lead_id, cycle, opportunity_id, account_id, slice, period"
    return f"""
        WITH deals AS MATERIALIZED (
            SELECT e.at, e.opportunity_id || '/' || e.ordinal AS key, 'won' AS kind, e.lead_id, e.cycle,
                   e.opportunity_id, e.account_id, e.slice, e.period, '-infinity'::timestamptz AS since
            FROM ({entered(view)}) AS e
            UNION ALL
            SELECT {at}, p.event_id::text, 'renewal', p.lead_id, p.cycle, p.opportunity_id, p.account_id, {view.slice},
                   width_bucket({at}, CAST(:starts AS timestamptz[])) - 1, {at} - interval '1 year'
            FROM (SELECT f.*, to_jsonb(f) AS latest FROM {view.facts} AS f WHERE f.type = :renewed) AS p
            WHERE {at} >= :from AND {at} < :to {view.filters}
        ), people AS (
            SELECT d.key, array_agg(DISTINCT p.id) AS ids FROM deals d
            JOIN {{schema}}.alias own ON own.kind = 'lead' AND d.lead_id IN (own.id, own.canonical_id)
            JOIN {{schema}}.alias other ON other.kind = 'lead' AND other.canonical_id = own.canonical_id
            CROSS JOIN LATERAL (VALUES (other.id), (other.canonical_id)) AS p(id) GROUP BY 1
        ), known AS (
            SELECT d.*, coalesce(people.ids, ARRAY[d.lead_id]) AS people, o.owner, o.others FROM deals d
            JOIN (VALUES ('won', 'field_sales', CAST(:before_win AS text[])),
                         ('renewal', 'customer_success', CAST(:before_renewal AS text[]))) AS o(kind, owner, others)
              USING (kind)
            LEFT JOIN people USING (key)
        ), parts AS (
            SELECT d.*, array_remove(ARRAY[{parts}], NULL) AS departments
            FROM known d CROSS JOIN LATERAL (SELECT {had} FROM ({acts}) AS f) AS h
        )
        SELECT {columns}, departments, cardinality(departments) AS number FROM parts
    """


def _but(owner: str) -> list[str]:
    """What departments other than this one contribute."""
    return [act for act in CONTRIBUTIONS if not act.startswith(f"{owner}.")]


def _bound(view: View) -> dict[str, Any]:
    return {
        "milestones": ["won"],
        "starts": view.starts,
        "renewed": RENEWED,
        "before_win": _but("field_sales"),
        "before_renewal": _but("customer_success"),
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
