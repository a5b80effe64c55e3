"""Capture (リード獲得): a person is found again or becomes a lead, set-based, for one as for a thousand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.marketing.commands.announcing import count_entry, tell
from services.marketing.commands.changes import blanks, change
from services.marketing.commands.companies import Companies, ToldCompany
from services.marketing.commands.company_works import works_of
from services.marketing.commands.mqls import others, qualify_by_score
from services.marketing.commands.people import ALIAS, Gone, People, folded_keys, keys_of, load_people, told_keys
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.commands.touches import cycle_at, make_touch, tell_touch
from services.marketing.domain.company_work import Work, joined
from services.marketing.domain.identity import PersonKeys
from services.marketing.domain.lifecycle import Stage
from services.marketing.domain.rules import Rules
from services.marketing.models import AliasRow, LeadCycleRow, LeadRow, TouchRow
from shared.contracts import DIMENSIONS
from shared.contracts.marketing import LeadCreated, LeadUpdated
from shared.database import Transaction
from shared.ids import new_id

AGAIN = "form"  # the kind of touch when a known person fills in a form once more
OF_THE_COMPANY = ("industry", "segment")  # what a new lead takes over from its company


@dataclass(frozen=True, slots=True)
class Told:
    """A person as somebody told of them. `values` are the lead's columns; `account` is known, `company` is found."""

    at: datetime
    values: dict[str, Any] = field(default_factory=dict)
    company: ToldCompany | None = None
    account: UUID | None = None


@dataclass
class Captured:
    """`company` is the name of theirs, `works` what it already has with us, `joins` the one of it a new lead joins."""

    row: LeadRow
    new: bool
    at: datetime
    touch: TouchRow | None = None
    updated: bool = False
    company: str | None = None
    works: list[Work] = field(default_factory=list)
    joins: Work | None = None


async def capture_leads(tx: Transaction, told: Sequence[Told], *, by: str, now: datetime) -> list[Captured]:
    """One answer for each, in order. Raises Gone where an erased person is told of by their external id."""
    rules = await rules_in_force(tx.session, now)
    companies = await Companies.load(tx, [one.company for one in told if one.company], by=by)
    await companies.remember({one.account for one in told if one.account})
    people = await load_people(tx, [_keys(one, companies) for one in told])
    with tx.session.no_autoflush:  # a lead is written once, with its score
        found = [await _take(tx, one, companies, people, by) for one in told]
        await _join(tx, found, rules)
        rows = list({one.row.id: one.row for one in found}.values())
        await companies.remember({row.account_id for row in rows if row.account_id})
        judged = await score_leads(
            tx,
            rows,
            rules.scoring,
            at={one.row.id: one.at for one in found},
            untouched={one.row.id for one in found if one.new},
            unstored=[one.touch for one in found if one.touch],
            accounts=companies.rows,
        )
    for one in found:
        one.company = companies.rows[one.row.account_id].name if one.row.account_id else None
        _announce(tx, one)
    await qualify_by_score(tx, rows, judged, rules)
    return found


def _account(told: Told, companies: Companies) -> UUID | None:
    known = companies.find(told.company) if told.company else None
    return told.account or (known.id if known else None)


def _keys(told: Told, companies: Companies) -> PersonKeys:
    return told_keys(told.values, _account(told, companies))


async def _take(tx: Transaction, told: Told, companies: Companies, people: People, by: str) -> Captured:
    keys = _keys(told, companies)
    known = people.find(keys)
    account = told.account
    if account is None and told.company and (known is None or known.account_id is None):
        made, _ = await companies.keep(told.company)
        account = made.id if made else None
    if known is None:
        row, _ = make_lead(tx, told, account, companies)
        people.put(keys_of(row), row)
        return Captured(row, True, told.at)
    if known.erased_at:
        raise Gone("This person was erased and is not taken in again under the same external id")
    remember_alias(tx, known, keys, people)
    values = blanks(known, told.values | {"account_id": account})
    if known.consent is not None:
        values = {name: value for name, value in values.items() if not name.startswith("consent")}
    filled = change(tx, known, values | folded_keys(values), by=by, at=told.at)
    known.archived_at = None  # who comes back is not put away any more
    people.put(keys_of(known), known)
    origin = {name: told.values.get(name) for name in ("channel", "campaign", "content")}
    touch = make_touch(known, AGAIN, told.at, by=by, cycle=await cycle_at(tx, known, told.at), **origin)
    tx.add(touch)
    return Captured(known, False, told.at, touch, updated=bool(filled & {*DIMENSIONS, "account_id", "external_id"}))


def make_lead(tx: Transaction, told: Told, account: UUID | None, companies: Companies) -> tuple[LeadRow, LeadCycleRow]:
    """A lead in its first cycle. Nothing is announced yet: it is scored first."""
    values = {name: value for name, value in told.values.items() if value is not None}
    row = LeadRow(
        id=new_id(),
        created_at=told.at,
        account_id=account,
        cycle=1,
        cycle_opened_at=told.at,
        stage=Stage.NURTURING,
        **values,
        **folded_keys(values),
    )
    if account and account in companies.rows:
        for name in OF_THE_COMPANY:
            setattr(row, name, getattr(row, name) or getattr(companies.rows[account], name))
    first = LeadCycleRow(lead_id=row.id, cycle=1, opened_at=told.at, stage=Stage.NURTURING)
    tx.add(row, first)
    return row, first


def remember_alias(tx: Transaction, known: LeadRow, keys: PersonKeys, people: People) -> None:
    """Somebody calls this person by a second external id."""
    external = keys.external_id
    if external and known.external_id and people.find(PersonKeys(external_id=external)) is None:
        tx.add(AliasRow(kind=ALIAS, external_id=external, target_id=known.id))
        people.put(PersonKeys(external_id=external), known)


async def _join(tx: Transaction, found: Sequence[Captured], rules: Rules) -> None:
    """A lead of a company that somebody works for already joins that work, by rule, and gets its owner."""
    works = await works_of(tx, [one.row.account_id for one in found])
    for one in found:
        one.works = others(works[one.row.account_id], one.row, {}) if one.row.account_id else []
        one.joins = joined(one.works, rules.company)
        if one.joins and one.new:
            one.row.joins_kind, one.row.joins_ref = one.joins.kind, one.joins.ref
            one.row.owner = one.row.owner or one.joins.owner


def _announce(tx: Transaction, one: Captured) -> None:
    if one.new:
        tell(tx, LeadCreated, one.row, at=one.at, score=one.row.score)
        count_entry(tx)
    if one.updated:
        tell(tx, LeadUpdated, one.row, at=one.at)
    if one.touch:
        one.touch.score = one.row.score
        tell_touch(tx, one.row, one.touch)
