"""One journey: a person's whole way through every department, with every event, by any id they are known by."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import told_id

KINDS = ("lead", "opportunity", "account")
_NAMED = """
SELECT DISTINCT lead_id, opportunity_id, account_id FROM fact
WHERE reference = :name OR lead_id = :lead OR opportunity_id = :opportunity OR account_id = :account
"""
_SAME = """
SELECT x.id FROM alias a JOIN alias b ON b.kind = a.kind AND b.canonical_id = a.canonical_id
CROSS JOIN LATERAL (VALUES (b.id), (b.canonical_id)) AS x(id)
WHERE a.kind = 'lead' AND (a.id = ANY(:leads) OR a.canonical_id = ANY(:leads))
"""
_OPPORTUNITIES = """
SELECT DISTINCT opportunity_id, lead_id, account_id FROM opportunity_state
WHERE lead_id = ANY(:leads) OR opportunity_id = ANY(:opportunities)
"""
_MINE = """
(f.lead_id = ANY(:leads) OR f.opportunity_id = ANY(:opportunities)
 OR (f.account_id = ANY(:accounts) AND f.lead_id IS NULL AND f.opportunity_id IS NULL))
"""
_EVENTS = f"""
SELECT event_id AS id, type, publisher, occurred_at, recorded_at, source, sequence, lead_id, cycle, opportunity_id,
       account_id, contract_id, data FROM fact f WHERE {_MINE} {{after}}
ORDER BY occurred_at, recorded_at, sequence, event_id LIMIT :limit
"""
_AFTER = """
AND (f.occurred_at, f.recorded_at, f.sequence, f.event_id) >
    (SELECT c.occurred_at, c.recorded_at, c.sequence, c.event_id FROM fact c WHERE c.event_id = :after)
"""
_ENTRIES = f"""
SELECT milestone, at, until, lead_id, cycle, opportunity_id, account_id, reason, event_id
FROM passage f WHERE {_MINE} ORDER BY at, milestone
"""
_PLACES = """
SELECT lead_id, cycle, place, at AS since, revisit_on FROM place
WHERE lead_id = ANY(:leads) AND until IS NULL ORDER BY lead_id, cycle
"""


@dataclass
class Keys:
    """The ids of everything one journey consists of."""

    leads: set[UUID] = field(default_factory=set)
    opportunities: set[UUID] = field(default_factory=set)
    accounts: set[UUID] = field(default_factory=set)

    @property
    def bound(self) -> dict[str, list[UUID]]:
        return {"leads": list(self.leads), "opportunities": list(self.opportunities), "accounts": list(self.accounts)}


async def find(session: AsyncSession, given: str) -> Keys | None:
    """By an id of ours or, with `ext:`, of another system; None where nothing was ever told of it."""
    name = given.removeprefix("ext:")
    if name != given:
        ids = {kind: told_id(kind, name) for kind in KINDS}
    else:
        try:
            ids = dict.fromkeys(KINDS, UUID(given))
        except ValueError:
            return None
    keys = Keys()
    for row in await session.execute(text(_NAMED), {"name": name if name != given else None, **ids}):
        keys.leads.update(filter(None, [row.lead_id]))
        keys.opportunities.update(filter(None, [row.opportunity_id]))
        if row.account_id == ids["account"] or not (row.lead_id or row.opportunity_id):
            keys.accounts.update(filter(None, [row.account_id]))
    if not (keys.leads or keys.opportunities or keys.accounts):
        return None
    return await _joined(session, keys)


async def _joined(session: AsyncSession, keys: Keys) -> Keys:
    """With everyone who is the same person, their opportunities and the customers these made."""
    keys.leads |= set((await session.scalars(text(_SAME), {"leads": list(keys.leads)})).all())
    bound = {"leads": list(keys.leads), "opportunities": list(keys.opportunities)}
    for row in await session.execute(text(_OPPORTUNITIES), bound):
        keys.opportunities.add(row.opportunity_id)
        keys.leads.update(filter(None, [row.lead_id]))
        keys.accounts.update(filter(None, [row.account_id]))
    return keys


async def events(session: AsyncSession, keys: Keys, *, limit: int, after: UUID | None) -> list[dict[str, Any]]:
    """In the order they occurred, whoever told them."""
    query = _EVENTS.format(after=_AFTER if after else "")
    bound = {**keys.bound, "limit": limit, **({"after": after} if after else {})}
    return [dict(row._mapping) for row in await session.execute(text(query), bound)]


async def entries(session: AsyncSession, keys: Keys) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in await session.execute(text(_ENTRIES), keys.bound)]


async def places(session: AsyncSession, keys: Keys) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in await session.execute(text(_PLACES), {"leads": list(keys.leads)})]
