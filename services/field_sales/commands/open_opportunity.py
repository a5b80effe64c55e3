"""Open an opportunity that no SQL preceded, and what opening means wherever it happens."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from services.field_sales.commands import rules
from services.field_sales.commands.keep_leads import account_name, inherit, known_lead
from services.field_sales.commands.reps import credited
from services.field_sales.commands.telling import announce, step, with_account, write
from services.field_sales.commands.update_opportunity import update_opportunity
from services.field_sales.domain.lifecycle import Status
from services.field_sales.models import LeadRow, Opportunity, OpportunityRow
from shared.contracts.field_sales import OpportunityOpened
from shared.database import Transaction
from shared.errors import Refused
from shared.ids import new_id
from shared.instruments import entries

entered = entries.labels("field_sales")  # 0 from the start: a first one counts as an increase
FORECAST = "pipeline"  # what is not called otherwise
FIXED = ("external_id", "origin", "lead_id", "lead_external_id", "cycle")  # said once, when it begins


async def open_opportunity(
    tx: Transaction, given: Mapping[str, Any], *, by: str, owner: str | None, at: datetime, now: datetime
) -> tuple[OpportunityRow, bool]:
    """The opportunity, and whether it is new; an external id known already makes it an update of that one.

    `owner` is whom it is credited to when `given` names nobody. Raises NotFound for a lead that is not known.
    """
    external_id = given.get("external_id")
    known = await tx.by_external_id(OpportunityRow, external_id) if external_id else None
    if known is not None:
        return await _again(tx, known, given, by=by, at=at, now=now), False
    lead = await _lead(tx, given)
    opportunity_id = new_id()
    row = OpportunityRow(
        id=opportunity_id,
        journey=str(lead.id if lead else opportunity_id),
        external_id=external_id,
        origin=given["origin"],
        lead_id=lead.id if lead else None,
        lead_external_id=lead.external_id if lead else given.get("lead_external_id"),
        cycle=(given.get("cycle") or lead.cycle) if lead else None,
        account_id=lead.account_id if lead else None,
        regressions=0,
        reopenings=0,
    )
    if lead:
        inherit(row, lead)
    terms = {"owner": owner, **{name: value for name, value in given.items() if name not in FIXED}}
    await begin(tx, row, terms, by=by, at=at, now=now)
    tx.add(row)
    return row, True


async def _again(
    tx: Transaction, known: OpportunityRow, given: Mapping[str, Any], *, by: str, at: datetime, now: datetime
) -> OpportunityRow:
    if known.origin != given["origin"]:
        raise Refused(f"This external_id is that of an opportunity of origin {known.origin}", rule="origin_differs")
    terms = {name: value for name, value in given.items() if name not in (*FIXED, "phase")}
    return await update_opportunity(tx, known.id, terms, by=by, at=at, now=now)


async def _lead(tx: Transaction, given: Mapping[str, Any]) -> LeadRow | None:
    if lead_id := given.get("lead_id"):
        return await known_lead(tx.session, lead_id)
    if external_id := given.get("lead_external_id"):
        query = select(LeadRow).where(LeadRow.external_id == external_id)
        return await tx.session.scalar(query.order_by(LeadRow.id).limit(1))
    return None


async def begin(
    tx: Transaction, row: OpportunityRow, given: Mapping[str, Any], *, by: str, at: datetime, now: datetime
) -> None:
    """From here on it is an open opportunity: in the first phase unless another is given. Raises Invalid."""
    write(row, with_account(await credited(tx.session, given, None), row))
    row.account_name = row.account_name or await account_name(tx.session, row.account_id)
    phases = await rules.phases(tx.session, at)
    row.phase = phases.check(row.phase) if row.phase else phases.first
    row.forecast_category = row.forecast_category or FORECAST
    row.status, row.opened_at, row.stepped_at = Status.OPEN, at, at
    tx.add(step(row, "opened", at=at, by=by, now=now))
    announce(tx, OpportunityOpened, row, at, origin=row.origin, **opening_terms(row))
    tx.after_commit(entered.inc)


def opening_terms(row: Opportunity) -> dict[str, Any]:
    fields = ("mrr", "amount", "expected_close_date", "phase", "forecast_category")
    return {name: getattr(row, name) for name in fields}
