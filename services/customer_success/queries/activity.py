"""Use, tickets, what waits, and how health came about."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from services.customer_success.models import (
    CustomerRow,
    HealthRow,
    HealthSnapshotRow,
    RiskRow,
    TicketRow,
    UsageRow,
    WaitingAmendmentRow,
)
from services.customer_success.queries.lookup import is_lead
from services.customer_success.schemas.activity import TicketQuery
from shared.http.paging import filtered, page

_WEEKS = text("""
SELECT CAST(date_trunc('week', u.day) AS date) AS week, CAST(sum(u.count) AS bigint) AS count,
       CAST(sum(u.seconds) AS bigint) AS seconds, CAST(sum(u.errors) AS bigint) AS errors,
       count(DISTINCT u.feature) AS features, count(DISTINCT u.day) AS active_days, max(w.told_at) AS told_at
FROM usage u
LEFT JOIN usage_week w ON w.customer_id = u.customer_id AND w.week = CAST(date_trunc('week', u.day) AS date)
WHERE u.customer_id = :customer AND u.day >= :since AND u.day < :until GROUP BY 1 ORDER BY 1
""")


async def list_tickets(session: AsyncSession, given: TicketQuery) -> tuple[list[TicketRow], str | None]:
    row, query = TicketRow, select(TicketRow)
    if given.lead_id is not None:
        query = query.where(is_lead(row.lead_id, given.lead_id))
    if given.channel is not None or given.segment is not None:
        query = query.join(CustomerRow, CustomerRow.id == row.customer_id)
    for name in ("channel", "segment"):
        if (value := getattr(given, name)) is not None:
            query = query.where(getattr(CustomerRow, name) == value)
    if given.account_id is not None:
        query = query.where(row.customer_id == given.account_id)
    if given.waiting is not None:
        query = query.where(row.link.is_not(None) if given.waiting else row.link.is_(None))
    special = ("lead_id", "channel", "segment", "account_id", "waiting")
    plain = given.model_copy(update=dict.fromkeys(special))
    return await page(session, filtered(query, row, plain), row, given)


async def weeks(session: AsyncSession, key: UUID, since: date, until: date) -> Sequence[Any]:
    found: Sequence[Any] = (await session.execute(_WEEKS, {"customer": key, "since": since, "until": until})).all()
    return found


async def features(session: AsyncSession, key: UUID, since: date, until: date) -> Sequence[Any]:
    row = UsageRow
    mine = row.customer_id == key, row.day >= since, row.day < until
    total = func.sum(row.count)
    query = select(row.feature, total.label("count"), func.max(row.day).label("last_on")).where(*mine)
    ranked = query.group_by(row.feature).order_by(total.desc(), row.feature)
    found: Sequence[Any] = (await session.execute(ranked)).all()
    return found


async def last_use(session: AsyncSession, key: UUID) -> date | None:
    return await session.scalar(select(func.max(UsageRow.day)).where(UsageRow.customer_id == key))


async def waiting(session: AsyncSession) -> Sequence[Any]:
    """Rows by what they wait for, the longest waiting first; at most 500 links."""
    use, ticket, amendment = UsageRow, TicketRow, WaitingAmendmentRow
    every = union_all(
        select(literal("usage").label("resource"), use.link.label("waits_for"), use.recorded_at.label("since")).where(
            use.link.is_not(None)
        ),
        select(literal("tickets"), ticket.link, ticket.created_at).where(ticket.link.is_not(None)),
        select(literal("contracts"), literal("contract:") + amendment.change_of, amendment.since),
    ).subquery()
    since = func.min(every.c.since)
    query = select(every.c.resource, every.c.waits_for, func.count().label("rows"), since.label("since"))
    grouped = query.group_by(every.c.resource, every.c.waits_for).order_by(since, every.c.waits_for).limit(500)
    found: Sequence[Any] = (await session.execute(grouped)).all()
    return found


async def health(session: AsyncSession, key: UUID) -> HealthRow:
    return await session.get_one(HealthRow, key)


async def snapshots(session: AsyncSession, key: UUID, since: datetime) -> Sequence[HealthSnapshotRow]:
    row = HealthSnapshotRow
    query = select(row).where(row.customer_id == key, row.at >= since).order_by(row.at.desc())
    return (await session.scalars(query)).all()


async def score_before(session: AsyncSession, key: UUID, now: datetime, days: int) -> float | None:
    row = HealthSnapshotRow
    earlier = select(row.score).where(row.customer_id == key, row.at <= now - timedelta(days=days))
    return await session.scalar(earlier.order_by(row.at.desc()).limit(1))


async def alarms(session: AsyncSession, key: UUID) -> Sequence[RiskRow]:
    query = select(RiskRow).where(RiskRow.customer_id == key).order_by(RiskRow.raised_at.desc()).limit(100)
    return (await session.scalars(query)).all()
