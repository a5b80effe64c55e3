"""What happens to a running contract: its MRR changes, it is renewed, it ends."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from services.customer_success.commands.customers import settle_customers
from services.customer_success.commands.health import judge_health
from services.customer_success.commands.ledger import Book, lock_book, note_step, settle_contract, supersede
from services.customer_success.domain.calendar import add_months, moment
from services.customer_success.domain.contracts import Act, OtherCurrency, Status, TermUnknown, TooFar, move
from services.customer_success.domain.timeline import Kind
from services.customer_success.models import ContractRow
from services.customer_success.settings import company_day, day_begins
from shared.contracts.customer_success import ContractRenewed
from shared.database import Transaction
from shared.money import Money

LAST_YEAR = 2200


async def change_contract(
    tx: Transaction, contract_id: UUID, mrr: Money, reason: str, *, at: datetime | None, by: str, now: datetime
) -> ContractRow:
    """Another MRR from `at` on, by default from now. The same one again changes nothing and tells nothing."""
    book = await lock_book(tx, contract_id)
    move(Status(book.contract.status), Act.CHANGE)
    _change(tx, book, mrr, reason, at=moment(at, now, book.contract.last_step_at), by=by, now=now)
    return await _settled(tx, book, now)


async def renew_contract(
    tx: Transaction,
    contract_id: UUID,
    *,
    term_months: int | None,
    mrr: Money | None,
    at: datetime | None,
    by: str,
    now: datetime,
) -> ContractRow:
    """Another term after the one that runs, at the same MRR or another. A notice given before is withdrawn by it."""
    book = await lock_book(tx, contract_id)
    renewed_at = moment(at, now, book.contract.last_step_at)
    renew(tx, book, term_months=term_months, at=renewed_at, by=by, now=now)
    if mrr is not None:
        _change(tx, book, mrr, "renewal", at=renewed_at, by=by, now=now)
    return await _settled(tx, book, now)


def renew(tx: Transaction, book: Book, *, term_months: int | None, at: datetime, by: str, now: datetime) -> None:
    contract = book.contract
    move(Status(contract.status), Act.RENEW)
    term = term_months or contract.term_months
    if term is None:
        raise TermUnknown("For how many months?", missing=["term_months"])
    contract.term_months = term
    contract.renewal_on = add_months(contract.renewal_on or company_day(at), term)
    if contract.renewal_on.year > LAST_YEAR:
        raise TooFar(f"It would fall due in {contract.renewal_on.year}")
    _withdraw_notice(book, now)
    note_step(tx, book, Kind.RENEWED, at, by=by, now=now, renewal_on=contract.renewal_on, term_months=term)
    event = ContractRenewed(
        contract_id=contract.id,
        renewal_on=contract.renewal_on,
        term_months=term,
        account_id=contract.customer_id,
        account_external_id=book.customer.external_id,
        **contract.dimensions(),
    )
    tx.announce(event, journey=contract.journey, at=at)


MOMENT = timedelta(microseconds=1)  # an end of the same instant as a change would be one that the change outlives


@dataclass(frozen=True, slots=True)
class Ending:
    """`on`: the first day without the contract; None is now. `kind` None is decided by the renewal date."""

    reason: str
    kind: str | None
    on: date | None
    recyclable: bool
    revisit_on: date | None


async def churn_contract(
    tx: Transaction, contract_id: UUID, ending: Ending, *, at: datetime | None, by: str, now: datetime
) -> ContractRow:
    """The contract ends. A day to come is a notice: it ends by itself when the day comes."""
    book = await lock_book(tx, contract_id)
    contract = book.contract
    status = Status(contract.status)
    after = move(status, Act.CHURN)
    told = _end_of(ending.on, contract.last_step_at) if ending.on else at
    ends_at = moment(told, now, contract.last_step_at)
    if ends_at == contract.last_step_at:
        ends_at += MOMENT
    _withdraw_notice(book, now)
    contract.ends_on = ending.on or company_day(ends_at)
    contract.end_recyclable, contract.revisit_on = ending.recyclable, ending.revisit_on
    contract.end_reason_kind = ending.kind or _kind_of(contract)
    if after is Status.VOID:
        contract.status, contract.due_at, contract.end_reason = Status.VOID, None, ending.reason
    else:
        note_step(tx, book, Kind.ENDED, ends_at, by=by, now=now, mrr=0, reason=ending.reason, on=contract.ends_on)
    return await _settled(tx, book, now)


def _end_of(on: date, previous: datetime | None) -> datetime:
    """The start of the day told; on the day of the contract's last step not before that step."""
    start = day_begins(on)
    return max(start, previous) if previous and company_day(previous) == on else start


def _kind_of(contract: ContractRow) -> str:
    due = contract.renewal_on
    return "non_renewal" if due and contract.ends_on and contract.ends_on >= due else "cancellation"


def _withdraw_notice(book: Book, now: datetime) -> None:
    """An end still to come does not come; an end that has come stays."""
    for step in [step for step in book.steps if step.kind == Kind.ENDED and step.at > now]:
        supersede(book, step, now)
        book.contract.ends_on = book.contract.end_reason_kind = None


def _change(tx: Transaction, book: Book, mrr: Money, reason: str, *, at: datetime, by: str, now: datetime) -> None:
    contract = book.contract
    if contract.mrr_currency not in (None, mrr.currency):
        raise OtherCurrency(f"The contract is in {contract.mrr_currency}")
    if contract.mrr_amount == mrr.amount:
        return
    contract.mrr_currency = mrr.currency
    note_step(tx, book, Kind.CHANGED, at, by=by, now=now, mrr=mrr.amount, reason=reason)
    if contract.trial and mrr.amount:
        contract.trial = False


async def _settled(tx: Transaction, book: Book, now: datetime) -> ContractRow:
    """Tell what follows for the contract, its customer, and the customer's health."""
    settle_contract(tx, book, now)
    await settle_customers(tx, {book.customer.id: book.customer}, now)
    await judge_health(tx, [book.customer.id], now)
    return book.contract


async def follow_calendar(tx: Transaction, contract_id: UUID, now: datetime) -> None:
    """A day known before has come: the contract begins, ends, or renews itself."""
    book = await lock_book(tx, contract_id)
    contract = book.contract
    settle_contract(tx, book, now)
    due = contract.renewal_on
    renews = contract.status == Status.ACTIVE and contract.auto_renew and not contract.ends_on
    if renews and due and due <= company_day(now):
        renew(tx, book, term_months=None, at=max(day_begins(due), contract.last_step_at or now), by="rule", now=now)
    await _settled(tx, book, now)
