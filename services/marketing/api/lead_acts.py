"""What is done to a lead: touches, MQL, the way back, merging, forgetting."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.marketing.api.leads import MARKETERS, lead_out
from services.marketing.commands.erase_lead import erase_lead
from services.marketing.commands.merge_leads import merge_leads, unmerge_leads
from services.marketing.commands.mqls import qualify_lead
from services.marketing.commands.recycle import recycle_lead
from services.marketing.commands.touches import record_touch
from services.marketing.models import LeadRow
from services.marketing.queries import changes_of, one, resolve, touches_of
from services.marketing.schemas.lead_answers import ChangeOut, LeadOut, TouchOut
from services.marketing.schemas.leads import MergeIn, QualifyIn, RecycleIn, TouchIn, UnmergeIn, WhenOnly
from services.marketing.schemas.lists import TouchQuery
from shared.auth import Role
from shared.database import Transaction
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1/leads/{lead_id}", tags=["leads"], route_class=Door)
FORGETTERS = allowed(Role.MARKETING, Role.OPS_LEAD)


async def _answer(tx: Transaction, row: LeadRow, who: Who) -> Response:
    await tx.session.flush()
    return resource(await lead_out(tx.session, row, who), version=row.version)


@router.post("/touches", dependencies=[MARKETERS], response_model=TouchOut, status_code=201)
async def add_touch(lead_id: str, body: TouchIn, tx: Tx, now: Now, who: Who) -> Response:
    """Something they did, or we did towards them. It counts into the score, and the lead that then meets the
    criteria in force becomes an MQL. The same `external_id` again answers 200 and changes nothing."""
    lead = await resolve(tx.session, LeadRow, lead_id)
    touch, new, mql = await record_touch(
        tx,
        lead,
        body.kind,
        body.when(now),
        by=who.subject,
        **body.model_dump(include={"content", "note", "channel", "campaign", "external_id"}),
    )
    await tx.session.flush()
    return resource(TouchOut.of(touch, who, mql=mql), status=201 if new else 200)


@router.get("/touches", response_model=Page[TouchOut])
async def list_touches(
    lead_id: str, given: Annotated[TouchQuery, Query()], session: Reading, who: Who
) -> Page[TouchOut]:
    """The activity history of the person, by when it happened."""
    row = await one(session, LeadRow, lead_id)
    rows, cursor = await touches_of(session, row.id, given)
    return Page(items=[TouchOut.of(touch, who) for touch in rows], next_cursor=cursor)


@router.get("/changes", response_model=list[ChangeOut])
async def list_changes(
    lead_id: str, session: Reading, who: Who, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[ChangeOut]:
    """What the lead said before, newest first."""
    row = await one(session, LeadRow, lead_id)
    return [ChangeOut.of(change, who) for change in await changes_of(session, row.id, limit)]


@router.post("/qualify", dependencies=[MARKETERS], response_model=LeadOut)
async def qualify(lead_id: str, tx: Tx, now: Now, who: Who, body: QualifyIn | None = None) -> Response:
    """Declare it an MQL of its newest cycle. The criteria must hold, or `override_reason` says why all the same."""
    body = body or QualifyIn()
    lead = await resolve(tx.session, LeadRow, lead_id)
    row = await qualify_lead(tx, lead, at=body.when(now), by=who.subject, override_reason=body.override_reason)
    return await _answer(tx, row, who)


@router.post("/recycle", dependencies=[MARKETERS], response_model=LeadOut)
async def recycle(lead_id: str, tx: Tx, now: Now, who: Who, body: RecycleIn | None = None) -> Response:
    """Open the next cycle of an ended one, at once or on `revisit_on`. Nobody disqualified comes back."""
    body = body or RecycleIn()
    row = await recycle_lead(
        tx,
        await resolve(tx.session, LeadRow, lead_id),
        source=body.cycle_source,
        revisit_on=body.revisit_on,
        note=body.note,
        by=who.subject,
        told=body.occurred_at,
        now=now,
    )
    return await _answer(tx, row, who)


@router.post("/merge", dependencies=[MARKETERS], response_model=LeadOut)
async def merge(lead_id: str, body: MergeIn, tx: Tx, now: Now, who: Who) -> Response:
    """The two are one person: this lead stands for both, and learns what only the other knew."""
    merged = await resolve(tx.session, LeadRow, body.merged_lead_id)
    lead = await resolve(tx.session, LeadRow, lead_id)
    return await _answer(tx, await merge_leads(tx, lead, merged, by=who.subject, at=body.when(now)), who)


@router.post("/unmerge", dependencies=[MARKETERS], response_model=LeadOut)
async def unmerge(lead_id: str, tx: Tx, now: Now, who: Who, body: UnmergeIn | None = None) -> Response:
    """They were two people after all: what each was told before the merge is theirs again, exactly."""
    body = body or UnmergeIn()
    given = body.merged_lead_id
    merged = await resolve(tx.session, LeadRow, given) if given else None
    lead = await resolve(tx.session, LeadRow, lead_id)
    return await _answer(tx, await unmerge_leads(tx, lead, merged, by=who.subject, at=body.when(now)), who)


@router.post("/erase", dependencies=[FORGETTERS], response_model=LeadOut)
async def erase(lead_id: str, tx: Tx, now: Now, who: Who, body: WhenOnly | None = None) -> Response:
    """Forget the person, here and by event everywhere: personal fields and what was written about them go, counts
    stay. Again it changes nothing."""
    lead = await resolve(tx.session, LeadRow, lead_id)
    return await _answer(tx, await erase_lead(tx, lead, at=(body or WhenOnly()).when(now)), who)
