"""Inside sales hands an SQL over: it lies on field sales' desk, with its note and its appointment."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from services.field_sales.commands.keep_leads import account_name, inherit
from services.field_sales.commands.reps import credited
from services.field_sales.commands.telling import line, write
from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.first_visit import FIELDS
from services.field_sales.domain.lifecycle import Status
from services.field_sales.models import DIMENSIONS, AppointmentRow, LeadRow, OpportunityRow, StepRow
from shared.contracts.inside_sales import AppointmentSet, SqlAccepted
from shared.database import Transaction
from shared.ids import told_id

BY = "inside_sales"


async def offer_sql(tx: Transaction, event: SqlAccepted, *, journey: str, at: datetime, now: datetime) -> None:
    """A system that knows no opportunity ids has them made from the lead and its cycle, the same each time."""
    opportunity_id = event.opportunity_id or told_id("opportunity", f"{event.lead_id}/{event.cycle}")
    row = await tx.locked(OpportunityRow, opportunity_id)
    row = row or await _loaded_before(tx, event, at)
    if row is None:
        row = OpportunityRow(
            id=opportunity_id, journey=journey, origin="sql", status=Status.OFFERED, regressions=0, reopenings=0
        )
    await _hand_over(tx, row, event, at)
    lead = await tx.locked(LeadRow, event.lead_id)
    if lead is not None:
        inherit(row, lead)
    tx.add(row, StepRow(**{**line(row, "offered", at=at, by=BY, now=now), "status": Status.OFFERED, "phase": None}))


async def _loaded_before(tx: Transaction, event: SqlAccepted, at: datetime) -> OpportunityRow | None:
    """The same SQL, known already because field sales loaded its history first."""
    loaded = or_(OpportunityRow.opened_at >= at, OpportunityRow.closed_at >= at, OpportunityRow.offered_at >= at)
    query = select(OpportunityRow).where(
        OpportunityRow.lead_id == event.lead_id,
        OpportunityRow.cycle == event.cycle,
        OpportunityRow.origin == "sql",
        OpportunityRow.note.is_(None),
        or_(loaded, OpportunityRow.stepped_at.is_(None)),
    )
    return await tx.session.scalar(query.order_by(OpportunityRow.opened_at).limit(1).with_for_update())


async def _hand_over(tx: Transaction, row: OpportunityRow, event: SqlAccepted, at: datetime) -> None:
    note = {name: value for name in FIELDS if (value := getattr(event, name)) is not None}
    rep = await tx.session.scalar(
        select(AppointmentRow.rep)
        .where(AppointmentRow.opportunity_id == row.id, AppointmentRow.rep.is_not(None))
        .order_by(AppointmentRow.set_at.desc())
        .limit(1)
    )
    if rep is not None and row.owner is None:
        write(row, await credited(tx.session, {"owner": rep}, None))
    told: Mapping[str, Any] = {
        **{name: getattr(row, name) or getattr(event, name) for name in (*DIMENSIONS, "account_id")},
        "lead_id": event.lead_id,
        "lead_external_id": event.external_id or row.lead_external_id,
        "cycle": event.cycle,
        "handed_over_by": event.owner,
        "note": note,
        "mrr": row.mrr or event.expected_mrr,
        "offered_at": at,
    }
    write(row, told)
    row.account_name = row.account_name or await account_name(tx.session, row.account_id)
    if row.status is Status.OFFERED:
        row.stepped_at = at


async def book_appointment(tx: Transaction, event: AppointmentSet, *, at: datetime, now: datetime) -> None:
    """The meeting inside sales agreed on. It may be told before its opportunity, which then finds it here."""
    found = await tx.locked(AppointmentRow, event.appointment_id)
    if found is None:
        found = AppointmentRow(id=event.appointment_id, status=AppointmentStatus.SET, set_at=at, reschedules=0)
        tx.add(found)
    found.opportunity_id, found.rep, found.place = event.opportunity_id, event.rep, event.place
    found.start_at, found.minutes, found.stepped_at = event.start_at, event.minutes, at
    row = await tx.locked(OpportunityRow, event.opportunity_id)
    if row is not None:
        touch(row, now)
        if row.owner is None and event.rep is not None:
            write(row, await credited(tx.session, {"owner": event.rep}, None))


def touch(row: OpportunityRow, now: datetime) -> None:
    """Something that belongs to it changed, and so does its ETag."""
    row.updated_at = now


async def appointments_of(tx: Transaction, opportunity_id: UUID) -> list[AppointmentRow]:
    """All appointments of an opportunity, the newest first."""
    query = select(AppointmentRow).where(AppointmentRow.opportunity_id == opportunity_id)
    return list(await tx.session.scalars(query.order_by(AppointmentRow.set_at.desc(), AppointmentRow.id.desc())))
