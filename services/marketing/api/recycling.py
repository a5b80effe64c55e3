"""The way back of leads (リサイクル)."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from services.marketing.models import RecyclingRow
from services.marketing.queries import RECYCLING, recycling_counts, recycling_in
from services.marketing.schemas.lead_answers import sees_people
from services.marketing.schemas.lists import RecyclingQuery
from services.marketing.schemas.recycling import RecyclingCounts, RecyclingOut, RecyclingPage
from services.marketing.settings import company_day
from shared.http.door import Door, Now, Reading, Who
from shared.http.paging import filtered, page

router = APIRouter(prefix="/v1", tags=["recycling"], route_class=Door)


@router.get("/recycling", response_model=RecyclingPage)
async def list_recycling(
    given: Annotated[RecyclingQuery, Query()], session: Reading, now: Now, who: Who
) -> RecyclingPage:
    """The way back of ended cycles: due, waiting for their day, done, cancelled; with counts, also by source."""
    today, row = company_day(now), RecyclingRow
    every = filtered(select(row), row, given.model_copy(update={"status": None}))
    query = every.where(recycling_in(given.status, today)) if given.status else every
    rows, cursor = await page(session, query, row, given)
    counts = RecyclingCounts()
    for source, *found in await recycling_counts(session, every, today):
        counts.by_source[source] = dict(zip(RECYCLING, found, strict=True))
        for status, count in zip(RECYCLING, found, strict=True):
            setattr(counts, status, getattr(counts, status) + count)
    items = [_out(one, today=today, personal=sees_people(who)) for one in rows]
    return RecyclingPage(items=items, next_cursor=cursor, counts=counts)


def _out(row: RecyclingRow, *, today: date, personal: bool) -> RecyclingOut:
    waits = "waiting" if row.revisit_on and row.revisit_on > today else "due"
    status = {"waiting": waits, "opened": "done", "cancelled": "cancelled"}[row.state]
    return RecyclingOut.model_validate({**vars(row), "status": status, "note": row.note if personal else None})
