"""Change what is known of an opportunity, its phase, or the lead it is linked with."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from services.field_sales.commands import rules
from services.field_sales.commands.keep_leads import known_lead, link
from services.field_sales.commands.reps import credited
from services.field_sales.commands.telling import announce_changes, differing, step, with_account, write
from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.lifecycle import Act, in_order, move
from services.field_sales.models import AppointmentRow, FirstVisitRow, OpportunityRow
from services.field_sales.schemas.rules import CRITERIA
from shared.database import Transaction
from shared.errors import Refused


async def update_opportunity(
    tx: Transaction, opportunity_id: UUID, given: Mapping[str, Any], *, by: str, at: datetime, now: datetime
) -> OpportunityRow:
    """Only what differs is stored and told; nothing differs: nothing happens."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    changes = differing(row, with_account(await credited(tx.session, given, row.owner), row))
    if not changes:
        return row
    row.status = move(row.status, Act.UPDATE)
    at = in_order(at, now, row.stepped_at, row.changed_at)
    changes = write(row, {name: new for name, (_, new) in changes.items()})
    row.changed_at = at
    tx.add(step(row, "updated", at=at, by=by, now=now, changes=changes))
    announce_changes(tx, row, changes, at)
    return row


def archive(row: OpportunityRow, hidden: bool, *, now: datetime) -> None:
    """Hide it from lists or show it again, wherever it stands; nobody outside needs to know."""
    row.archived_at = (row.archived_at or now) if hidden else None


async def move_phase(
    tx: Transaction, opportunity_id: UUID, phase: str, *, by: str, at: datetime, now: datetime
) -> OpportunityRow:
    """Forward where the exit criteria hold, back whenever a person says so; a step back is counted."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, Act.MOVE_PHASE)
    at = in_order(at, now, row.stepped_at)
    phases = await rules.phases(tx.session, at)
    if phases.advance(row.phase, phase, await known_fields(tx, row)):
        row.regressions += 1
    changes = write(row, {"phase": phase})
    if changes:
        row.stepped_at = at
        tx.add(step(row, "phase", at=at, by=by, now=now, changes=changes))
        announce_changes(tx, row, changes, at)
    return row


async def known_fields(tx: Transaction, row: OpportunityRow) -> set[str]:
    """Everything an exit criterion could ask for that is there."""
    known = {name for name in CRITERIA if getattr(row, name, None) is not None}
    held = exists().where(AppointmentRow.opportunity_id == row.id, AppointmentRow.status == AppointmentStatus.HELD)
    reviewed = exists().where(FirstVisitRow.opportunity_id == row.id)
    was_held, was_reviewed = (await tx.session.execute(select(held, reviewed))).one()
    return known | ({"appointment_held"} if was_held else set()) | ({"first_visit"} if was_reviewed else set())


async def link_lead(
    tx: Transaction, opportunity_id: UUID, lead_id: UUID, cycle: int | None, *, by: str, at: datetime, now: datetime
) -> OpportunityRow:
    """The lead behind an opportunity that began without one. Raises NotFound for a lead that is not known."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    lead = await known_lead(tx.session, lead_id)
    if row.lead_id == lead.id and cycle in (None, row.cycle):
        return row
    if row.note is not None:
        raise Refused("Inside sales handed it over for its lead; that cannot change", rule="already_linked")
    link(tx, row, lead, cycle or lead.cycle, by=by, at=at, now=now)
    return row
