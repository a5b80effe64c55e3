"""Visits and spend per day, channel and campaign: told again, the row is replaced."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.marketing.api.leads import MARKETERS
from services.marketing.commands.days import Day, record_days
from services.marketing.models import SpendRow, VisitsRow
from services.marketing.queries import listed, one
from services.marketing.schemas.channels import SpendIn, SpendOut, VisitsIn, VisitsOut
from services.marketing.schemas.lists import DayQuery
from shared.http.batch import BatchIn, BatchOut, Done, answer_each
from shared.http.door import Door, Now, Reading, Tx, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1", tags=["channels"], route_class=Door)


def _day(body: VisitsIn | SpendIn) -> Day:
    figure = body.visitors if isinstance(body, VisitsIn) else body.amount
    return Day(body.date, body.channel, body.campaign, figure, body.occurred_at)


@router.post("/visits", dependencies=[MARKETERS], response_model=VisitsOut, status_code=201)
async def post_visits(body: VisitsIn, tx: Tx, now: Now) -> Response:
    """So many visitors came on a day. 201 for a new row, 200 where it was known."""
    kept = (await record_days(tx, VisitsRow, [_day(body)], now=now))[0]
    await tx.session.flush()
    return resource(VisitsOut.model_validate(kept.row), version=kept.row.version, status=201 if kept.new else 200)


@router.post("/visits:batch", dependencies=[MARKETERS], response_model=BatchOut)
async def post_visits_batch(body: BatchIn[VisitsIn], tx: Tx, now: Now) -> BatchOut:
    """Up to 1,000 days of visitors at once."""

    async def act(items: Sequence[VisitsIn]) -> list[Done]:
        kept = await record_days(tx, VisitsRow, [_day(item) for item in items], now=now)
        return [Done(201 if one.new else 200, one.row.id) for one in kept]

    return await answer_each(tx, body, act)


@router.get("/visits", response_model=Page[VisitsOut])
async def list_visits(given: Annotated[DayQuery, Query()], session: Reading) -> Page[VisitsOut]:
    """Visitors by day, channel and campaign."""
    rows, cursor = await listed(session, VisitsRow, given)
    return Page(items=[VisitsOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/visits/{visits_id}", response_model=VisitsOut)
async def get_visits(visits_id: UUID, session: Reading) -> Response:
    """One row of visitors."""
    row = await one(session, VisitsRow, str(visits_id))
    return resource(VisitsOut.model_validate(row), version=row.version)


@router.post("/spend", dependencies=[MARKETERS], response_model=SpendOut, status_code=201)
async def post_spend(body: SpendIn, tx: Tx, now: Now) -> Response:
    """So much was spent on a day. 201 for a new row, 200 where it was known."""
    kept = (await record_days(tx, SpendRow, [_day(body)], now=now))[0]
    await tx.session.flush()
    return resource(SpendOut.model_validate(kept.row), version=kept.row.version, status=201 if kept.new else 200)


@router.post("/spend:batch", dependencies=[MARKETERS], response_model=BatchOut)
async def post_spend_batch(body: BatchIn[SpendIn], tx: Tx, now: Now) -> BatchOut:
    """Up to 1,000 days of spend at once."""

    async def act(items: Sequence[SpendIn]) -> list[Done]:
        kept = await record_days(tx, SpendRow, [_day(item) for item in items], now=now)
        return [Done(201 if one.new else 200, one.row.id) for one in kept]

    return await answer_each(tx, body, act)


@router.get("/spend", response_model=Page[SpendOut])
async def list_spend(given: Annotated[DayQuery, Query()], session: Reading) -> Page[SpendOut]:
    """Spend by day, channel and campaign."""
    rows, cursor = await listed(session, SpendRow, given)
    return Page(items=[SpendOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/spend/{spend_id}", response_model=SpendOut)
async def get_spend(spend_id: UUID, session: Reading) -> Response:
    """One row of spend."""
    row = await one(session, SpendRow, str(spend_id))
    return resource(SpendOut.model_validate(row), version=row.version)
