"""Who works on a prospect: claimed, released, or given the best of the queue."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.inside_sales.commands.take_up import take_up
from services.inside_sales.domain.lifecycle import Act, Status, held, move
from services.inside_sales.domain.priority import QueueRule
from services.inside_sales.models import RULES, ProspectRow, read_thresholds
from services.inside_sales.models.queue import held_back, ordered
from shared.database import Transaction
from shared.errors import NotFound


async def claim(tx: Transaction, lead_id: UUID, *, by: str, assigned: bool, at: datetime) -> ProspectRow:
    """`by` works on it from now on; `assigned` by somebody who may take it from whoever has it. Raises HeldByOther."""
    row, status = await take_up(tx, lead_id, Act.CLAIM)
    if not assigned:
        held(row.claimed_by, by)
    if row.claimed_by != by:
        row.claimed_by, row.owner, row.claimed_at = by, by, at
    row.status = status
    return row


async def release(tx: Transaction, lead_id: UUID, *, by: str) -> ProspectRow:
    """It is free for others. Raises HeldByOther, IllegalMove `not_claimed`."""
    row, status = await take_up(tx, lead_id, Act.RELEASE, by=by)
    if row.claimed_by is None:
        move(Status.WAITING, Act.RELEASE)
    row.claimed_by = row.claimed_at = row.owner = None
    row.status = status
    return row


async def claim_next(tx: Transaction, within: Mapping[str, str], *, by: str, now: datetime) -> ProspectRow:
    """The best released prospect of the queue is `by`'s; of two who ask at once each gets another one.

    Raises NotFound: `queue_empty`, or `nothing_released` where the valve holds all that waits.
    """
    queue = await RULES.in_force(tx.session, QueueRule, now)
    needed = await read_thresholds(tx.session)
    free = ordered(queue.rule, needed, now, within, held=False).where(ProspectRow.claimed_by.is_(None))
    best = free.limit(1).with_for_update(of=ProspectRow, skip_locked=True).execution_options(populate_existing=True)
    row: ProspectRow | None = await tx.session.scalar(best)
    if row is None:
        if await tx.session.scalar(held_back(queue.rule, needed, within)):
            raise NotFound("The valve holds everything that waits; see /v1/valve", rule="nothing_released")
        raise NotFound("Nothing waits for work", rule="queue_empty")
    row.claimed_by, row.owner, row.claimed_at = by, by, now
    row.status = move(row.status, Act.CLAIM)
    return row
