"""Reps, what they can take, and when they are free."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from starlette.responses import Response

from services.field_sales import queries
from services.field_sales.api.common import LEADERS
from services.field_sales.commands import rules
from services.field_sales.commands.reps import put_rep, set_capacity
from services.field_sales.models import RepRow
from services.field_sales.schemas.reps import CapacityIn, RepIn, RepOut, RepQuery, SlotOut, SlotsOut
from shared.clock import day_of
from shared.errors import Invalid
from shared.http.door import Door, Now, Reading, Tx, resource
from shared.http.paging import Page, filtered, page

LONGEST = 92  # days of slots in one answer
USUAL = 14

router = APIRouter(prefix="/v1/reps", tags=["reps"], route_class=Door)
RepId = Annotated[str, Path(min_length=1, max_length=120, description="the company's own id of the rep")]


@router.get("", response_model=Page[RepOut])
async def list_reps(given: Annotated[RepQuery, Query()], session: Reading) -> Page[RepOut]:
    """The field sales reps; those who left only with `archived=true`."""
    rows, cursor = await page(session, filtered(select(RepRow), RepRow, given), RepRow, given)
    return Page(items=[RepOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{rep_id}", response_model=RepOut)
async def get_rep(rep_id: RepId, session: Reading) -> Response:
    """One rep."""
    row = await queries.rep(session, rep_id)
    return resource(RepOut.model_validate(row), version=row.version)


@router.put(
    "/{rep_id}",
    response_model=RepOut,
    responses={201: {"model": RepOut, "description": "The rep is new"}},
    dependencies=[LEADERS],
)
async def put_one(rep_id: RepId, body: RepIn, tx: Tx, now: Now) -> Response:
    """Make a rep known, or say anew who they are."""
    row, created = await put_rep(tx, rep_id, dict(body), now=now)
    await tx.session.flush()
    status = 201 if created else 200
    location = f"/v1/reps/{row.id}" if created else None
    return resource(RepOut.model_validate(row), version=row.version, status=status, location=location)


@router.put("/{rep_id}/capacity", response_model=RepOut, dependencies=[LEADERS])
async def put_capacity(rep_id: RepId, body: CapacityIn, tx: Tx, now: Now) -> Response:
    """How many new opportunities a week (対応枠): what the valve in inside sales listens to."""
    row = await set_capacity(tx, rep_id, body.slots_per_week, at=body.when(now), now=now)
    await tx.session.flush()
    return resource(RepOut.model_validate(row), version=row.version)


@router.get("/{rep_id}/slots", response_model=SlotsOut)
async def get_slots(
    rep_id: RepId,
    session: Reading,
    now: Now,
    since: Annotated[date | None, Query(alias="from", description="default today")] = None,
    until: Annotated[date | None, Query(alias="to", description="exclusive; default 14 days later")] = None,
) -> SlotsOut:
    """When the rep can be met: business hours minus appointments, nothing that is past."""
    row = await queries.rep(session, rep_id)
    hours = await rules.business_hours(session, now)
    first = since or day_of(now, hours.zone)
    last = until or first + timedelta(days=USUAL)
    if not 0 < (last - first).days <= LONGEST:
        raise Invalid("to", f"1 to {LONGEST} days after from")
    free = await queries.slots(session, row, hours, first, last, now)
    return SlotsOut(
        rep=row.id,
        timezone=hours.zone.key,
        minutes=int(hours.slot / timedelta(minutes=1)),
        items=[SlotOut(start_at=start, end_at=end) for start, end in free],
    )
