"""Marketing hands over: an MQL becomes work, a recycled lead a cycle that is not work yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.inside_sales.commands.cycles import Cycle, begin_cycle, locked
from services.inside_sales.commands.follow import catch_up
from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.models import RULES, OpportunityRow
from shared.database import Transaction
from shared.rules import InForce


@dataclass(frozen=True, slots=True)
class Mql:
    """`recorded`: when marketing wrote it down."""

    lead_id: UUID
    cycle: int
    journey: str
    dimensions: Mapping[str, Any]
    score: int | None
    fit: int | None
    engagement: int | None
    declared: bool
    at: datetime
    recorded: datetime


async def open_prospect(tx: Transaction, mql: Mql) -> None:
    """The lead is work from `mql.at` on; the SLA clock runs. Told again, only what is known of it changes."""
    sla = await RULES.in_force(tx.session, SlaRule, mql.at)
    opportunities = await _told(tx, mql.lead_id, mql.cycle)
    row = await begin_cycle(tx, mql.lead_id, mql.cycle, mql.journey)
    if row.status is Status.ERASED:
        return
    update_dimensions(row, mql.dimensions)
    row.score, row.fit, row.engagement, row.declared = mql.score, mql.fit, mql.engagement, mql.declared
    if row.mql_at is not None:
        return
    row.mql_at = mql.at
    _start_clock(row, mql, sla)
    if row.status is Status.NURTURING:
        row.status, row.moved_at = Status.WAITING, mql.at
    for opportunity in opportunities:
        catch_up(row, opportunity)


def _start_clock(row: Cycle, mql: Mql, sla: InForce[SlaRule]) -> None:
    row.sla_due_at, row.sla_version = sla.rule.due(mql.at), sla.version
    unfollowed = sla.rule.unfollowed(mql.at)
    if unfollowed < mql.recorded:
        # history: what was done about it may be told next, and nobody follows what they were not told of
        unfollowed = sla.rule.unfollowed(mql.recorded)
    row.unfollowed_at = max(unfollowed, mql.recorded + timedelta(seconds=sla.rule.settle_seconds))


async def _told(tx: Transaction, lead_id: UUID, cycle: int) -> list[OpportunityRow]:
    """Field sales' word of this cycle may have come before marketing's."""
    known = select(OpportunityRow).where(OpportunityRow.lead_id == lead_id, OpportunityRow.cycle == cycle)
    return list(await tx.session.scalars(known.order_by(OpportunityRow.opened_at)))


async def recycle_prospect(
    tx: Transaction,
    lead_id: UUID,
    cycle: int,
    *,
    journey: str,
    dimensions: Mapping[str, Any],
    cycle_source: str,
    previous_ref: str | None,
    revisit_on: date | None,
) -> None:
    """The next cycle began at marketing. It is no work of inside sales before marketing says MQL again."""
    row = await begin_cycle(tx, lead_id, cycle, journey)
    if row.status is Status.ERASED:
        return
    update_dimensions(row, dimensions)
    row.cycle_source, row.previous_ref = cycle_source, previous_ref
    if row.status is Status.NURTURING:
        row.revisit_on = revisit_on


async def update_prospect(tx: Transaction, lead_id: UUID, dimensions: Mapping[str, Any]) -> None:
    """Marketing knows more of the lead; one that was never handed over is no business of inside sales."""
    row = await locked(tx, lead_id)
    if row is not None and row.status is not Status.ERASED:
        update_dimensions(row, dimensions)


def update_dimensions(row: Cycle, told: Mapping[str, Any]) -> None:
    """What is told replaces what was known. The owner is inside sales' own once somebody took the work."""
    for name, value in told.items():
        if value is not None and not (name == "owner" and row.claimed_by):
            setattr(row, name, value)
