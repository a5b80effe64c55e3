"""The activity history (活動履歴): each touch counts into the score, and may make the MQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from services.marketing.commands.announcing import tell
from services.marketing.commands.mqls import qualify_by_score
from services.marketing.commands.people import lock_lead, refuse_gone
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.domain.personal import IDENTIFYING, shareable
from services.marketing.models import LeadCycleRow, LeadRow, TouchRow
from shared.contracts.marketing import TouchRecorded
from shared.database import Transaction
from shared.errors import Refused
from shared.ids import new_id


class OtherLead(Refused):
    rule, title = "external_id_taken", "This external id is another lead's touch"


def make_touch(
    row: LeadRow,
    kind: str,
    at: datetime,
    *,
    by: str,
    cycle: int | None = None,
    content: str | None = None,
    note: str | None = None,
    channel: str | None = None,
    campaign: str | None = None,
    external_id: str | None = None,
) -> TouchRow:
    secrets = [getattr(row, name) for name in IDENTIFYING]
    return TouchRow(
        id=new_id(),
        lead_id=row.id,
        cycle=cycle or row.cycle,
        kind=kind,
        created_at=at,
        content=content,
        shared=content is None or shareable(content, secrets),
        note=note,
        channel=channel,
        campaign=campaign,
        external_id=external_id,
        by=by,
    )


def tell_touch(tx: Transaction, row: LeadRow, touch: TouchRow) -> None:
    """With the channel and campaign of the touch, where it has its own."""
    own = {name: value for name in ("channel", "campaign") if (value := getattr(touch, name))}
    content = touch.content if touch.shared else None
    more = {"touch_id": touch.id, "kind": touch.kind, "content": content, "score": touch.score}
    tell(tx, TouchRecorded, row, at=touch.created_at, cycle=touch.cycle, **more, **own)


async def cycle_at(tx: Transaction, row: LeadRow, at: datetime) -> int:
    """The cycle a moment belongs to; what was before the first belongs to the first."""
    if at >= row.cycle_opened_at:
        return row.cycle
    mine = LeadCycleRow.lead_id == row.id, LeadCycleRow.opened_at <= at
    return await tx.session.scalar(select(func.max(LeadCycleRow.cycle)).where(*mine)) or 1


async def record_touch(
    tx: Transaction,
    lead_id: UUID,
    kind: str,
    at: datetime,
    *,
    by: str,
    content: str | None = None,
    note: str | None = None,
    channel: str | None = None,
    campaign: str | None = None,
    external_id: str | None = None,
) -> tuple[TouchRow, bool, bool]:
    """The touch, whether it is new, and whether it made the lead an MQL. Raises NotFound, Gone, OtherLead."""
    row = await lock_lead(tx, lead_id)
    refuse_gone(row)
    if external_id:
        told = await tx.by_external_id(TouchRow, external_id)
        if told and told.lead_id not in (row.id, lead_id):
            raise OtherLead
        if told:
            return told, False, False
    touch = make_touch(
        row,
        kind,
        at,
        by=by,
        cycle=await cycle_at(tx, row, at),
        content=content,
        note=note,
        channel=channel,
        campaign=campaign,
        external_id=external_id,
    )
    rules = await rules_in_force(tx.session, at)
    judged = await score_leads(tx, [row], rules.scoring, at={row.id: at}, unstored=[touch])
    touch.score = row.score
    tx.add(touch)
    tell_touch(tx, row, touch)
    return touch, True, bool(await qualify_by_score(tx, [row], judged, rules))
