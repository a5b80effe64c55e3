"""Companies (企業)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.marketing.api.leads import MARKETERS
from services.marketing.commands.accounts import keep_account, merge_accounts, update_account
from services.marketing.commands.companies import ToldCompany
from services.marketing.models import AccountRow
from services.marketing.queries import changes_of, listed, one, resolve, resolve_field
from services.marketing.schemas.accounts import (
    AccountFields,
    AccountIn,
    AccountMergeIn,
    AccountOut,
    AccountPatch,
)
from services.marketing.schemas.lead_answers import ChangeOut
from services.marketing.schemas.lists import AccountQuery
from shared.http.door import Door, Now, Reading, Tx, Who, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1/accounts", tags=["accounts"], route_class=Door)


async def _values(session: AsyncSession, body: AccountFields) -> dict[str, Any]:
    values = body.told()
    if "parent" in body.model_fields_set:
        given = body.parent
        values["parent_id"] = await resolve_field(session, AccountRow, "parent", given) if given else None
    return values


def _answer(row: AccountRow, status: int = 200) -> Response:
    place = f"/v1/accounts/{row.id}"
    return resource(AccountOut.model_validate(row), version=row.version, status=status, location=place)


@router.post("", dependencies=[MARKETERS], response_model=AccountOut, status_code=201)
async def create(body: AccountIn, tx: Tx, now: Now, who: Who) -> Response:
    """Take a company in. A known one (by corporate number, then domain, then folded name) is found again: 200 and the
    same id; blanks are filled, nothing is overwritten."""
    values = {name: value for name, value in (await _values(tx.session, body)).items() if value is not None}
    row, new = await keep_account(tx, ToldCompany(body.when(now), values), by=who.subject)
    await tx.session.flush()
    return _answer(row, 201 if new else 200)


@router.get("", response_model=Page[AccountOut])
async def list_accounts(given: Annotated[AccountQuery, Query()], session: Reading) -> Page[AccountOut]:
    """Companies; merged and archived ones only with `archived=true`."""
    rows, cursor = await listed(session, AccountRow, given)
    return Page(items=[AccountOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{account_id}", response_model=AccountOut)
async def get_account(account_id: str, session: Reading) -> Response:
    """One company. A merged one says into which."""
    return _answer(await one(session, AccountRow, account_id))


@router.patch("/{account_id}", dependencies=[MARKETERS], response_model=AccountOut)
async def patch_account(account_id: str, body: AccountPatch, tx: Tx, now: Now, who: Who) -> Response:
    """Change what is known of a company, with history."""
    account = await resolve(tx.session, AccountRow, account_id)
    values = await _values(tx.session, body)
    row = await update_account(tx, account, values, by=who.subject, at=body.when(now))
    await tx.session.flush()
    return _answer(row)


@router.get("/{account_id}/changes", response_model=list[ChangeOut])
async def list_changes(
    account_id: str, session: Reading, who: Who, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[ChangeOut]:
    """What the company's record said before, newest first."""
    row = await one(session, AccountRow, account_id)
    return [ChangeOut.model_validate(change) for change in await changes_of(session, row.id, limit)]


@router.post("/{account_id}/merge", dependencies=[MARKETERS], response_model=AccountOut)
async def merge(account_id: str, body: AccountMergeIn, tx: Tx, now: Now, who: Who) -> Response:
    """The two are one company: this one gets the leads and subsidiaries of the other, and what only it knew."""
    merged = await resolve(tx.session, AccountRow, body.merged_account_id)
    account = await resolve(tx.session, AccountRow, account_id)
    row = await merge_accounts(tx, account, merged, by=who.subject, at=body.when(now))
    await tx.session.flush()
    return _answer(row)
