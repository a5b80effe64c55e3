"""What every event of a lead says of it, as of its moment."""

from datetime import datetime
from typing import Any

from services.marketing.models import LeadRow
from shared.contracts import DIMENSIONS, LeadEvent
from shared.database import Transaction
from shared.instruments import entries

entered = entries.labels("marketing")  # 0 from the start: a first one counts as an increase


def dimensions(row: LeadRow) -> dict[str, Any]:
    names = ("external_id", "cycle", "account_id", *DIMENSIONS)
    return {"lead_id": row.id} | {name: getattr(row, name) for name in names}


def tell(tx: Transaction, event: type[LeadEvent], row: LeadRow, *, at: datetime, **more: Any) -> None:
    """Announce an event of the lead's newest cycle; `more` are its own fields, or dimensions that differ."""
    tx.announce(event(**dimensions(row) | more), journey=row.id, at=at)


def count_entry(tx: Transaction) -> None:
    """A live act brought a lead or an MQL into the funnel."""
    tx.after_commit(entered.inc)
