"""Small copies of who works for a company: claimed leads, open opportunities, contracts."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.marketing.domain.company_work import Work, WorkKind
from services.marketing.models import AccountRow, CompanyWorkRow
from shared.database import Transaction


async def standing_account(tx: Transaction, account_id: UUID | None) -> UUID | None:
    """The account a told one was merged into."""
    if account_id is None:
        return None
    return (
        await tx.session.scalar(
            select(func.coalesce(AccountRow.merged_into_id, AccountRow.id)).where(AccountRow.id == account_id)
        )
        or account_id
    )


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
    given = insert(CompanyWorkRow).values(
        kind=kind, ref=str(ref), account_id=account, lead_id=lead, owner=owner, since=since, until=until
    )
    new, old = given.excluded, CompanyWorkRow
    await tx.session.execute(
        given.on_conflict_do_update(
            index_elements=[old.kind, old.ref],
            set_={
                "account_id": func.coalesce(new.account_id, old.account_id),
                "lead_id": func.coalesce(new.lead_id, old.lead_id),
                "owner": func.coalesce(new.owner, old.owner),
                "since": func.greatest(new.since, old.since),
                "until": func.greatest(new.until, old.until),
            },
        )
    )


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
