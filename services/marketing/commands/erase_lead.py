"""Forgetting a person: every personal field in this service goes, what was counted stays."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, case, cast, select, update

from services.marketing.commands.people import lock_lead
from services.marketing.commands.recycle import CANCELLED, WAITING
from services.marketing.domain.personal import PERSONAL
from services.marketing.models import ChangeRow, LeadCycleRow, LeadRow, RecyclingRow, TouchRow
from shared.contracts.marketing import LeadErased
from shared.database import Transaction
from shared.forgetting import forget_person
from shared.imports.store import forget_values

KEYS = ("email_key", "phone_key", "name_key", "utm", "revisit_on")


async def erase_lead(tx: Transaction, lead_id: UUID, *, at: datetime) -> LeadRow:
    """The person and every lead merged into theirs. Again it changes nothing but what files said meanwhile."""
    await forget_values(tx.session)
    row = await lock_lead(tx, lead_id)
    if row.erased_at:
        return row
    merged = select(LeadRow).where(LeadRow.merged_into_id == row.id).order_by(LeadRow.id).with_for_update()
    leads = [row, *await tx.session.scalars(merged)]
    for lead in leads:
        for name in (*PERSONAL, *KEYS):
            setattr(lead, name, None)
        lead.erased_at = at
        tx.announce(LeadErased(lead_id=lead.id), journey=lead.id, at=at)
    await forget_person(tx, [lead.id for lead in leads])
    await _forget_texts(tx, [lead.id for lead in leads])
    return row


async def _forget_texts(tx: Transaction, leads: list[UUID]) -> None:
    """What people wrote about the person, and what the person's fields said before."""
    content = case((TouchRow.shared, TouchRow.content))
    await tx.session.execute(update(TouchRow).where(TouchRow.lead_id.in_(leads)).values(note=None, content=content))
    mine = LeadCycleRow.lead_id.in_(leads)
    await tx.session.execute(update(LeadCycleRow).where(mine).values(override_reason=None))
    state = case((RecyclingRow.state == WAITING, CANCELLED), else_=RecyclingRow.state)
    await tx.session.execute(update(RecyclingRow).where(RecyclingRow.lead_id.in_(leads)).values(note=None, state=state))
    left = ChangeRow.fields.op("-")(cast([*PERSONAL, "utm"], ARRAY(Text)))
    await tx.session.execute(update(ChangeRow).where(ChangeRow.subject_id.in_(leads)).values(fields=left))
