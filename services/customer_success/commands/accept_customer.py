"""A deal was won: customer, contract, onboarding plan, renewal date and promises appear in one act."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select

from services.customer_success.commands.customers import (
    accept,
    ensure_customers,
    is_free,
    lock_customers,
    state_of,
)
from services.customer_success.commands.health import mark_stale
from services.customer_success.commands.ledger import (
    Book,
    note_step,
    read_books,
    settle_contract,
    supersede,
    tell_started,
)
from services.customer_success.commands.rules import RULES
from services.customer_success.commands.waiting import join_waiting
from services.customer_success.domain.calendar import add_months
from services.customer_success.domain.contracts import Act, Status, move
from services.customer_success.domain.onboarding import plan
from services.customer_success.domain.timeline import Kind
from services.customer_success.models import (
    AccountRow,
    ContractRow,
    CustomerRow,
    OnboardingTaskRow,
    OpportunityRow,
    PromiseRow,
)
from services.customer_success.schemas.rules import ContractDefaults, Onboarding
from services.customer_success.settings import company_day
from shared import clock
from shared.contracts.base import DIMENSIONS
from shared.contracts.envelope import Meta
from shared.contracts.field_sales import DealWon, Promise
from shared.database import Transaction
from shared.ids import told_id
from shared.money import Money

BY = "field_sales"
LIVE = timedelta(days=1)  # told so soon after it happened it is no history


async def accept_customer(tx: Transaction, event: DealWon, meta: Meta) -> None:
    """Takes the customer over. A deal won again after it was reopened revives its contract."""
    now = clock.utc_now()
    opportunity = await tx.session.get(OpportunityRow, event.opportunity_id)
    customer = await _customer(tx, event, meta, _account_of(event, opportunity))
    contract = await tx.session.get(ContractRow, _contract_of(event), with_for_update=True)
    revived = contract is not None and contract.status == Status.VOID
    came_back = await _without_contract(tx, customer.id)
    _know_better(customer, event, overwrite=came_back and not revived)
    if contract is not None or event.promises:
        await _promise(tx, customer, event.opportunity_id, event.promises)
    book = await _open(tx, customer, contract, event, meta, now)
    _write_terms(book.contract, event, meta, await _term(tx, event, meta))
    if came_back and not (revived and customer.onboarding_round):
        await _plan_onboarding(tx, customer, book.contract.starts_on, meta)
    _write_opening(tx, book, _mrr_of(event, opportunity), meta.time, now)
    accept(tx, customer, at=meta.time, contract=book.contract, live=meta.recorded - meta.time < LIVE)
    running = settle_contract(tx, book, now).active
    tx.add(book.contract)
    if running:
        customer.churned_at = customer.churn_reason = None
        customer.status = state_of(customer, under_contract=True, known=True)
    else:  # it was told before, with its end
        customer.unsettled = True
    await join_waiting(tx, [book.contract], [customer], now)
    await mark_stale(tx, [customer.id])


async def _customer(tx: Transaction, event: DealWon, meta: Meta, account_id: UUID) -> CustomerRow:
    """The account's customer, locked; made when nobody knew them."""
    known = await lock_customers(tx, [account_id])
    if not known:
        known = await ensure_customers(tx, {account_id: await _newcomer(tx, event, meta, account_id)})
    return known[account_id]


async def _term(tx: Transaction, event: DealWon, meta: Meta) -> int:
    if event.term_months is not None:
        return event.term_months
    return (await RULES.in_force(tx.session, ContractDefaults, meta.time)).rule.term_months


def _account_of(event: DealWon, opportunity: OpportunityRow | None) -> UUID:
    """The event's account, else the opportunity's; where nobody told one, the one its lead or deal stands for."""
    known = event.account_id or (opportunity.account_id if opportunity else None)
    told = event.external_id or event.opportunity_external_id or str(event.opportunity_id)
    return known or told_id("account", told)


def _contract_of(event: DealWon) -> UUID:
    return event.contract_id or told_id("contract", event.opportunity_external_id or str(event.opportunity_id))


async def _newcomer(tx: Transaction, event: DealWon, meta: Meta, account_id: UUID) -> dict[str, object]:
    """What a customer nobody knew begins with."""
    account = await tx.session.get(AccountRow, account_id)
    external_id = account.external_id if account else None
    return {
        "journey": meta.key,
        "name": event.account_name or (account.name if account else None),
        "external_id": external_id if external_id and await is_free(tx, external_id) else None,
        "opportunity_id": event.opportunity_id,
        "seller": event.owner,
        **_dimensions(event),
    }


def _dimensions(event: DealWon) -> dict[str, object]:
    return {
        "lead_id": event.lead_id,
        "lead_external_id": event.external_id,
        "cycle": event.cycle,
        **{name: getattr(event, name) for name in DIMENSIONS},
    }


async def _without_contract(tx: Transaction, account_id: UUID) -> bool:
    running = select(func.count()).where(ContractRow.customer_id == account_id, ContractRow.status == Status.ACTIVE)
    return not await tx.session.scalar(running)


