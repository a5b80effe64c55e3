"""What became of the appointment (アポ) inside sales set."""

from fastapi import APIRouter
from starlette.responses import Response

from services.field_sales.api.common import SELLERS, OpportunityId, answer
from services.field_sales.commands.appointments import change_appointment
from services.field_sales.domain.appointments import AppointmentAct
from services.field_sales.schemas.answers import OpportunityOut
from services.field_sales.schemas.opportunities import CancelIn, RescheduleIn
from services.field_sales.schemas.reasons import REASONS
from shared.http.bodies import Dated
from shared.http.door import Door, Now, Tx, Who

router = APIRouter(
    prefix="/v1/opportunities/{opportunity_id}/appointment",
    tags=["appointments"],
    route_class=Door,
    dependencies=[SELLERS],
)


@router.post("/held", response_model=OpportunityOut)
async def held(opportunity_id: OpportunityId, tx: Tx, now: Now, who: Who, body: Dated = Dated()) -> Response:
    """The meeting took place (商談実施)."""
    at = body.when(now)
    row = await change_appointment(tx, opportunity_id, AppointmentAct.HOLD, by=who.subject, at=at, now=now)
    return await answer(tx, row)


@router.post("/reschedule", response_model=OpportunityOut)
async def reschedule(opportunity_id: OpportunityId, body: RescheduleIn, tx: Tx, now: Now, who: Who) -> Response:
    """The meeting has another time (リスケ); also after nobody came."""
    row = await change_appointment(
        tx,
        opportunity_id,
        AppointmentAct.RESCHEDULE,
        by=who.subject,
        at=body.when(now),
        now=now,
        start_at=body.start_at,
        minutes=body.minutes,
    )
    return await answer(tx, row)


@router.post("/missed", response_model=OpportunityOut)
async def missed(opportunity_id: OpportunityId, tx: Tx, now: Now, who: Who, body: Dated = Dated()) -> Response:
    """The customer did not come (無断欠席)."""
    at = body.when(now)
    row = await change_appointment(tx, opportunity_id, AppointmentAct.MISS, by=who.subject, at=at, now=now)
    return await answer(tx, row)


@router.post("/cancel", response_model=OpportunityOut)
async def cancel(opportunity_id: OpportunityId, tx: Tx, now: Now, who: Who, body: CancelIn = CancelIn()) -> Response:
    """The meeting was called off, with a reason of `GET /v1/reasons?for=cancel` where one is known."""
    if body.reason is not None:
        REASONS.find("cancel", body.reason)
    act, at = AppointmentAct.CANCEL, body.when(now)
    row = await change_appointment(tx, opportunity_id, act, by=who.subject, at=at, now=now, reason=body.reason)
    return await answer(tx, row)
