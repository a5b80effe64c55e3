"""Amendments: rows that change the MRR of a contract told elsewhere (増額・減額), and may end it.

An amendment that comes before its contract waits visibly and joins when the contract is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from services.customer_success.commands.ledger import Book, note_step, supersede
from services.customer_success.domain.contracts import Status
from services.customer_success.domain.timeline import Kind
from services.customer_success.models import StepRow, WaitingAmendmentRow
from shared.database import Transaction
from shared.imports.importer import Outcome, Refused, Taken
from shared.money import Money

Books = dict[str, Book]
"""Contracts by their own external id and by those of their amendments."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """From `at` on the contract `change_of` (or the one that amends) pays `mrr`."""

    external_id: str
    change_of: str
    at: datetime
    mrr: Money
    ended_at: datetime | None = None
    ends_on: date | None = None
    reason: str | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "mrr": self.mrr.model_dump(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "ends_on": self.ends_on.isoformat() if self.ends_on else None,
            "reason": self.reason,
            "terms": dict(self.terms),
        }

    @classmethod
    def of(cls, row: WaitingAmendmentRow) -> "Amendment":
        body = row.body
        return cls(
            row.external_id,
            row.change_of,
            datetime.fromisoformat(body["at"]),
            Money.model_validate(body["mrr"]),
            datetime.fromisoformat(body["ended_at"]) if body["ended_at"] else None,
            date.fromisoformat(body["ends_on"]) if body["ends_on"] else None,
            body["reason"],
            body["terms"],
        )


async def amend(
    tx: Transaction, books: Books, rows: Mapping[int, Amendment], *, by: str, now: datetime
) -> list[tuple[int, Outcome, Book | None]]:
    """What became of each amendment; an amendment of an amendment finds the contract through it."""
    found: list[tuple[int, Outcome, Book | None]] = []
    left = dict(rows)
    while ready := {place: row for place, row in left.items() if row.change_of in books}:
        for place, row in ready.items():
            del left[place]
            outcome = _amend(tx, books, row, by, now)
            found.append((place, outcome, None if isinstance(outcome, Refused) else books[row.change_of]))
    await _wait(tx, left.values(), now)
    return [*found, *((place, Taken.WAITING, None) for place in left)]


async def join_amendments(tx: Transaction, books: Books, names: Sequence[str], now: datetime) -> list[Book]:
    """Apply what waited for these contracts, and what waited for that in turn; the contracts touched."""
    touched = []
    while names:
        query = select(WaitingAmendmentRow).where(WaitingAmendmentRow.change_of.in_(names)).with_for_update()
        waiting = list(await tx.session.scalars(query.order_by(WaitingAmendmentRow.external_id)))
        for row in waiting:
            if not isinstance(_amend(tx, books, Amendment.of(row), "import", now), Refused):
                touched.append(books[row.change_of])
        names = [row.external_id for row in waiting]
        await tx.session.execute(delete(WaitingAmendmentRow).where(WaitingAmendmentRow.external_id.in_(names)))
    return touched


async def _wait(tx: Transaction, rows: Iterator[Amendment] | Any, now: datetime) -> None:
    for row in rows:
        told = {"change_of": row.change_of, "body": row.as_json()}
        upsert = insert(WaitingAmendmentRow).values(external_id=row.external_id, since=now, **told)
        await tx.session.execute(upsert.on_conflict_do_update(index_elements=["external_id"], set_=told))


def _amend(tx: Transaction, books: Books, row: Amendment, by: str, now: datetime) -> Outcome:
    book = books[row.change_of]
    if refused := _refused(books, book, row):
        return refused
    change, ending = book.find(Kind.CHANGED, row.external_id), book.find(Kind.ENDED, row.external_id)
    new = change is None
    told = (row.at, row.mrr.amount, row.reason)
    changed = change is None or (change.at, change.mrr_amount, row.reason and change.reason) != told
    if changed:
        _replace(book, change, now)
        reason = row.reason or (change.reason if change else None)
        _note(tx, book, row, Kind.CHANGED, row.at, by, now, mrr=row.mrr.amount, reason=reason)
        _take_terms(book, row)
    if row.ended_at is not None and (ending is None or ending.at != row.ended_at):
        changed = True
        _replace(book, ending, now)
        _note(tx, book, row, Kind.ENDED, row.ended_at, by, now, mrr=0, on=row.ends_on)
    book.contract.mrr_currency = row.mrr.currency
    books[row.external_id] = book
    return Taken.NEW if new else Taken.UPDATED if changed else Taken.UNCHANGED


def _refused(books: Books, book: Book, row: Amendment) -> Refused | None:
    contract, opened = book.contract, book.find(Kind.OPENED)
    other = books.get(row.external_id)
    if other is not None and other.contract.external_id == row.external_id:
        return Refused("is_a_contract", "it was told as a contract of its own", "change_of")
    if contract.status == Status.VOID:
        return Refused("contract_void", "the contract it amends is void", "change_of")
    if contract.mrr_currency not in (None, row.mrr.currency):
        return Refused("other_currency", f"the contract it amends is in {contract.mrr_currency}", "currency")
    if opened is not None and row.at < opened.at:
        return Refused("before_start", "it begins before the contract it amends", "start_date")
    if row.ended_at is not None and row.ended_at < row.at:
        return Refused("ends_before_start", "it ends before it begins", "end_date")
    return None


def _replace(book: Book, step: StepRow | None, now: datetime) -> None:
    if step is not None:
        supersede(book, step, now)


def _note(
    tx: Transaction, book: Book, row: Amendment, kind: Kind, at: datetime, by: str, now: datetime, **told: Any
) -> None:
    note_step(tx, book, kind, at, by=by, now=now, external_id=row.external_id, **told)


def _take_terms(book: Book, row: Amendment) -> None:
    """Seats and plan are those of the latest amendment, whatever the order they were told in."""
    latest = max(step.at for step in book.steps if step.kind in (Kind.OPENED, Kind.CHANGED))
    if row.at >= latest:
        for name, value in row.terms.items():
            setattr(book.contract, name, value)
