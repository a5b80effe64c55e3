"""A contract told by a person, and what a person may correct of one."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.customer_success.commands.contract_desk import resolve_accounts
from services.customer_success.commands.customers import settle_customers
from services.customer_success.commands.health import judge_health
from services.customer_success.commands.ledger import lock_book
from services.customer_success.commands.tell_contracts import ContractTold, tell_contracts
from services.customer_success.commands.waiting import join_waiting
from services.customer_success.models import ContractRow, RevisionRow
from services.customer_success.schemas.contracts import ContractIn
from services.customer_success.settings import day_begins
from shared.contracts.base import DIMENSIONS
from shared.database import Transaction
from shared.errors import Refused
from shared.ids import new_id
from shared.imports.importer import Refused as RefusedRow
from shared.imports.importer import Taken
from shared.money import Money

TERMS = ("term_months", "renewal_on", "billing_starts_on", "billing_frequency", "auto_renew", "plan", "seats", "trial")


async def open_contract(tx: Transaction, body: ContractIn, *, by: str, now: datetime) -> tuple[ContractRow, bool]:
    """The contract, and whether it is new. Raises Refused with the rule that refuses."""
    names = {body.account_external_id} if body.account_external_id else set()
    accounts = await resolve_accounts(tx, names)
    told = ContractTold(
        customer_id=body.account_id or accounts[body.account_external_id or ""],
        external_id=body.external_id,
        starts_on=body.starts_on,
        opened_at=day_begins(body.starts_on),
        mrr=Money(amount=0, currency=body.mrr.currency) if body.trial else body.mrr,
        ends_on=body.ends_on,
        ended_at=day_begins(body.ends_on) if body.ends_on else None,
        reason=body.reason,
        account_external_id=body.account_external_id,
        account_name=body.account_name,
        terms={name: value for name in (*TERMS, *DIMENSIONS) if (value := getattr(body, name)) is not None},
    )
    (outcome,), (book,) = await tell_contracts(tx, [told], by=by, now=now)
    if isinstance(outcome, RefusedRow):
        raise Refused(outcome.explanation, rule=outcome.rule)
    assert book is not None, "what was not refused is a contract"
    if outcome is not Taken.UNCHANGED:
        await settle_customers(tx, {book.customer.id: book.customer}, now)
        await judge_health(tx, [book.customer.id], now)
    return book.contract, outcome is Taken.NEW


async def amend_contract(
    tx: Transaction, contract_id: UUID, given: Mapping[str, Any], *, by: str, now: datetime
) -> ContractRow:
    """A merge patch of the contract's terms: the fields given, null clears."""
    book = await lock_book(tx, contract_id)
    contract, given = book.contract, dict(given)
    if "archived" in given:
        contract.archived_at = now if given.pop("archived") else None
    changes = {name: [before, value] for name, value in given.items() if (before := getattr(contract, name)) != value}
    for name, (_, value) in changes.items():
        setattr(contract, name, value)
    if changes:
        plain = {name: [_plain(value) for value in pair] for name, pair in changes.items()}
        tx.add(RevisionRow(id=new_id(), resource_id=contract.id, resource="contract", at=now, by=by, changes=plain))
    if "external_id" in changes:
        await join_waiting(tx, [contract], [], now)
    if changes.keys() & {"seats", "renewal_on", "auto_renew", "term_months"}:
        await judge_health(tx, [contract.customer_id], now)
    return contract


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
