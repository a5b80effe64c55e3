"""Leads: capture, one and many, and what is known of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.marketing.commands.capture import Captured, Told, capture_leads
from services.marketing.commands.companies import ToldCompany
from services.marketing.commands.update_lead import update_lead
from services.marketing.models import AccountRow, LeadRow
from services.marketing.queries import company_names, cycles_of, listed, one, resolve, resolve_field
from services.marketing.schemas.lead_answers import CapturedOut, CycleOut, LeadDetail, LeadOut, WorkOut
from services.marketing.schemas.leads import LeadFields, LeadIn, LeadPatch
from services.marketing.schemas.lists import LeadQuery
from shared.auth import Role, User
from shared.http.batch import BatchIn, BatchOut, Done, answer_each
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1", tags=["leads"], route_class=Door)
MARKETERS = allowed(Role.MARKETING)


async def account_of(session: AsyncSession, body: LeadFields) -> UUID | None:
    """The account the body names. Raises Invalid for one nobody knows."""
    if body.account is None:
        return None
    row = await session.get_one(AccountRow, await resolve_field(session, AccountRow, "account", body.account))
    return row.merged_into_id or row.id


async def _told(session: AsyncSession, body: LeadIn, now: datetime) -> Told:
    at, company = body.when(now), body.company_told()
    return Told(
        at=at,
        values=body.told(at),
        company=ToldCompany(at, company) if company else None,
        account=await account_of(session, body),
    )


async def lead_out(session: AsyncSession, row: LeadRow, user: User) -> LeadOut:
    return LeadOut.of(row, user, company=(await company_names(session, [row])).get(row.account_id))


@router.post("/leads", dependencies=[MARKETERS], response_model=CapturedOut, status_code=201)
async def capture(body: LeadIn, tx: Tx, now: Now, who: Who) -> Response:
    """Take a person in. A known one (by e-mail, then phone, then name and company) is found again: 200 and the same
    id, a touch is recorded, blanks are filled, nothing is overwritten, no new cycle begins."""
    captured: list[Captured] = await capture_leads(tx, [await _told(tx.session, body, now)], by=who.subject, now=now)
    await tx.session.flush()
    found = captured[0]
    works = [
        WorkOut(kind=work.kind.value, ref=work.ref, lead_id=work.lead, owner=work.owner, since=work.since)
        for work in found.works
    ]
    out = CapturedOut.of(found.row, who, company=found.company)
    out = out.model_copy(update={"company_work": works})
    status, place = 201 if found.new else 200, f"/v1/leads/{found.row.id}"
    return resource(out, version=found.row.version, status=status, location=place)


@router.post("/leads:batch", dependencies=[MARKETERS], response_model=BatchOut)
async def capture_batch(body: BatchIn[LeadIn], tx: Tx, now: Now, who: Who) -> BatchOut:
    """Up to 1,000 people at once. Each item has the status its own call would have had, and the id."""

    async def act(items: Sequence[LeadIn]) -> list[Done]:
        told = [await _told(tx.session, item, now) for item in items]
        captured = await capture_leads(tx, told, by=who.subject, now=now)
        return [Done(201 if one.new else 200, one.row.id) for one in captured]

    return await answer_each(tx, body, act)


@router.get("/leads", response_model=Page[LeadOut])
async def list_leads(given: Annotated[LeadQuery, Query()], session: Reading, who: Who) -> Page[LeadOut]:
    """Leads by what is known of them; merged and archived ones only with `archived=true`."""
    rows, cursor = await listed(session, LeadRow, given)
    names = await company_names(session, rows)
    return Page(items=[LeadOut.of(row, who, company=names.get(row.account_id)) for row in rows], next_cursor=cursor)


@router.get("/leads/{lead_id}", response_model=LeadDetail)
async def get_lead(lead_id: str, session: Reading, who: Who) -> Response:
    """One lead with its cycles. A merged one says into which."""
    row = await one(session, LeadRow, lead_id)
    names, cycles = await company_names(session, [row]), await cycles_of(session, row.id)
    out = LeadDetail.of(row, who, company=names.get(row.account_id))
    out = out.model_copy(update={"cycles": [CycleOut.model_validate(cycle) for cycle in cycles]})
    return resource(out, version=row.version)


@router.patch("/leads/{lead_id}", dependencies=[MARKETERS], response_model=LeadOut)
async def patch_lead(lead_id: str, body: LeadPatch, tx: Tx, now: Now, who: Who) -> Response:
    """Change what is known; `company` finds or makes the account. With history; the score follows."""
    at = body.when(now)
    values = body.told(at)
    if {"company", "account"} & body.model_fields_set and not body.company:
        values["account_id"] = await account_of(tx.session, body)
    company = ToldCompany(at, {"name": body.company}) if body.company else None
    lead = await resolve(tx.session, LeadRow, lead_id)
    row = await update_lead(tx, lead, values, company=company, by=who.subject, at=at)
    await tx.session.flush()
    return resource(await lead_out(tx.session, row, who), version=row.version)
