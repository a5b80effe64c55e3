"""Contracts from a file: `shared.imports` reads it, these rows become contracts and amendments."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from services.customer_success.commands.amendments import Amendment
from services.customer_success.commands.contract_desk import resolve_accounts
from services.customer_success.commands.tell_contracts import ContractTold, Told, tell_contracts
from services.customer_success.settings import REASONS
from shared.clock import start_of_day
from shared.database import Transaction
from shared.imports.importer import ImportContext, Importer, Outcome
from shared.imports.resource import CURRENCY, Column, Kind, Resource, Row
from shared.money import Money

REASON_CODES = tuple(dict.fromkeys((*REASONS.codes("churn"), *REASONS.codes("change"))))
FREQUENCIES = ("monthly", "quarterly", "semiannual", "annual", "multi_year", "once")
AMENDED = ("plan", "seats", "billing_frequency")

CONTRACTS = Resource(
    "contracts",
    (
        Column("external_id", Kind.KEY, required=True, max_length=120),
        Column("account_external_id", Kind.KEY, required=True, max_length=120),
        Column("account_name", max_length=200),
        Column("industry", max_length=120),
        Column("segment", max_length=120),
        Column("plan", max_length=120),
        Column("start_date", Kind.DATE, required=True),
        Column("end_date", Kind.DATE),
        Column("term_months", Kind.INTEGER, minimum=1, maximum=120),
        Column("mrr", Kind.MONEY, required=True, minimum=0),
        CURRENCY,
        Column("seats", Kind.INTEGER, minimum=0),
        Column("trial", Kind.BOOLEAN),
        Column("billing_frequency", Kind.CHOICE, choices=FREQUENCIES),
        Column("auto_renew", Kind.BOOLEAN),
        Column("change_of", Kind.KEY, max_length=120),
        Column("reason", Kind.CHOICE, choices=REASON_CODES),
    ),
    keys=(("external_id",),),
)
TERMS = ("plan", "seats", "term_months", "trial", "billing_frequency", "auto_renew")
SLICES = ("industry", "segment")


async def load_contracts(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    """A contract opens at the start of its first day in the file's zone, and is gone at the start of its last."""
    accounts = await resolve_accounts(tx, {row.need("account_external_id", str) for row in rows})
    told: list[Told] = [
        _amendment(row, context) if row.get("change_of", str) else _contract(row, context, accounts) for row in rows
    ]
    outcomes, _ = await tell_contracts(tx, told, by=context.user, now=context.now)
    return outcomes


def _contract(row: Row, context: ImportContext, accounts: Mapping[str, UUID]) -> ContractTold:
    name = row.need("account_external_id", str)
    terms = _terms(row) | {slice_: value for slice_ in SLICES if (value := row.get(slice_, str))}
    ends_on = row.get("end_date", date)
    return ContractTold(
        customer_id=accounts[name],
        external_id=row.need("external_id", str),
        starts_on=row.need("start_date", date),
        opened_at=start_of_day(row.need("start_date", date), context.zone),
        mrr=_mrr(row),
        ends_on=ends_on,
        ended_at=start_of_day(ends_on, context.zone) if ends_on else None,
        reason=row.get("reason", str),
        account_external_id=name,
        account_name=row.get("account_name", str),
        terms=terms,
    )


def _amendment(row: Row, context: ImportContext) -> Amendment:
    ends_on = row.get("end_date", date)
    return Amendment(
        external_id=row.need("external_id", str),
        change_of=row.need("change_of", str),
        at=start_of_day(row.need("start_date", date), context.zone),
        mrr=_mrr(row),
        ended_at=start_of_day(ends_on, context.zone) if ends_on else None,
        ends_on=ends_on,
        reason=row.get("reason", str),
        terms={name: value for name, value in _terms(row).items() if name in AMENDED},
    )


def _mrr(row: Row) -> Money:
    """A trial pays nothing, whatever its list price."""
    mrr = row.need("mrr", Money)
    return Money(amount=0, currency=mrr.currency) if row.get("trial", bool) else mrr


def _terms(row: Row) -> dict[str, Any]:
    return {name: row.values[name] for name in TERMS if name in row.values}


IMPORTER = Importer(CONTRACTS, load_contracts)
