"""What came before the contract or account it speaks of waits, and joins when that is known."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, text, union

from services.customer_success.commands.health import mark_stale
from services.customer_success.commands.links import (
    Link,
    Place,
    account_link,
    contract_link,
    id_link,
    resolve_links,
)
from services.customer_success.commands.ticket_events import tell_ticket
from services.customer_success.models import ContractRow, CustomerRow, TicketRow, UsageRow
from shared.database import Transaction

LOOKED_UP_AT_ONCE = 1000

_JOIN_USAGE = text("""
WITH known AS (
    SELECT * FROM unnest(CAST(:links AS text[]), CAST(:customers AS uuid[]), CAST(:contracts AS uuid[]))
        AS k(link, customer_id, contract_id)
), coming AS (
    SELECT u.id, u.recorded_at, k.customer_id, k.contract_id,
        CASE WHEN u.external_id IS NULL
             THEN concat_ws('|', coalesce(k.contract_id, k.customer_id), u.day, coalesce(u.feature, ''))
             ELSE u.key END AS key
    FROM usage u JOIN known k USING (link)
), told_since AS (
    DELETE FROM usage u USING coming c WHERE u.id = c.id AND (
        EXISTS (SELECT 1 FROM usage o WHERE o.key = c.key AND o.id <> c.id)
        OR EXISTS (SELECT 1 FROM coming l WHERE l.key = c.key AND (l.recorded_at, l.id) > (c.recorded_at, c.id)))
    RETURNING u.id
), joined AS (
    UPDATE usage u SET customer_id = c.customer_id, contract_id = c.contract_id, link = NULL, key = c.key
    FROM coming c WHERE u.id = c.id AND u.id NOT IN (SELECT id FROM told_since)
    RETURNING u.customer_id, u.day
), weeks AS (
    INSERT INTO usage_week AS w (customer_id, week, stale)
    SELECT DISTINCT customer_id, CAST(date_trunc('week', day) AS date), true FROM joined ORDER BY 1, 2
    ON CONFLICT (customer_id, week) DO UPDATE SET stale = true
)
SELECT DISTINCT customer_id FROM joined
""")


async def join_waiting(
    tx: Transaction,
    contracts: Sequence[ContractRow],
    customers: Iterable[CustomerRow],
    now: datetime,
    *,
    amended: Mapping[str, ContractRow] | None = None,
) -> None:
    """Join what waited for these contracts and customers; `amended` are contracts by their amendments' ids."""
    known: dict[str, Place] = {}
    for customer in customers:
        known[id_link(customer.id)] = customer.id, None
        if customer.external_id:
            known[account_link(customer.external_id)] = customer.id, None
    for contract in contracts:
        known[id_link(contract.id)] = contract.customer_id, contract.id
        if contract.external_id:
            known[contract_link(contract.external_id)] = contract.customer_id, contract.id
    for name, contract in (amended or {}).items():
        known[contract_link(name)] = contract.customer_id, contract.id
    await join_links(tx, known, now)


async def join_links(tx: Transaction, known: dict[str, Place], now: datetime) -> None:
    """`known`: link → the customer and, where it names one, the contract."""
    if not known:
        return
    await tx.session.flush()
    links = sorted(known)
    customers, contracts = [known[link][0] for link in links], [known[link][1] for link in links]
    given = {"links": links, "customers": customers, "contracts": contracts}
    await mark_stale(tx, list(await tx.session.scalars(_JOIN_USAGE, given)))
    tickets = select(TicketRow).where(TicketRow.link.in_(links)).with_for_update()
    for ticket in await tx.session.scalars(tickets.order_by(TicketRow.opened_at, TicketRow.id)):
        ticket.customer_id, ticket.contract_id = known[ticket.link or ""]
        ticket.link = None
        customer = await tx.session.get_one(CustomerRow, ticket.customer_id)
        tell_ticket(tx, ticket, customer)


async def join_missed(tx: Transaction, now: datetime) -> int:
    """Join what waits for something that is known; how many links. An import and the news of a contract or customer
    can pass each other unseen, so this runs by rule."""
    words = union(*(select(row.link).where(row.link.is_not(None)) for row in (UsageRow, TicketRow)))
    waiting = sorted(word for word in await tx.session.scalars(words) if word)
    joined = 0
    for start in range(0, len(waiting), LOOKED_UP_AT_ONCE):
        found = await resolve_links(tx, map(Link.of, waiting[start : start + LOOKED_UP_AT_ONCE]))
        await join_links(tx, found, now)
        joined += len(found)
    return joined
