"""Companies told of directly: made or found, changed, merged."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from services.marketing.commands.changes import blanks, change
from services.marketing.commands.companies import Companies, ToldCompany
from services.marketing.domain.folding import company_key
from services.marketing.models import AccountRow, AliasRow, CompanyWorkRow, LeadRow
from shared.contracts.marketing import AccountMerged
from shared.database import Transaction
from shared.errors import Refused

DEEPEST = 50  # companies above one another
FILLED = ("external_id", "domain", "industry", "segment", "employees", "prefecture", "owner", "parent_id")


class ParentCycle(Refused):
    rule, title = "parent_cycle", "A company does not belong to itself"


class AlreadyMerged(Refused):
    rule, title = "already_merged", "These two are one company already"


async def keep_account(tx: Transaction, told: ToldCompany, *, by: str) -> tuple[AccountRow, bool]:
    """The company found again with its blanks filled, or made; and whether it is new."""
    companies = await Companies.load(tx, [told], by=by)
    row, new = await companies.keep(told)
    assert row is not None  # it was told by name
    if not new:
        row.archived_at = None
    return row, new


async def lock_account(tx: Transaction, account_id: UUID) -> AccountRow:
    """The account that stands for this company now, locked. Raises NotFound, Stale."""
    while True:
        into = await tx.session.scalar(select(AccountRow.merged_into_id).where(AccountRow.id == account_id))
        row = await tx.lock(AccountRow, into or account_id)
        if row.merged_into_id is None:
            return row


async def update_account(
    tx: Transaction, account_id: UUID, values: dict[str, Any], *, by: str, at: datetime
) -> AccountRow:
    """`values` are columns, a None clears. Raises NotFound, ParentCycle; Refused where a unique key is another's."""
    row = await lock_account(tx, account_id)
    if values.get("parent_id"):
        await _refuse_cycle(tx, row.id, values["parent_id"])
    if "name" in values:
        values = values | {"name_key": company_key(values["name"])}
    change(tx, row, values, by=by, at=at)
    return row


async def _refuse_cycle(tx: Transaction, account_id: UUID, parent_id: UUID) -> None:
    above: UUID | None = parent_id
    for _ in range(DEEPEST):
        if above == account_id:
            raise ParentCycle
        if above is None:
            return
        above = await tx.session.scalar(select(AccountRow.parent_id).where(AccountRow.id == above))
    raise ParentCycle(f"More than {DEEPEST} companies above one another")


async def merge_accounts(tx: Transaction, account_id: UUID, merged_id: UUID, *, by: str, at: datetime) -> AccountRow:
    """The first stands for both: it gets the leads, the subsidiaries and what it did not know. Raises AlreadyMerged."""
    row, other = await _both(tx, account_id, merged_id)
    filled = blanks(row, {name: getattr(other, name) for name in FILLED})
    number = other.corporate_number
    if other.external_id and "external_id" not in filled:
        tx.add(AliasRow(kind="account", external_id=other.external_id, target_id=row.id))
    other.external_id = None
    other.merged_into_id = row.id
    await tx.session.flush()  # unique keys are free before the other account takes them
    if row.corporate_number is None and number:
        filled["corporate_number"] = number
    if row.parent_id == other.id:
        filled["parent_id"] = other.parent_id
    change(tx, row, filled | ({"parent_id": None} if filled.get("parent_id") == row.id else {}), by=by, at=at)
    for column in (AccountRow.merged_into_id, AccountRow.parent_id):
        moved = update(AccountRow).where(column == other.id, AccountRow.id != row.id)
        await tx.session.execute(moved.values({column.key: row.id}))
    for table in (LeadRow, CompanyWorkRow):
        await tx.session.execute(update(table).where(table.account_id == other.id).values(account_id=row.id))
    await tx.session.execute(update(AliasRow).where(AliasRow.target_id == other.id).values(target_id=row.id))
    tx.announce(AccountMerged(account_id=row.id, merged_account_id=other.id), journey=row.id, at=at)
    return row


async def _both(tx: Transaction, one: UUID, other: UUID) -> tuple[AccountRow, AccountRow]:
    if one == other:
        raise AlreadyMerged("An account is not merged with itself")
    expected, tx.if_match = tx.if_match, None
    rows: dict[UUID, AccountRow] = {}
    for account_id in sorted({one, other}):  # in one order, so that two merges cannot deadlock
        tx.if_match = expected if account_id == one else None
        rows[account_id] = await lock_account(tx, account_id)
    if rows[one].id == rows[other].id:
        raise AlreadyMerged
    return rows[one], rows[other]
