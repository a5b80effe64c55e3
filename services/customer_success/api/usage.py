"""Use of the product, in bulk; and what waits for a contract or account nobody knows yet."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from services.customer_success.commands.links import Link
from services.customer_success.commands.record_usage import UsageTold, record_usage
from services.customer_success.queries import activity as queries
from services.customer_success.queries import lookup
from services.customer_success.schemas.activity import FeatureOut, UsageIn, UsageOut, WaitingOut, WeekOut
from services.customer_success.schemas.fields import Day
from services.customer_success.settings import company_day
from shared.auth import Role
from shared.errors import Invalid
from shared.http.batch import BatchIn, BatchOut, Done, answer_each
from shared.http.door import Door, Now, Reading, Tx, allowed
from shared.http.paging import Page
from shared.imports.importer import Taken

router = APIRouter(prefix="/v1", tags=["usage"], route_class=Door)
STATUS = {Taken.NEW: 201, Taken.UPDATED: 200, Taken.UNCHANGED: 200, Taken.WAITING: 202}


@router.post("/usage:batch", dependencies=[allowed(Role.CUSTOMER_SUCCESS)])
async def post_usage(body: BatchIn[UsageIn], tx: Tx, now: Now) -> BatchOut:
    """Up to 1,000 rows of use: 201 new, 200 known or changed, 202 waiting for its contract or account. The same rows
    again change nothing. Weeks that are over are told by the worker."""

    async def act(items: Sequence[UsageIn]) -> list[Done]:
        if any(item.date > company_day(now) for item in items):
            raise Invalid("date", "lies in the future")
        return [Done(STATUS[outcome]) for outcome in await record_usage(tx, [_told(item) for item in items], now)]

    return await answer_each(tx, body, act)


def _told(item: UsageIn) -> UsageTold:
    return UsageTold(
        link=Link(
            contract_id=item.contract_id,
            contract_external_id=item.contract_external_id,
            account_id=item.customer_id or item.account_id,
            account_external_id=item.account_external_id,
        ),
        day=item.date,
        external_id=item.external_id,
        feature=item.feature,
        count=item.count,
        seconds=item.seconds,
        errors=item.errors,
        active_users=item.active_users,
    )


@router.get("/customers/{customer_id}/usage")
async def get_usage(
    customer_id: str,
    session: Reading,
    now: Now,
    since: Annotated[Day | None, Query(alias="from", description="default: twelve weeks ago")] = None,
    until: Annotated[Day | None, Query(alias="to", description="exclusive; default: tomorrow")] = None,
) -> UsageOut:
    """Use by ISO week and by feature."""
    key = await lookup.customer_id(session, customer_id)
    until = until or company_day(now) + timedelta(days=1)
    since = since or until - timedelta(weeks=12)
    return UsageOut(
        customer_id=key,
        last_on=await queries.last_use(session, key),
        weeks=[WeekOut(**row._mapping) for row in await queries.weeks(session, key, since, until)],
        features=[FeatureOut(**row._mapping) for row in await queries.features(session, key, since, until)],
    )


@router.get("/waiting")
async def list_waiting(session: Reading) -> Page[WaitingOut]:
    """Rows of use, tickets and amendments that came before what they link to. They join by themselves."""
    return Page(items=[WaitingOut(**row._mapping) for row in await queries.waiting(session)])
