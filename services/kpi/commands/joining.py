"""Which departments had a part in each deal won and each contract renewed (metrics.md C5).

In a deal: whatever was done towards the person, the deal or the company until it was won. In a renewal: what was done
in the year before it. Who won or renewed had a part by that: only what the others did is looked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.projections.contributions import DEPARTMENTS, by_others
from services.kpi.projections.facts import CONTRACT_RENEWED
from shared.line import fetch

KEYS_AT_ONCE = 2000
DEALS, RENEWALS = "field_sales", "customer_success"


@dataclass
class Keys:
    """Persons, opportunities and companies of whom something changed."""

    leads: set[UUID] = field(default_factory=set)
    opportunities: set[UUID] = field(default_factory=set)
    accounts: set[UUID] = field(default_factory=set)

    def add(self, other: "Keys") -> None:
        self.leads |= other.leads
        self.opportunities |= other.opportunities
        self.accounts |= other.accounts

    def __bool__(self) -> bool:
        return bool(self.leads or self.opportunities or self.accounts)

    def parts(self) -> "Iterator[Keys]":
        """Of one kind each, and few enough to be looked up at once; in this order."""
        for keys in _portions(self.leads):
            yield Keys(leads=keys)
        for keys in _portions(self.opportunities):
            yield Keys(opportunities=keys)
        for keys in _portions(self.accounts):
            yield Keys(accounts=keys)


def _portions(keys: set[UUID]) -> Iterator[set[UUID]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), KEYS_AT_ONCE):
        yield set(ordered[start : start + KEYS_AT_ONCE])


async def join(session: AsyncSession, keys: Keys, source: str, target: str, known_at: datetime | None) -> None:
    """The rows of whose deals may have changed anew, after everything else of them was folded."""
    people = f"SELECT DISTINCT unnest(g.people) FROM unnest($1::uuid[]) AS k(id) {_people(target, 'k.id')}"
    leads = [row[0] for row in await fetch(session, people, sorted(keys.leads))]
    whose = sorted(leads), sorted(keys.opportunities), sorted(keys.accounts)
    gone = f"""
        DELETE FROM {target}.joint_deal
        WHERE lead_id = ANY($1::uuid[]) OR opportunity_id = ANY($2::uuid[]) OR account_id = ANY($3::uuid[])
    """
    await fetch(session, gone, *whose)
    known = () if known_at is None else (known_at,)
    query = _made(source, target, known="AND f.recorded_at <= $6" if known else "")
    await fetch(session, query, *whose, by_others(DEALS), by_others(RENEWALS), *known)


def _people(target: str, lead: str) -> str:
    """Joins `g.people`: the lead and everyone who is the same person. As SQL."""
    canonical = f"SELECT a.canonical_id FROM {target}.alias a WHERE a.kind = 'lead' AND a.id = {lead}"
    return f"""
        CROSS JOIN LATERAL (SELECT coalesce(({canonical}), {lead}) AS id) AS root
        CROSS JOIN LATERAL (
            SELECT array_append(array_agg(a.id), root.id) AS people FROM {target}.alias a
            WHERE a.kind = 'lead' AND a.canonical_id = root.id
        ) AS g
    """


def _made(source: str, target: str, known: str) -> str:
    """The statement: $1 to $3 whose, $4 and $5 what others contribute to a deal and to a renewal."""
    columns = "{0}.event_id, {1} AS at, {0}.lead_id, {0}.opportunity_id, {0}.account_id"
    won = f"""
        SELECT {columns.format("p", "p.at")}, '-infinity'::timestamptz AS since, '{DEALS}' AS owner,
               $4::text[] AS others
        FROM {target}.passage p WHERE p.milestone = 'won' AND
    """
    renewed = f"""
        SELECT {columns.format("f", "f.occurred_at")}, f.occurred_at - interval '1 year', '{RENEWALS}', $5::text[]
        FROM {source}.fact f WHERE f.type = '{CONTRACT_RENEWED}' {known} AND
    """
    company = "coalesce(p.account_id, p.lead_id, p.opportunity_id)"  # in the words of the index
    deals = " UNION ".join(
        (
            f"{won} p.lead_id = ANY($1::uuid[])",
            f"{won} p.opportunity_id = ANY($2::uuid[])",
            f"{won} {company} = ANY($3::uuid[]) AND p.account_id = ANY($3::uuid[])",
            f"{renewed} f.lead_id = ANY($1::uuid[])",
            f"{renewed} f.opportunity_id = ANY($2::uuid[])",
            f"{renewed} f.account_id = ANY($3::uuid[])",
        )
    )
    acts = " UNION ALL ".join(
        f"""SELECT f.type FROM {source}.fact AS f WHERE f.{key} AND f.type = ANY(d.others)
            AND f.occurred_at BETWEEN d.since AND d.at {known}"""
        for key in ("lead_id = ANY(g.people)", "opportunity_id = d.opportunity_id", "account_id = d.account_id")
    )
    had = ", ".join(
        f"CASE WHEN d.owner = '{name}' OR bool_or(starts_with(f.type, '{name}.')) THEN '{name}' END"
        for name in sorted(DEPARTMENTS)
    )
    return f"""
        INSERT INTO {target}.joint_deal (event_id, lead_id, opportunity_id, account_id, departments)
        WITH deals AS MATERIALIZED ({deals})
        SELECT d.event_id, d.lead_id, d.opportunity_id, d.account_id, h.departments
        FROM deals d {_people(target, "d.lead_id")}
        CROSS JOIN LATERAL (SELECT array_remove(ARRAY[{had}], NULL) AS departments FROM ({acts}) AS f) AS h
    """
