"""What inside sales does with a prospect. Every act is refused with 409 and the rule that stands against it."""

from fastapi import APIRouter
from starlette.responses import Response

from services.inside_sales.api.showing import Lead, activity_out, answer, appointment_out
from services.inside_sales.commands.appointments import Booking, set_appointment
from services.inside_sales.commands.claim import claim, release
from services.inside_sales.commands.drop_prospect import drop_prospect
from services.inside_sales.commands.ending import Ending
from services.inside_sales.commands.hand_over import discover, hand_over
from services.inside_sales.commands.judge_mql import accept_mql, reject_mql
from services.inside_sales.commands.record_activity import Activity, record_activity
from services.inside_sales.domain.lifecycle import OPEN
from services.inside_sales.domain.sla import reading
from services.inside_sales.schemas.acts import (
    ActivityIn,
    AppointmentIn,
    ClaimIn,
    DiscoveryIn,
    DropIn,
    HandOverIn,
    PlainIn,
    RejectIn,
    SetAppointmentIn,
)
from services.inside_sales.schemas.answers import ActivityDone, AppointmentOut, ProspectOut
from shared.auth import Role
from shared.errors import Forbidden
from shared.http.door import Door, Now, Tx, Who, allowed, resource

router = APIRouter(prefix="/v1/prospects/{lead_id}", tags=["prospects"], route_class=Door)
WORKER = allowed(Role.INSIDE_SALES)


@router.post("/claim", dependencies=[allowed(Role.INSIDE_SALES, Role.OPS_LEAD)], response_model=ProspectOut)
async def post_claim(lead_id: Lead, tx: Tx, now: Now, who: Who, body: ClaimIn | None = None) -> Response:
    """Work on it from now on (担当する). 409 `held_by_other` names who was first."""
    owner = (body.owner if body else None) or who.subject
    assigned = body is not None and body.owner is not None and bool({Role.OPS_LEAD, Role.ADMIN} & who.roles)
    if owner != who.subject and not assigned:
        raise Forbidden("Only ops_lead gives work to others")
    row = await claim(tx, lead_id, by=owner, assigned=assigned, at=body.when(now) if body else now)
    return await answer(tx, row, who, now)


@router.post("/release", dependencies=[WORKER], response_model=ProspectOut)
async def post_release(lead_id: Lead, tx: Tx, now: Now, who: Who, body: PlainIn | None = None) -> Response:
    """Leave it to others (手放す). Nobody is told, so it does not matter when."""
    return await answer(tx, await release(tx, lead_id, by=who.subject), who, now)


@router.post("/activities", dependencies=[WORKER], response_model=ActivityDone, status_code=201)
async def post_activity(lead_id: Lead, body: ActivityIn, tx: Tx, now: Now, who: Who) -> Response:
    """What was done. The first that a person of ours did, and that is no note, stops the SLA clock.

    An external id that is known answers 200 and what it made.
    """
    given = Activity(body.kind, body.outcome, body.automatic, body.note, body.external_id, body.told)
    row, prospect, new = await record_activity(tx, lead_id, given, by=who.subject, now=now)
    await tx.session.flush()
    clock = reading(prospect.sla_due_at, prospect.first_contact_at, now, runs=prospect.status in OPEN)
    out = ActivityDone(
        **dict(activity_out(row, who)),
        first_contact_at=prospect.first_contact_at,
        sla_due_at=prospect.sla_due_at,
        sla=clock,
    )
    return resource(out, status=201 if new else 200, location=f"/v1/prospects/{prospect.id}/activities")


@router.post("/accept", dependencies=[WORKER], response_model=ProspectOut)
async def post_accept(lead_id: Lead, tx: Tx, now: Now, who: Who, body: PlainIn | None = None) -> Response:
    """Take the MQL as inside sales' work (受け入れ). No contact yet: the SLA clock runs on."""
    told = body.occurred_at if body else None
    return await answer(tx, await accept_mql(tx, lead_id, by=who.subject, told_at=told, now=now), who, now)


@router.post("/reject", dependencies=[WORKER], response_model=ProspectOut)
async def post_reject(lead_id: Lead, body: RejectIn, tx: Tx, now: Now, who: Who) -> Response:
    """Send the MQL back to marketing (差し戻し), or disqualify it (対象外)."""
    ending = Ending(body.reason, body.comes_back(body.reason), body.revisit_on, body.note)
    row = await reject_mql(tx, lead_id, ending, by=who.subject, told_at=body.occurred_at, now=now)
    return await answer(tx, row, who, now)


@router.post("/drop", dependencies=[WORKER], response_model=ProspectOut)
async def post_drop(lead_id: Lead, body: DropIn, tx: Tx, now: Now, who: Who) -> Response:
    """End this cycle without an opportunity (未商談 …); marketing may recycle it."""
    ending = Ending(body.reason, body.comes_back(body.reason), body.revisit_on, body.note)
    row = await drop_prospect(tx, lead_id, ending, by=who.subject, told_at=body.occurred_at, now=now)
    return await answer(tx, row, who, now)


@router.patch("", dependencies=[WORKER], response_model=ProspectOut)
async def patch_prospect(lead_id: Lead, body: DiscoveryIn, tx: Tx, now: Now, who: Who) -> Response:
    """Note the discovery items (ヒアリング項目) found so far; the hand-over completes them."""
    return await answer(tx, await discover(tx, lead_id, body.given(), by=who.subject), who, now)


@router.post("/hand-over", dependencies=[WORKER], response_model=ProspectOut)
async def post_hand_over(lead_id: Lead, body: HandOverIn, tx: Tx, now: Now, who: Who) -> Response:
    """Accept it as an SQL and hand it over to field sales (営業に引き渡す); answers the `opportunity_id`.

    409 `criteria_not_met` lists what the transition criteria miss; `double_booked` and `no_free_slot` speak of the
    appointment.
    """
    booking = _booking(body.appointment) if body.appointment else None
    row, _ = await hand_over(tx, lead_id, body.given(), booking, by=who.subject, told_at=body.occurred_at, now=now)
    return await answer(tx, row, who, now)


@router.post("/appointment", dependencies=[WORKER], response_model=AppointmentOut, status_code=201)
async def post_appointment(lead_id: Lead, body: SetAppointmentIn, tx: Tx, now: Now, who: Who) -> Response:
    """An appointment (アポ) for an SQL that was handed over without one."""
    row = await set_appointment(tx, lead_id, _booking(body), by=who.subject, told_at=body.occurred_at, now=now)
    await tx.session.flush()
    return resource(appointment_out(row, who), version=row.version, status=201)


def _booking(body: AppointmentIn) -> Booking:
    return Booking(body.start_at, body.minutes, body.rep, body.place, body.external_id)
