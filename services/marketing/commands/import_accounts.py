"""Companies from files: found again or made; a row that contradicts is an update with history."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from services.marketing.commands.changes import change
from services.marketing.commands.companies import ALIAS, Companies, ToldCompany
from services.marketing.domain.folding import company_key
from services.marketing.domain.identity import CompanyKeys
from services.marketing.models import AccountRow, AliasRow
from services.marketing.schemas.fields import corporate_number, domain
from shared.database import Transaction
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.resource import Column, Kind, Resource, Row

ACCOUNTS = Resource(
    "accounts",
    (
        Column("name", required=True, max_length=200),
        Column("external_id", Kind.KEY, max_length=120),
        Column("corporate_number", Kind.KEY),
        Column("domain", Kind.KEY),
        Column("industry", max_length=120),
        Column("employees", Kind.INTEGER, minimum=0),
        Column("prefecture", max_length=120),
        Column("segment", max_length=120),
    ),
    keys=(("external_id",), ("corporate_number",)),
)
CHECKED = {"corporate_number": corporate_number, "domain": domain}


async def load_accounts(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    told = [_told(row, context) for row in rows]
    good = [one for one in told if isinstance(one, ToldCompany)]
    companies = await Companies.load(tx, good, by=context.user)
    await _lock(tx, [known for one in good if (known := companies.find(one))])
    return [one if isinstance(one, Refused) else await _take(tx, one, companies, context) for one in told]


async def _lock(tx: Transaction, rows: Sequence[AccountRow]) -> None:
    mine = select(AccountRow).where(AccountRow.id.in_({row.id for row in rows})).order_by(AccountRow.id)
    await tx.session.execute(mine.with_for_update(), execution_options={"populate_existing": True})


def _told(row: Row, context: ImportContext) -> ToldCompany | Refused:
    values: dict[str, Any] = {column.name: row.values.get(column.name) for column in ACCOUNTS.columns}
    values = {name: value for name, value in values.items() if value is not None}
    for name, check in CHECKED.items():
        try:
            values |= {name: check(values[name])} if name in values else {}
        except ValueError as error:
            return Refused(f"not_a_{name}", str(error), name)
    return ToldCompany(context.now, values)


async def _take(tx: Transaction, told: ToldCompany, companies: Companies, context: ImportContext) -> Outcome:
    known = companies.find(told)
    if known is None:
        await companies.keep(told)
        return Taken.NEW
    values, external = dict(told.values), told.values.get("external_id")
    if external and known.external_id and external != known.external_id:
        del values["external_id"]
        if companies.find(ToldCompany(told.at, {"external_id": external})) is None:
            tx.add(AliasRow(kind=ALIAS, external_id=external, target_id=known.id))
            companies.put(CompanyKeys(external_id=external), known)
    values["name_key"] = company_key(values["name"])
    return Taken.UPDATED if change(tx, known, values, by=context.user, at=context.now) else Taken.UNCHANGED


ACCOUNTS_IMPORTER = Importer(ACCOUNTS, load_accounts)
