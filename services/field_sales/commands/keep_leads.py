"""Field sales' copy of leads and companies, and the opportunities joined to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.field_sales.commands.telling import announce, step, write
from services.field_sales.models import (
    DIMENSIONS,
    AccountRow,
    FirstVisitRow,
    LeadRow,
    Opportunity,
    OpportunityRow,
    StepRow,
)
from shared.contracts.base import LeadEvent
from shared.contracts.envelope import Meta
from shared.contracts.field_sales import OpportunityLinked
from shared.database import Transaction
from shared.errors import NotFound
from shared.forgetting import forget_person
from shared.imports.store import forget_values

JOINED_AT_ONCE = 500
_NAMED_OTHERWISE = "SELECT FROM opportunity WHERE account_id = $1 AND account_name IS DISTINCT FROM $2 LIMIT 1"


async def known_lead(session: AsyncSession, lead_id: UUID) -> LeadRow:
    return here(await session.get(LeadRow, lead_id), lead_id)


def here(lead: LeadRow | None, lead_id: UUID) -> LeadRow:
    """Raises NotFound, to be asked again: marketing's news may be on its way."""
    if lead is None or lead.erased_at is not None:
        raise NotFound(f"The lead {lead_id} is not known here", retry_after=1)
    return lead


_TOLD = ("channel", "campaign", "segment", "industry", "product", "price_band", "region", "account_id", "external_id")
_KEEP = f"""
WITH told AS (SELECT * FROM json_populate_recordset(NULL::lead, $1::text::json)), kept AS (
    INSERT INTO lead AS l (id, cycle, {", ".join(_TOLD)}) SELECT id, cycle, {", ".join(_TOLD)} FROM told ORDER BY id
    ON CONFLICT (id) DO UPDATE SET cycle = greatest(l.cycle, excluded.cycle),
        {", ".join(f"{name} = coalesce(excluded.{name}, l.{name})" for name in _TOLD)}
    WHERE l.erased_at IS NULL
    RETURNING external_id
)
SELECT DISTINCT k.external_id FROM kept k JOIN opportunity o ON o.lead_external_id = k.external_id
WHERE o.lead_id IS NULL
"""


async def keep_leads(tx: Transaction, leads: Sequence[tuple[LeadEvent, Meta]], now: datetime) -> None:
    """What is told of leads. Unknown is told as absent and changes nothing; a person erased stays erased.

    Opportunities that waited for one of them are joined to it.
    """
    rows = [{"id": event.lead_id, "cycle": event.cycle, **_told(event)} for event, _ in leads]
    await tx.session.flush()
    waited_for = {row["external_id"] for row in await tx.fetch(_KEEP, orjson.dumps(rows).decode())}
    tx.release(LeadRow, (event.lead_id for event, _ in leads))
    for event, meta in leads if waited_for else ():
        if event.external_id in waited_for:
            tx.cause = meta
            await join_waiting(tx, now, event.external_id)


def _told(event: LeadEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _TOLD}


async def merge_leads(tx: Transaction, lead_id: UUID, merged_lead_id: UUID) -> None:
    """Two leads are one person from now on. Rows keep the lead they were told of, so that it can be undone exactly."""
    merged = await tx.locked(LeadRow, merged_lead_id)
    if merged is None:
        merged = LeadRow(id=merged_lead_id, cycle=1)
        tx.add(merged)
    merged.merged_into = lead_id


async def unmerge_leads(tx: Transaction, merged_lead_id: UUID) -> None:
    merged = await tx.locked(LeadRow, merged_lead_id)
    if merged is not None:
        merged.merged_into = None


async def same_person(session: AsyncSession, lead_id: UUID | None) -> list[UUID]:
    """This lead and all that were merged into it, at any depth."""
    if lead_id is None:
        return []
    family = select(literal(lead_id).label("id")).cte("family", recursive=True)
    merged = select(LeadRow.id).join(family, LeadRow.merged_into == family.c.id)
    return list(await session.scalars(select(family.union(merged).c.id)))


