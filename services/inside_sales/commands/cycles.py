"""Which row a cycle of a lead lives in: the prospect while it is the current one, its history afterwards."""

from uuid import UUID

from sqlalchemy import select

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models import CYCLE_COLUMNS, ProspectCycleRow, ProspectRow
from shared.database import Transaction

Cycle = ProspectRow | ProspectCycleRow


async def locked(tx: Transaction, lead_id: UUID) -> ProspectRow | None:
    """The prospect of a lead, of the lead it was merged into, or none."""
    row = await tx.locked(ProspectRow, lead_id)
    if row is not None and row.status is Status.MERGED and row.merged_into is not None:
        return await locked(tx, row.merged_into)
    return row


async def earlier_cycle(tx: Transaction, lead_id: UUID, cycle: int) -> ProspectCycleRow | None:
    query = select(ProspectCycleRow).where(ProspectCycleRow.lead_id == lead_id, ProspectCycleRow.cycle == cycle)
    found = await tx.session.scalars(query.order_by(ProspectCycleRow.id.desc()).limit(1).with_for_update())
    return found.one_or_none()


async def find_cycle(tx: Transaction, lead_id: UUID, cycle: int) -> Cycle | None:
    """The row of that cycle, where it is known here."""
    row = await locked(tx, lead_id)
    if row is None or row.cycle == cycle:
        return row
    return await earlier_cycle(tx, row.id, cycle)


async def begin_cycle(tx: Transaction, lead_id: UUID, cycle: int, journey: str) -> Cycle:
    """The row of that cycle, made where it is not known; a newer one sends the current one into history."""
    row = await locked(tx, lead_id)
    if row is None:
        row = ProspectRow(id=lead_id, cycle=cycle, status=Status.NURTURING, journey=journey, declared=False)
        tx.add(row)
        return row
    if cycle == row.cycle or row.status is Status.ERASED:
        return row
    if cycle > row.cycle:
        archive(tx, row)
        for name in CYCLE_COLUMNS:
            setattr(row, name, None)
        row.cycle, row.status, row.journey, row.declared = cycle, Status.NURTURING, journey, False
        return row
    earlier = await earlier_cycle(tx, row.id, cycle)
    if earlier is None:
        earlier = ProspectCycleRow(lead_id=row.id, cycle=cycle, status=Status.NURTURING, journey=journey)
        tx.add(earlier)
    return earlier


def archive(tx: Transaction, row: ProspectRow) -> None:
    """Keep the current cycle as history; the row is free for another."""
    tx.add(ProspectCycleRow.of(row))
    row.taken_from = None
