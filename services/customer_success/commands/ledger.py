"""A contract's book: its steps, what of them was announced, and the one place that announces the difference."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select

from services.customer_success.domain.contracts import Status
from services.customer_success.domain.timeline import (
    Kind,
    Move,
    Opening,
    Step,
    Timeline,
    in_time,
    timeline,
    untold,
)
from services.customer_success.models import ContractRow, CustomerRow, MovementRow, StepRow
from shared.clock import FUTURE_TOLERANCE
from shared.contracts.customer_success import ContractStarted, SubscriptionChanged
from shared.database import Transaction
from shared.money import Money


@dataclass
class Book:
    """`steps` are those in force, `movements` those not closed, oldest first."""

    contract: ContractRow
    customer: CustomerRow
    steps: list[StepRow]
    movements: list[MovementRow]

    def timeline(self, now: datetime) -> Timeline:
        """As far as it has come; another department's clock, and a person's, may be a little ahead of ours."""
        if self.contract.status == Status.VOID:
            return Timeline(None, (), (), None, None)
        return timeline(map(_as_step, self.steps), now + FUTURE_TOLERANCE)

    def find(self, kind: Kind, external_id: str | None = None) -> StepRow | None:
        """The step in force of a kind: the contract's own, or an amendment's."""
        return next((step for step in self.steps if (step.kind, step.external_id) == (kind, external_id)), None)

    @property
    def ending(self) -> StepRow | None:
        """The step the contract ends with, as far as is known."""
        levels = [step for step in in_time(self.steps) if step.kind != Kind.RENEWED]
        return levels[-1] if levels and levels[-1].kind == Kind.ENDED else None

    @property
    def opening(self) -> Opening | None:
        """As it was last told."""
        told = [movement for movement in self.movements if movement.opening]
        return Opening(told[-1].at, told[-1].amount) if told else None

    @property
    def moves(self) -> dict[datetime, int]:
        """The deltas told, by the instant they hold from."""
        found: dict[datetime, int] = defaultdict(int)
        for movement in self.movements:
            if not movement.opening:
                found[movement.at] += movement.amount
        return found


def _as_step(row: StepRow) -> Step:
    return Step(row.at, Kind(row.kind), row.mrr_amount, row.reason)


async def read_books(
    tx: Transaction, contracts: Iterable[ContractRow], customers: dict[UUID, CustomerRow]
) -> list[Book]:
    """The books of contracts that are locked already, in two queries."""
    rows = list(contracts)
    ids = [row.id for row in rows]
    steps: dict[UUID, list[StepRow]] = defaultdict(list)
    movements: dict[UUID, list[MovementRow]] = defaultdict(list)
    if ids:
        in_force = StepRow.contract_id.in_(ids), StepRow.superseded_at.is_(None)
        for step in await tx.session.scalars(select(StepRow).where(*in_force).order_by(StepRow.at, StepRow.id)):
            steps[step.contract_id].append(step)
        still = MovementRow.contract_id.in_(ids), ~MovementRow.closed
        for movement in await tx.session.scalars(select(MovementRow).where(*still).order_by(MovementRow.id)):
            movements[movement.contract_id].append(movement)
    return [Book(row, customers[row.customer_id], steps[row.id], movements[row.id]) for row in rows]


async def lock_book(tx: Transaction, contract_id: UUID) -> Book:
    """A contract, locked after its customer: that order everywhere, so that no two acts wait for each other.

    Raises NotFound, and Stale where the caller had read an older version of the contract.
    """
    if_match, tx.if_match = tx.if_match, None
    customer_id = await tx.session.scalar(select(ContractRow.customer_id).where(ContractRow.id == contract_id))
    customer = await tx.lock(CustomerRow, customer_id) if customer_id else None
    tx.if_match = if_match
    contract = await tx.lock(ContractRow, contract_id, retry_after=1)
    assert customer is not None, "a contract has a customer"
    return (await read_books(tx, [contract], {customer.id: customer}))[0]


def note_step(
    tx: Transaction,
    book: Book,
    kind: Kind,
    at: datetime,
    *,
    by: str,
    now: datetime,
    mrr: int | None = None,
    reason: str | None = None,
    external_id: str | None = None,
    on: date | None = None,
    renewal_on: date | None = None,
    term_months: int | None = None,
) -> StepRow:
    step = StepRow(
        contract_id=book.contract.id,
        kind=kind,
        at=at,
        by=by,
        recorded_at=now,
        mrr_amount=mrr,
        reason=reason,
        external_id=external_id,
        on=on,
        renewal_on=renewal_on,
        term_months=term_months,
    )
    book.steps.append(step)
    tx.add(step)
    return step


def supersede(book: Book, step: StepRow, now: datetime) -> None:
    """It was told otherwise since; it stays as history."""
    step.superseded_at = now
    book.steps.remove(step)


def settle_contract(tx: Transaction, book: Book, now: datetime) -> Timeline:
    """Bring the contract's row up to its steps, and announce what of them was not told yet."""
    row, found = book.contract, book.timeline(now)
    if row.status == Status.VOID:
        return found
    ending = book.ending
    row.ends_on, row.end_reason = (ending.on, ending.reason) if ending else (None, None)
    restated, missing = untold(found, book.opening, book.moves)
    if restated is not None:
        _tell_opening(tx, book, restated, now)
    for move in missing:
        tell_move(tx, book, move, now)
    row.mrr_amount = found.mrr
    row.status = Status.ACTIVE if found.active else Status.ENDED if found.spans else Status.SCHEDULED
    row.last_step_at = max((step.at for step in book.steps if step.at <= now + FUTURE_TOLERANCE), default=None)
    row.due_at = found.due_at
    return found


def _tell_opening(tx: Transaction, book: Book, opening: Opening, now: datetime) -> None:
    _remember(tx, book, opening.at, opening.mrr, None, now, opening=True)
    tell_started(tx, book, opening)


def tell_started(tx: Transaction, book: Book, opening: Opening, *, mrr: int | None = None) -> None:
    """The contract opened; `mrr` where it is to be told otherwise than the opening has it."""
    row = book.contract
    event = ContractStarted(
        account_id=row.customer_id,
        account_external_id=book.customer.external_id,
        contract_id=row.id,
        opening_key=row.opening_key,
        mrr=_money(row, opening.mrr if mrr is None else mrr),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        renewal_on=row.renewal_on,
        term_months=row.term_months,
        billing_starts_on=row.billing_starts_on,
        plan=row.plan,
        seats=row.seats,
        trial=row.trial,
        **row.dimensions(),
    )
    tx.announce(event, journey=row.journey, at=opening.at)


def tell_move(tx: Transaction, book: Book, move: Move, now: datetime) -> None:
    row = book.contract
    _remember(tx, book, move.at, move.delta, move.reason, now, opening=False)
    event = SubscriptionChanged(
        account_id=row.customer_id,
        account_external_id=book.customer.external_id,
        contract_id=row.id,
        delta=_money(row, move.delta),
        reason=move.reason,
        **row.dimensions(),
    )
    tx.announce(event, journey=row.journey, at=move.at)


def _remember(
    tx: Transaction, book: Book, at: datetime, amount: int, reason: str | None, now: datetime, *, opening: bool
) -> None:
    row = MovementRow(
        contract_id=book.contract.id,
        opening=opening,
        at=at,
        amount=amount,
        reason=reason,
        recorded_at=now,
        closed=False,
    )
    book.movements.append(row)
    tx.add(row)


def _money(row: ContractRow, amount: int) -> Money:
    assert row.mrr_currency, "an MRR has a currency"
    return Money(amount=amount, currency=row.mrr_currency)
