"""Tickets: customers asking for help, and complaints."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.customer_success.api import showing
from services.customer_success.commands import tickets as commands
from services.customer_success.commands.tickets import TicketTold
from services.customer_success.models import ContractRow, TicketRow
from services.customer_success.queries import activity as queries
from services.customer_success.queries import lookup
from services.customer_success.schemas.activity import CloseIn, TicketIn, TicketOut, TicketPatch, TicketQuery
from services.customer_success.settings import REASONS
from shared.auth import Role
from shared.database import Transaction
from shared.errors import Invalid
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1/tickets", tags=["tickets"], route_class=Door)
OURS = allowed(Role.CUSTOMER_SUCCESS)


@router.post("", response_model=TicketOut, status_code=201, dependencies=[OURS])
async def open_ticket(body: TicketIn, tx: Tx, now: Now, who: Who) -> Response:
    """A customer asks for help or complains. The same `external_id` again answers 200 and the ticket it made."""
    _known_codes(body.kind, body.priority)
    customer_id, contract_id = await _place(tx, body)
    told = TicketTold(
        opened_at=body.opened_at or body.occurred_at or now,
        place=(customer_id, contract_id),
        external_id=body.external_id,
        kind=body.kind,
        priority=body.priority,
        owner=body.owner,
        subject=body.subject,
        text=body.text,
        lead_id=body.lead_id,
    )
    row, new = await commands.open_ticket(tx, told, now=now)
    await tx.session.flush()
    location = f"/v1/tickets/{row.id}"
    return resource(showing.ticket(row, who), version=row.version, status=201 if new else 200, location=location)


def _known_codes(kind: str | None, priority: str | None) -> None:
    if kind is not None:
        REASONS.find("ticket_kind", kind, field="kind")
    if priority is not None:
        REASONS.find("ticket_priority", priority, field="priority")


async def _place(tx: Transaction, body: TicketIn) -> tuple[UUID, UUID | None]:
    """Whose it is. Raises NotFound, and Invalid where contract and customer do not belong together."""
    named = body.customer_id or (str(body.account_id) if body.account_id else None)
    customer_id = await lookup.customer_id(tx.session, named) if named else None
    if body.contract_id is None:
        assert customer_id is not None, "the body names a customer or a contract"
        return customer_id, None
    contract = await tx.session.get_one(ContractRow, await lookup.contract_id(tx.session, body.contract_id))
    if customer_id not in (None, contract.customer_id):
        raise Invalid("contract_id", "is a contract of another customer")
    return contract.customer_id, contract.id


@router.get("")
async def list_tickets(given: Annotated[TicketQuery, Query()], session: Reading, who: Who) -> Page[TicketOut]:
    rows, cursor = await queries.list_tickets(session, given)
    return Page(items=[showing.ticket(row, who) for row in rows], next_cursor=cursor)


@router.get("/{ticket_id}", response_model=TicketOut)
async def get_ticket(ticket_id: str, session: Reading, who: Who) -> Response:
    row = await session.get_one(TicketRow, await lookup.ticket_id(session, ticket_id))
    return resource(showing.ticket(row, who), version=row.version)


@router.patch("/{ticket_id}", response_model=TicketOut, dependencies=[OURS])
async def patch_ticket(ticket_id: str, body: TicketPatch, tx: Tx, now: Now, who: Who) -> Response:
    _known_codes(body.kind, body.priority)
    key = await lookup.ticket_id(tx.session, ticket_id)
    row = await commands.amend_ticket(tx, key, body.model_dump(exclude_unset=True), by=who.subject, now=now)
    await tx.session.flush()
    return resource(showing.ticket(row, who), version=row.version)


@router.post("/{ticket_id}/close", response_model=TicketOut, dependencies=[OURS])
async def close_ticket(ticket_id: str, tx: Tx, now: Now, who: Who, body: CloseIn | None = None) -> Response:
    """It is solved; `satisfaction` 1 to 5 where the customer gave one. 409 when it is closed already."""
    key, body = await lookup.ticket_id(tx.session, ticket_id), body or CloseIn()
    row = await commands.close_ticket(tx, key, satisfaction=body.satisfaction, at=body.occurred_at, now=now)
    await tx.session.flush()
    return resource(showing.ticket(row, who), version=row.version)
