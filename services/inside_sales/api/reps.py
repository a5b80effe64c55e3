"""Colleagues, as inside sales knows them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from starlette.responses import Response

from services.inside_sales import queries
from services.inside_sales.commands.reps import put_rep
from services.inside_sales.models import RepRow
from services.inside_sales.schemas.acts import RepIn
from services.inside_sales.schemas.answers import BookedOut, RepOut, SlotsOut, WeekOut
from services.inside_sales.schemas.lists import RepQuery, SlotsQuery
from shared.auth import Role
from shared.errors import NotFound
from shared.http.bodies import Key
from shared.http.door import Door, Now, Reading, Tx, allowed, resource
from shared.http.paging import Page, filtered, page

router = APIRouter(prefix="/v1/reps", tags=["reps"], route_class=Door)
RepId = Annotated[Key, Path()]


@router.get("")
async def list_reps(given: Annotated[RepQuery, Query()], session: Reading) -> Page[RepOut]:
    """Reps of inside and field sales; those with slots take appointments."""
    rows, cursor = await page(session, filtered(select(RepRow), RepRow, given), RepRow, given)
    return Page(items=[RepOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{id}", response_model=RepOut)
async def get_rep(id: RepId, session: Reading) -> Response:
    row = await session.get(RepRow, id)
    if row is None:
        raise NotFound(f"There is no rep {id}")
    return resource(RepOut.model_validate(row), version=row.version)


@router.put("/{id}", dependencies=[allowed(Role.INSIDE_SALES, Role.OPS_LEAD)], response_model=RepOut)
async def put(id: RepId, body: RepIn, tx: Tx, now: Now) -> Response:
    """Replace what is known of a rep; the slots stay as field sales told them."""
    row, new = await put_rep(tx, id, body.model_dump(exclude={"archived"}), archived=body.archived, now=now)
    await tx.session.flush()
    return resource(RepOut.model_validate(row), version=row.version, status=201 if new else 200)


@router.get("/{id}/slots")
async def get_slots(id: RepId, given: Annotated[SlotsQuery, Query()], session: Reading, now: Now) -> SlotsOut:
    """What a rep can take and has, week by week from this one on."""
    zone, weeks = await queries.weeks_of(session, id, given.weeks, now)
    return SlotsOut(
        rep=id,
        timezone=zone.key,
        weeks=[
            WeekOut(
                begins_at=week.begins_at,
                slots=week.slots,
                booked=week.booked,
                free=week.free,
                appointments=[BookedOut.model_validate(row) for row in week.appointments],
            )
            for week in weeks
        ],
    )
