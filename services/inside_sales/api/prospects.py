"""Prospects, what was done about them, and their appointments."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select
from starlette.responses import Response

from services.inside_sales import queries
from services.inside_sales.api.showing import Lead, activity_out, appointment_out, cycle_out, prospect_out
from services.inside_sales.models import ActivityRow, AppointmentRow, ProspectRow, WaitingHistoryRow
from services.inside_sales.schemas.answers import (
    ActivityOut,
    AppointmentOut,
    ChangeOut,
    ProspectDetail,
    ProspectOut,
    WaitingOut,
)
from services.inside_sales.schemas.lists import ActivityQuery, AppointmentQuery, ProspectQuery, WaitingQuery
from shared.http.door import Door, Now, Reading, Who, resource
from shared.http.paging import Page, filtered, page

router = APIRouter(prefix="/v1", tags=["prospects"], route_class=Door)


@router.get("/prospects")
async def list_prospects(
    given: Annotated[ProspectQuery, Query()], session: Reading, who: Who, now: Now
) -> Page[ProspectOut]:
    """Every lead marketing handed over or opened again, in its current cycle."""
    rows, cursor = await page(session, filtered(select(ProspectRow), ProspectRow, given), ProspectRow, given)
    around = await queries.surroundings(session, rows, now)
    return Page(items=[prospect_out(row, around, who, now) for row in rows], next_cursor=cursor)


@router.get("/prospects/{lead_id}", response_model=ProspectDetail)
async def get_prospect(lead_id: Lead, session: Reading, who: Who, now: Now) -> Response:
    """One prospect with its earlier cycles. 404 with Retry-After as long as marketing's word has not arrived."""
    row = await queries.prospect(session, lead_id)
    around = await queries.surroundings(session, [row], now)
    cycles, changes = await queries.past_of(session, lead_id)
    out = ProspectDetail(
        **dict(prospect_out(row, around, who, now)),
        cycles=[cycle_out(cycle, who) for cycle in cycles],
        changes=[ChangeOut.model_validate(change) for change in changes],
    )
    return resource(out, version=row.version)


@router.get("/prospects/{lead_id}/activities")
async def list_activities(
    lead_id: Lead, given: Annotated[ActivityQuery, Query()], session: Reading, who: Who
) -> Page[ActivityOut]:
    """What was done about a prospect, in all its cycles."""
    await queries.prospect(session, lead_id)
    query = filtered(queries.activities_of(lead_id), ActivityRow, given)
    rows, cursor = await page(session, query, ActivityRow, given)
    return Page(items=[activity_out(row, who) for row in rows], next_cursor=cursor)


@router.get("/appointments")
async def list_appointments(
    given: Annotated[AppointmentQuery, Query()], session: Reading, who: Who
) -> Page[AppointmentOut]:
    """Appointments (アポ) inside sales agreed on, and what field sales told of them."""
    query = filtered(select(AppointmentRow), AppointmentRow, given)
    rows, cursor = await page(session, query, AppointmentRow, given)
    return Page(items=[appointment_out(row, who) for row in rows], next_cursor=cursor)


@router.get("/waiting")
async def list_waiting(given: Annotated[WaitingQuery, Query()], session: Reading) -> Page[WaitingOut]:
    """Rows of files that speak of leads marketing has not told of; they join by themselves."""
    rows, cursor = await page(
        session, filtered(select(WaitingHistoryRow), WaitingHistoryRow, given), WaitingHistoryRow, given
    )
    return Page(
        items=[WaitingOut(lead_external_id=row.id, told_at=row.created_at, by=row.by) for row in rows],
        next_cursor=cursor,
    )
