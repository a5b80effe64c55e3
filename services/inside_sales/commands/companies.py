"""Names of companies, so that people see whom they call."""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from services.inside_sales.models import CompanyRow, ProspectRow
from shared.database import Transaction


async def name_company(tx: Transaction, account_id: UUID, name: str | None) -> None:
    told = insert(CompanyRow).values(id=account_id, name=name)
    known = told.on_conflict_do_update(index_elements=[CompanyRow.id], set_={"name": told.excluded.name})
    await tx.session.execute(known)


async def merge_companies(tx: Transaction, survivor_id: UUID, merged_id: UUID) -> None:
    """The prospects of the one are the other's."""
    told = insert(CompanyRow).values(id=merged_id, merged_into=survivor_id)
    joined = told.on_conflict_do_update(index_elements=[CompanyRow.id], set_={"merged_into": survivor_id})
    await tx.session.execute(joined)
    shorter = update(CompanyRow).where(CompanyRow.merged_into == merged_id)
    await tx.session.execute(shorter.values(merged_into=survivor_id))
    theirs = update(ProspectRow).where(ProspectRow.account_id == merged_id)
    await tx.session.execute(theirs.values(account_id=survivor_id, version=ProspectRow.version + 1))
