"""Contracts told from outside a deal, one by one or by the thousand: an existing book, a file, a correction.

What is told is compared with what is known. The same again changes nothing; something else is an update: the step it
contradicts is superseded, and what the world was told is brought in line at the instants it holds from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.customer_success.commands.amendments import Amendment, Books, amend, join_amendments
from services.customer_success.commands.contract_desk import lay_out
from services.customer_success.commands.health import mark_stale
from services.customer_success.commands.ledger import Book, note_step, settle_contract, supersede
from services.customer_success.commands.waiting import join_waiting
from services.customer_success.domain.calendar import add_months, next_renewal
from services.customer_success.domain.contracts import Status
from services.customer_success.domain.timeline import Kind
from services.customer_success.models import ContractRow, CustomerRow, RevisionRow
from services.customer_success.settings import company_day
from shared.contracts.base import DIMENSIONS
from shared.database import Transaction
from shared.ids import new_id, told_id
from shared.imports.importer import Outcome, Refused, Taken
from shared.money import Money

UNSETTLED = {"unsettled": True}
FROM_CUSTOMER = ("journey", "lead_id", "lead_external_id", "cycle", *DIMENSIONS)


@dataclass(frozen=True, slots=True)
class ContractTold:
    """`customer_id` is whose it is. `terms` are columns of the contract and hold only what was told.

    Without `external_id` it is a contract nobody can tell again.
    """

    customer_id: UUID
    external_id: str | None
    starts_on: date
    opened_at: datetime
    mrr: Money
    ends_on: date | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    account_external_id: str | None = None
    account_name: str | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)


Told = ContractTold | Amendment


async def tell_contracts(
    tx: Transaction, told: Sequence[Told], *, by: str, now: datetime
) -> tuple[list[Outcome], list[Book | None]]:
    """What became of each row, and the contract it is about. The customers are left to be settled."""
    wanted = {row.customer_id: _known_of(row) | UNSETTLED for row in told if isinstance(row, ContractTold)}
    names = {row.external_id for row in told if row.external_id}
    names |= {row.change_of for row in told if isinstance(row, Amendment)}
    customers, books = await lay_out(tx, wanted, names)
    outcomes: dict[int, Outcome] = {}
    found: dict[int, Book | None] = {}
    for place, row in enumerate(told):
        if isinstance(row, ContractTold):
            outcomes[place], found[place] = _tell(tx, customers, books, row, by, now)
    amendments = {place: row for place, row in enumerate(told) if isinstance(row, Amendment)}
    with tx.session.no_autoflush:  # a contract is stored once it is settled, not before and again
        for place, outcome, book in await amend(tx, books, amendments, by=by, now=now):
            outcomes[place], found[place] = outcome, book
        joined = await join_amendments(tx, books, sorted(names & set(books)), now)
    moved = [book for place, book in found.items() if book and outcomes[place] in (Taken.NEW, Taken.UPDATED)]
    touched = {book.contract.id: book for book in (*moved, *joined)}
    await _settle(tx, list(touched.values()), now)
    places = range(len(told))
    return [outcomes[place] for place in places], [found[place] for place in places]


async def _settle(tx: Transaction, books: Sequence[Book], now: datetime) -> None:
    for book in books:
        settle_contract(tx, book, now)
        book.customer.unsettled = True
    await tx.session.flush()
    customers = {book.customer.id: book.customer for book in books}
    amended = {step.external_id: book.contract for book in books for step in book.steps if step.external_id}
    await join_waiting(tx, [book.contract for book in books], customers.values(), now, amended=amended)
    await mark_stale(tx, customers)


def _known_of(row: ContractTold) -> dict[str, Any]:
    slices = {name: row.terms.get(name) for name in DIMENSIONS}
    return {"external_id": row.account_external_id, "name": row.account_name, **slices}


def _tell(
    tx: Transaction, customers: Mapping[UUID, CustomerRow], books: Books, row: ContractTold, by: str, now: datetime
) -> tuple[Outcome, Book | None]:
    customer = customers.get(row.customer_id)
    if customer is None:
        return Refused("conflict", "another customer holds this external id", "account_external_id"), None
    book = books.get(row.external_id) if row.external_id else None
    if refused := _refused(row, book):
        return refused, None
    changed = _fill_blanks(customer, row)
    if book is None:
        book = _open(tx, customer, row, by, now)
        if row.external_id:
            books[row.external_id] = book
        return Taken.NEW, book
    changed |= _correct(tx, book, row, by, now)
    return (Taken.UPDATED if changed else Taken.UNCHANGED), book


def _refused(row: ContractTold, book: Book | None) -> Refused | None:
    if row.ended_at is not None and row.ended_at < row.opened_at:
        return Refused("ends_before_start", "it ends before it begins", "end_date")
    if book is None:
        return None
    contract = book.contract
    if contract.external_id not in (None, row.external_id):
        return Refused("is_an_amendment", f"it was told as an amendment of {contract.external_id}", "change_of")
    if contract.customer_id != row.customer_id:
        return Refused("other_account", "the contract was told of another account", "account_external_id")
    if contract.status == Status.VOID:
        return Refused("contract_void", "the contract is void", "external_id")
    if contract.mrr_currency not in (None, row.mrr.currency):
        return Refused("other_currency", f"the contract is in {contract.mrr_currency}", "currency")
    return None


def _fill_blanks(customer: CustomerRow, row: ContractTold) -> bool:
    """A contract's row adds to what is known of its customer; it never overrules another."""
    blanks = {name: value for name, value in _known_of(row).items() if value and getattr(customer, name) is None}
    for name, value in blanks.items():
        setattr(customer, name, value)
    return bool(blanks)


