"""How things stand right now: what waits, what is open, who is at risk. For alarms, not for reports."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.question import View
from shared.contracts import EVENTS

GIVEN = [kind for kind in EVENTS if ".feedback_given." in kind]
UPDATED = [kind for kind in EVENTS if ".feedback_updated." in kind]
GAP_SECONDS = 60


class Risk(NamedTuple):
    """Customers at risk and their MRR in minor units, None where a plan rate is missing."""

    customers: int
    mrr: Decimal | None


class Valve(NamedTuple):
    threshold: int
    utilisation: float | None


async def feedback_open(view: View) -> Mapping[tuple[str, str], int]:
    """Items by sender and receiver that their sender has not closed."""
    query = """
        SELECT g.data ->> 'sender' AS sender, g.data ->> 'receiver' AS receiver,
               count(DISTINCT g.data ->> 'feedback_id') AS items
        FROM {schema}.fact g WHERE g.type = ANY(:given) AND NOT EXISTS (
            SELECT 1 FROM {schema}.fact u WHERE u.type = ANY(:updated) AND u.data ->> 'state' = 'closed'
            AND u.data ->> 'feedback_id' = g.data ->> 'feedback_id'
        ) GROUP BY 1, 2
    """
    rows = await view.rows(query, {"given": GIVEN, "updated": UPDATED})
    return {(row.sender, row.receiver): row.items for row in rows}


async def churn_risk(view: View) -> Risk:
    """Customers whose last word about risk was an alarm."""
    query = f"""
        WITH {RATES}, risky AS (
            SELECT account_id FROM (
                SELECT DISTINCT ON (account_id) account_id, type FROM {{schema}}.fact
                WHERE type IN ('customer_success.churn_risk_raised.v1', 'customer_success.churn_risk_cleared.v1')
                ORDER BY account_id, occurred_at DESC, recorded_at DESC, sequence DESC
            ) AS last WHERE type = 'customer_success.churn_risk_raised.v1'
        )
        SELECT (SELECT count(*) FROM risky) AS customers, coalesce(sum(m.delta * r.factor), 0) AS mrr,
               coalesce(bool_or(r.factor IS NULL), false) AS unpriced
        FROM {{schema}}.movement m JOIN risky USING (account_id) LEFT JOIN rates r USING (currency)
        WHERE m.basis = 'booked'
    """
    row = (await view.rows(query, bound(view)))[0]
    return Risk(row.customers, None if row.unpriced else row.mrr)


async def waiting_for_contact(view: View) -> Mapping[str, int]:
    """MQLs nobody has contacted: `within` the response SLA, or `late`. Empty while no SLA is decided."""
    minutes = view.decisions.setting("response_sla_minutes", view.question.whole.start)
    if minutes is None:
        return {}
    query = """
        SELECT count(*) FILTER (WHERE at >= :due) AS within, count(*) FILTER (WHERE at < :due) AS late
        FROM {schema}.place WHERE place = 'mql_waiting' AND until IS NULL AND contacted_at IS NULL
    """
    row = (await view.rows(query, {"due": view.question.as_of - timedelta(minutes=minutes)}))[0]
    return {"within": row.within, "late": row.late}


async def valve(view: View) -> Valve | None:
    """Where inside sales' valve stands, as last told."""
    query = """
        SELECT (data ->> 'threshold')::int AS threshold, (data ->> 'utilisation')::float8 AS utilisation
        FROM {schema}.fact WHERE type = 'inside_sales.valve_moved.v1'
        ORDER BY occurred_at DESC, recorded_at DESC, sequence DESC LIMIT 1
    """
    rows = await view.rows(query)
    return Valve(rows[0].threshold, rows[0].utilisation) if rows else None


async def recycle_overdue(view: View) -> int:
    """Cycles that wait although their day has come."""
    query = """
        SELECT count(*) AS cycles FROM {schema}.place
        WHERE place = 'recycle_waiting' AND until IS NULL AND revisit_on < :today
    """
    today = view.question.as_of.astimezone(view.question.zone).date()
    return int((await view.rows(query, {"today": today}))[0].cycles)


async def gaps(view: View) -> int:
    """Streams with a number missing for more than a minute."""
    query = "SELECT count(*) AS streams FROM {schema}.stream_state WHERE gap_since < :since"
    since = view.question.as_of - timedelta(seconds=GAP_SECONDS)
    return int((await view.rows(query, {"since": since}))[0].streams)
