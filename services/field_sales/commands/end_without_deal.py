"""An opportunity ends without a deal: the SQL goes back to inside sales (差し戻し), or the deal is lost (失注)."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.field_sales.commands.telling import announce, step
from services.field_sales.domain.lifecycle import Act, in_order, move
from services.field_sales.models import OpportunityRow
from shared.contracts.field_sales import DealLost, SqlReturned
from shared.database import Transaction


@dataclass(frozen=True, slots=True)
class Ending:
    """Why, and whether and from when on marketing may begin another cycle."""

    reason: str
    recyclable: bool
    revisit_on: date | None
    note: str | None


async def return_sql(
    tx: Transaction, opportunity_id: UUID, ending: Ending, *, by: str, at: datetime, now: datetime
) -> OpportunityRow:
    row, at = await _end(tx, opportunity_id, Act.RETURN, "returned", ending, by=by, at=at, now=now)
    announce(tx, SqlReturned, row, at, **_told(ending))
    return row


async def lose_deal(
    tx: Transaction, opportunity_id: UUID, ending: Ending, *, by: str, at: datetime, now: datetime
) -> OpportunityRow:
    row, at = await _end(tx, opportunity_id, Act.LOSE, "lost", ending, by=by, at=at, now=now)
    announce(tx, DealLost, row, at, amount=row.amount, **_told(ending))
    return row


async def _end(
    tx: Transaction,
    opportunity_id: UUID,
    act: Act,
    called: str,
    ending: Ending,
    *,
    by: str,
    at: datetime,
    now: datetime,
) -> tuple[OpportunityRow, datetime]:
    """The opportunity, and when it ended."""
    row = await tx.lock(OpportunityRow, opportunity_id, retry_after=1)
    row.status = move(row.status, act)
    at = in_order(at, now, row.stepped_at)
    row.reason, row.recyclable, row.revisit_on = ending.reason, ending.recyclable, ending.revisit_on
    row.comment = ending.note
    row.closed_at = row.stepped_at = at
    tx.add(step(row, called, at=at, by=by, now=now, reason=ending.reason, note=ending.note))
    return row, at


def _told(ending: Ending) -> dict[str, object]:
    return {"reason": ending.reason, "recyclable": ending.recyclable, "revisit_on": ending.revisit_on}
