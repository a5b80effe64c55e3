"""Inside sales takes an MQL as its work, or sends it back to marketing with a reason."""

from datetime import datetime
from uuid import UUID

from services.inside_sales.commands.ending import Ending, end
from services.inside_sales.commands.take_up import take_up
from services.inside_sales.domain.lifecycle import Act, step_at
from services.inside_sales.models import ProspectRow
from shared import instruments
from shared.contracts.inside_sales import MqlAccepted, MqlRejected
from shared.database import Transaction

entered = instruments.entries.labels("inside_sales")  # 0 from the start: a first one counts as an increase


async def accept_mql(
    tx: Transaction, lead_id: UUID, *, by: str, told_at: datetime | None, now: datetime
) -> ProspectRow:
    """It is no contact yet: the SLA clock runs on."""
    row, status = await take_up(tx, lead_id, Act.ACCEPT, by=by)
    at = step_at(told_at, now, row.moved_at)
    row.status, row.moved_at, row.accepted_at = status, at, at
    if row.claimed_by is None:
        row.claimed_by, row.claimed_at = by, now
    row.owner = by
    tx.announce(MqlAccepted(lead_id=row.id, cycle=row.cycle, **row.dimensions), journey=row.journey, at=at)
    tx.after_commit(entered.inc)
    return row


async def reject_mql(
    tx: Transaction, lead_id: UUID, ending: Ending, *, by: str, told_at: datetime | None, now: datetime
) -> ProspectRow:
    """The cycle ends; marketing decides by `recyclable` and `revisit_on` whether another one begins."""
    row, status = await take_up(tx, lead_id, Act.REJECT, by=by)
    at = step_at(told_at, now, row.moved_at)
    row.note, row.owner, row.status = ending.note, row.claimed_by or by, status
    end(tx, row, MqlRejected, ending, at)
    return row
