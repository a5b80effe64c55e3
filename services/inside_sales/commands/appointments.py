"""Appointments (アポ) for field sales: booked into a rep's free slots, then followed as field sales tells."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text

from services.inside_sales.commands.reps import rep_ids
from services.inside_sales.commands.take_up import take_up
from services.inside_sales.domain.appointment import DoubleBooked, NoFreeSlot, place_code
from services.inside_sales.domain.lifecycle import Act, IllegalMove, step_at
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.domain.week import week_of
from services.inside_sales.models import RULES, AppointmentRow, AppointmentStatus, ProspectRow, RepRow
from shared.contracts.inside_sales import AppointmentSet
from shared.database import Transaction
from shared.errors import Invalid
from shared.ids import new_id

TAKES_A_SLOT = (AppointmentStatus.SET, AppointmentStatus.HELD)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('appointments of ' || :rep, 0))")


@dataclass(frozen=True, slots=True)
class Booking:
    start_at: datetime
    minutes: int
    rep: str | None
    place: str | None
    external_id: str | None = None


async def set_appointment(
    tx: Transaction, lead_id: UUID, booking: Booking, *, by: str, told_at: datetime | None, now: datetime
) -> AppointmentRow:
    """An appointment for an SQL that was handed over without one. Raises IllegalMove `appointment_stands`."""
    row, _ = await take_up(tx, lead_id, Act.BOOK, by=by)
    standing = select(AppointmentRow.start_at).where(
        AppointmentRow.opportunity_id == row.opportunity_id, AppointmentRow.status == AppointmentStatus.SET
    )
    if start := await tx.session.scalar(standing.limit(1)):
        detail = "There is an appointment already; field sales moves or cancels it"
        raise IllegalMove(detail, rule="appointment_stands", start_at=start)
    return await book(tx, row, booking, at=step_at(told_at, now, row.sql_at))


async def book(tx: Transaction, row: ProspectRow, booking: Booking, *, at: datetime) -> AppointmentRow:
    """Raises Invalid before the hand-over, NoFreeSlot, DoubleBooked."""
    if booking.start_at < at:
        raise Invalid("appointment.start_at", "lies after it was agreed")
    assert row.opportunity_id is not None
    rep = (await rep_ids(tx, [booking.rep])).get(booking.rep, booking.rep) if booking.rep else None
    found = AppointmentRow(
        id=new_id(),
        external_id=booking.external_id,
        lead_id=row.id,
        cycle=row.cycle,
        opportunity_id=row.opportunity_id,
        rep=rep,
        start_at=booking.start_at,
        end_at=booking.start_at + timedelta(minutes=booking.minutes),
        place=booking.place,
        status=AppointmentStatus.SET,
    )
    if rep:
        await _require_free(tx, rep, found, at)
    tx.add(found)
    told = AppointmentSet(
        lead_id=row.id,
        cycle=row.cycle,
        appointment_id=found.id,
        opportunity_id=found.opportunity_id,
        start_at=found.start_at,
        minutes=booking.minutes,
        rep=rep,
        place=place_code(booking.place),
        **row.dimensions,
    )
    tx.announce(told, journey=row.journey, at=at)
    return found


async def _require_free(tx: Transaction, rep: str, wanted: AppointmentRow, at: datetime) -> None:
    """The rep has nothing else at that time, and a slot left in that week where the slots are known."""
    await tx.session.execute(_ONE_AT_A_TIME, {"rep": rep})
    booked = select(func.min(AppointmentRow.start_at)).where(
        AppointmentRow.rep == rep, AppointmentRow.status == AppointmentStatus.SET
    )
    overlapping = booked.where(AppointmentRow.start_at < wanted.end_at, AppointmentRow.end_at > wanted.start_at)
    if other := await tx.session.scalar(overlapping):
        raise DoubleBooked(f"{rep} has another appointment at {other.isoformat()}", start_at=other, rep=rep)
    slots = await tx.session.scalar(select(RepRow.slots_per_week).where(RepRow.id == rep))
    if slots is None:
        return
    sla = await RULES.in_force(tx.session, SlaRule, at)
    begin, end = week_of(wanted.start_at, ZoneInfo(sla.rule.timezone))
    in_week = select(func.count()).where(
        AppointmentRow.rep == rep,
        AppointmentRow.status.in_(TAKES_A_SLOT),
        AppointmentRow.start_at >= begin,
        AppointmentRow.start_at < end,
    )
    taken = await tx.session.scalar(in_week) or 0
    if taken >= slots:
        detail = f"{rep} has {slots} slots that week and {taken} appointments"
        raise NoFreeSlot(detail, missing=["slot"], rep=rep, slots_per_week=slots, booked=taken)


async def follow_appointment(
    tx: Transaction,
    *,
    appointment_id: UUID | None,
    opportunity_id: UUID,
    status: AppointmentStatus,
    start_at: datetime | None = None,
) -> None:
    """Field sales tells what became of it; one that inside sales did not set is no business of its calendar."""
    of = AppointmentRow.id == appointment_id if appointment_id else AppointmentRow.opportunity_id == opportunity_id
    latest = select(AppointmentRow).where(of).order_by(AppointmentRow.created_at.desc()).limit(1).with_for_update()
    row = (await tx.session.scalars(latest)).one_or_none()
    if row is None:
        return
    row.status = status
    if start_at is not None:
        row.start_at, row.end_at = start_at, start_at + (row.end_at - row.start_at)
