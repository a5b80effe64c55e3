"""A cycle ends without an opportunity: somebody says so, or nobody followed up in time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from services.inside_sales.commands.ending import Ending, end
from services.inside_sales.commands.take_up import take_up
from services.inside_sales.domain.history import UNFOLLOWED
from services.inside_sales.domain.lifecycle import OPEN, Act, move, step_at
from services.inside_sales.models import ProspectRow
from shared.contracts.inside_sales import LeadDropped
from shared.database import Transaction

BATCH = 200


async def drop_prospect(
    tx: Transaction, lead_id: UUID, ending: Ending, *, by: str, told_at: datetime | None, now: datetime
) -> ProspectRow:
    row, status = await take_up(tx, lead_id, Act.DROP, by=by)
    at = step_at(told_at, now, row.moved_at)
    row.note, row.owner, row.status = ending.note, row.claimed_by or by, status
    end(tx, row, LeadDropped, ending, at)
    return row


async def drop_unfollowed(tx: Transaction, now: datetime) -> int:
    """Drop what nobody contacted within SLA × factor; returns how many. What somebody works on right now is skipped."""
    overdue = (
        select(ProspectRow)
        .where(ProspectRow.status.in_(OPEN), ProspectRow.first_contact_at.is_(None), ProspectRow.unfollowed_at <= now)
        .order_by(ProspectRow.unfollowed_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = list(await tx.session.scalars(overdue))
    for row in rows:
        row.status = move(row.status, Act.DROP)
        end(tx, row, LeadDropped, Ending(UNFOLLOWED, recyclable=True), step_at(None, now, row.moved_at))
    return len(rows)
