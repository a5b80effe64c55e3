"""Open opportunities that no SQL preceded, and what opening means wherever it happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.field_sales.commands import rules
from services.field_sales.commands.keep_leads import here, inherit
from services.field_sales.commands.reps import credit, reps_by_word
from services.field_sales.commands.telling import announce, step, with_account, write
from services.field_sales.commands.update_opportunity import update_opportunity
from services.field_sales.domain.lifecycle import Status
from services.field_sales.domain.phases import Phases
from services.field_sales.models import AccountRow, LeadRow, Opportunity, OpportunityRow, RepRow
from shared.contracts.field_sales import OpportunityOpened
from shared.database import Transaction
from shared.errors import Refused
from shared.ids import new_id
from shared.instruments import entries

entered = entries.labels("field_sales")  # 0 from the start: a first one counts as an increase
FORECAST = "pipeline"  # what is not called otherwise
FIXED = ("external_id", "origin", "lead_id", "lead_external_id", "cycle")  # said once, when it begins


@dataclass(frozen=True, slots=True)
class Opening:
    """What is said of one, and when it was opened."""

    given: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    """What openings are about: by external id, by id and by external id, by id and by name, by id."""

    opportunities: dict[str, OpportunityRow]
    leads: dict[UUID | str, LeadRow]
    reps: dict[str, RepRow]
    companies: dict[UUID, str]


async def open_opportunities(
    tx: Transaction, told: Sequence[Opening], *, by: str, owner: str | None, now: datetime
) -> list[tuple[OpportunityRow, bool]]:
    """Each opportunity, and whether it is new; an external id known already makes it an update of that one.

    `owner` is whom it is credited to when `given` names nobody. Raises NotFound for a lead that is not known.
    """
    known = await _known(tx.session, told, owner)
    found = []
    for opening in told:
        external_id = opening.given.get("external_id")
        if row := known.opportunities.get(external_id or ""):
            await tx.session.flush()  # it may have been opened just now
            found.append((await _again(tx, row, opening, by=by, now=now), False))
            continue
        row = _new(opening.given, known, owner)
        begin(tx, row, await rules.phases(tx.session, opening.at), by=by, at=opening.at, now=now)
        tx.add(row)
        found.append((row, True))
        if external_id:
            known.opportunities[external_id] = row
    return found


async def _known(session: AsyncSession, told: Sequence[Opening], owner: str | None) -> _Known:
    """One query for each kind."""

    def said(name: str) -> set[Any]:
        return {opening.given[name] for opening in told if opening.given.get(name)}

    ours = select(OpportunityRow).where(OpportunityRow.external_id.in_(said("external_id")))
    opportunities = await session.scalars(ours.order_by(OpportunityRow.id).with_for_update())
    named = or_(LeadRow.id.in_(said("lead_id")), LeadRow.external_id.in_(said("lead_external_id")))
    leads = list(await session.scalars(select(LeadRow).where(named).order_by(LeadRow.id.desc())))
    accounts = said("account_id") | {lead.account_id for lead in leads if lead.account_id}
    companies = await session.scalars(select(AccountRow).where(AccountRow.id.in_(accounts)))
    return _Known(
        {row.external_id: row for row in opportunities if row.external_id},
        {lead.external_id: lead for lead in leads if lead.external_id} | {lead.id: lead for lead in leads},
        await reps_by_word(session, said("owner") | ({owner} if owner else set())),
        {company.id: company.name for company in companies},
    )


async def _again(tx: Transaction, known: OpportunityRow, opening: Opening, *, by: str, now: datetime) -> OpportunityRow:
    if known.origin != opening.given["origin"]:
        raise Refused(f"This external_id is that of an opportunity of origin {known.origin}", rule="origin_differs")
    terms = {name: value for name, value in opening.given.items() if name not in (*FIXED, "phase")}
    return await update_opportunity(tx, known.id, terms, by=by, at=opening.at, now=now)


def _new(given: Mapping[str, Any], known: _Known, owner: str | None) -> OpportunityRow:
    lead = known.leads.get(given.get("lead_id") or given.get("lead_external_id") or "")
    if given.get("lead_id"):
        lead = here(lead, given["lead_id"])
    opportunity_id = new_id()
    row = OpportunityRow(
        id=opportunity_id,
        journey=str(lead.id if lead else opportunity_id),
        external_id=given.get("external_id"),
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
    write(row, with_account(credit(terms, known.reps, None), row))
    if row.account_id:
        row.account_name = row.account_name or known.companies.get(row.account_id)
    return row


def begin(tx: Transaction, row: OpportunityRow, phases: Phases, *, by: str, at: datetime, now: datetime) -> None:
    """From here on it is an open opportunity: in the first phase unless it has one. Raises Invalid."""
    row.phase = phases.check(row.phase) if row.phase else phases.first
    row.forecast_category = row.forecast_category or FORECAST
    row.status, row.opened_at, row.stepped_at = Status.OPEN, at, at
    tx.add(step(row, "opened", at=at, by=by, now=now))
    announce(tx, OpportunityOpened, row, at, origin=row.origin, **opening_terms(row))
    tx.after_commit(entered.inc)


def opening_terms(row: Opportunity) -> dict[str, Any]:
    fields = ("mrr", "amount", "expected_close_date", "phase", "forecast_category")
    return {name: getattr(row, name) for name in fields}
