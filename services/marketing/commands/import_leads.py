"""People from files, with their own dates: found again or made; a row that contradicts is an update with history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.marketing.commands.announcing import tell
from services.marketing.commands.capture import Told, make_lead, remember_alias
from services.marketing.commands.changes import change
from services.marketing.commands.companies import Companies, ToldCompany
from services.marketing.commands.mqls import make_mql, mark_mql
from services.marketing.commands.people import People, folded_keys, keys_of, load_people, told_keys
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.domain.identity import PersonKeys
from services.marketing.domain.rules import Rules
from services.marketing.models import LeadCycleRow, LeadRow
from shared.contracts.marketing import LeadCreated, LeadUpdated
from shared.database import Transaction
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.resource import Column, Kind, Resource, Row

OWN = (
    *("name", "name_kana", "department", "job_title", "channel", "campaign", "content", "segment", "industry"),
    *("product", "price_band", "region", "owner"),
)
LEADS = Resource(
    "leads",
    (
        Column("external_id", Kind.KEY, max_length=120),
        Column("email", Kind.EMAIL),
        Column("phone", Kind.KEY, max_length=40),
        Column("company", max_length=200),
        *(Column(name, max_length=200 if name.startswith("name") else 120) for name in OWN),
        Column("consent", Kind.BOOLEAN),
        Column("created_at", Kind.INSTANT, required=True),
        Column("mql_at", Kind.INSTANT),
        Column("score", Kind.INTEGER),
    ),
    keys=(("external_id",), ("email",)),
    one_of=(("external_id", "email"),),
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One row; `score` and `mql_at` are what another system found, not what our rules would."""

    told: Told
    mql_at: datetime | None
    score: int | None


_Made = tuple[LeadRow, LeadCycleRow, _Line]


async def load_leads(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    """Everything new is written once, with its score."""
    with tx.session.no_autoflush:
        return await _load(tx, rows, context)


async def _load(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    lines = [_line(row) for row in rows]
    companies = await Companies.load(tx, [line.told.company for line in lines if line.told.company], by=context.user)
    people = await load_people(tx, [_keys(line.told, companies) for line in lines])
    rules = await rules_in_force(tx.session, context.now)
    outcomes: list[Outcome] = []
    made: list[_Made] = []
    stale: dict[UUID, LeadRow] = {}
    for line in lines:
        known = people.find(_keys(line.told, companies))
        if known is None:
            made.append(await _make(tx, line, companies, people))
            outcomes.append(Taken.NEW)
            continue
        if known in tx.session.new:  # told twice in these rows, under two ids
            await _announce(tx, made, companies, rules)
            await tx.session.flush()
            made.clear()
        outcome = await _update(tx, known, line, companies, people, context, rules)
        outcomes.append(outcome)
        if outcome is Taken.UPDATED and line.score is None:
            stale[known.id] = known
    await _announce(tx, made, companies, rules)
    if stale:
        await score_leads(tx, list(stale.values()), rules.scoring, at=dict.fromkeys(stale, context.now))
    return outcomes


def _line(row: Row) -> _Line:
    at = row.need("created_at", datetime)
    values: dict[str, Any] = {name: row.values.get(name) for name in ("external_id", "email", "phone", *OWN)}
    if (consent := row.get("consent", bool)) is not None:
        values |= {"consent": consent, "consent_at": at}
    values = {name: value for name, value in values.items() if value is not None}
    company = {"name": row.get("company", str)} | {name: values.get(name) for name in ("industry", "segment")}
    company = {name: value for name, value in company.items() if value is not None}
    told = Told(at, values, ToldCompany(at, company) if "name" in company else None)
    return _Line(told, row.get("mql_at", datetime), row.get("score", int))


def _keys(told: Told, companies: Companies) -> PersonKeys:
    known = companies.find(told.company) if told.company else None
    return told_keys(told.values, known.id if known else None)


async def _make(tx: Transaction, line: _Line, companies: Companies, people: People) -> _Made:
    company, _ = await companies.keep(line.told.company) if line.told.company else (None, False)
    row, first = make_lead(tx, line.told, company.id if company else None, companies)
    people.put(keys_of(row), row)
    return row, first, line


async def _announce(tx: Transaction, made: Sequence[_Made], companies: Companies, rules: Rules) -> None:
    """New leads as they were then; what no other system scored is scored by what is known of it."""
    if not made:
        return
    rows = [row for row, _, _ in made]
    ids, at = {row.id for row in rows}, {row.id: row.created_at for row in rows}
    await score_leads(tx, rows, rules.scoring, at=at, untouched=ids, accounts=companies.rows)
    for row, first, line in made:
        row.score = row.score if line.score is None else line.score
        tell(tx, LeadCreated, row, at=line.told.at, score=row.score)
        if line.mql_at:
            mark_mql(tx, row, first, rules, at=line.mql_at, live=False)


async def _update(
    tx: Transaction,
    known: LeadRow,
    line: _Line,
    companies: Companies,
    people: People,
    context: ImportContext,
    rules: Rules,
) -> Outcome:
    if known.erased_at:
        return Refused("erased", "this person was erased", "external_id")
    values, external = dict(line.told.values), line.told.values.get("external_id")
    if external and known.external_id and external != known.external_id:
        remember_alias(tx, known, PersonKeys(external_id=external), people)
        del values["external_id"]
    if known.consent == values.get("consent"):
        values.pop("consent_at", None)  # it was given before this file told of it
    if line.told.company:
        company, _ = await companies.keep(line.told.company)
        values["account_id"] = company.id if company else known.account_id
    if line.score is not None:
        values["score"] = line.score
    changed = change(tx, known, values | folded_keys(values), by=context.user, at=context.now)
    earlier = await _earlier(tx, known, line.told.at, context)
    if changed:
        people.put(keys_of(known), known)
        tell(tx, LeadUpdated, known, at=context.now)
    if line.mql_at and known.mql_at is None and known.cycle == 1:
        await make_mql(tx, known, rules, at=line.mql_at, live=False)
        return Taken.UPDATED
    return Taken.UPDATED if changed or earlier else Taken.UNCHANGED


async def _earlier(tx: Transaction, known: LeadRow, at: datetime, context: ImportContext) -> bool:
    """They were a lead before we knew: of a stage's times the earliest told holds, so it is told again."""
    if at >= known.created_at:
        return False
    change(tx, known, {"created_at": at}, by=context.user, at=context.now)
    first = await tx.session.get(LeadCycleRow, (known.id, 1))
    if first:
        first.opened_at = min(at, first.opened_at)
    if known.cycle == 1:
        known.cycle_opened_at = at
    tell(tx, LeadCreated, known, at=at, cycle=1, score=known.score)
    return True


LEADS_IMPORTER = Importer(LEADS, load_leads)
