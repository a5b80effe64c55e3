"""Field sales tells what became of an SQL: its word holds, whatever inside sales had noted."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from services.inside_sales.commands.cycles import Cycle, find_cycle
from services.inside_sales.commands.move_valve import move_valve
from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models import (
    AppointmentRow,
    AppointmentStatus,
    OpportunityRow,
    ProspectCycleRow,
    ProspectRow,
)
from shared.database import Transaction

EXISTING_CUSTOMER = ("expansion", "renewal")
"""Origins of opportunities that follow no cycle of a lead."""
A_WEEK_AND_A_DAY = timedelta(days=8)
"""What was opened before that weighs nothing at the valve, whatever the zone its week is cut in."""

_FOLLOWED = """
SELECT EXISTS (SELECT FROM prospect WHERE opportunity_id = $1 AND status <> 'merged')
    OR EXISTS (SELECT FROM prospect_cycle WHERE opportunity_id = $1)
"""
_HAS_SLOTS = "SELECT FROM appointment WHERE opportunity_id = $1 AND status = $2 LIMIT 1"


@dataclass(frozen=True, slots=True)
class Fact:
    """`status` is what it makes of the prospect; `at` None where nobody knows."""

    status: Status
    at: datetime | None
    opportunity_id: UUID | None
    lead_id: UUID | None
    cycle: int | None
    origin: str | None = None
    region: str | None = None
    reason: str | None = None
    recyclable: bool | None = None
    revisit_on: date | None = None


async def follow(tx: Transaction, fact: Fact, now: datetime) -> None:
    """Keep the fact and let the prospect follow it; the lead may become known here later."""
    opportunity = await _keep(tx, fact)
    row = await _cycle_of(tx, opportunity)
    before = row.status if row else None
    if row is not None:
        catch_up(row, opportunity)
    after = row.status if row else None
    if fact.status in (Status.RETURNED, Status.LOST) and fact.opportunity_id:
        await _cancel_appointments(tx, fact.opportunity_id)
    recent = fact.status is Status.OPENED and fact.at is not None and now - fact.at < A_WEEK_AND_A_DAY
    if recent or (before != after and Status.HANDED_OVER in (before, after)):
        await tx.session.flush()
        await move_valve(tx, now)


async def link(tx: Transaction, opportunity_id: UUID, lead_id: UUID, cycle: int) -> None:
    """The lead behind an opportunity became known."""
    opportunity = await tx.locked(OpportunityRow, opportunity_id)
    if opportunity is None:
        return
    opportunity.lead_id, opportunity.cycle = lead_id, cycle
    row = await find_cycle(tx, lead_id, cycle)
    if row is not None:
        catch_up(row, opportunity)


async def _keep(tx: Transaction, fact: Fact) -> OpportunityRow:
    """The copy as it is after `fact`. A return that names no opportunity leaves none behind."""
    key = fact.opportunity_id
    row = await tx.locked(OpportunityRow, key) if key else None
    if row is None:
        row = OpportunityRow(id=key)
        if key:
            tx.add(row)
    for name in ("lead_id", "cycle", "origin", "region"):
        setattr(row, name, getattr(fact, name) or getattr(row, name))
    row.status = fact.status
    if fact.status is Status.HANDED_OVER:
        row.received_at = fact.at
    elif fact.status is Status.OPENED:
        row.opened_at, row.ended_at = row.opened_at or fact.at, None
    else:
        row.ended_at = fact.at
    row.reason, row.recyclable, row.revisit_on = fact.reason, fact.recyclable, fact.revisit_on
    return row


async def _cycle_of(tx: Transaction, opportunity: OpportunityRow) -> Cycle | None:
    if opportunity.id is not None and await _is_followed(tx, opportunity.id):
        current = select(ProspectRow).where(
            ProspectRow.opportunity_id == opportunity.id, ProspectRow.status != Status.MERGED
        )
        if row := (await tx.session.scalars(current.limit(1).with_for_update())).one_or_none():
            return row
        earlier = select(ProspectCycleRow).where(ProspectCycleRow.opportunity_id == opportunity.id)
        if past := (await tx.session.scalars(earlier.limit(1).with_for_update())).one_or_none():
            return past
    if opportunity.lead_id is None or opportunity.cycle is None:
        return None
    return await find_cycle(tx, opportunity.lead_id, opportunity.cycle)


async def _is_followed(tx: Transaction, opportunity_id: UUID) -> bool:
    """Whether a cycle is known to have led to it. Of a file of old deals hardly any is."""
    if tx.session.dirty:
        await tx.session.flush()
    return bool((await tx.fetch(_FOLLOWED, opportunity_id))[0][0])


def catch_up(row: Cycle, opportunity: OpportunityRow) -> None:
    """Bring a cycle to where field sales says it is. One it has nothing to do with stays as it is."""
    if row.status in (Status.ERASED, Status.MERGED) or opportunity.origin in EXISTING_CUSTOMER:
        return
    another = row.opportunity_id not in (None, opportunity.id)
    if another and opportunity.origin not in (None, "sql"):
        return  # a second opportunity of the same person beside the SQL
    row.opportunity_id = opportunity.id or row.opportunity_id
    row.status = opportunity.status
    row.sql_at = row.sql_at or opportunity.received_at
    row.opened_at = row.opened_at or opportunity.opened_at
    row.ended_at = opportunity.ended_at
    row.reason, row.recyclable, row.revisit_on = opportunity.reason, opportunity.recyclable, opportunity.revisit_on
    told = (opportunity.received_at, opportunity.opened_at, opportunity.ended_at, row.moved_at)
    row.moved_at = max((at for at in told if at), default=None)


async def _cancel_appointments(tx: Transaction, opportunity_id: UUID) -> None:
    """The rep's slots are free again."""
    if not await tx.fetch(_HAS_SLOTS, opportunity_id, AppointmentStatus.SET):
        return
    mine = update(AppointmentRow).where(
        AppointmentRow.opportunity_id == opportunity_id, AppointmentRow.status == AppointmentStatus.SET
    )
    await tx.session.execute(mine.values(status=AppointmentStatus.CANCELLED, version=AppointmentRow.version + 1))
