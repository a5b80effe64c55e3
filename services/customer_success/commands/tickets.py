"""Tickets: opened, changed, closed, one by one or from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.customer_success.commands.health import judge_health, mark_stale
from services.customer_success.commands.links import Place
from services.customer_success.commands.ticket_events import tell_closed, tell_ticket
from services.customer_success.domain.calendar import moment
from services.customer_success.models import CustomerRow, RevisionRow, TicketRow
from shared.database import Transaction
from shared.errors import Refused
from shared.ids import new_id
from shared.imports.importer import Outcome, Taken
from shared.imports.importer import Refused as RefusedRow

CHANGEABLE = ("kind", "priority", "owner", "subject", "text", "contract_id", "lead_id", "satisfaction")
NOT_REVISED = ("subject", "text", "lead_id")  # what a person wrote, and who, is kept once: there it can be erased


class TicketClosedAlready(Refused):
    rule = "ticket_closed"


@dataclass(frozen=True, slots=True)
class TicketTold:
    """`place` is the customer and contract, or `link` what it waits for."""

    opened_at: datetime
    place: Place | None
    link: str | None = None
    external_id: str | None = None
    closed_at: datetime | None = None
    kind: str | None = None
    priority: str | None = None
    owner: str | None = None
    subject: str | None = None
    text: str | None = None
    lead_id: UUID | None = None
    satisfaction: int | None = None


async def open_ticket(tx: Transaction, told: TicketTold, *, now: datetime) -> tuple[TicketRow, bool]:
    """The ticket, and whether it is new: the same external id again answers the one it made."""
    if told.external_id:
        known = await tx.by_external_id(TicketRow, told.external_id)
        if known is not None:
            return known, False
    assert told.place is not None, "a person opens tickets of customers that are known"
    customer = await tx.lock(CustomerRow, told.place[0], retry_after=1)
    row = _new(told)
    tx.add(row)
    tell_ticket(tx, row, customer)
    await judge_health(tx, [customer.id], now)
    return row, True


async def close_ticket(
    tx: Transaction, ticket_id: UUID, *, satisfaction: int | None, at: datetime | None, now: datetime
) -> TicketRow:
    """It is solved. Raises TicketClosedAlready."""
    row = await tx.lock(TicketRow, ticket_id)
    if row.status == "closed":
        raise TicketClosedAlready("The ticket is closed already")
    row.status, row.closed_at = "closed", moment(at, now, row.opened_at)
    row.satisfaction = satisfaction if satisfaction is not None else row.satisfaction
    if row.customer_id is not None:
        customer = await tx.session.get_one(CustomerRow, row.customer_id)
        tell_closed(tx, row, customer)
        await judge_health(tx, [customer.id], now)
    return row


async def amend_ticket(
    tx: Transaction, ticket_id: UUID, given: Mapping[str, Any], *, by: str, now: datetime
) -> TicketRow:
    """A merge patch: the fields given, null clears. `archived` hides it or shows it again."""
    row = await tx.lock(TicketRow, ticket_id)
    given = dict(given)
    if "archived" in given:
        row.archived_at = now if given.pop("archived") else None
    _revise(tx, row, given, by, now)
    if row.customer_id is not None:
        await judge_health(tx, [row.customer_id], now)
    return row


async def take_tickets(tx: Transaction, told: Sequence[TicketTold], *, by: str, now: datetime) -> list[Outcome]:
    """Tickets of a file: new ones, corrections of known ones, those that wait for their customer."""
    names = [row.external_id for row in told if row.external_id]
    query = select(TicketRow).where(TicketRow.external_id.in_(names)).order_by(TicketRow.id).with_for_update()
    known = {row.external_id: row for row in await tx.session.scalars(query)}
    mine = select(CustomerRow).where(CustomerRow.id.in_({row.place[0] for row in told if row.place}))
    customers = {row.id: row for row in await tx.session.scalars(mine)}
    outcomes = [_take(tx, row, known, customers, by, now) for row in told]
    await mark_stale(tx, list(customers))
    return outcomes


def _take(
    tx: Transaction,
    told: TicketTold,
    known: dict[str | None, TicketRow],
    customers: Mapping[UUID, CustomerRow],
    by: str,
    now: datetime,
) -> Outcome:
    if told.closed_at and told.closed_at < told.opened_at:
        return RefusedRow("closed_before_opened", "it was closed before it was opened", "closed_at")
    customer = customers[told.place[0]] if told.place else None
    row = known.get(told.external_id) if told.external_id else None
    if row is None:
        row = _new(told)
        tx.add(row)
        if told.external_id:
            known[told.external_id] = row
        if customer is None:
            return Taken.WAITING
        tell_ticket(tx, row, customer)
        return Taken.NEW
    said = {name: getattr(told, name) for name in CHANGEABLE if name != "contract_id"}
    changed = _revise(tx, row, {name: value for name, value in said.items() if value is not None}, by, now)
    if told.closed_at and row.closed_at != told.closed_at:
        row.status, row.closed_at, changed = "closed", told.closed_at, True
    if changed and row.closed_at and customer is not None and row.link is None:
        tell_closed(tx, row, customer)
    if row.link:
        return Taken.WAITING
    return Taken.UPDATED if changed else Taken.UNCHANGED


def _new(told: TicketTold) -> TicketRow:
    customer_id, contract_id = told.place or (None, None)
    row = TicketRow(id=new_id(), external_id=told.external_id, customer_id=customer_id, contract_id=contract_id)
    row.link = None if told.place else told.link
    row.status = "closed" if told.closed_at else "open"
    row.opened_at, row.closed_at = told.opened_at, told.closed_at
    for name in CHANGEABLE:
        if name != "contract_id":
            setattr(row, name, getattr(told, name))
    return row


def _revise(tx: Transaction, row: TicketRow, given: Mapping[str, Any], by: str, now: datetime) -> bool:
    changes = {name: [getattr(row, name), value] for name, value in given.items() if getattr(row, name) != value}
    for name, (_, value) in changes.items():
        setattr(row, name, value)
    kept = {name: [_plain(value) for value in pair] for name, pair in changes.items() if name not in NOT_REVISED}
    if kept:
        tx.add(RevisionRow(id=new_id(), resource_id=row.id, resource="ticket", at=now, by=by, changes=kept))
    return bool(changes)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
