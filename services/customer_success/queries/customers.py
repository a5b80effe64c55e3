"""Customers with what is shown beside them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.customer_success.domain.contracts import Status
from services.customer_success.models import (
    AccountRow,
    ContractRow,
    CustomerRow,
    HealthRow,
    OnboardingTaskRow,
    PromiseRow,
    PulseRow,
    RiskRow,
    SignalRow,
)
from services.customer_success.queries.lookup import is_lead
from services.customer_success.schemas.customers import CustomerQuery, NotedQuery
from shared.http.paging import filtered, page

SPECIAL = ("lead_id", "band", "at_risk")


@dataclass
class Beside:
    """What is shown of a customer and stands in other tables. `mrr` is by currency, in minor units."""

    mrr: dict[str, int] = field(default_factory=dict)
    contracts: int = 0
    renewal_on: date | None = None
    health: HealthRow | None = None
    risk: RiskRow | None = None
    merged_into: UUID | None = None


async def list_customers(session: AsyncSession, given: CustomerQuery) -> tuple[list[CustomerRow], str | None]:
    row, query = CustomerRow, select(CustomerRow)
    if given.lead_id is not None:
        query = query.where(is_lead(row.lead_id, given.lead_id))
    if given.band is not None:
        query = query.join(HealthRow, HealthRow.customer_id == row.id).where(HealthRow.band == given.band)
    if given.at_risk is not None:
        alarmed = exists().where(RiskRow.customer_id == row.id, RiskRow.cleared_at.is_(None))
        query = query.where(alarmed if given.at_risk else ~alarmed)
    plain = given.model_copy(update=dict.fromkeys(SPECIAL))
    return await page(session, filtered(query, row, plain), row, given)


async def beside(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Beside]:
    found: dict[UUID, Beside] = defaultdict(Beside)
    row = ContractRow
    running = (
        select(row.customer_id, row.mrr_currency, func.sum(row.mrr_amount), func.count(), func.min(row.renewal_on))
        .where(row.customer_id.in_(ids), row.status == Status.ACTIVE)
        .group_by(row.customer_id, row.mrr_currency)
    )
    for key, currency, amount, count, renewal_on in await session.execute(running):
        part = found[key]
        part.contracts += count
        part.renewal_on = min(filter(None, (part.renewal_on, renewal_on)), default=None)
        if currency is not None and amount is not None:
            part.mrr[currency] = int(amount)
    for health in await session.scalars(select(HealthRow).where(HealthRow.customer_id.in_(ids))):
        found[health.customer_id].health = health
    alarms = select(RiskRow).where(RiskRow.customer_id.in_(ids), RiskRow.cleared_at.is_(None))
    for risk in await session.scalars(alarms):
        found[risk.customer_id].risk = risk
    merged = select(AccountRow.id, AccountRow.merged_into).where(AccountRow.id.in_(ids))
    for key, head in await session.execute(merged):
        found[key].merged_into = head
    return found


async def tasks(session: AsyncSession, customer: CustomerRow) -> list[OnboardingTaskRow]:
    """The newest plan's, in their order."""
    row = OnboardingTaskRow
    query = select(row).where(row.customer_id == customer.id, row.round == customer.onboarding_round)
    return list(await session.scalars(query.order_by(row.place)))


async def promises(session: AsyncSession, key: UUID) -> list[PromiseRow]:
    query = select(PromiseRow).where(PromiseRow.customer_id == key).order_by(PromiseRow.number)
    return list(await session.scalars(query))


async def contract_ids(session: AsyncSession, key: UUID) -> list[UUID]:
    query = select(ContractRow.id).where(ContractRow.customer_id == key)
    return list(await session.scalars(query.order_by(ContractRow.starts_on, ContractRow.id)))


async def noted(session: AsyncSession, row: Any, key: UUID, given: NotedQuery) -> tuple[list[Any], str | None]:
    """One page of a customer's scores or signals, by when they were written down."""
    assert row in (PulseRow, SignalRow), "what is noted of a customer"
    return await page(session, filtered(select(row).where(row.customer_id == key), row, given), row, given)
