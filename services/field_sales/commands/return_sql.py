"""Send the SQL back to inside sales, with a reason (差し戻し)."""

from datetime import date, datetime
from uuid import UUID

from services.field_sales.commands.telling import announce, step
from services.field_sales.domain.lifecycle import Act, in_order, move
from services.field_sales.models import OpportunityRow
from shared.contracts.field_sales import SqlReturned
from shared.database import Transaction


async def return_sql(
    tx: Transaction,
    opportunity_id: UUID,
    reason: str,
    *,
    recyclable: bool,
    revisit_on: date | None,
    note: str | None,
    by: str,
    at: datetime,
    now: datetime,
) -> OpportunityRow:
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, Act.RETURN)
    in_order(at, row.stepped_at)
    row.reason, row.recyclable, row.revisit_on, row.comment = reason, recyclable, revisit_on, note
    row.closed_at = row.stepped_at = at
    tx.add(step(row, "returned", at=at, by=by, now=now, reason=reason, note=note))
    announce(tx, SqlReturned, row, at, reason=reason, recyclable=recyclable, revisit_on=revisit_on)
    return row
