"""The decisions: take or return the SQL, judge the first visit, win, lose, reopen."""

from fastapi import APIRouter
from starlette.responses import Response

from services.field_sales.api.common import SELLERS, OpportunityId, Zone, answer, seller
from services.field_sales.commands.accept_sql import accept_sql
from services.field_sales.commands.close_deal import reopen_deal, win_deal
from services.field_sales.commands.end_without_deal import Ending, lose_deal, return_sql
from services.field_sales.commands.review_first_visit import review_first_visit
from services.field_sales.domain.first_visit import FIELDS
from services.field_sales.schemas.answers import OpportunityOut
from services.field_sales.schemas.opportunities import AcceptIn, FirstVisitIn, LoseIn, ReturnIn, WinIn
from services.field_sales.schemas.reasons import REASONS, recyclable
from shared.clock import day_of
from shared.http.bodies import Dated
from shared.http.door import Door, Now, Tx, Who

router = APIRouter(
    prefix="/v1/opportunities/{opportunity_id}", tags=["deals"], route_class=Door, dependencies=[SELLERS]
)


@router.post("/accept", response_model=OpportunityOut)
async def accept(opportunity_id: OpportunityId, tx: Tx, now: Now, who: Who, body: AcceptIn = AcceptIn()) -> Response:
    """Take the SQL as an opportunity (有効商談)."""
    at = body.when(now)
    row = await accept_sql(tx, opportunity_id, body.given(), by=who.subject, owner=seller(who), at=at, now=now)
    return await answer(tx, row)


@router.post("/return", response_model=OpportunityOut)
async def return_(opportunity_id: OpportunityId, body: ReturnIn, tx: Tx, now: Now, who: Who) -> Response:
    """Send the SQL back to inside sales (差し戻し), with a reason of `GET /v1/reasons?for=return`."""
    ending = _ending("return", body)
    return await answer(tx, await return_sql(tx, opportunity_id, ending, by=who.subject, at=body.when(now), now=now))


@router.post("/first-visit", response_model=OpportunityOut)
async def first_visit(opportunity_id: OpportunityId, body: FirstVisitIn, tx: Tx, now: Now, who: Who) -> Response:
    """What the first visit found against inside sales' note (コメント乖離), and whether the opportunity is valid."""
    if body.reason is not None:
        REASONS.find("first_visit", body.reason)
    found = {name: value for name in FIELDS if (value := getattr(body, name)) is not None}
    row = await review_first_visit(
        tx,
        opportunity_id,
        found,
        valid=body.valid,
        reason=body.reason,
        note=body.note,
        by=who.subject,
        at=body.when(now),
        now=now,
    )
    return await answer(tx, row)


@router.post("/win", response_model=OpportunityOut)
async def win(opportunity_id: OpportunityId, tx: Tx, now: Now, who: Who, zone: Zone, body: WinIn = WinIn()) -> Response:
    """The customer signed (受注). Answers `contract_id` and `account_id`, the ids customer success will know it by."""
    at = body.when(now)
    row = await win_deal(
        tx,
        opportunity_id,
        body.given(without=["promises", "won_on"]),
        body.promises,
        won_on=body.won_on or day_of(at, zone),
        by=who.subject,
        at=at,
        now=now,
    )
    return await answer(tx, row)


@router.post("/lose", response_model=OpportunityOut)
async def lose(opportunity_id: OpportunityId, body: LoseIn, tx: Tx, now: Now, who: Who) -> Response:
    """The customer decided otherwise (失注), with a reason of `GET /v1/reasons?for=lose`."""
    ending = _ending("lose", body)
    return await answer(tx, await lose_deal(tx, opportunity_id, ending, by=who.subject, at=body.when(now), now=now))


@router.post("/reopen", response_model=OpportunityOut)
async def reopen(opportunity_id: OpportunityId, tx: Tx, now: Now, who: Who, body: Dated = Dated()) -> Response:
    """A won or lost deal is open again; its result is taken back."""
    row = await reopen_deal(tx, opportunity_id, by=who.subject, at=body.when(now), now=now)
    return await answer(tx, row)


def _ending(purpose: str, body: ReturnIn) -> Ending:
    reason = REASONS.find(purpose, body.reason)
    return Ending(reason.code, recyclable(reason, body.recyclable), body.revisit_on, body.note)
