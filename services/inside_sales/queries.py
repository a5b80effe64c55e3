"""What people look at: prospects with all that belongs to them, the queue, the valve, a rep's weeks."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.domain.priority import QueueRule
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.domain.valve import COMPANY
from services.inside_sales.domain.week import week_of
from services.inside_sales.models import (
    RULES,
    ActivityRow,
    AppointmentRow,
    AppointmentStatus,
    CompanyRow,
    ProspectChangeRow,
    ProspectCycleRow,
    ProspectRow,
    RepRow,
    ValveRow,
    read_thresholds,
)
from services.inside_sales.models.queue import held_back, ordered
from shared.errors import Invalid, NotFound
from shared.rules import InForce


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is shown beside prospects: names of companies, latest appointments, and whom the valve holds."""

    companies: Mapping[UUID, str | None]
    appointments: Mapping[UUID, AppointmentRow]
    held: frozenset[UUID]


async def surroundings(session: AsyncSession, rows: Sequence[ProspectRow], now: datetime) -> Surroundings:
    queue = await RULES.in_force(session, QueueRule, now)
    needed = await read_thresholds(session)
    waiting = [row for row in rows if row.status is Status.WAITING]
    default = queue.rule.default_score
    return Surroundings(
        await _company_names(session, {row.account_id for row in rows if row.account_id}),
        await _latest_appointments(session, [row.opportunity_id for row in rows if row.opportunity_id]),
        frozenset(row.id for row in waiting if needed.holds(default if row.score is None else row.score, row.region)),
    )


async def _company_names(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, str | None]:
    """A merged company goes by the name of the one it was merged into."""
    survivor = aliased(CompanyRow)
    query = (
        select(CompanyRow.id, func.coalesce(survivor.name, CompanyRow.name))
        .outerjoin(survivor, survivor.id == CompanyRow.merged_into)
        .where(CompanyRow.id.in_(ids))
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def _latest_appointments(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, AppointmentRow]:
    query = select(AppointmentRow).where(AppointmentRow.opportunity_id.in_(ids)).order_by(AppointmentRow.created_at)
    return {row.opportunity_id: row for row in await session.scalars(query)}


async def resolve_lead(session: AsyncSession, word: str) -> UUID:
    """The lead's id from a path: ours, or `ext:` and the caller's own. Raises NotFound, Invalid."""
    if word.startswith("ext:"):
        named = select(ProspectRow.id).where(ProspectRow.external_id == word.removeprefix("ext:"))
        alive = case((ProspectRow.status == Status.MERGED, 1), else_=0)
        found = await session.scalar(named.order_by(alive, ProspectRow.created_at).limit(1))
        if found is None:
            raise NotFound(f"Marketing has not handed over {word}", retry_after=1)
        return found
    try:
        return UUID(word)
    except ValueError as error:
        raise Invalid("lead_id", "a lead's id, or ext: and its external id") from error


async def prospect(session: AsyncSession, lead_id: UUID) -> ProspectRow:
    """Raises NotFound."""
    row = await session.get(ProspectRow, lead_id)
    if row is None:
        raise NotFound(f"Marketing has not handed over the lead {lead_id}", retry_after=1)
    return row


async def past_of(session: AsyncSession, lead_id: UUID) -> tuple[list[ProspectCycleRow], list[ProspectChangeRow]]:
    """The earlier cycles of a lead and the corrections of what was known, the latest first."""
    cycles = select(ProspectCycleRow).where(ProspectCycleRow.lead_id == lead_id)
    changes = select(ProspectChangeRow).where(ProspectChangeRow.lead_id == lead_id)
    return (
        list(await session.scalars(cycles.order_by(ProspectCycleRow.cycle.desc(), ProspectCycleRow.id.desc()))),
        list(await session.scalars(changes.order_by(ProspectChangeRow.at.desc(), ProspectChangeRow.id.desc()))),
    )


def activities_of(lead_id: UUID) -> Any:
    """Also what was done for leads that turned out to be the same person."""
    merged = select(ProspectRow.id).where(ProspectRow.merged_into == lead_id)
    return select(ActivityRow).where(or_(ActivityRow.lead_id == lead_id, ActivityRow.lead_id.in_(merged)))


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Rows of `ordered`. `next_cursor` fixes the instant at which all pages of one reading are put in order."""

    rows: Sequence[Any]
    next_cursor: str | None
    rule: InForce[QueueRule]


async def queue(
    session: AsyncSession, within: Mapping[str, str], *, held: bool, limit: int, cursor: str | None, now: datetime
) -> QueuePage:
    after: tuple[float, UUID] | None = None
    if cursor:
        now, after = _read_cursor(cursor)
    rule = await RULES.in_force(session, QueueRule, now)
    query = ordered(rule.rule, await read_thresholds(session), now, within, held=held)
    if after:
        priority = query.selected_columns["priority"].element
        query = query.where(or_(priority < after[0], (priority == after[0]) & (ProspectRow.id > after[1])))
    rows = (await session.execute(query.limit(limit + 1))).all()
    if len(rows) <= limit:
        return QueuePage(rows, None, rule)
    last = rows[limit - 1]
    return QueuePage(rows[:limit], _write_cursor(now, last.priority, last[0].id), rule)


def _write_cursor(now: datetime, priority: float, lead_id: UUID) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([now, priority, str(lead_id)])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, tuple[float, UUID]]:
    try:
        now, priority, lead_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return _sensible(datetime.fromisoformat(now)), (float(priority), UUID(lead_id))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise Invalid("cursor", "is not one of ours") from error


def _sensible(instant: datetime) -> datetime:
    """Raises ValueError for what no queue can have been put in order at."""
    if instant.tzinfo is None or not 2000 <= instant.year < 2100:
        raise ValueError("no instant of ours")
    return instant


async def held_count(session: AsyncSession, within: Mapping[str, str], rule: QueueRule) -> int:
    return await session.scalar(held_back(rule, await read_thresholds(session), within)) or 0


async def valves(session: AsyncSession) -> tuple[ValveRow, list[ValveRow]]:
    """The company's valve and those of regions."""
    rows = list(await session.scalars(select(ValveRow).order_by(ValveRow.id)))
    company = next(row for row in rows if row.id == COMPANY)
    return company, [row for row in rows if row is not company]


@dataclass(frozen=True, slots=True)
class Week:
    begins_at: datetime
    slots: int | None
    booked: int
    appointments: list[AppointmentRow]

    @property
    def free(self) -> int | None:
        return None if self.slots is None else max(0, self.slots - self.booked)


async def weeks_of(session: AsyncSession, rep_id: str, weeks: int, now: datetime) -> tuple[ZoneInfo, list[Week]]:
    """What a rep can take and has in this week and the next ones. Raises NotFound."""
    rep = await session.get(RepRow, rep_id)
    if rep is None:
        raise NotFound(f"There is no rep {rep_id}")
    sla = await RULES.in_force(session, SlaRule, now)
    zone = ZoneInfo(sla.rule.timezone)
    found = []
    begin, end = week_of(now, zone)
    for _ in range(weeks):
        mine = select(AppointmentRow).where(
            AppointmentRow.rep == rep_id,
            AppointmentRow.status.in_((AppointmentStatus.SET, AppointmentStatus.HELD)),
            AppointmentRow.start_at >= begin,
            AppointmentRow.start_at < end,
        )
        booked = list(await session.scalars(mine.order_by(AppointmentRow.start_at)))
        found.append(Week(begin, rep.slots_per_week, len(booked), booked))
        begin, end = week_of(end + timedelta(hours=12), zone)
    return zone, found
