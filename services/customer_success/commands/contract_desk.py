"""What an act over many contracts needs to know, loaded and locked at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from services.customer_success.commands.amendments import Books
from services.customer_success.commands.customers import ensure_customers, lock_customers
from services.customer_success.commands.ledger import read_books
from services.customer_success.models import AccountRow, ContractRow, CustomerRow, StepRow
from shared.database import Transaction
from shared.ids import told_id


async def resolve_accounts(tx: Transaction, names: set[str]) -> dict[str, UUID]:
    """The caller's ids of companies → ours: a customer's, a company marketing knows, else the one it will have."""
    found = {name: told_id("account", name) for name in names}
    known = select(AccountRow.external_id, AccountRow.id).where(AccountRow.external_id.in_(names))
    found |= {name: key for name, key in (await tx.session.execute(known)) if name}
    mine = select(CustomerRow.external_id, CustomerRow.id).where(CustomerRow.external_id.in_(names))
    return found | {name: key for name, key in (await tx.session.execute(mine)) if name}


async def lay_out(
    tx: Transaction, wanted: Mapping[UUID, Mapping[str, Any]], names: set[str]
) -> tuple[dict[UUID, CustomerRow], Books]:
    """The customers wanted, made where they are new, and the contracts that go by these external ids.

    The customers come first: whoever tells the same contract at the same time has told it once they are locked.
    """
    customers = await ensure_customers(tx, wanted)
    by_told_id = {told_id("contract", name): name for name in names}
    amended = select(StepRow.contract_id, StepRow.external_id).where(
        StepRow.external_id.in_(names), StepRow.superseded_at.is_(None)
    )
    aliases = {name: key for key, name in (await tx.session.execute(amended)) if name}
    row = ContractRow
    mine = or_(row.external_id.in_(names), row.id.in_([*by_told_id, *aliases.values()]))
    owners = {key: owner for key, owner in await tx.session.execute(select(row.id, row.customer_id).where(mine))}
    customers |= await lock_customers(tx, set(owners.values()) - customers.keys())
    query = select(row).where(row.id.in_(owners)).order_by(row.id).with_for_update()
    contracts = list(await tx.session.scalars(query.execution_options(populate_existing=True)))
    books: Books = {}
    for book in await read_books(tx, contracts, customers):
        contract = book.contract
        books[contract.external_id or by_told_id.get(contract.id, str(contract.id))] = book
        books |= {name: book for name, key in aliases.items() if key == contract.id}
    return customers, books
