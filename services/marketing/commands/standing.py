"""Where a cycle stands, computed anew from everything told of it."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from services.marketing.domain.lifecycle import IN_WORK, Fact, Milestone, Standing, stand
from services.marketing.domain.rules import Rules
from services.marketing.models import LeadCycleRow, LeadRow, MilestoneRow
from shared.database import Transaction
from shared.ids import new_id

_TOLD = """
SELECT kind, at, owner, opportunity_id, reason, recyclable, revisit_on FROM milestone WHERE lead_id = $1 AND cycle = $2
"""
_CYCLES = "SELECT stage, owner FROM lead_cycle WHERE lead_id = $1 ORDER BY cycle DESC"
_IN_WORK = """
SELECT CASE WHEN l.merged_into_id = ANY($1) THEN l.merged_into_id ELSE l.id END AS person, c.lead_id, c.cycle
FROM lead l JOIN lead_cycle c ON c.lead_id = l.id
WHERE (l.id = ANY($1) OR l.merged_into_id = ANY($1)) AND c.stage = ANY($2)
"""


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
    await tx.session.flush()  # what was noted just now is part of it
    return [_fact(found) for found in await tx.fetch(_TOLD, row.id, cycle)]


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
    await tx.session.flush()
    cycles = await tx.fetch(_CYCLES, row.id)
    shown = next((cycle for cycle in cycles if cycle["stage"] in IN_WORK), cycles[0])
    row.stage, row.downstream_owner = shown["stage"], shown["owner"]


async def cycles_in_work(tx: Transaction, rows: Iterable[LeadRow]) -> dict[UUID, str]:
    """The persons some department works with, by the lead that stands for them, and as which `<lead>/<cycle>`."""
    found = await tx.fetch(_IN_WORK, [row.id for row in rows], sorted(IN_WORK))
    return {cycle["person"]: f"{cycle['lead_id']}/{cycle['cycle']}" for cycle in found}


def _fact(row: asyncpg.Record) -> Fact:
    return Fact(Milestone(row["kind"]), *row[1:])
