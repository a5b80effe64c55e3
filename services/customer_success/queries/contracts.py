"""Contracts, their histories, and what falls due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.customer_success.domain.contracts import Status
from services.customer_success.models import (
    ContractRow,
    CustomerRow,
    HealthRow,
    MovementRow,
    RevisionRow,
    RiskRow,
    StepRow,
)
from services.customer_success.queries.lookup import is_lead
from services.customer_success.schemas.contracts import ContractQuery
from shared.http.paging import filtered, page


async def list_contracts(session: AsyncSession, given: ContractQuery) -> tuple[list[ContractRow], str | None]:
    query = select(ContractRow)
    if given.lead_id is not None:
        query = query.where(is_lead(ContractRow.lead_id, given.lead_id))
    owner = given.customer_id or given.account_id
    if given.customer_id and given.account_id and given.customer_id != given.account_id:
        query = query.where(ContractRow.customer_id == given.account_id)
    plain = given.model_copy(update={"lead_id": None, "account_id": None, "customer_id": owner})
    return await page(session, filtered(query, ContractRow, plain), ContractRow, given)


@dataclass(frozen=True, slots=True)
class History:
    steps: Sequence[StepRow]
    movements: Sequence[MovementRow]
    revisions: Sequence[RevisionRow]


async def history(session: AsyncSession, key: UUID) -> History:
    steps = select(StepRow).where(StepRow.contract_id == key).order_by(StepRow.at, StepRow.id)
    movements = select(MovementRow).where(MovementRow.contract_id == key).order_by(MovementRow.at, MovementRow.id)
    revisions = select(RevisionRow).where(RevisionRow.resource_id == key).order_by(RevisionRow.at, RevisionRow.id)
    return History(
        (await session.scalars(steps)).all(),
        (await session.scalars(movements)).all(),
        (await session.scalars(revisions)).all(),
    )


@dataclass(frozen=True, slots=True)
class Due:
    contract: ContractRow
    customer: CustomerRow
    band: str
    at_risk: bool


MONTHLY = and_(
    ContractRow.auto_renew,
    or_(ContractRow.term_months == 1, and_(ContractRow.term_months.is_(None), ContractRow.renewal_on.is_(None))),
)
"""It goes on from month to month by itself."""


async def renewals(
    session: AsyncSession, today: date, within: int, *, owner: str | None, segment: str | None
) -> tuple[list[Due], int]:
    """Running contracts that fall due within so many days or are overdue, and how many never fall due."""
    row = ContractRow
    mine = [row.status == Status.ACTIVE, row.archived_at.is_(None)]
    if owner is not None:
        mine.append(row.owner == owner)
    if segment is not None:
        mine.append(row.segment == segment)
    alarmed = select(RiskRow.id).where(RiskRow.customer_id == row.customer_id, RiskRow.cleared_at.is_(None)).exists()
    query = (
        select(row, CustomerRow, HealthRow.band, alarmed)
        .join(CustomerRow, CustomerRow.id == row.customer_id)
        .join(HealthRow, HealthRow.customer_id == row.customer_id)
        .where(*mine, not_(MONTHLY), row.renewal_on <= today + timedelta(days=within))
        .order_by(row.renewal_on, row.id)
    )
    due = [Due(*found) for found in (await session.execute(query))]
    monthly = await session.scalar(select(func.count()).select_from(row).where(*mine, MONTHLY)) or 0
    return due, monthly
