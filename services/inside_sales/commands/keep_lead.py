"""Leads marketing told of, so that files can name them; what a file told too early joins here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, select

from services.inside_sales.commands.reps import rep_ids
from services.inside_sales.commands.tell_history import HISTORY, tell_history
from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models import LeadRow, OpportunityRow, ProspectRow, WaitingHistoryRow
from shared.contracts.envelope import Meta
from shared.database import Transaction

JOINED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ToldLead:
    """A lead as marketing tells of it."""

    id: UUID
    cycle: int
    journey: str
    dimensions: Mapping[str, Any]
    meta: Meta


# Which of them a file waits for is asked along with it: hardly ever one.
_KEEP = """
WITH told AS (
    SELECT * FROM json_to_recordset($1::text::json)
        AS t(id uuid, cycle int, journey text, external_id text, dimensions jsonb)
), kept AS (
    INSERT INTO lead AS l (id, cycle, journey, external_id, dimensions, erased)
    SELECT id, cycle, journey, external_id, dimensions, false FROM told ORDER BY id
    ON CONFLICT (id) DO UPDATE SET cycle = greatest(l.cycle, excluded.cycle),
        external_id = coalesce(excluded.external_id, l.external_id), dimensions = l.dimensions || excluded.dimensions
    WHERE NOT l.erased
    RETURNING id, external_id
)
SELECT k.id FROM kept k JOIN waiting_history w ON w.id = k.external_id ORDER BY k.id
"""


async def keep_leads(tx: Transaction, leads: Sequence[ToldLead], now: datetime) -> None:
    """What is told replaces what was known; a cycle never goes back, and a person forgotten stays so."""
    rows = [
        {
            "id": lead.id,
            "cycle": lead.cycle,
            "journey": lead.journey,
            "external_id": lead.dimensions.get("external_id"),
            "dimensions": {
                name: str(value) for name, value in lead.dimensions.items() if value is not None and name != "owner"
            },
        }
        for lead in leads
    ]
    await tx.session.flush()
    waited_for = await tx.fetch(_KEEP, orjson.dumps(rows).decode())
    tx.release(LeadRow, (lead.id for lead in leads))
    for lead in leads if waited_for else ():
        row = await tx.locked(LeadRow, lead.id)
        if row and row.external_id and not row.erased:
            tx.cause = lead.meta
            await _join(tx, row, row.external_id, now)


async def join_waiting(tx: Transaction, now: datetime) -> int:
    """Join histories whose lead has become known; how many. An import and the news of the lead can pass each other
    unseen, so this runs by rule."""
    query = (
        select(LeadRow)
        .join(WaitingHistoryRow, WaitingHistoryRow.external_id == LeadRow.external_id)
        .order_by(LeadRow.id)
        .limit(JOINED_AT_ONCE)
        .with_for_update(of=LeadRow)
    )
    leads = list(await tx.session.scalars(query))
    for lead in leads:
        await _join(tx, lead, lead.external_id or "", now)
    return len(leads)


async def _join(tx: Transaction, lead: LeadRow, external_id: str, now: datetime) -> None:
    waiting = await tx.locked(WaitingHistoryRow, external_id)
    if waiting is None:
        return
    await tx.session.flush()
    row = (await prospects_of(tx, [lead]))[lead.id]
    sqls = await told_sqls(tx, [row.id])
    told = HISTORY.validate_python(waiting.told)
    reps = await rep_ids(tx, [told.owner] if told.owner else [])
    tell_history(tx, row, told, opportunity_id=sqls.get((row.id, row.cycle)), reps=reps, by=waiting.by, now=now)
    await tx.delete(waiting)


async def prospects_of(tx: Transaction, leads: Sequence[LeadRow]) -> dict[UUID, ProspectRow]:
    """The locked prospect of each lead, made where marketing never handed it over."""
    homes = {lead.id: lead.merged_into or lead.id for lead in leads}
    query = select(ProspectRow).where(ProspectRow.id.in_(set(homes.values()))).order_by(ProspectRow.id)
    known = {row.id: row for row in await tx.session.scalars(query.with_for_update())}
    for lead in leads:
        if homes[lead.id] not in known:
            known[homes[lead.id]] = _new_prospect(tx, homes[lead.id], lead)
    return {lead_id: known[home] for lead_id, home in homes.items()}


def _new_prospect(tx: Transaction, lead_id: UUID, lead: LeadRow) -> ProspectRow:
    row = ProspectRow(id=lead_id, cycle=lead.cycle, status=Status.NURTURING, journey=lead.journey, declared=False)
    for name, value in lead.dimensions.items():
        setattr(row, name, UUID(value) if name == "account_id" else value)
    tx.add(row)
    return row


async def told_sqls(tx: Transaction, lead_ids: Iterable[UUID]) -> dict[tuple[UUID, int], UUID]:
    """(lead, cycle) → the opportunity field sales told of, where it has one from an SQL."""
    query = select(OpportunityRow.lead_id, OpportunityRow.cycle, OpportunityRow.id).where(
        OpportunityRow.lead_id.in_(lead_ids), OpportunityRow.origin.is_(None) | (OpportunityRow.origin == "sql")
    )
    return {
        (row[0], row[1]): row[2] for row in await tx.session.execute(query) if row[0] is not None and row[1] is not None
    }


async def forget_lead(tx: Transaction, ids: Iterable[UUID]) -> None:
    """The caller's id of the person, and what a file told of them too early."""
    for lead in await tx.session.scalars(select(LeadRow).where(LeadRow.id.in_(list(ids))).with_for_update()):
        if lead.external_id:
            told = WaitingHistoryRow.external_id == lead.external_id
            await tx.session.execute(delete(WaitingHistoryRow).where(told))
        lead.external_id, lead.dimensions, lead.erased = None, {}, True
