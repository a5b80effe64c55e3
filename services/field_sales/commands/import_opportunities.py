"""Opportunities from a file: history taken over with its own dates, and later files as updates of it.

One query each for what a batch of rows is about, one for the leads it names, one for the reps; then plain decisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select

from services.field_sales.commands import rules
from services.field_sales.commands.keep_leads import inherit, link
from services.field_sales.commands.reps import reps_by_word
from services.field_sales.commands.tell_history import Line, tell
from services.field_sales.commands.telling import write
from services.field_sales.domain.lifecycle import Status
from services.field_sales.domain.phases import Phases
from services.field_sales.domain.reconciliation import Contradiction, Told, facts
from services.field_sales.models import LeadRow, Opportunity, OpportunityDraft, OpportunityRow, RepRow, StepRow
from services.field_sales.schemas.reasons import LOSE, NOT_RECORDED, REASONS, recyclable
from shared.clock import day_of
from shared.database import Transaction
from shared.ids import told_id
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.resource import CURRENCY, Column, Kind, Resource, Row
from shared.money import Money

STATUSES = (Status.OFFERED, Status.OPEN, Status.WON, Status.LOST)
TEXTS = ("product", "owner", "team", "region", "segment", "industry", "price_band", "phase", "forecast_category")

OPPORTUNITIES = Resource(
    "opportunities",
    (
        Column("external_id", Kind.KEY, required=True, max_length=120),
        Column("lead_external_id", Kind.KEY, max_length=120),
        Column("account", max_length=200),
        Column("origin", Kind.CHOICE, choices=REASONS.codes("origin")),
        Column("product"),
        Column("owner", Kind.KEY, max_length=120),
        Column("team"),
        Column("region"),
        Column("segment"),
        Column("industry"),
        Column("price_band"),
        Column("status", Kind.CHOICE, required=True, choices=STATUSES),
        Column("phase", Kind.KEY),
        Column("offered_at", Kind.INSTANT),
        Column("opened_at", Kind.INSTANT),
        Column("closed_at", Kind.INSTANT),
        Column("expected_close_date", Kind.DATE),
        Column("amount", Kind.MONEY, minimum=0),
        Column("mrr", Kind.MONEY, minimum=0),
        CURRENCY,
        Column("forecast_category", Kind.CHOICE, choices=REASONS.codes("forecast_category")),
        Column("reason", Kind.CHOICE, choices=tuple(reason.code for reason in LOSE)),
    ),
    keys=(("external_id",),),
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a batch of rows is about. `offered` are SQLs that no file has named yet, by their lead."""

    opportunities: dict[str, OpportunityRow]
    offered: dict[UUID, OpportunityRow]
    leads: dict[str, LeadRow]
    reps: dict[str, RepRow]
    phases: Phases


@dataclass(frozen=True, slots=True)
class _Made:
    """What the rows of a batch make: opportunities, and lines of history."""

    drafts: list[OpportunityDraft]
    lines: list[Line]


