"""Recompute what facts touch: a person's way with their opportunities, then the accounts behind them.

The caches of everything touched are replaced by what the pure folds say of all its facts, so it does not matter in
which order, how late or how often they came.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi import models
from services.kpi.commands.joining import Keys, join
from services.kpi.commands.storing import cache_row, facts_by, facts_of, insert, insert_all, won_with
from services.kpi.models import LIVE
from services.kpi.projections import facts as told
from services.kpi.projections.accounts import Account, fold_account
from services.kpi.projections.contributions import CONTRIBUTIONS
from services.kpi.projections.days import fold_days, fold_weeks
from services.kpi.projections.facts import Fact
from services.kpi.projections.identity import ACCOUNT, LEAD, fold_aliases, journeys
from services.kpi.projections.journeys import Journey, fold_journey
from services.kpi.projections.rows import Alias
from shared.line import fetch

T = TypeVar("T")
FOLDS_AT_ONCE = 200
SUMS: Mapping[str, tuple[Table, Callable[[Iterable[Fact]], Sequence[object]]]] = {
    told.VISITS_RECORDED: (models.visit_day, fold_days),
    told.SPEND_RECORDED: (models.spend_day, fold_days),
    told.USAGE_SUMMARISED: (models.use_week, fold_weeks),
}
# Tables that grow fast are planned for by old statistics; the right plan for a few hundred keys is always the index.
BY_INDEX = """
SELECT set_config(name, $1, true)
FROM unnest(ARRAY['enable_hashjoin', 'enable_material', 'enable_mergejoin', 'enable_seqscan']) AS name
"""


class Keyed(Protocol):
    """As much of a fact as says what it touches."""

    @property
    def type(self) -> str: ...
    @property
    def lead_id(self) -> UUID | None: ...
    @property
    def opportunity_id(self) -> UUID | None: ...
    @property
    def account_id(self) -> UUID | None: ...
    @property
    def reference(self) -> str | None: ...


@dataclass
class Touched:
    """What must be folded anew. `deals`: towards whom something was done."""

    leads: set[UUID] = field(default_factory=set)
    opportunities: set[UUID] = field(default_factory=set)
    accounts: set[UUID] = field(default_factory=set)
    sums: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    deals: Keys = field(default_factory=Keys)
    merges: bool = False

    def add(self, fact: Keyed) -> None:
        if fact.type in told.JOURNEY_TYPES:
            self.leads.update(filter(None, [fact.lead_id]))
            self.opportunities.update(filter(None, [fact.opportunity_id]))
        if fact.type in told.ACCOUNT_TYPES and fact.account_id:
            self.accounts.add(fact.account_id)
        if fact.type in SUMS and fact.reference:
            self.sums[fact.type].add(fact.reference)
        if fact.type in CONTRIBUTIONS:
            self.deals.leads.update(filter(None, [fact.lead_id]))
            self.deals.opportunities.update(filter(None, [fact.opportunity_id]))
            self.deals.accounts.update(filter(None, [fact.account_id]))
        self.merges |= fact.type in told.MERGE_TYPES

    @classmethod
    def by(cls, facts: Iterable[Keyed]) -> "Touched":
        found = cls()
        for fact in facts:
            found.add(fact)
        return found

    def parts(self) -> "Iterator[Touched]":
        """In portions, each folded before the next; who is the same first, accounts and who had a part in a deal when
        all journeys are there."""
        yield Touched(merges=self.merges)
        for keys in Keys(self.leads, self.opportunities, self.accounts).parts():
            yield Touched(keys.leads, keys.opportunities, keys.accounts)
        # A journey is joined as it is folded.
        rest = self.deals.leads - self.leads, self.deals.opportunities - self.opportunities, self.deals.accounts
        for deals in Keys(*rest).parts():
            yield Touched(deals=deals)
        yield Touched(sums=self.sums)


class Folding:
    """Folds what was touched. Facts are read from one schema, caches written to another; `known_at` cuts the facts."""

    def __init__(
        self,
        session: AsyncSession,
        zone: tzinfo,
        *,
        source: str = LIVE,
        target: str = LIVE,
        known_at: datetime | None = None,
    ) -> None:
        self._session, self._zone = session, zone
        self._source, self._target, self._known_at = source, target, known_at

    async def fold(self, touched: Touched) -> None:
        await fetch(self._session, BY_INDEX, "off")
        accounts, deals = set(touched.accounts), Keys()
        deals.add(touched.deals)
        if touched.merges:
            changed = await self._aliases()
            accounts |= {one for alias in changed if alias.kind == ACCOUNT for one in (alias.id, alias.canonical_id)}
            deals.leads |= {one for alias in changed if alias.kind == LEAD for one in (alias.id, alias.canonical_id)}
        if touched.leads or touched.opportunities:
            ways = await self._journeys(touched.leads, touched.opportunities)
            accounts |= ways.accounts
            deals.add(Keys(ways.leads, ways.opportunities))
        if accounts:
            await self._accounts(accounts)
        if deals:
            await join(self._session, deals, self._source, self._target, self._known_at)
        for kind, keys in touched.sums.items():
            await self._sums(kind, keys)
        await fetch(self._session, BY_INDEX, "on")

    def _known(self, facts: Iterable[Fact]) -> list[Fact]:
        return [fact for fact in facts if self._known_at is None or fact.recorded_at <= self._known_at]

    async def _aliases(self) -> set[Alias]:
        """Who is the same, anew; returns what changed by it."""
        query = f"DELETE FROM {self._target}.alias RETURNING kind, id, canonical_id"
        before = {Alias(*row) for row in await fetch(self._session, query)}
        merges = self._known(await facts_of(self._session, told.MERGE_TYPES, self._source))
        after = set(fold_aliases(merges))
        await insert(self._session, models.alias, map(cache_row, after), self._target)
        return before ^ after

    async def _journeys(self, leads: set[UUID], opportunities: set[UUID]) -> Keys:
        """Returns whose they are, with the customers of every deal won, before and after."""
        facts = await self._connected(leads, opportunities)
        leads = leads | {fact.lead_id for fact in facts if fact.lead_id}
        opportunities = opportunities | {fact.opportunity_id for fact in facts if fact.opportunity_id}
        found = [fold_journey(group) async for group in _calmly(journeys(self._known(facts)))]
        customers = await self._forget_journeys(leads, opportunities)
        await self._store_journeys(found)
        won = (passage for way in found for passage in way.passages if passage.milestone == "won")
        return Keys(leads, opportunities, customers | {passage.customer for passage in won if passage.customer})

    async def _connected(self, leads: set[UUID], opportunities: set[UUID]) -> list[Fact]:
        """All facts of these and of whatever shares a person or an opportunity with them, however far."""
        found: dict[UUID, Fact] = {}
        seen = {"lead_id": set[UUID](), "opportunity_id": set[UUID]()}
        asked = {"lead_id": leads, "opportunity_id": opportunities}
        while any(asked.values()):
            rows: list[Fact] = []
            for column, keys in asked.items():
                if keys:
                    rows += await facts_by(self._session, column, keys, told.JOURNEY_TYPES, self._source)
                    seen[column] |= keys
            found.update((fact.id, fact) for fact in rows)
            asked = {
                column: {key for fact in rows if (key := getattr(fact, column))} - known
                for column, known in seen.items()
            }
        return list(found.values())

    async def _forget_journeys(self, leads: set[UUID], opportunities: set[UUID]) -> set[UUID]:
        query = f"""
            WITH states AS (DELETE FROM {self._target}.opportunity_state WHERE opportunity_id = ANY($2::uuid[])),
            places AS (DELETE FROM {self._target}.place WHERE lead_id = ANY($1::uuid[])),
            appointments AS (DELETE FROM {self._target}.appointment WHERE opportunity_id = ANY($2::uuid[]))
            DELETE FROM {self._target}.passage WHERE milestone NOT IN ('customer', 'onboarded')
            AND (lead_id = ANY($1::uuid[]) OR opportunity_id = ANY($2::uuid[]))
            RETURNING milestone, coalesce(account_id, lead_id, opportunity_id)
        """
        gone = await fetch(self._session, query, sorted(leads), sorted(opportunities))
        return {customer for milestone, customer in gone if milestone == "won"}

    async def _store_journeys(self, found: list[Journey]) -> None:
        await insert_all(
            self._session,
            {
                models.passage: [cache_row(row) for way in found for row in way.passages],
                models.opportunity_state: [cache_row(row) for way in found for row in way.states],
                models.place: [cache_row(row) for way in found for row in way.places],
                models.appointment: [cache_row(row) for way in found for row in way.appointments],
            },
            self._target,
        )

    async def _accounts(self, accounts: set[UUID]) -> None:
        groups = await self._groups(accounts)
        members = {member: root for root, ids in groups.items() for member in ids}
        facts: defaultdict[UUID, list[Fact]] = defaultdict(list)
        for fact in self._known(await facts_by(self._session, "account_id", members, told.ACCOUNT_TYPES, self._source)):
            if fact.account_id:
                facts[members[fact.account_id]].append(fact)
        deals = defaultdict(list)
        for deal in await won_with(self._session, members, self._target):
            if deal.customer:
                deals[members[deal.customer]].append(deal)
        await self._forget_accounts(sorted(members))
        folded = [fold_account(root, facts[root], deals[root], self._zone) async for root in _calmly(groups)]
        await self._store_accounts(folded)

    async def _groups(self, accounts: set[UUID]) -> dict[UUID, set[UUID]]:
        """Each company by its canonical id, with everyone who is the same."""
        query = f"""
            WITH roots AS (
                SELECT DISTINCT coalesce(a.canonical_id, k.id) AS root FROM unnest($1::uuid[]) AS k(id)
                LEFT JOIN {self._target}.alias a ON a.kind = 'account' AND a.id = k.id
            )
            SELECT r.root, a.id FROM roots r
            LEFT JOIN {self._target}.alias a ON a.kind = 'account' AND a.canonical_id = r.root
        """
        groups: dict[UUID, set[UUID]] = {}
        for root, member in await fetch(self._session, query, sorted(accounts)):
            groups.setdefault(root, {root}).update(filter(None, [member]))
        return groups

    async def _forget_accounts(self, members: list[UUID]) -> None:
        for table, where in (
            ("movement", "account_id"),
            ("customer_span", "account_id"),
            ("term", "account_id"),
            ("passage", "milestone IN ('customer', 'onboarded') AND coalesce(account_id, lead_id, opportunity_id)"),
        ):
            query = f"DELETE FROM {self._target}.{table} WHERE {where} = ANY($1::uuid[])"
            await fetch(self._session, query, members)

    async def _store_accounts(self, found: list[Account]) -> None:
        await insert_all(
            self._session,
            {
                models.movement: [cache_row(row) for account in found for row in account.movements],
                models.customer_span: [cache_row(row) for account in found for row in account.spans],
                models.passage: [cache_row(row) for account in found for row in account.passages],
                models.term: [cache_row(row) for account in found for row in account.terms],
            },
            self._target,
        )

    async def _sums(self, kind: str, keys: set[str]) -> None:
        table, fold = SUMS[kind]
        facts = self._known(await facts_by(self._session, "reference", keys, {kind}, self._source))
        query = f"DELETE FROM {self._target}.{table.name} WHERE key = ANY($1::text[])"
        await fetch(self._session, query, sorted(keys))
        await insert(self._session, table, map(cache_row, fold(facts)), self._target)


async def _calmly(things: Iterable[T]) -> AsyncIterator[T]:
    """Let others have the loop while many things are folded."""
    for number, thing in enumerate(things):
        if number % FOLDS_AT_ONCE == FOLDS_AT_ONCE - 1:
            await asyncio.sleep(0)
        yield thing
