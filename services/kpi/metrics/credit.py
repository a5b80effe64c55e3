"""Deals won in the span with the touches before them, credited by a model (metrics.md 1a)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.kpi.metrics.attribution import Path, weights
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import entered
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.question import View
from services.kpi.metrics.statistics import apportion

TOUCHED = "marketing.touch_recorded.v1"
UNTOUCHED = "(none)"


@dataclass(frozen=True)
class Touch:
    """`source` is the channel, campaign or content it is credited under, as asked."""

    id: str
    at: datetime
    kind: str
    content: str | None
    channel: str | None
    campaign: str | None
    roles: frozenset[str]
    weight: float
    amount: int  # minor units; those of a deal add up to it


@dataclass(frozen=True)
class Credited:
    """A deal and its touches, in their order; `value` in minor units, `retained` what of it is still paid at as_of."""

    opportunity_id: UUID
    lead_id: UUID | None
    value: Decimal
    retained: Decimal
    touches: Sequence[Touch]


async def credited(view: View, model: str, half_life: float, opportunity: UUID | None = None) -> list[Credited]:
    """Every deal won in the span, or one of them. Touches of all a person's cycles count, until the win."""
    deals = await _deals(view, opportunity)
    touches = await _touches(view, sorted({deal.lead_id for deal in deals if deal.lead_id}))
    found = []
    for deal in deals:
        before = [touch for touch in touches.get(deal.lead_id, ()) if touch.occurred_at <= deal.at]
        path = Path([touch.occurred_at for touch in before], deal.lead_at, deal.since, deal.at)
        value = deal.worth or Decimal(0)
        shares = weights(model, path, half_life)
        amounts = apportion([Decimal(str(share)) * value for share in shares], int(value)) if shares else []
        credits = [
            Touch(
                touch.data.get("touch_id", str(touch.event_id)),
                touch.occurred_at,
                touch.data.get("kind", ""),
                touch.data.get("content"),
                touch.channel,
                touch.campaign,
                roles,
                share,
                amount,
            )
            for touch, roles, share, amount in zip(before, path.roles(), shares, amounts, strict=True)
        ]
        found.append(Credited(deal.opportunity_id, deal.lead_id, value, deal.retained or Decimal(0), credits))
    return found


async def _deals(view: View, opportunity: UUID | None) -> list[Any]:
    only = "WHERE e.opportunity_id = :opportunity" if opportunity else ""
    query = f"""
        WITH {RATES}
        SELECT e.opportunity_id, e.lead_id, e.at, e.since, e.worth, c.at AS lead_at,
               least(e.worth, (
                   SELECT coalesce(sum(m.delta * r.factor), 0) FROM {{schema}}.movement m
                   JOIN rates r USING (currency)
                   WHERE m.account_id = coalesce(e.account_id, e.lead_id, e.opportunity_id)
                     AND m.basis = 'booked' AND m.at <= :as_of
               )) AS retained
        FROM ({entered(view, PRICED)}) AS e
        LEFT JOIN {{schema}}.passage c ON c.milestone = 'lead' AND c.subject = e.lead_id
                                      AND c.subject_cycle = e.cycle AND c.ordinal = 0
        {only} ORDER BY e.at, e.opportunity_id
    """
    given = {"opportunity": opportunity} if opportunity else {}
    return await view.rows(query, {"milestones": ["won"], "starts": view.starts, **bound(view), **given})


async def _touches(view: View, leads: Sequence[UUID]) -> Mapping[UUID | None, Sequence[Any]]:
    """By person, in their order; what was told of a merged person is theirs."""
    query = f"""
        WITH asked AS (
            SELECT l AS lead_id, coalesce(a.canonical_id, l) AS person FROM unnest(CAST(:leads AS uuid[])) AS l
            LEFT JOIN {{schema}}.alias a ON a.kind = 'lead' AND a.id = l
        ), same AS (
            SELECT lead_id, person AS id FROM asked
            UNION SELECT asked.lead_id, b.id FROM asked
            JOIN {{schema}}.alias b ON b.kind = 'lead' AND b.canonical_id = asked.person
        )
        SELECT same.lead_id, f.event_id, f.occurred_at, f.channel, f.campaign, f.data
        FROM same JOIN {view.facts} AS f ON f.lead_id = same.id AND f.type = '{TOUCHED}'
        ORDER BY f.occurred_at, f.event_id
    """
    found: defaultdict[UUID | None, list[Any]] = defaultdict(list)
    for row in await view.rows(query, {"leads": list(leads)}) if leads else ():
        found[row.lead_id].append(row)
    return found


@dataclass
class Share:
    """What was credited to one source."""

    deals: float = 0.0
    value: Decimal = Decimal(0)
    retained: Decimal = Decimal(0)


def summed(found: Sequence[Credited], by: str) -> Mapping[str, Share]:
    """By channel, campaign, content or kind of touch; deals nobody touched stand for themselves."""
    shares: defaultdict[str, Share] = defaultdict(Share)
    for deal in found:
        if not deal.touches:
            _add(shares[UNTOUCHED], 1.0, deal.value, deal.retained)
        for touch in deal.touches:
            kept = deal.retained * Decimal(str(touch.weight))
            _add(shares[getattr(touch, by) or "(unset)"], touch.weight, Decimal(touch.amount), kept)
    return shares


def _add(share: Share, deals: float, value: Decimal, retained: Decimal) -> None:
    share.deals += deals
    share.value += value
    share.retained += retained