async def erase_lead(tx: Transaction, lead_id: UUID, *, at: datetime) -> None:
    """Forget what could name the person: the caller's id of them and every free text. Codes and figures stay."""
    await forget_values(tx.session)
    session = tx.session
    if await tx.locked(LeadRow, lead_id) is None:
        tx.add(LeadRow(id=lead_id, cycle=1))
        await session.flush()
    person = await same_person(session, lead_id)
    await session.execute(update(LeadRow).where(LeadRow.id.in_(person)).values(external_id=None, erased_at=at))
    theirs = select(OpportunityRow.id).where(OpportunityRow.lead_id.in_(person))
    without = StepRow.changes.op("-")("next_step").op("-")("lead_external_id")
    steps = update(StepRow).where(StepRow.opportunity_id.in_(theirs)).values(note=None, changes=without)
    await session.execute(steps)
    await session.execute(update(FirstVisitRow).where(FirstVisitRow.opportunity_id.in_(theirs)).values(note=None))
    await session.execute(
        update(OpportunityRow)
        .where(OpportunityRow.lead_id.in_(person))
        .values(lead_external_id=None, next_step=None, comment=None, version=OpportunityRow.version + 1)
    )
    await forget_person(tx, person)


def inherit(row: Opportunity, lead: LeadRow) -> None:
    """What is not set comes from the lead."""
    write(row, {name: getattr(row, name) or getattr(lead, name) for name in (*DIMENSIONS, "account_id")})


def link(
    tx: Transaction, row: OpportunityRow, lead: LeadRow, cycle: int, *, by: str, at: datetime, now: datetime
) -> None:
    """Join them; the journey stays what it was, and the event tells both."""
    told = {"lead_id": lead.id, "lead_external_id": lead.external_id or row.lead_external_id, "cycle": cycle}
    changes = write(row, told)
    inherit(row, lead)
    tx.add(step(row, "linked", at=at, by=by, now=now, changes=changes))
    announce(tx, OpportunityLinked, row, at)


async def join_waiting(tx: Transaction, now: datetime, external_id: str | None = None) -> int:
    """Join opportunities that waited for their lead; `external_id` narrows it to one lead. How many were joined.

    An import and the news of the lead can pass each other unseen, so this also runs by rule. The join holds from the
    first the opportunity was known of, so that looking back shows it too.
    """
    query = (
        select(OpportunityRow, LeadRow)
        .join(LeadRow, LeadRow.external_id == OpportunityRow.lead_external_id)
        .where(OpportunityRow.lead_id.is_(None), LeadRow.erased_at.is_(None))
        .order_by(OpportunityRow.id, LeadRow.id)
        .limit(JOINED_AT_ONCE)
        .with_for_update(of=OpportunityRow)
    )
    if external_id is not None:
        query = query.where(OpportunityRow.lead_external_id == external_id)
    joined = 0
    for row, lead in await tx.session.execute(query):
        if row.lead_id is None:
            at = min((told for told in (row.offered_at, row.opened_at, row.closed_at) if told), default=now)
            link(tx, row, lead, lead.cycle, by="marketing", at=at, now=now)
            joined += 1
    return joined


async def keep_account(tx: Transaction, account_id: UUID, name: str) -> None:
    """The company's name, here and on its opportunities."""
    account = await tx.locked(AccountRow, account_id)
    if account is None:
        tx.add(AccountRow(id=account_id, name=name))
    else:
        account.name = name
    if not await tx.fetch(_NAMED_OTHERWISE, account_id, name):
        return
    await tx.session.execute(
        update(OpportunityRow)
        .where(
            OpportunityRow.account_id == account_id,
            or_(OpportunityRow.account_name.is_(None), OpportunityRow.account_name != name),
        )
        .values(account_name=name, version=OpportunityRow.version + 1, updated_at=func.now())
    )


async def account_name(session: AsyncSession, account_id: UUID | None) -> str | None:
    account = await session.get(AccountRow, account_id) if account_id else None
    return account.name if account else None
