"""Changing what is known of a lead: with history, scored anew, told to the others."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.marketing.commands.announcing import tell
from services.marketing.commands.changes import change
from services.marketing.commands.companies import Companies, ToldCompany
from services.marketing.commands.mqls import qualify_by_score
from services.marketing.commands.people import Gone, folded_keys, lock_lead
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.models import LeadRow
from shared.contracts.marketing import LeadUpdated
from shared.database import Transaction
from shared.errors import Refused


class KnownPerson(Refused):
    """The address belongs to another lead: merge the two."""

    rule, title = "known_person", "Another lead has this e-mail address"


async def update_lead(
    tx: Transaction,
    lead_id: UUID,
    values: dict[str, Any],
    *,
    company: ToldCompany | None,
    by: str,
    at: datetime,
) -> LeadRow:
    """`values` are columns, a None clears. Raises NotFound, Gone, KnownPerson."""
    row = await lock_lead(tx, lead_id)
    if row.erased_at:
        raise Gone("This person was erased")
    if company:
        companies = await Companies.load(tx, [company], by=by)
        made, _ = await companies.keep(company)
        values = values | {"account_id": made.id if made else row.account_id}
    keys = folded_keys(values)
    if keys.get("email_key"):
        await _refuse_known(tx, row, keys)
    if not change(tx, row, values | keys, by=by, at=at):
        return row
    rules = await rules_in_force(tx.session, at)
    judged = await score_leads(tx, [row], rules.scoring, at={row.id: at})
    tell(tx, LeadUpdated, row, at=at)
    if not row.archived_at:
        await qualify_by_score(tx, [row], judged, rules)
    return row


async def _refuse_known(tx: Transaction, row: LeadRow, keys: dict[str, str | None]) -> None:
    taken = select(LeadRow.id, LeadRow.merged_into_id).where(LeadRow.email_key == keys["email_key"])
    other = (await tx.session.execute(taken.where(LeadRow.id != row.id))).first()
    if other is None:
        return
    if other.merged_into_id != row.id:
        raise KnownPerson("Merge the two leads instead", lead_id=str(other.merged_into_id or other.id))
    del keys["email_key"]  # the merged lead keeps the key, so that taking them apart is exact
