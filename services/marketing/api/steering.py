"""The rules people change, and the way back of leads (リサイクル)."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select
from starlette.responses import Response

from services.marketing.commands.rules import set_rule
from services.marketing.models import RecyclingRow
from services.marketing.queries import RECYCLING, recycling_counts, recycling_in, rule_versions
from services.marketing.schemas.lead_answers import sees_people
from services.marketing.schemas.lists import RecyclingQuery
from services.marketing.schemas.steering import (
    RecyclingCounts,
    RecyclingOut,
    RecyclingPage,
    RuleIn,
    RuleOut,
    RulesOut,
)
from services.marketing.settings import company_day
from shared.auth import Role
from shared.errors import NotFound
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import filtered, page

router = APIRouter(prefix="/v1", tags=["rules"], route_class=Door)
RULERS = allowed(Role.MARKETING, Role.OPS_LEAD)


@router.get("/rules", response_model=RulesOut)
async def list_rules(session: Reading) -> RulesOut:
    """Every version of every rule, the newest of each first: scoring, MQL criteria, recycling, work of a company."""
    return RulesOut(items=[RuleOut.model_validate(row) for row in await rule_versions(session, None)])


@router.get("/rules/{name}", response_model=RuleOut)
async def get_rule(name: str, session: Reading, now: Now) -> Response:
    """The version in force."""
    for row in await rule_versions(session, name):
        if row.valid_from <= now:
            return resource(RuleOut.model_validate(row), version=row.version)
    raise NotFound(f"There is no rule {name} here")


@router.put("/rules/{name}", dependencies=[RULERS], response_model=RuleOut)
async def put_rule(name: str, body: RuleIn, tx: Tx, now: Now, who: Who) -> Response:
    """A new version, in force from `valid_from`. Nothing that was decided before changes."""
    row = await set_rule(tx, name, body.rule, valid_from=body.valid_from, note=body.note, by=who.subject, now=now)
    await tx.session.flush()
    return resource(RuleOut.model_validate(row), version=row.version)


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