def _open(tx: Transaction, customer: CustomerRow, row: ContractTold, by: str, now: datetime) -> Book:
    key = told_id("contract", row.external_id) if row.external_id else new_id()
    contract = ContractRow(id=key, customer_id=customer.id, external_id=row.external_id, opening_key=str(key))
    for name in FROM_CUSTOMER:
        setattr(contract, name, getattr(customer, name))
    contract.status, contract.starts_on = Status.SCHEDULED, row.starts_on
    contract.trial = contract.auto_renew = False
    contract.mrr_currency = row.mrr.currency
    for name, value in row.terms.items():
        setattr(contract, name, value)
    _set_renewal(contract, row, now)
    book = Book(contract, customer, [], [])
    tx.add(contract)
    note_step(tx, book, Kind.OPENED, row.opened_at, by=by, now=now, mrr=row.mrr.amount)
    if row.ended_at is not None:
        note_step(tx, book, Kind.ENDED, row.ended_at, by=by, now=now, mrr=0, reason=row.reason, on=row.ends_on)
    return book


def _set_renewal(contract: ContractRow, row: ContractTold, now: datetime) -> None:
    """The end of the term; of a contract that renews itself the next one. From month to month nothing falls due."""
    if "renewal_on" in row.terms or contract.term_months is None:
        return
    if contract.auto_renew and contract.term_months == 1:
        contract.renewal_on = None
    elif contract.auto_renew:
        contract.renewal_on = next_renewal(contract.starts_on, contract.term_months, company_day(now))
    else:
        contract.renewal_on = add_months(contract.starts_on, contract.term_months)


def _correct(tx: Transaction, book: Book, row: ContractTold, by: str, now: datetime) -> bool:
    """Bring a known contract in line with what is told now; False when it says what is known."""
    contract, opened, ending = book.contract, book.find(Kind.OPENED), book.find(Kind.ENDED)
    changes: dict[str, list[Any]] = {}
    opened_at = opened.at if opened and contract.opportunity_id else row.opened_at  # a deal's MRR counts from its win
    if opened is None or (opened.at, opened.mrr_amount) != (opened_at, row.mrr.amount):
        changes["mrr"] = [opened.mrr_amount if opened else None, row.mrr.amount]
        _replace(tx, book, Kind.OPENED, opened_at, by, now, mrr=row.mrr.amount)
    if row.ended_at is not None and (
        ending is None or (ending.on, row.reason and ending.reason) != (row.ends_on, row.reason)
    ):
        changes["ends_on"] = [_plain(ending.on if ending else None), _plain(row.ends_on)]
        reason = row.reason or (ending.reason if ending else None)
        _replace(tx, book, Kind.ENDED, row.ended_at, by, now, mrr=0, reason=reason, on=row.ends_on)
    known = {"external_id": row.external_id, "starts_on": row.starts_on, "mrr_currency": row.mrr.currency, **row.terms}
    for name, value in known.items():
        if (before := getattr(contract, name)) != value:
            changes[name] = [_plain(before), _plain(value)]
            setattr(contract, name, value)
    if changes.keys() & {"starts_on", "term_months", "auto_renew"}:
        _set_renewal(contract, row, now)
    if changes:
        tx.add(RevisionRow(id=new_id(), resource_id=contract.id, resource="contract", at=now, by=by, changes=changes))
    return bool(changes)


def _replace(tx: Transaction, book: Book, kind: Kind, at: datetime, by: str, now: datetime, **told: Any) -> None:
    known = book.find(kind)
    if known is not None:
        supersede(book, known, now)
    note_step(tx, book, kind, at, by=by, now=now, **told)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
