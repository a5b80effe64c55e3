"""Take the SQL as an opportunity (有効商談)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.field_sales.commands import rules
from services.field_sales.commands.open_opportunity import begin
from services.field_sales.commands.reps import credited
from services.field_sales.commands.telling import write
from services.field_sales.domain.lifecycle import Act, in_order, move
from services.field_sales.models import OpportunityRow
from shared.database import Transaction


async def accept_sql(
    tx: Transaction,
    opportunity_id: UUID,
    given: Mapping[str, Any],
    *,
    by: str,
    owner: str | None,
    at: datetime,
    now: datetime,
) -> OpportunityRow:
    """`owner` is whom it is credited to when neither `given` nor the appointment names anybody."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, Act.ACCEPT)
    at = in_order(at, now, row.stepped_at)
    write(row, await credited(tx.session, {"owner": row.owner or owner, **given}, None))
    begin(tx, row, await rules.phases(tx.session, at), by=by, at=at, now=now)
    return row
