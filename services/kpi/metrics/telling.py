"""Facts of some kinds told in the span, for what no cache is folded from."""

from services.kpi.metrics.question import View
from shared.contracts.base import DIMENSIONS


def told(view: View, columns: str) -> str:
    """Facts whose type is one of `:kinds`, with their cell and `columns` of the fact `f`. As SQL."""
    return _cut(view, f"SELECT f.*, to_jsonb(f) AS latest, {columns} FROM {view.facts} AS f WHERE f.type = ANY(:kinds)")


def told_by_customers(view: View, columns: str, where: str = "true") -> str:
    """The same of customers: what the fact does not say of its account is as when it last became a customer.

    `account_id` is the one that others were joined into, `customer` whether it was under contract then.
    """
    account = "coalesce(a.canonical_id, f.account_id)"
    carried = ", ".join(f"coalesce(f.{name}, s.{name}) AS {name}" for name in DIMENSIONS)
    return _cut(
        view,
        f"""
        SELECT f.event_id, f.type, f.occurred_at, {account} AS account_id, coalesce(f.lead_id, s.lead_id) AS lead_id,
               coalesce(f.cycle, s.cycle) AS cycle, coalesce(f.opportunity_id, s.opportunity_id) AS opportunity_id,
               coalesce(s.until > f.occurred_at, s.at IS NOT NULL) AS customer, {carried},
               coalesce(s.latest, to_jsonb(f)) AS latest, {columns}
        FROM {view.facts} AS f LEFT JOIN {{schema}}.alias a ON a.kind = 'account' AND a.id = f.account_id
        LEFT JOIN LATERAL (
            SELECT c.* FROM {{schema}}.customer_span c WHERE c.account_id = {account} AND c.at <= f.occurred_at
            ORDER BY c.at DESC LIMIT 1
        ) AS s ON true
        WHERE f.type = ANY(:kinds) AND f.occurred_at >= :from AND f.occurred_at < :to AND {where}
        """,
    )


def _cut(view: View, rows: str) -> str:
    return f"""
        SELECT p.*, {view.slice} AS slice, width_bucket(p.occurred_at, CAST(:starts AS timestamptz[])) - 1 AS period
        FROM ({rows}) AS p WHERE p.occurred_at >= :from AND p.occurred_at < :to {view.filters}
    """
