"""Joining two leads that are one person (統合), and taking them apart again exactly (統合の取り消し).

Touches, cycles and milestones keep the lead they were told of; reading joins them. So nothing has to move back.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from services.marketing.commands.changes import change
from services.marketing.commands.mqls import refuse_before
from services.marketing.commands.people import Gone
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.domain.personal import PERSONAL
from services.marketing.models import LeadMergeRow, LeadRow
from shared.contracts import DIMENSIONS
from shared.contracts.marketing import LeadMerged, LeadUnmerged
from shared.database import Transaction
from shared.errors import NotFound, Refused
from shared.ids import new_id

FILLED = (*PERSONAL, *DIMENSIONS, "content", "account_id", "utm", "consent", "consent_source", "consent_at")


class AlreadyMerged(Refused):
    rule, title = "already_merged", "These two are one person already"


class NotMerged(Refused):
    rule, title = "not_merged", "These two are not merged"


async def _lock_both(tx: Transaction, one: UUID, other: UUID) -> tuple[LeadRow, LeadRow]:
    """The two leads themselves, `one` being what an If-Match speaks of; raises NotFound, Stale."""
    expected, tx.if_match = tx.if_match, None
    rows: dict[UUID, LeadRow] = {}
    for lead_id in sorted({one, other}):  # in one order, so that two merges cannot deadlock
        tx.if_match = expected if lead_id == one else None
        rows[lead_id] = await tx.lock(LeadRow, lead_id)
    return rows[one], rows[other]


async def _person(tx: Transaction, lead_id: UUID) -> UUID:
    row = await tx.session.get(LeadRow, lead_id, populate_existing=True)
    if row is None:
        raise NotFound(f"LeadRow {lead_id} is not known here")
    return row.stands_for


async def merge_leads(tx: Transaction, lead_id: UUID, merged_id: UUID, *, by: str, at: datetime) -> LeadRow:
    """The first stands for both from now on. Raises NotFound, AlreadyMerged, Gone, BeforePreviousStep."""
    standing_id, other_id = await _person(tx, lead_id), await _person(tx, merged_id)
    if standing_id == other_id:
        raise AlreadyMerged("A lead is not merged with itself" if lead_id == merged_id else "")
    row, other = await _lock_both(tx, standing_id, other_id)
    for one in (row, other):
        if one.erased_at:
            raise Gone("This person was erased")
        if one.merged_into_id:
            raise AlreadyMerged("One of them was merged a moment ago")
        refuse_before(at, one.created_at, "Becoming a lead")
    filled = {name: getattr(other, name) for name in FILLED if getattr(row, name) is None}
    filled = {name: value for name, value in filled.items() if value is not None}
    change(tx, row, filled, by=by, at=at)
    followers = list(await tx.session.scalars(select(LeadRow).where(LeadRow.merged_into_id == other.id)))
    for follower in (other, *followers):
        follower.merged_into_id = row.id
    merge = LeadMergeRow(id=new_id(), lead_id=row.id, merged_lead_id=other.id, merged_at=at, by=by)
    merge.filled, merge.followed = sorted(filled), [str(follower.id) for follower in followers]
    tx.add(merge)
    for journey in (row.id, other.id):
        tx.announce(LeadMerged(lead_id=row.id, merged_lead_id=other.id), journey=journey, at=at)
    await tx.session.flush()  # touches are counted as the leads are stored
    await score_leads(tx, [row], (await rules_in_force(tx.session, at)).scoring, at={row.id: at})
    return row


async def unmerge_leads(tx: Transaction, lead_id: UUID, merged_id: UUID | None, *, by: str, at: datetime) -> LeadRow:
    """They were two people after all; without `merged_id` the lead merged last. Raises NotMerged."""
    merge = await _merge_of(tx, lead_id, merged_id)
    row, other = await _lock_both(tx, merge.lead_id, merge.merged_lead_id)
    await tx.session.refresh(merge, with_for_update=True)
    if merge.unmerged_at:
        raise NotMerged
    refuse_before(at, merge.merged_at, "The merge")
    kept = {name: None for name in merge.filled if getattr(row, name) == getattr(other, name)}
    change(tx, row, kept, by=by, at=at)
    standing = other.merged_into_id
    other.merged_into_id, merge.unmerged_at = None, at
    wanted = [UUID(follower) for follower in merge.followed]
    mine = LeadRow.id.in_(wanted), LeadRow.merged_into_id == standing
    for follower in await tx.session.scalars(select(LeadRow).where(*mine)):
        follower.merged_into_id = other.id
    for journey in (row.id, other.id):
        tx.announce(LeadUnmerged(lead_id=row.id, merged_lead_id=other.id), journey=journey, at=at)
    scoring = (await rules_in_force(tx.session, at)).scoring
    await tx.session.flush()
    await score_leads(tx, [row, other], scoring, at={row.id: at, other.id: at})
    return row


async def _merge_of(tx: Transaction, lead_id: UUID, merged_id: UUID | None) -> LeadMergeRow:
    """The merge in force. The path may name the merged lead itself."""
    query = select(LeadMergeRow).where(LeadMergeRow.unmerged_at.is_(None)).order_by(LeadMergeRow.merged_at.desc())
    if merged_id and merged_id != lead_id:
        query = query.where(LeadMergeRow.merged_lead_id == merged_id)
    else:
        query = query.where((LeadMergeRow.lead_id == lead_id) | (LeadMergeRow.merged_lead_id == lead_id))
    found = (await tx.session.scalars(query.limit(1))).first()
    if found is None or (
        merged_id and lead_id not in (found.lead_id, found.merged_lead_id, await _person(tx, merged_id))
    ):
        raise NotMerged("No merge of these two is in force")
    return found
