"""What every end of a cycle without an opportunity does alike."""

from dataclasses import dataclass
from datetime import date, datetime

from services.inside_sales.models import ProspectRow
from shared.contracts.inside_sales import LeadDropped, MqlRejected
from shared.database import Transaction


@dataclass(frozen=True, slots=True)
class Ending:
    """Why, and whether and from when on marketing may begin another cycle."""

    reason: str
    recyclable: bool
    revisit_on: date | None = None
    note: str | None = None


def end(
    tx: Transaction, row: ProspectRow, kind: type[LeadDropped] | type[MqlRejected], ending: Ending, at: datetime
) -> None:
    row.moved_at = row.ended_at = at
    said = {"reason": ending.reason, "recyclable": ending.recyclable, "revisit_on": ending.revisit_on}
    row.reason, row.recyclable, row.revisit_on = ending.reason, ending.recyclable, ending.revisit_on
    tx.announce(kind(lead_id=row.id, cycle=row.cycle, **said, **row.dimensions), journey=row.journey, at=at)
