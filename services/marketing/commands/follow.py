"""Following what became of a lead in the other departments, in whatever order their news comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from services.marketing.commands.company_works import end_contracts, note_work, standing_account
from services.marketing.commands.recycle import follow_end
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.standing import note, settle
from services.marketing.domain.company_work import WorkKind
from services.marketing.domain.lifecycle import Fact, Stage
from services.marketing.models import CompanyWorkRow, LeadCycleRow, LeadRow, MilestoneRow
from shared.database import Transaction


@dataclass(frozen=True, slots=True)
class About:
    """Whom a department's news is about, as far as it says."""

    lead: UUID | None = None
    cycle: int | None = None
    account: UUID | None = None


@dataclass(frozen=True, slots=True)
class Holds:
    """Somebody took a piece of work for the company, or (`ends`) put it down."""

    kind: WorkKind
    ref: object
    ends: bool = False


async def hear(tx: Transaction, about: About, fact: Fact, works: Sequence[Holds] = ()) -> None:
    """Keep the news, show where the lead stands now, and open or cancel the way back.

    News of a lead we never had is only kept: its cycles are not ours to number.
    """
    row = await _locked(tx, about.lead)
    cycle = about.cycle or (row.cycle if row else None)
    account = await standing_account(tx, about.account or (row.account_id if row else None))
    for work in works:
        moment = {"until" if work.ends else "since": fact.at}
        await note_work(tx, work.kind, work.ref, account=account, lead=about.lead, owner=fact.owner, **moment)
    if about.lead or fact.opportunity:
        note(tx, fact, lead=about.lead, cycle=cycle)
    if row and cycle:
        await _settle(tx, row, cycle, fact.at)


async def _locked(tx: Transaction, lead: UUID | None) -> LeadRow | None:
    return await tx.locked(LeadRow, lead) if lead else None


async def _settle(tx: Transaction, row: LeadRow, cycle: int, at: datetime) -> None:
    rules = await rules_in_force(tx.session, at)
    standing = await settle(tx, row, cycle, rules)
    await follow_end(tx, row, cycle, standing.end, rules)


async def link(tx: Transaction, opportunity: str, about: About) -> None:
    """The lead behind an opportunity became known: what was told of the opportunity is of this lead's cycle."""
    row = await _locked(tx, about.lead)
    loose = MilestoneRow.opportunity_id == opportunity, MilestoneRow.lead_id.is_(None)
    moved = list(await tx.session.scalars(select(MilestoneRow).where(*loose).order_by(MilestoneRow.at)))
    for told in moved:
        told.lead_id, told.cycle = about.lead, about.cycle
    work = CompanyWorkRow.kind == WorkKind.OPPORTUNITY, CompanyWorkRow.ref == opportunity
    await tx.session.execute(update(CompanyWorkRow).where(*work).values(lead_id=about.lead))
    if row and about.cycle and moved:
        await _settle(tx, row, about.cycle, moved[-1].at)


async def hold_contract(tx: Transaction, contract: str, about: About, owner: str | None, at: datetime) -> None:
    """The company is under contract from now on."""
    account = await standing_account(tx, about.account)
    await note_work(tx, WorkKind.CONTRACT, contract, account=account, lead=about.lead, owner=owner, since=at)


async def hear_of_customer(tx: Transaction, about: About, fact: Fact, *, leaves: bool) -> None:
    """A customer went quiet, or (`leaves`) has no contract any more. Who sold to the company once is asked again."""
    account = await standing_account(tx, about.account)
    if leaves and account:
        await end_contracts(tx, account, fact.at)
    if about.lead is None and account:
        about = await _who_bought(tx, account) or about
    await hear(tx, about, fact)


async def _who_bought(tx: Transaction, account: UUID) -> About | None:
    won = (
        select(LeadCycleRow.lead_id, LeadCycleRow.cycle)
        .join(LeadRow, LeadRow.id == LeadCycleRow.lead_id)
        .where(LeadRow.account_id == account, LeadCycleRow.stage.in_((Stage.WON, Stage.DORMANT)))
        .order_by(LeadCycleRow.opened_at.desc())
        .limit(1)
    )
    found = (await tx.session.execute(won)).first()
    return About(found.lead_id, found.cycle, account) if found else None
