"""Usage and tickets from files. What names a contract or account nobody knows yet waits, and joins later."""

from collections.abc import Sequence
from datetime import date, datetime

from services.customer_success.commands.links import Link, resolve_links
from services.customer_success.commands.record_usage import UsageTold, record_usage
from services.customer_success.commands.tickets import TicketTold, take_tickets
from services.customer_success.settings import REASONS
from shared.database import Transaction
from shared.imports.importer import ImportContext, Importer, Outcome
from shared.imports.resource import Column, Kind, Resource, Row

LINKS = (
    Column("contract_external_id", Kind.KEY, max_length=120),
    Column("account_external_id", Kind.KEY, max_length=120),
    Column("external_id", Kind.KEY, max_length=120),
)
ONE_LINK = (("contract_external_id", "account_external_id"),)
LARGEST = 10**15

USAGE = Resource(
    "usage",
    (
        *LINKS,
        Column("date", Kind.DATE, required=True, past=True),
        Column("feature", max_length=120),
        Column("count", Kind.INTEGER, minimum=0, maximum=LARGEST),
        Column("seconds", Kind.INTEGER, minimum=0, maximum=LARGEST),
        Column("errors", Kind.INTEGER, minimum=0, maximum=LARGEST),
        Column("active_users", Kind.INTEGER, minimum=0),
    ),
    keys=(
        ("external_id",),
        ("contract_external_id", "date", "feature"),
        ("account_external_id", "date", "feature"),
    ),
    one_of=ONE_LINK,
)
TICKETS = Resource(
    "tickets",
    (
        *LINKS,
        Column("opened_at", Kind.INSTANT, required=True),
        Column("closed_at", Kind.INSTANT),
        Column("kind", Kind.CHOICE, choices=REASONS.codes("ticket_kind")),
        Column("priority", Kind.CHOICE, choices=REASONS.codes("ticket_priority")),
        Column("owner", Kind.KEY, max_length=120),
        Column("subject", max_length=200),
        Column("satisfaction", Kind.INTEGER, minimum=1, maximum=5),
    ),
    keys=(("external_id",),),
    one_of=ONE_LINK,
)


async def load_usage(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    return [*await record_usage(tx, [_usage(row) for row in rows], context.now)]


def _usage(row: Row) -> UsageTold:
    return UsageTold(
        link=_link(row),
        day=row.need("date", date),
        external_id=row.get("external_id", str),
        feature=row.get("feature", str),
        count=_number(row, "count", 1),
        seconds=_number(row, "seconds", 0),
        errors=_number(row, "errors", 0),
        active_users=row.get("active_users", int),
    )


def _number(row: Row, name: str, blank: int) -> int:
    """A row without a count tells of one use."""
    told = row.get(name, int)
    return blank if told is None else told


async def load_tickets(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    links = [_link(row) for row in rows]
    places = await resolve_links(tx, links)
    told = [
        TicketTold(
            opened_at=row.need("opened_at", datetime),
            place=places.get(link.word),
            link=link.word,
            external_id=row.get("external_id", str),
            closed_at=row.get("closed_at", datetime),
            kind=row.get("kind", str),
            priority=row.get("priority", str),
            owner=row.get("owner", str),
            subject=row.get("subject", str),
            satisfaction=row.get("satisfaction", int),
        )
        for row, link in zip(rows, links, strict=True)
    ]
    return await take_tickets(tx, told, by=context.user, now=context.now)


def _link(row: Row) -> Link:
    return Link(
        contract_external_id=row.get("contract_external_id", str),
        account_external_id=row.get("account_external_id", str),
    )


IMPORTERS = (Importer(USAGE, load_usage), Importer(TICKETS, load_tickets))
