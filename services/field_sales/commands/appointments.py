"""What became of the appointment inside sales agreed on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.field_sales.commands.offer_sql import appointments_of, touch
from services.field_sales.commands.telling import announce, step
from services.field_sales.domain.appointments import TRANSITIONS, AppointmentAct, move
from services.field_sales.domain.lifecycle import in_order
from services.field_sales.models import AppointmentRow, OpportunityRow
from shared.contracts.field_sales import (
    AppointmentCancelled,
    AppointmentEvent,
    AppointmentHeld,
    AppointmentMissed,
    AppointmentRescheduled,
)
from shared.database import Transaction
from shared.errors import NotFound

EVENTS: dict[AppointmentAct, type[AppointmentEvent]] = {
    AppointmentAct.HOLD: AppointmentHeld,
    AppointmentAct.RESCHEDULE: AppointmentRescheduled,
    AppointmentAct.MISS: AppointmentMissed,
    AppointmentAct.CANCEL: AppointmentCancelled,
}
KINDS = {
    AppointmentAct.HOLD: "appointment_held",
    AppointmentAct.RESCHEDULE: "appointment_rescheduled",
    AppointmentAct.MISS: "appointment_missed",
    AppointmentAct.CANCEL: "appointment_cancelled",
}


async def change_appointment(
    tx: Transaction,
    opportunity_id: UUID,
    act: AppointmentAct,
    *,
    by: str,
    at: datetime,
    now: datetime,
    start_at: datetime | None = None,
    minutes: int | None = None,
    reason: str | None = None,
) -> OpportunityRow:
    """`start_at` and `minutes` go with a reschedule, `reason` with a cancellation.

    Raises NotFound while no appointment is known, AppointmentOver when the newest can no longer change so.
    """
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    found = await _current(tx, row.id, act)
    found.status = move(found.status, act)
    at = in_order(at, now, found.stepped_at)
    found.stepped_at, found.reason = at, reason
    told: dict[str, Any] = {"appointment_id": found.id}
    if act is AppointmentAct.RESCHEDULE:
        found.start_at, found.minutes = start_at or found.start_at, minutes or found.minutes
        found.reschedules += 1
        told["start_at"] = found.start_at
    if act is AppointmentAct.CANCEL:
        told["reason"] = reason
    touch(row, now)
    tx.add(step(row, KINDS[act], at=at, by=by, now=now, reason=reason))
    announce(tx, EVENTS[act], row, at, **told)
    return row


async def _current(tx: Transaction, opportunity_id: UUID, act: AppointmentAct) -> AppointmentRow:
    """The newest appointment the act is possible for, else the newest of all."""
    found = await appointments_of(tx, opportunity_id)
    if not found:
        raise NotFound("No appointment of this opportunity is known here", retry_after=1)
    return next((one for one in found if (one.status, act) in TRANSITIONS), found[0])
