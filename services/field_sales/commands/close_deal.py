"""A deal is won, or one that had ended is open again after all."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete

from services.field_sales.commands import rules
from services.field_sales.commands.telling import announce, step, write
from services.field_sales.commands.update_opportunity import known_fields
from services.field_sales.domain.lifecycle import Act, in_order, move
from services.field_sales.models import Opportunity, OpportunityRow, PromiseRow
from shared.contracts.field_sales import DealReopened, DealWon, Promise
from shared.database import Transaction
from shared.ids import new_id

ENDING = ("reason", "recyclable", "revisit_on", "comment", "closed_at", "won_on")


async def win_deal(
    tx: Transaction,
    opportunity_id: UUID,
    given: Mapping[str, Any],
    promises: Sequence[str],
    *,
    won_on: date,
    by: str,
    at: datetime,
    now: datetime,
) -> OpportunityRow:
    """`given` are terms of the contract. The ids of contract and, where none is known, company are made here.

    A deal won again after it was reopened keeps its contract's id: it is the same deal.
    """
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, Act.WIN)
    at = in_order(at, now, row.stepped_at)
    changes = write(row, {name: value for name, value in given.items() if value is not None})
    (await rules.phases(tx.session, at)).may_win(await known_fields(tx, row))
    row.contract_id = row.contract_id or new_id()
    row.account_id = row.account_id or new_id()
    row.closed_at = row.stepped_at = at
    row.won_on = won_on
    numbered = tuple(Promise(number=n, text=text) for n, text in enumerate(promises, 1))
    await tx.session.execute(delete(PromiseRow).where(PromiseRow.opportunity_id == row.id))
    tx.add(*(PromiseRow(opportunity_id=row.id, number=p.number, text=p.text) for p in numbered))
    tx.add(step(row, "won", at=at, by=by, now=now, changes=changes))
    announce(tx, DealWon, row, at, promises=numbered, **contract_terms(row))
    return row


def contract_terms(row: Opportunity) -> dict[str, Any]:
    names = ("contract_id", "mrr", "one_off", "amount", "won_on", "starts_on", "billing_starts_on", "term_months")
    return {name: getattr(row, name) for name in (*names, "account_name")}


async def reopen_deal(tx: Transaction, opportunity_id: UUID, *, by: str, at: datetime, now: datetime) -> OpportunityRow:
    """Take the result back; the history keeps why it had been lost."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, Act.REOPEN)
    at = in_order(at, now, row.stepped_at)
    write(row, dict.fromkeys(ENDING))
    row.reopenings += 1
    row.stepped_at = at
    tx.add(step(row, "reopened", at=at, by=by, now=now))
    announce(tx, DealReopened, row, at)
    return row
