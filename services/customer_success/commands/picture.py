"""Everything stored of some customers that bears on their health, gathered in one query per kind."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from services.customer_success.domain.contracts import Status
from services.customer_success.domain.facts import Picture, Task, Ticket, Use
from services.customer_success.models import (
    ContractRow,
    CustomerRow,
    OnboardingTaskRow,
    PromiseRow,
    PulseRow,
    SignalRow,
    TicketRow,
    UsageRow,
)
from services.customer_success.settings import company_day
from shared.database import Transaction

Pictures = dict[UUID, Picture]


async def gather(tx: Transaction, ids: Collection[UUID], now: datetime) -> Pictures:
    found: Pictures = {key: Picture() for key in ids}
    if found:
        await _contracts(tx, found)
        await _use(tx, found, now)
        await _tasks(tx, found)
        await _tickets(tx, found)
        await _voices(tx, found)
    return found


async def _rows(tx: Transaction, query: Executable) -> Sequence[Any]:
    found: Sequence[Any] = (await tx.session.execute(query)).all()
    return found


async def _contracts(tx: Transaction, found: Pictures) -> None:
    row = ContractRow
    falls_due = and_(row.renewal_on.is_not(None), ~and_(row.auto_renew, func.coalesce(row.term_months, 1) == 1))
    query = (
        select(
            row.customer_id,
            func.sum(row.seats),
            func.min(row.renewal_on).filter(falls_due),
            func.bool_and(row.ends_on.is_not(None)),
        )
        .where(row.customer_id.in_(found), row.status == Status.ACTIVE)
        .group_by(row.customer_id)
    )
    for key, seats, renewal_on, all_end in await _rows(tx, query):
        found[key].seats, found[key].renewal_on, found[key].notice_given = seats, renewal_on, all_end


async def _use(tx: Transaction, found: Pictures, now: datetime) -> None:
    row, today = UsageRow, company_day(now)
    mine = row.customer_id == CustomerRow.id, row.day <= today
    first = select(func.min(row.day)).where(*mine).correlate(CustomerRow).scalar_subquery()
    last = select(func.max(row.day)).where(*mine).correlate(CustomerRow).scalar_subquery()
    bounds = select(CustomerRow.id, first, last).where(CustomerRow.id.in_(found))
    users = await _users(tx, found, today)
    last_28, last_84 = row.day > today - timedelta(days=28), row.day > today - timedelta(days=84)
    recent = (
        select(
            row.customer_id,
            func.coalesce(func.sum(row.count).filter(last_28), 0),
            func.sum(row.count),
            func.count(row.feature.distinct()).filter(last_28),
        )
        .where(row.customer_id.in_(found), last_84, row.day <= today)
        .group_by(row.customer_id)
    )
    sums = {key: (int(few), int(many), features) for key, few, many, features in await _rows(tx, recent)}
    for key, begun, latest in await _rows(tx, bounds):
        if latest:
            found[key].use = Use(begun, latest, *sums.get(key, (0, 0, 0)), users.get(key))


async def _users(tx: Transaction, found: Pictures, today: date) -> dict[UUID, float]:
    """Mean active users over the days of the last 28 that told any."""
    row = UsageRow
    told = row.day > today - timedelta(days=28), row.day <= today, row.active_users.is_not(None)
    daily = (
        select(row.customer_id, row.day, func.sum(row.active_users).label("users"))
        .where(row.customer_id.in_(found), *told)
        .group_by(row.customer_id, row.day)
        .subquery()
    )
    means = select(daily.c.customer_id, func.avg(daily.c.users)).group_by(daily.c.customer_id)
    return {key: float(mean) for key, mean in await _rows(tx, means)}


async def _tasks(tx: Transaction, found: Pictures) -> None:
    row = OnboardingTaskRow
    query = (
        select(row.customer_id, row.due_on, row.completed_at)
        .join(CustomerRow, and_(CustomerRow.id == row.customer_id, CustomerRow.onboarding_round == row.round))
        .where(row.customer_id.in_(found))
    )
    for key, due_on, completed_at in await _rows(tx, query):
        found[key].tasks.append(Task(due_on, company_day(completed_at) if completed_at else None))


async def _tickets(tx: Transaction, found: Pictures) -> None:
    row = TicketRow
    query = select(row.customer_id, row.kind, row.priority, row.opened_at, row.closed_at, row.satisfaction).where(
        row.customer_id.in_(found), row.archived_at.is_(None)
    )
    for key, kind, priority, opened, closed, satisfaction in await _rows(tx, query):
        days = (closed - opened).total_seconds() / 86_400 if closed else 0.0
        ticket = Ticket(
            kind, priority, company_day(opened), company_day(closed) if closed else None, days, satisfaction
        )
        found[key].tickets.append(ticket)


async def _voices(tx: Transaction, found: Pictures) -> None:
    """The latest score of each kind, the latest signal of each kind, and what became of promises."""
    pulse, signal, promise = PulseRow, SignalRow, PromiseRow
    scores = (
        select(pulse.customer_id, pulse.kind, pulse.score, pulse.at)
        .ext(distinct_on(pulse.customer_id, pulse.kind))
        .where(pulse.customer_id.in_(found))
        .order_by(pulse.customer_id, pulse.kind, pulse.at.desc())
    )
    for key, kind, score, at in await _rows(tx, scores):
        found[key].pulses[kind] = (score, company_day(at))
    signals = (
        select(signal.customer_id, signal.kind, signal.at, signal.on)
        .ext(distinct_on(signal.customer_id, signal.kind))
        .where(signal.customer_id.in_(found))
        .order_by(signal.customer_id, signal.kind, signal.at.desc())
    )
    for key, kind, at, on in await _rows(tx, signals):
        found[key].signals[kind] = (at, on)
    kept = select(promise.customer_id, promise.kept).where(promise.customer_id.in_(found), promise.kept.is_not(None))
    for key, answer in await _rows(tx, kept):
        found[key].kept.append(answer)
