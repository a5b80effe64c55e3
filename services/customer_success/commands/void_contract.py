"""A won deal was reopened: its contract never counted, and stands there void."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from services.customer_success.commands.customers import lock_customers, settle_customers
from services.customer_success.commands.ledger import read_books, tell_move
from services.customer_success.domain.contracts import Act, Status, move
from services.customer_success.domain.timeline import Move
from services.customer_success.models import ContractRow, CustomerRow
from shared import clock
from shared.database import Transaction


async def void_contract(tx: Transaction, opportunity_id: UUID, at: datetime) -> None:
    """The opening is taken back by whoever counts it, from the deal's own event; only what was told on top of it,
    changes or an end, is taken back here, so that nothing of the contract is left at `at`."""
    now = clock.utc_now()
    row = ContractRow
    found = select(row.id, row.customer_id).where(row.opportunity_id == opportunity_id, row.status != Status.VOID)
    pairs = (await tx.session.execute(found.order_by(row.id))).all()
    if not pairs:
        return
    customers: dict[UUID, CustomerRow] = await lock_customers(tx, {pair.customer_id for pair in pairs})
    query = select(row).where(row.id.in_([pair.id for pair in pairs])).order_by(row.id).with_for_update()
    contracts = list(await tx.session.scalars(query.execution_options(populate_existing=True)))
    for book in await read_books(tx, contracts, customers):
        contract = book.contract
        changed = sum(book.moves.values())
        contract.status = move(Status(contract.status), Act.VOID)
        if changed:
            tell_move(tx, book, Move(at, -changed, "deal_reopened"), now)
        for movement in book.movements:
            movement.closed = True
        contract.mrr_amount, contract.due_at, contract.last_step_at = 0, None, at
    await settle_customers(tx, customers, now)
