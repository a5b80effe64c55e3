"""Rows as answers. What people wrote about a person is shown to those who work with that person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.inside_sales import queries
from services.inside_sales.domain.appointment import PLACES
from services.inside_sales.domain.lifecycle import OPEN
from services.inside_sales.domain.sla import reading
from services.inside_sales.models import ActivityRow, AppointmentRow, CycleColumns, ProspectRow
from services.inside_sales.queries import Surroundings, surroundings
from services.inside_sales.schemas.answers import (
    ActivityOut,
    AppointmentOut,
    CompanyOut,
    CycleOut,
    ProspectOut,
    QueueItem,
    Why,
)
from shared.auth import Role, User
from shared.database import Transaction
from shared.http.door import Reading, resource

WORK_WITH_PEOPLE = frozenset({Role.INSIDE_SALES, Role.FIELD_SALES, Role.MARKETING, Role.ADMIN})


async def _lead_id(session: Reading, lead_id: Annotated[str, Path(description="our id, or `ext:` and yours")]) -> UUID:
    return await queries.resolve_lead(session, lead_id)


Lead = Annotated[UUID, Depends(_lead_id)]


def may_read_texts(who: User) -> bool:
    return bool(WORK_WITH_PEOPLE & who.roles)


def _texts_hidden(out: Any, who: User) -> Any:
    return out if may_read_texts(who) else out.model_copy(update={"note": None, "comment": None})


def cycle_out(row: CycleColumns, who: User) -> CycleOut:
    out: CycleOut = _texts_hidden(CycleOut.model_validate(row), who)
    return out


def prospect_out(row: ProspectRow, around: Surroundings, who: User, now: datetime) -> ProspectOut:
    waits = row.status in OPEN and row.first_contact_at is None and row.mql_at is not None
    appointment = around.appointments.get(row.opportunity_id) if row.opportunity_id else None
    company = (
        CompanyOut(account_id=row.account_id, name=around.companies.get(row.account_id)) if row.account_id else None
    )
    known = {name: getattr(row, name) for name in ProspectOut.model_fields if hasattr(row, name)}
    out = ProspectOut(
        **known,
        company=company,
        sla=reading(row.sla_due_at, row.first_contact_at, now, runs=row.status in OPEN),
        waiting_minutes=max(0, int((now - row.mql_at).total_seconds() // 60)) if waits and row.mql_at else None,
        held=row.id in around.held,
        appointment=appointment_out(appointment, who) if appointment else None,
    )
    shown: ProspectOut = _texts_hidden(out, who)
    return shown


def queue_item(found: Any, around: Surroundings, who: User, now: datetime) -> QueueItem:
    """From a row of `models.queue.ordered`."""
    why = Why(score=found.score_factor, age=found.age_factor, sla=found.sla_factor, valve=found.valve_factor)
    return QueueItem(**dict(prospect_out(found[0], around, who, now)), priority=found.priority, why=why)


async def queue_items(session: AsyncSession, found: Sequence[Any], who: User, now: datetime) -> list[QueueItem]:
    around = await surroundings(session, [row[0] for row in found], now)
    return [queue_item(row, around, who, now) for row in found]


def activity_out(row: ActivityRow, who: User) -> ActivityOut:
    out = ActivityOut.model_validate(row)
    return out if may_read_texts(who) else out.model_copy(update={"note": None})


def appointment_out(row: AppointmentRow, who: User) -> AppointmentOut:
    out = AppointmentOut.model_validate(row)
    if row.place in PLACES or may_read_texts(who):
        return out
    return out.model_copy(update={"place": None})


async def answer(tx: Transaction, row: ProspectRow, who: User, now: datetime, *, status: int = 200) -> Response:
    """The prospect as the act left it, with its new ETag."""
    await tx.session.flush()
    around = await surroundings(tx.session, [row], now)
    return resource(prospect_out(row, around, who, now), version=row.version, status=status)
