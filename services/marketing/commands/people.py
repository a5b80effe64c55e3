"""People found again (名寄せ), and the lead that stands for them."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, or_, select

from services.marketing.commands.locks import lock_spellings
from services.marketing.domain.folding import email_key, name_key, phone_key
from services.marketing.domain.identity import PERSON_RULES, Directory, PersonKeys
from services.marketing.models import LeadRow
from shared.database import Transaction
from shared.errors import Refused

ALIAS = "lead"
_ALIASES = "SELECT target_id, external_id FROM alias WHERE kind = $1 AND external_id = ANY($2)"
People = Directory[LeadRow]


class Gone(Refused):
    """The person was erased, or the lead was put away."""

    rule = "erased"


def folded_keys(values: Mapping[str, Any]) -> dict[str, str | None]:
    """The `_key` columns that go with these columns of a lead."""
    found: dict[str, str | None] = {}
    for name, fold in (("email", email_key), ("phone", phone_key), ("name", name_key)):
        if name in values:
            found[f"{name}_key"] = (fold(values[name]) or None) if values[name] else None
    return found


def told_keys(values: Mapping[str, Any], account: UUID | None) -> PersonKeys:
    keys = folded_keys(values).get
    return PersonKeys(values.get("external_id"), keys("email_key"), keys("phone_key"), keys("name_key"), account)


def keys_of(row: LeadRow) -> PersonKeys:
    return PersonKeys(row.external_id, row.email_key, row.phone_key, row.name_key, row.account_id)


async def load_people(tx: Transaction, told: Iterable[PersonKeys]) -> People:
    """Everybody these keys may mean, locked; a merged lead is found as the one that stands for it.

    An e-mail address and an external id are unique in the database. Who has only a phone or a name is locked by it, so
    that two acts at once make one lead.
    """
    keys = list(told)
    weak = [f"phone {key.phone}" for key in keys if key.phone]
    await lock_spellings(tx, weak + [f"name {key.name} {key.account}" for key in keys if key.name and key.account])
    external = {key.external_id for key in keys if key.external_id}
    aliases: dict[UUID, str] = {}
    if external:
        aliases = {row["target_id"]: row["external_id"] for row in await tx.fetch(_ALIASES, ALIAS, list(external))}
    rows = await _locked(tx, _candidates(keys, external, aliases))
    standing = {row.id: row for row in rows}
    if further := {row.merged_into_id for row in rows if row.merged_into_id} - standing.keys():
        standing |= {row.id: row for row in await _locked(tx, select(LeadRow).where(LeadRow.id.in_(further)))}
    people: People = Directory(PERSON_RULES)
    for row in sorted(rows, key=lambda row: (row.created_at, row.id)):
        people.put(keys_of(row), standing[row.stands_for])
        if row.id in aliases:
            people.put(PersonKeys(external_id=aliases[row.id]), standing[row.stands_for])
    return people


async def _locked(tx: Transaction, query: Select[LeadRow]) -> list[LeadRow]:
    """In the order of their ids, so that two acts cannot deadlock."""
    options = {"populate_existing": True}
    return list(await tx.session.scalars(query.order_by(LeadRow.id).with_for_update(), execution_options=options))


def _candidates(keys: list[PersonKeys], external: set[str], aliases: Iterable[UUID]) -> Select[LeadRow]:
    emails = {key.email for key in keys if key.email}
    phones = {key.phone for key in keys if key.phone}
    named = [key for key in keys if key.name and key.account]
    conditions = [
        *([LeadRow.external_id.in_(external), LeadRow.id.in_(aliases)] if external else ()),
        *([LeadRow.email_key.in_(emails)] if emails else ()),
        *([LeadRow.phone_key.in_(phones)] if phones else ()),
    ]
    if named:
        names, accounts = {key.name for key in named}, {key.account for key in named}
        conditions.append(and_(LeadRow.name_key.in_(names), LeadRow.account_id.in_(accounts)))
    return select(LeadRow).where(or_(False, *conditions))


async def lock_lead(tx: Transaction, lead_id: UUID) -> LeadRow:
    """The lead that stands for this person now, locked. Raises NotFound, Stale."""
    row = await tx.locked(LeadRow, lead_id)
    while row is not None and row.merged_into_id is not None:
        lead_id = row.merged_into_id
        row = await tx.locked(LeadRow, lead_id)
    return await tx.lock(LeadRow, lead_id)


def refuse_gone(row: LeadRow) -> None:
    """Raises Gone for an erased or archived lead: nobody may be worked with who asked to be forgotten."""
    if row.erased_at:
        raise Gone("This person was erased")
    if row.archived_at:
        raise Gone("This lead is archived", rule="archived")


async def family(tx: Transaction, lead_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Every lead that is one of these persons, and the one that stands for it."""
    wanted = set(lead_ids)
    query = select(LeadRow.id, LeadRow.merged_into_id).where(LeadRow.merged_into_id.in_(wanted))
    merged = {row.id: row.merged_into_id for row in await tx.session.execute(query)}
    return {lead_id: lead_id for lead_id in wanted} | merged