def _know_better(customer: CustomerRow, event: DealWon, *, overwrite: bool) -> None:
    """A customer who comes back is the one of the new deal; to one who buys more, the deal only adds what was blank."""
    for name, value in _dimensions(event).items():
        if value is not None and (overwrite or getattr(customer, name) is None):
            setattr(customer, name, value)


async def _open(
    tx: Transaction,
    customer: CustomerRow,
    contract: ContractRow | None,
    event: DealWon,
    meta: Meta,
    now: datetime,
) -> Book:
    """The deal's contract, new, revived, or known already from elsewhere."""
    if contract is None:
        contract = ContractRow(id=_contract_of(event), customer_id=customer.id, status=Status.SCHEDULED)
        contract.journey, contract.trial, contract.auto_renew = meta.key, False, False
        book = Book(contract, customer, [], [])
    else:
        book = (await read_books(tx, [contract], {contract.customer_id: customer}))[0]
    if contract.status == Status.VOID:
        contract.status, contract.customer_id = move(Status.VOID, Act.WIN), customer.id
        for step in list(book.steps):
            supersede(book, step, now)
    _name_deal(tx, book, event)
    return book


def _name_deal(tx: Transaction, book: Book, event: DealWon) -> None:
    """From now on the contract opens under its deal. What was told under its own id before is taken back."""
    contract, key = book.contract, str(event.opportunity_id)
    before = book.opening
    if before is not None and contract.opening_key != key:
        tell_started(tx, book, before, mrr=0)
        for movement in [movement for movement in book.movements if movement.opening]:
            movement.closed = True
            book.movements.remove(movement)
    contract.opening_key, contract.opportunity_id = key, event.opportunity_id


def _mrr_of(event: DealWon, opportunity: OpportunityRow | None) -> Money | None:
    """The deal's MRR, else the opportunity's last. A deal told to be worth so much in all recurs with nothing."""
    if event.mrr is not None:
        return event.mrr
    if opportunity and opportunity.mrr_amount is not None and opportunity.mrr_currency:
        return Money(amount=opportunity.mrr_amount, currency=opportunity.mrr_currency)
    once = event.one_off or event.amount
    return Money(amount=0, currency=once.currency) if once else None


def _write_terms(row: ContractRow, event: DealWon, meta: Meta, term_months: int) -> None:
    for name, value in _dimensions(event).items():
        setattr(row, name, value)
    row.starts_on = event.starts_on or event.won_on or company_day(meta.time)
    row.billing_starts_on = event.billing_starts_on
    row.term_months = term_months
    row.renewal_on = add_months(row.starts_on, row.term_months)
    once = event.one_off
    row.one_off_amount, row.one_off_currency = (once.amount, once.currency) if once else (None, None)


def _write_opening(tx: Transaction, book: Book, mrr: Money | None, at: datetime, now: datetime) -> None:
    if mrr is not None:
        book.contract.mrr_currency = mrr.currency
    known = book.find(Kind.OPENED)
    if known is not None:
        supersede(book, known, now)
    note_step(tx, book, Kind.OPENED, at, by=BY, now=now, mrr=mrr.amount if mrr else None)


async def _promise(tx: Transaction, customer: CustomerRow, opportunity_id: UUID, promises: Sequence[Promise]) -> None:
    """The deal's promises as they stand now: those not promised any more go, unless somebody reviewed them."""
    row = PromiseRow
    mine = row.customer_id == customer.id, row.opportunity_id == opportunity_id
    numbers = [promise.number for promise in promises]
    await tx.session.execute(delete(row).where(*mine, row.kept.is_(None), row.deal_number.not_in(numbers)))
    known = {found.deal_number: found for found in await tx.session.scalars(select(row).where(*mine))}
    last = await tx.session.scalar(select(func.max(row.number)).where(row.customer_id == customer.id)) or 0
    for promise in sorted(promises, key=lambda promise: promise.number):
        if promise.number in known:
            known[promise.number].text = promise.text
            continue
        last += 1
        place = PromiseRow(customer_id=customer.id, number=last, opportunity_id=opportunity_id)
        place.deal_number, place.text = promise.number, promise.text
        tx.add(place)


async def _plan_onboarding(tx: Transaction, customer: CustomerRow, starts_on: date, meta: Meta) -> None:
    """The plan of a new customer, or of one who comes back: then it is another round. History gets none."""
    rule = (await RULES.in_force(tx.session, Onboarding, meta.recorded)).rule
    tasks = plan(rule.templates(), segment=customer.segment, product=customer.product, starts_on=starts_on)
    if not tasks or meta.recorded - meta.time > timedelta(days=rule.plan_within_days):
        return
    customer.onboarding_round, customer.onboarded_at = customer.onboarding_round + 1, None
    for place, task in enumerate(tasks, 1):
        row = OnboardingTaskRow(customer_id=customer.id, round=customer.onboarding_round, key=task.key, place=place)
        row.ja, row.en, row.due_on = task.ja, task.en, task.due_on
        tx.add(row)
