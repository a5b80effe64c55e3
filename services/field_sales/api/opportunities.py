"""Opportunities: found, opened, changed, linked; their history and the pipeline."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.field_sales import queries
from services.field_sales.api.common import SELLERS, OpportunityId, answer, seller
from services.field_sales.commands import rules
from services.field_sales.commands.keep_leads import same_person
from services.field_sales.commands.open_opportunity import Opening, open_opportunities
from services.field_sales.commands.update_opportunity import archive, link_lead, move_phase, update_opportunity
from services.field_sales.schemas.answers import HistoryOut, OpportunityOut, PipelineOut
from services.field_sales.schemas.opportunities import ChangeIn, LinkIn, OpenIn, OpportunityQuery, PhaseIn
from shared.http.batch import BatchIn, BatchOut, Done, answer_each
from shared.http.door import Door, Now, Reading, Tx, Who, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1", tags=["opportunities"], route_class=Door)


@router.get("/opportunities", response_model=Page[OpportunityOut])
async def list_opportunities(given: Annotated[OpportunityQuery, Query()], session: Reading) -> Page[OpportunityOut]:
    """Opportunities from the moment an SQL is offered. People who were merged are found by each of their ids."""
    items, cursor = await queries.listed(session, given, await same_person(session, given.lead_id))
    return Page(items=items, next_cursor=cursor)


@router.post(
    "/opportunities",
    status_code=201,
    response_model=OpportunityOut,
    responses={200: {"model": OpportunityOut, "description": "The external_id was known: it was changed"}},
    dependencies=[SELLERS],
)
async def open_one(body: OpenIn, tx: Tx, now: Now, who: Who) -> Response:
    """Open an opportunity that no SQL preceded (自己開拓, 代理店, 紹介, 拡大, 更新)."""
    told = [Opening(body.given(), body.when(now))]
    ((row, new),) = await open_opportunities(tx, told, by=who.subject, owner=seller(who), now=now)
    return await answer(tx, row, status=201 if new else 200)


@router.post("/opportunities:batch", dependencies=[SELLERS])
async def open_many(body: BatchIn[OpenIn], tx: Tx, now: Now, who: Who) -> BatchOut:
    """Up to 1,000 opportunities at once. Each item has the status its own call would have had, and the id."""

    async def act(items: Sequence[OpenIn]) -> list[Done]:
        told = [Opening(item.given(), item.when(now)) for item in items]
        opened = await open_opportunities(tx, told, by=who.subject, owner=seller(who), now=now)
        return [Done(201 if new else 200, row.id) for row, new in opened]

    return await answer_each(tx, body, act)


@router.get("/opportunities/{opportunity_id}", response_model=OpportunityOut)
async def get_opportunity(opportunity_id: OpportunityId, session: Reading) -> Response:
    """One opportunity with its appointment, first visit and promises."""
    row = await queries.one(session, opportunity_id)
    (out,) = await queries.shown(session, [row])
    return resource(out, version=row.version)


@router.patch("/opportunities/{opportunity_id}", response_model=OpportunityOut, dependencies=[SELLERS])
async def change_opportunity(opportunity_id: OpportunityId, body: ChangeIn, tx: Tx, now: Now, who: Who) -> Response:
    """Change what is known of it; an offered or an open one only. Hiding it is possible wherever it stands."""
    given = body.given(without=["archived"])
    row = await update_opportunity(tx, opportunity_id, given, by=who.subject, at=body.when(now), now=now)
    if "archived" in body.model_fields_set:
        archive(row, body.archived, now=now)
    return await answer(tx, row)


@router.post("/opportunities/{opportunity_id}/phase", response_model=OpportunityOut, dependencies=[SELLERS])
async def post_phase(opportunity_id: OpportunityId, body: PhaseIn, tx: Tx, now: Now, who: Who) -> Response:
    """Move it to another phase; forward only where the exit criteria hold, else 409 listing what is missing."""
    row = await move_phase(tx, opportunity_id, body.phase, by=who.subject, at=body.when(now), now=now)
    return await answer(tx, row)


@router.post("/opportunities/{opportunity_id}/link", response_model=OpportunityOut, dependencies=[SELLERS])
async def post_link(opportunity_id: OpportunityId, body: LinkIn, tx: Tx, now: Now, who: Who) -> Response:
    """Name the lead behind an opportunity that began without one."""
    row = await link_lead(tx, opportunity_id, body.lead_id, body.cycle, by=who.subject, at=body.when(now), now=now)
    return await answer(tx, row)


@router.get("/opportunities/{opportunity_id}/history", response_model=HistoryOut)
async def get_history(opportunity_id: OpportunityId, session: Reading, now: Now) -> HistoryOut:
    """Every step with old and new values, and how long it stayed in each phase."""
    return await queries.history(session, await queries.one(session, opportunity_id), now)


@router.get("/pipeline", response_model=PipelineOut)
async def get_pipeline(given: Annotated[OpportunityQuery, Query()], session: Reading, now: Now) -> PipelineOut:
    """The open opportunities by phase and currency; takes the filters of the list."""
    phases = await rules.phases(session, now)
    person = await same_person(session, given.lead_id)
    return PipelineOut(as_of=now, items=await queries.pipeline(session, given, person, phases))
