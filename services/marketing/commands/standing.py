"""Where a cycle stands, computed anew from everything told of it."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from services.marketing.commands.people import family
from services.marketing.domain.lifecycle import IN_WORK, Fact, Milestone, Standing, stand
from services.marketing.domain.rules import Rules
from services.marketing.models import LeadCycleRow, LeadRow, MilestoneRow
from shared.database import Transaction
from shared.ids import new_id


def note(tx: Transaction, fact: Fact, *, lead: UUID | None, cycle: int | None) -> None:
    """Keep one thing told."""
    row = MilestoneRow(
        id=new_id(),
        lead_id=lead,
        cycle=cycle,
        opportunity_id=fact.opportunity,
        kind=fact.kind,
        at=fact.at,
        owner=fact.owner,
        reason=fact.reason,
        recyclable=fact.recyclable,
        revisit_on=fact.revisit_on,
    )
    tx.add(row)


async def _told(tx: Transaction, row: LeadRow, cycle: int) -> list[Fact]:
    told = MilestoneRow.lead_id == row.id, MilestoneRow.cycle == cycle
    return [_fact(found) for found in await tx.session.scalars(select(MilestoneRow).where(*told))]


async def standing_of(tx: Transaction, row: LeadRow, cycle: int, rules: Rules) -> Standing:
    return stand(await _told(tx, row, cycle), rules.recycling.never)


async def settle(tx: Transaction, row: LeadRow, cycle: int, rules: Rules) -> Standing:
    """Let cycle and lead show what is known now. A cycle we never opened was opened before our memory: it is kept."""
    facts = await _told(tx, row, cycle)
    standing = stand(facts, rules.recycling.never)
    mine = await tx.session.get(LeadCycleRow, (row.id, cycle))
    if mine is None:
        began = min((fact.at for fact in facts), default=row.created_at)
        mine = LeadCycleRow(lead_id=row.id, cycle=cycle, opened_at=began)
        tx.add(mine)
    mine.stage, mine.owner, mine.opportunity_id = standing.stage, standing.owner, standing.opportunity
    if cycle > row.cycle:
        row.cycle, row.cycle_opened_at, row.mql_at = cycle, mine.opened_at, mine.mql_at
    await show(tx, row)
    return standing


async def show(tx: Transaction, row: LeadRow) -> None:
    """The lead stands where its cycle in work stands; without one, where its newest does."""
    query = select(LeadCycleRow).where(LeadCycleRow.lead_id == row.id).order_by(LeadCycleRow.cycle)
    cycles = list(await tx.session.scalars(query))
    shown = next((cycle for cycle in reversed(cycles) if cycle.stage in IN_WORK), cycles[-1])
    row.stage, row.downstream_owner = shown.stage, shown.owner


async def cycles_in_work(tx: Transaction, rows: Iterable[LeadRow]) -> dict[UUID, str]:
    """The persons some department works with, by the lead that stands for them, and as which `<lead>/<cycle>`."""
    persons = await family(tx, [row.id for row in rows])
    query = select(LeadCycleRow).where(LeadCycleRow.lead_id.in_(persons), LeadCycleRow.stage.in_(IN_WORK))
    return {persons[c.lead_id]: f"{c.lead_id}/{c.cycle}" for c in await tx.session.scalars(query)}


def _fact(row: MilestoneRow) -> Fact:
    return Fact(
        kind=Milestone(row.kind),
        at=row.at,
        owner=row.owner,
        opportunity=row.opportunity_id,
        reason=row.reason,
        recyclable=row.recyclable,
        revisit_on=row.revisit_on,
    )
