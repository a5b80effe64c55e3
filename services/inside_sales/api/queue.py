"""What waits for work (対応待ち), and the valve (調節弁) that lets it through."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.inside_sales import queries
from services.inside_sales.api.showing import answer, queue_items
from services.inside_sales.commands.claim import claim_next
from services.inside_sales.schemas.acts import SliceIn
from services.inside_sales.schemas.answers import HeldBack, ProspectOut, Queue, ValveOut, ValveState
from services.inside_sales.schemas.lists import QueueQuery
from shared.auth import Role
from shared.http.door import Door, Now, Reading, Tx, Who, allowed

router = APIRouter(prefix="/v1", tags=["queue"], route_class=Door)
SHOWN = 50  # of what the valve holds back; the rest is at /v1/queue?held=true


@router.get("/queue")
async def get_queue(given: Annotated[QueueQuery, Query()], session: Reading, who: Who, now: Now) -> Queue:
    """The work in the order of its priority = score × age × SLA × valve, each with its reasons.

    With an `owner`, also what that rep has and has not decided. The cursor keeps the order of its first page.
    """
    within = given.within()
    found = await queries.queue(session, within, held=given.held, limit=given.limit, cursor=given.cursor, now=now)
    company, _ = await queries.valves(session)
    count = await queries.held_count(session, within, found.rule.rule)
    return Queue(
        items=await queue_items(session, found.rows, who, now),
        next_cursor=found.next_cursor,
        held=HeldBack(count=count, threshold=company.threshold),
        rule_version=found.rule.version,
    )


@router.post("/queue/next", dependencies=[allowed(Role.INSIDE_SALES)], response_model=ProspectOut)
async def post_next(tx: Tx, now: Now, who: Who, body: SliceIn | None = None) -> Response:
    """Claim the best released prospect. 404 `queue_empty`, or `nothing_released` where the valve holds all there is."""
    row = await claim_next(tx, body.within() if body else {}, by=who.subject, now=now)
    return await answer(tx, row, who, now)


@router.get("/valve")
async def get_valve(session: Reading, who: Who, now: Now) -> ValveState:
    """The score an MQL needs now, why, and what is held back."""
    company, regions = await queries.valves(session)
    found = await queries.queue(session, {}, held=True, limit=SHOWN, cursor=None, now=now)
    return ValveState(
        **dict(ValveOut.model_validate(company)),
        regions=[ValveOut.model_validate(row) for row in regions],
        held=await queue_items(session, found.rows, who, now),
        held_count=await queries.held_count(session, {}, found.rule.rule),
    )
