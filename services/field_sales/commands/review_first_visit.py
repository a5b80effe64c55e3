"""Compare what the first visit found with inside sales' note, and judge the opportunity."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.field_sales.commands import rules
from services.field_sales.commands.offer_sql import appointments_of, touch
from services.field_sales.commands.telling import announce, step
from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.first_visit import compare
from services.field_sales.domain.lifecycle import Act, in_order, move
from services.field_sales.models import FirstVisitRow, OpportunityRow
from shared.contracts.field_sales import FirstVisitReviewed
from shared.database import Transaction
from shared.errors import Invalid, Refused


async def review_first_visit(
    tx: Transaction,
    opportunity_id: UUID,
    found: Mapping[str, str],
    *,
    valid: bool,
    reason: str | None,
    note: str | None,
    by: str,
    at: datetime,
    now: datetime,
) -> OpportunityRow:
    """Due once the appointment was held; a second review corrects the first. `found` are the codes by field."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, Act.REVIEW_FIRST_VISIT)
    appointments = await appointments_of(tx, row.id)
    held = [one.stepped_at for one in appointments if one.status is AppointmentStatus.HELD]
    if appointments and not held:
        raise Refused("The appointment was not held yet", rule="appointment_not_held", missing=["appointment_held"])
    review = await tx.session.get(FirstVisitRow, row.id)
    at = in_order(at, now, *held, review.at if review else None)
    scales = await rules.scales(tx.session, at)
    _coded(found, row.note or {}, scales)
    result = compare(row.note or {}, found, scales)
    if review is None:
        review = FirstVisitRow(opportunity_id=row.id)
        tx.add(review)
    review.at, review.by, review.valid, review.reason, review.note = at, by, valid, reason, note
    review.found = dict(found)
    review.compared, review.differing = list(result.compared), list(result.differing)
    review.optimistic, review.cautious = list(result.optimistic), list(result.cautious)
    touch(row, now)
    tx.add(step(row, "first_visit_reviewed", at=at, by=by, now=now, reason=reason, note=note))
    told = {"compared": result.compared, "differing": result.differing, "optimistic": result.optimistic}
    announce(tx, FirstVisitReviewed, row, at, valid=valid, reason=reason, **told)
    return row


def _coded(found: Mapping[str, str], note: Mapping[str, str], scales: Mapping[str, Sequence[str]]) -> None:
    """Only codes can be compared: those in force, or the one the note holds from an earlier time. Raises Invalid."""
    for name, code in found.items():
        if name in scales and code not in scales[name] and code != note.get(name):
            raise Invalid(name, f"one of {', '.join(scales[name])}")
