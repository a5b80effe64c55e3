"""People found again (名寄せ), and the lead that stands for them."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from services.marketing.commands.aliases import aliases_of
from services.marketing.commands.locks import lock_spellings
from services.marketing.domain.folding import email_key, name_key, phone_key
from services.marketing.domain.identity import PERSON_RULES, Directory, PersonKeys
from services.marketing.models import LeadRow
from shared.database import Transaction
from shared.errors import Refused

ALIAS = "lead"
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
    aliases = await aliases_of(tx, ALIAS, external)
    rows = await _candidates(tx, keys, external, aliases)
    standing = {row.id: row for row in rows}
    if further := {row.merged_into_id for row in rows if row.merged_into_id} - standing.keys():
        standing |= {row.id: row for row in await tx.find(LeadRow, "id = ANY($1)", list(further))}
    people: People = Directory(PERSON_RULES)
    for row in sorted(rows, key=lambda row: (row.created_at, row.id)):
        people.put(keys_of(row), standing[row.stands_for])
        if row.id in aliases:
            people.put(PersonKeys(external_id=aliases[row.id]), standing[row.stands_for])
    return people


async def _candidates(
    tx: Transaction, keys: list[PersonKeys], external: set[str], aliases: Iterable[UUID]
) -> list[LeadRow]:
    named = [key for key in keys if key.name and key.account]
    return await tx.find(
        LeadRow,
        """
        external_id = ANY($1) OR id = ANY($2) OR email_key = ANY($3) OR phone_key = ANY($4)
        OR (name_key = ANY($5) AND account_id = ANY($6))
        """,
        list(external),
        list(aliases),
        [key.email for key in keys if key.email],
        [key.phone for key in keys if key.phone],
        [key.name for key in named],
        [key.account for key in named],
    )


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
    merged = await tx.fetch("SELECT id, merged_into_id FROM lead WHERE merged_into_id = ANY($1)", list(wanted))
    return {lead_id: lead_id for lead_id in wanted} | {row["id"]: row["merged_into_id"] for row in merged}
