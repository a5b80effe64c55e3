"""Small copies of who works for a company: claimed leads, open opportunities, contracts."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update

from services.marketing.domain.company_work import Work, WorkKind
from services.marketing.models import CompanyWorkRow
from shared.database import Transaction

_NOTE = """
INSERT INTO company_work AS old (kind, ref, account_id, lead_id, owner, since, until)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (kind, ref) DO UPDATE SET
    account_id = coalesce(excluded.account_id, old.account_id), lead_id = coalesce(excluded.lead_id, old.lead_id),
    owner = coalesce(excluded.owner, old.owner), since = greatest(excluded.since, old.since),
    until = greatest(excluded.until, old.until)
"""


async def standing_account(tx: Transaction, account_id: UUID | None) -> UUID | None:
    """The account a told one was merged into."""
    if account_id is None:
        return None
    merged = await tx.fetch("SELECT merged_into_id FROM account WHERE id = $1", account_id)
    return merged[0][0] or account_id if merged else account_id


async def note_work(
    tx: Transaction,
    kind: WorkKind,
    ref: object,
    *,
    account: UUID | None,
    lead: UUID | None = None,
    owner: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> None:
    """Join one more thing told into the copy; the latest of each side holds, in whatever order they come."""
    await tx.fetch(_NOTE, kind, str(ref), account, lead, owner, since, until)


async def end_contracts(tx: Transaction, account: UUID, at: datetime) -> None:
    """The account has no contract any more."""
    mine = (CompanyWorkRow.kind == WorkKind.CONTRACT, CompanyWorkRow.account_id == account)
    until = func.greatest(CompanyWorkRow.until, at)
    await tx.session.execute(update(CompanyWorkRow).where(*mine).values(until=until))


async def works_of(tx: Transaction, accounts: Iterable[UUID | None]) -> dict[UUID, list[Work]]:
    """What is live, by account, newest first."""
    wanted = {account for account in accounts if account}
    found: dict[UUID, list[Work]] = {account: [] for account in wanted}
    if not wanted:
        return found
    row = CompanyWorkRow
    live = or_(row.until.is_(None), row.since > row.until)
    query = select(row).where(row.account_id.in_(wanted), row.since.is_not(None), live).order_by(row.since.desc())
    for work in await tx.session.scalars(query, execution_options={"populate_existing": True}):
        assert work.account_id is not None
        assert work.since is not None
        told = Work(WorkKind(work.kind), work.ref, work.account_id, work.lead_id, work.owner, work.since)
        found[work.account_id].append(told)
    return found
