"""Campaigns kept."""

from datetime import date
from typing import Any
from uuid import UUID

from services.marketing.domain.campaigns import CampaignStatus, move
from services.marketing.models import CampaignRow
from shared.database import Transaction
from shared.errors import Invalid
from shared.ids import new_id


async def keep_campaign(tx: Transaction, values: dict[str, Any]) -> tuple[CampaignRow, bool]:
    """A new campaign, or the one with this external id as it is now told; and whether it is new."""
    external = values.get("external_id")
    known = await tx.by_external_id(CampaignRow, external) if external else None
    if known:
        return await update_campaign(tx, known.id, values), False
    row = CampaignRow(id=new_id(), **{"status": CampaignStatus.PLANNED} | values)
    _refuse_backwards(row.starts_on, row.ends_on)
    tx.add(row)
    return row, True


async def update_campaign(tx: Transaction, campaign_id: UUID, values: dict[str, Any]) -> CampaignRow:
    """`values` are columns, a None clears. Raises NotFound, IllegalStatus, Invalid."""
    row = await tx.lock(CampaignRow, campaign_id)
    if "status" in values:
        move(CampaignStatus(row.status), CampaignStatus(values["status"]))
    for name, value in values.items():
        setattr(row, name, value)
    _refuse_backwards(row.starts_on, row.ends_on)
    return row


def _refuse_backwards(starts: date | None, ends: date | None) -> None:
    if starts and ends and ends < starts:
        raise Invalid("ends_on", "lies before starts_on")
