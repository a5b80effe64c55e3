"""Companies found again, made, and filled; set-based, so that a file's thousand rows cost a few statements."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.marketing.commands.aliases import aliases_of
from services.marketing.commands.changes import blanks, change
from services.marketing.commands.locks import lock_spellings
from services.marketing.domain.folding import company_key
from services.marketing.domain.identity import COMPANY_RULES, CompanyKeys, Directory
from services.marketing.models import AccountRow, AliasRow
from shared.contracts.marketing import AccountCreated
from shared.database import Transaction
from shared.ids import new_id

ALIAS = "account"


@dataclass(frozen=True, slots=True)
class ToldCompany:
    """A company as somebody told of it; `values` are the account's columns."""

    at: datetime
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> CompanyKeys:
        given = self.values.get
        name = given("name")
        return CompanyKeys(
            given("external_id"), given("corporate_number"), given("domain"), company_key(name) if name else None
        )


def keys_of(row: AccountRow) -> CompanyKeys:
    return CompanyKeys(row.external_id, row.corporate_number, row.domain, row.name_key)


class Companies:
    """The companies an act may be about, found once. `by` is who tells."""

    def __init__(self, tx: Transaction, by: str) -> None:
        self._tx = tx
        self._by = by
        self._known: Directory[AccountRow] = Directory(COMPANY_RULES)
        self.rows: dict[UUID, AccountRow] = {}

    @classmethod
    async def load(cls, tx: Transaction, told: Iterable[ToldCompany], *, by: str) -> "Companies":
        """Companies nobody knows yet are locked by name, so that two acts at once make one of them."""
        found, keys = cls(tx, by), [company.keys for company in told]
        if not keys:
            return found
        await found._search(keys)
        missing = [key for key in keys if key.name and found._known.find(key) is None]
        if await lock_spellings(tx, [f"company {key.name}" for key in missing]):
            await found._search(missing)
        return found

    async def _search(self, keys: list[CompanyKeys]) -> None:
        external = [key.external_id for key in keys if key.external_id]
        aliases = await aliases_of(self._tx, ALIAS, external)
        found = await self._tx.find(
            AccountRow,
            """
            external_id = ANY($1) OR corporate_number = ANY($2) OR domain = ANY($3) OR name_key = ANY($4)
            OR id = ANY($5)
            """,
            external,
            [key.corporate_number for key in keys if key.corporate_number],
            [key.domain for key in keys if key.domain],
            [key.name for key in keys if key.name],
            list(aliases),
            lock=False,
        )
        rows = sorted(found, key=lambda row: row.created_at)
        await self.remember({row.merged_into_id for row in rows if row.merged_into_id})
        for row in rows:
            self.rows.setdefault(row.id, row)
            standing = self.rows[row.merged_into_id or row.id]
            self._known.put(keys_of(row), standing)
            if row.id in aliases:
                self._known.put(CompanyKeys(external_id=aliases[row.id]), standing)

    async def remember(self, ids: Iterable[UUID]) -> None:
        """Have the rows of these ids at hand too."""
        wanted = set(ids) - self.rows.keys()
        if wanted:
            found = await self._tx.session.scalars(select(AccountRow).where(AccountRow.id.in_(wanted)))
            self.rows |= {row.id: row for row in found}

    def put(self, keys: CompanyKeys, row: AccountRow) -> None:
        """Find it by these keys too from now on."""
        self._known.put(keys, row)

    def find(self, told: ToldCompany) -> AccountRow | None:
        return self._known.find(told.keys)

    async def keep(self, told: ToldCompany) -> tuple[AccountRow | None, bool]:
        """The company, its blanks filled, and whether it was made just now; None without a name to make it by."""
        known = self.find(told)
        if known is None:
            return (self._make(told), True) if told.values.get("name") else (None, False)
        if blanks(known, told.values):
            if known not in self._tx.session.new:
                await self._tx.session.refresh(known, with_for_update=True)
            change(self._tx, known, blanks(known, told.values), by=self._by, at=told.at)
        external = told.keys.external_id
        if external and external != known.external_id and self._known.find(CompanyKeys(external_id=external)) is None:
            self._tx.add(AliasRow(kind=ALIAS, external_id=external, target_id=known.id))
        self._known.put(keys_of(known) if not external else told.keys, known)
        return known, False

    def _make(self, told: ToldCompany) -> AccountRow:
        row = AccountRow(id=new_id(), created_at=told.at, name_key=told.keys.name, **told.values)
        self._tx.add(row)
        self._known.put(keys_of(row), row)
        self.rows[row.id] = row
        event = AccountCreated(
            account_id=row.id,
            external_id=row.external_id,
            account_name=row.name,
            corporate_number=row.corporate_number,
            domain=row.domain,
            industry=row.industry,
            segment=row.segment,
            employees=row.employees,
            prefecture=row.prefecture,
            parent_id=row.parent_id,
        )
        self._tx.announce(event, journey=row.id, at=told.at)
        return row
