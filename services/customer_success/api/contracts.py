"""Contracts: told, changed, renewed, ended; and what falls due."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.customer_success.api import showing
from services.customer_success.commands import contract_acts
from services.customer_success.commands.open_contract import amend_contract, open_contract
from services.customer_success.models import ContractRow
from services.customer_success.queries import contracts as queries
from services.customer_success.queries import lookup
from services.customer_success.schemas.contracts import (
    ChangeIn,
    ChurnIn,
    ContractIn,
    ContractOut,
    ContractPatch,
    ContractQuery,
    HistoryOut,
    RenewalsOut,
    RenewIn,
)
from services.customer_success.settings import REASONS, company_day
from shared.auth import Role
from shared.database import Transaction
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import Page
from shared.money import Money

router = APIRouter(prefix="/v1", tags=["contracts"], route_class=Door)
OURS = allowed(Role.CUSTOMER_SUCCESS)


@router.post("/contracts", response_model=ContractOut, status_code=201, dependencies=[OURS])
async def post_contract(body: ContractIn, tx: Tx, now: Now, who: Who) -> Response:
    """A contract no deal preceded. The same `external_id` again answers 200 and corrects what was told otherwise."""
    if body.reason is not None:
        REASONS.find("churn", body.reason)
    row, new = await open_contract(tx, body, by=who.subject, now=now)
    await tx.session.flush()
    status = 201 if new else 200
    return resource(showing.contract(row), version=row.version, status=status, location=f"/v1/contracts/{row.id}")


@router.get("/contracts")
async def list_contracts(given: Annotated[ContractQuery, Query()], session: Reading) -> Page[ContractOut]:
    """Contracts (契約)."""
    rows, cursor = await queries.list_contracts(session, given)
    return Page(items=[showing.contract(row) for row in rows], next_cursor=cursor)


@router.get("/contracts/{contract_id}", response_model=ContractOut)
async def get_contract(contract_id: str, session: Reading) -> Response:
    row = await session.get_one(ContractRow, await lookup.contract_id(session, contract_id))
    return resource(showing.contract(row), version=row.version)


@router.get("/contracts/{contract_id}/history")
async def get_history(contract_id: str, session: Reading) -> HistoryOut:
    """Every step of its life, what was announced of it, and what was corrected."""
    row = await session.get_one(ContractRow, await lookup.contract_id(session, contract_id))
    return showing.history(row, await queries.history(session, row.id))


@router.patch("/contracts/{contract_id}", response_model=ContractOut, dependencies=[OURS])
async def patch_contract(contract_id: str, body: ContractPatch, tx: Tx, now: Now, who: Who) -> Response:
    key = await lookup.contract_id(tx.session, contract_id)
    given = body.model_dump(exclude_unset=True)
    return await _shown(tx, await amend_contract(tx, key, given, by=who.subject, now=now))


@router.post("/contracts/{contract_id}/change", response_model=ContractOut, dependencies=[OURS])
async def change_contract(contract_id: str, body: ChangeIn, tx: Tx, now: Now, who: Who) -> Response:
    """Another MRR (拡大・縮小). 409 when the contract ended."""
    REASONS.find("change", body.reason)
    key = await lookup.contract_id(tx.session, contract_id)
    row = await contract_acts.change_contract(
        tx, key, body.mrr, body.reason, at=body.occurred_at, by=who.subject, now=now
    )
    return await _shown(tx, row)


@router.post("/contracts/{contract_id}/renew", response_model=ContractOut, dependencies=[OURS])
async def renew_contract(contract_id: str, tx: Tx, now: Now, who: Who, body: RenewIn | None = None) -> Response:
    """Another term (更新)."""
    key, body = await lookup.contract_id(tx.session, contract_id), body or RenewIn()
    row = await contract_acts.renew_contract(
        tx, key, term_months=body.term_months, mrr=body.mrr, at=body.occurred_at, by=who.subject, now=now
    )
    return await _shown(tx, row)


@router.post("/contracts/{contract_id}/churn", response_model=ContractOut, dependencies=[OURS])
async def churn_contract(contract_id: str, body: ChurnIn, tx: Tx, now: Now, who: Who) -> Response:
    """The contract ends (解約・非更新). The customer churns when no other contract runs."""
    reason = REASONS.find("churn", body.reason)
    recyclable = reason.recyclable is not False if body.recyclable is None else body.recyclable
    ending = contract_acts.Ending(body.reason, body.reason_kind, body.churned_on, recyclable, body.revisit_on)
    key = await lookup.contract_id(tx.session, contract_id)
    row = await contract_acts.churn_contract(tx, key, ending, at=body.occurred_at, by=who.subject, now=now)
    return await _shown(tx, row)


@router.get("/renewals", tags=["renewals"])
async def list_renewals(
    session: Reading,
    now: Now,
    within: Annotated[int, Query(ge=1, le=1095, description="days")] = 90,
    owner: Annotated[str | None, Query(max_length=120)] = None,
    segment: Annotated[str | None, Query(max_length=120)] = None,
) -> RenewalsOut:
    """Contracts whose renewal falls due within so many days, and those overdue."""
    today = company_day(now)
    due, monthly = await queries.renewals(session, today, within, owner=owner, segment=segment)
    items = [showing.renewal(found, today) for found in due]
    totals: dict[str, int] = {}
    for item in items:
        if item.mrr is not None:
            totals[item.mrr.currency] = totals.get(item.mrr.currency, 0) + item.mrr.amount
    mrr = [Money(amount=amount, currency=currency) for currency, amount in sorted(totals.items())]
    overdue = sum(item.days_left < 0 for item in items)
    return RenewalsOut(items=items, due=len(items) - overdue, overdue=overdue, monthly=monthly, mrr=mrr)


async def _shown(tx: Transaction, row: ContractRow) -> Response:
    await tx.session.flush()
    return resource(showing.contract(row), version=row.version)
