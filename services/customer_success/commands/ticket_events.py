"""What is told of a ticket: that it was opened, and that it was closed."""

from services.customer_success.models import CustomerRow, TicketRow
from shared.contracts.customer_success import TicketClosed, TicketOpened
from shared.database import Transaction


def tell_ticket(tx: Transaction, ticket: TicketRow, customer: CustomerRow) -> None:
    """Everything a ticket has to tell."""
    tell_opened(tx, ticket, customer)
    if ticket.closed_at:
        tell_closed(tx, ticket, customer)


def tell_opened(tx: Transaction, ticket: TicketRow, customer: CustomerRow) -> None:
    event = TicketOpened(ticket_id=ticket.id, priority=ticket.priority, kind=ticket.kind, **customer.about())
    tx.announce(event, journey=customer.journey, at=ticket.opened_at)


def tell_closed(tx: Transaction, ticket: TicketRow, customer: CustomerRow) -> None:
    assert ticket.closed_at, "it is closed"
    event = TicketClosed(ticket_id=ticket.id, satisfaction=ticket.satisfaction, **customer.about())
    tx.announce(event, journey=customer.journey, at=ticket.closed_at)
