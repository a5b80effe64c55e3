"""How every act on a prospect begins: the row locked, the move judged, the holder asked."""

from uuid import UUID

from services.inside_sales.domain.lifecycle import Act, IllegalMove, Status, held, move
from services.inside_sales.models import ProspectRow
from shared.database import Transaction


async def take_up(tx: Transaction, lead_id: UUID, act: Act, *, by: str | None = None) -> tuple[ProspectRow, Status]:
    """The locked row and the status `act` leads to; `by` must hold the work where somebody does.

    Raises NotFound as long as marketing's word of the lead has not arrived, IllegalMove, HeldByOther, Stale.
    """
    row = await tx.lock(ProspectRow, lead_id, retry_after=1)
    if row.status is Status.MERGED:
        raise IllegalMove(f"The work goes on with lead {row.merged_into}", rule="merged", lead_id=row.merged_into)
    status = move(row.status, act, owner=row.claimed_by)
    if by is not None:
        held(row.claimed_by, by)
    return row, status