async def load_opportunities(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    known = await _known(tx, rows, context.now)
    made = _Made([], [])
    outcomes = [_take(tx, row, known, context, made) for row in rows]
    await tx.session.flush()
    if made.drafts:
        await tx.session.execute(insert(OpportunityRow), [draft.columns() for draft in made.drafts])
    if made.lines:
        await tx.session.execute(insert(StepRow), made.lines)
    return outcomes


async def _known(tx: Transaction, rows: Sequence[Row], now: datetime) -> _Known:
    session = tx.session
    names = {told_id("opportunity", name): name for name in (row.need("external_id", str) for row in rows)}
    lead_ids = {name for row in rows if (name := row.get("lead_external_id", str))}
    owners = {name for row in rows if (name := row.get("owner", str))}
    known = or_(OpportunityRow.external_id.in_(names.values()), OpportunityRow.id.in_(names))
    query = select(OpportunityRow).where(known).order_by(OpportunityRow.id).with_for_update()
    opportunities = {row.external_id or names[row.id]: row for row in await session.scalars(query)}
    found = await session.scalars(select(LeadRow).where(LeadRow.external_id.in_(lead_ids)).order_by(LeadRow.id.desc()))
    leads = {lead.external_id or "": lead for lead in found}
    waiting = (
        select(OpportunityRow)
        .where(
            OpportunityRow.lead_id.in_([lead.id for lead in leads.values()]),
            OpportunityRow.external_id.is_(None),
            OpportunityRow.status == Status.OFFERED,
        )
        .order_by(OpportunityRow.id)
        .with_for_update()
    )
    offered = {row.lead_id: row for row in await session.scalars(waiting) if row.lead_id}
    reps = await reps_by_word(session, owners)
    return _Known(opportunities, offered, leads, reps, await rules.phases(session, now))


def _take(tx: Transaction, row: Row, known: _Known, context: ImportContext, made: _Made) -> Outcome:
    phase = row.get("phase", str)
    if phase is not None and phase not in known.phases.codes:
        return Refused("not_listed", f"one of {', '.join(known.phases.codes)}", "phase")
    told = Told(
        Status(row.need("status", str)),
        row.get("offered_at", datetime),
        row.get("opened_at", datetime),
        row.get("closed_at", datetime),
    )
    lead = known.leads.get(row.get("lead_external_id", str) or "")
    record: Opportunity | None = known.opportunities.get(row.need("external_id", str)) or _handed_over(
        row, told, lead, known
    )
    try:
        new = facts(_standing(record, told) if record else None, told, context.now)
    except Contradiction as refused:
        return Refused(refused.rule, str(refused), refused.column)
    outcome = Taken.UNCHANGED if record else Taken.NEW
    if record is None:
        record = _begin(row, told, lead)
        made.drafts.append(record)
    changes = write(record, _said(row, record, told, known, context))
    if lead is not None and isinstance(record, OpportunityRow) and record.lead_id is None:
        link(tx, record, lead, lead.cycle, by=context.user, at=_earliest(told) or context.now, now=context.now)
        outcome = Taken.UPDATED
    if changes or new:
        made.lines.extend(tell(tx, record, new, changes, context, first=outcome is Taken.NEW))
        outcome = Taken.NEW if outcome is Taken.NEW else Taken.UPDATED
    return Taken.WAITING if record.waiting_for_lead else outcome


def _handed_over(row: Row, told: Told, lead: LeadRow | None, known: _Known) -> OpportunityRow | None:
    """The SQL of the row's lead that no file has named yet, unless the row tells of an earlier time."""
    if lead is None or lead.id not in known.offered or row.get("origin", str) not in (None, "sql"):
        return None
    since, until = known.offered[lead.id].offered_at, told.opened_at or told.closed_at
    return known.offered.pop(lead.id) if not since or not until or since <= until else None


def _standing(record: Opportunity, told: Told) -> Told:
    """Where it stands. What inside sales has told of the hand-over needs no telling by field sales."""
    offered_at = told.offered_at if record.note is not None else record.offered_at
    return Told(record.status, offered_at, record.opened_at, record.closed_at)


def _earliest(told: Told) -> datetime | None:
    return min((at for at in (told.offered_at, told.opened_at, told.closed_at) if at), default=None)


def _begin(row: Row, told: Told, lead: LeadRow | None) -> OpportunityDraft:
    external_id = row.need("external_id", str)
    opportunity_id = told_id("opportunity", external_id)
    draft = OpportunityDraft(
        id=opportunity_id,
        journey=str(lead.id if lead else opportunity_id),
        external_id=external_id,
        status=told.status,
        origin=row.get("origin", str) or "sql",
        lead_id=lead.id if lead else None,
        cycle=lead.cycle if lead else None,
    )
    if lead:
        inherit(draft, lead)
    return draft


def _said(row: Row, record: Opportunity, told: Told, known: _Known, context: ImportContext) -> dict[str, Any]:
    """What the row says of the record and what follows from it; a blank cell takes nothing away."""
    said: dict[str, Any] = {
        **{name: row.get(name, str) for name in ("external_id", "lead_external_id", *TEXTS)},
        "mrr": row.get("mrr", Money),
        "amount": row.get("amount", Money),
        "expected_close_date": row.get("expected_close_date", date),
        "offered_at": told.offered_at if record.note is None else None,
        "opened_at": told.opened_at,
        "closed_at": told.closed_at,
        "status": told.status,
        **_account(record, row.get("account", str)),
    }
    if rep := known.reps.get(said["owner"] or ""):
        said["owner"] = rep.id
        said["team"] = said["team"] or (rep.team if rep.id != record.owner else None)
    return {name: value for name, value in said.items() if value is not None} | _ending(row, record, told, context)


def _account(record: Opportunity, name: str | None) -> dict[str, Any]:
    """The company by its name. One known by its id already (its lead's) only gets the name."""
    account_id = _account_id(name) if name else None
    if name is None or name == record.account_name or account_id == record.account_id:
        return {}
    if record.account_id is not None and record.account_name is None:
        return {"account_name": name}
    return {"account_name": name, "account_id": account_id}


_account_id = lru_cache(4096)(lambda name: told_id("account", name))


def _ending(row: Row, record: Opportunity, told: Told, context: ImportContext) -> dict[str, Any]:
    """What only a closed deal has, and what one that is closed no more or otherwise has no longer."""
    gone: dict[str, Any] = {}
    if told.status is not Status.LOST:
        gone |= dict.fromkeys(("reason", "recyclable", "revisit_on", "comment"))
    if told.status is not Status.WON:
        gone |= {"won_on": None}
    if told.closed_at is None:
        return gone | {"closed_at": None}
    if told.status is Status.WON:
        return gone | ({"won_on": day_of(told.closed_at, context.zone)} if told.closed_at != record.closed_at else {})
    reason = REASONS.find("lose", row.get("reason", str) or record.reason or NOT_RECORDED)
    if reason.code == record.reason:
        return gone
    return gone | {"reason": reason.code, "recyclable": recyclable(reason, None)}


IMPORTER = Importer(OPPORTUNITIES, load_opportunities)
