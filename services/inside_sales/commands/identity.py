"""The same person twice, two people taken for one, a person forgotten: inside sales follows marketing's word."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import or_, select, update

from services.inside_sales.commands.cycles import archive, locked
from services.inside_sales.commands.keep_lead import forget_lead
from services.inside_sales.domain.lifecycle import OPEN, WITH_FIELD_SALES, Status
from services.inside_sales.models import ActivityRow, AppointmentRow, LeadRow, ProspectCycleRow, ProspectRow
from shared.database import Transaction
from shared.forgetting import forget_person
from shared.imports.store import forget_values

FURTHEST = {status: place for place, status in enumerate((*OPEN, *WITH_FIELD_SALES), start=1)}
"""Of two cycles of one person the one that got further goes on; ended ones and those not begun have no place."""


async def merge_leads(tx: Transaction, survivor_id: UUID, merged_id: UUID) -> None:
    """One person, one piece of work: it goes on under the survivor's id, with all that was done for either."""
    known = update(LeadRow).where(or_(LeadRow.id == merged_id, LeadRow.merged_into == merged_id))
    await tx.session.execute(known.values(merged_into=survivor_id))
    await tx.hold(ProspectRow, (survivor_id, merged_id))
    survivor = await locked(tx, survivor_id)
    merged = await tx.locked(ProspectRow, merged_id)
    if merged is None or merged.status in (Status.MERGED, Status.ERASED) or merged is survivor:
        return
    if survivor is None:
        survivor = ProspectRow(id=survivor_id)
        survivor.take(merged)
        survivor.taken_from = merged.id
        tx.add(survivor)
    elif survivor.status is not Status.ERASED and FURTHEST.get(merged.status, 0) > FURTHEST.get(survivor.status, 0):
        archive(tx, survivor)
        survivor.take(merged)
        survivor.taken_from = merged.id
    elif survivor.first_contact_at is None:
        survivor.first_contact_at = merged.first_contact_at
    merged.merged_status, merged.status, merged.merged_into = merged.status, Status.MERGED, survivor.id
    await tx.session.flush()
    shorter = update(ProspectRow).where(ProspectRow.merged_into == merged.id)
    await tx.session.execute(shorter.values(merged_into=survivor.id, version=ProspectRow.version + 1))


async def unmerge_leads(tx: Transaction, merged_id: UUID) -> None:
    """Each goes on with its own; what was done since the merge belongs to the one whose work it was."""
    await tx.session.execute(update(LeadRow).where(LeadRow.id == merged_id).values(merged_into=None))
    merged = await tx.locked(ProspectRow, merged_id)
    if merged is None or merged.status is not Status.MERGED or merged.merged_status is None:
        return
    survivor = await tx.locked(ProspectRow, merged.merged_into)
    merged.status, merged.merged_status, merged.merged_into = merged.merged_status, None, None
    if survivor is None or survivor.taken_from != merged.id:
        return
    merged.take(survivor)
    survivor.taken_from = None
    own = select(ProspectCycleRow).where(ProspectCycleRow.lead_id == survivor.id).order_by(ProspectCycleRow.id.desc())
    earlier = (await tx.session.scalars(own.limit(1))).one_or_none()
    if earlier is None:
        await tx.delete(survivor)  # it only stood in for the other
    else:
        survivor.take(earlier)
        await tx.delete(earlier)


async def family(tx: Transaction, lead_id: UUID) -> Sequence[UUID]:
    """The lead and all that were merged into it."""
    query = select(ProspectRow.id).where(or_(ProspectRow.id == lead_id, ProspectRow.merged_into == lead_id))
    return (await tx.session.scalars(query)).all()


async def erase_lead(tx: Transaction, lead_id: UUID) -> None:
    """Everything people wrote goes, and the work with it; what was counted stays."""
    await forget_values(tx.session)
    ids = await family(tx, lead_id)
    rows = await tx.session.scalars(select(ProspectRow).where(ProspectRow.id.in_(ids)).with_for_update())
    for row in rows:
        row.forget()
        if row.status in (*OPEN, Status.NURTURING):
            row.status = Status.ERASED
            row.claimed_by = row.claimed_at = None
    for past in await tx.session.scalars(select(ProspectCycleRow).where(ProspectCycleRow.lead_id.in_(ids))):
        past.forget()
    await forget_lead(tx, {lead_id, *ids})
    mine = ActivityRow.lead_id.in_(ids)
    blank = {"note": None, "external_id": None, "version": ActivityRow.version + 1}
    await tx.session.execute(update(ActivityRow).where(mine).values(blank))
    theirs = AppointmentRow.lead_id.in_(ids)
    nowhere = {"place": None, "external_id": None, "version": AppointmentRow.version + 1}
    await tx.session.execute(update(AppointmentRow).where(theirs).values(nowhere))
    await forget_person(tx, {lead_id, *ids})
