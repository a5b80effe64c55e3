"""What field sales is asked: opportunities one by one and in lists, their history, the pipeline, a rep's free slots."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, cast, func, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.history import Step, spans
from services.field_sales.domain.lifecycle import Status
from services.field_sales.domain.phases import Phases
from services.field_sales.domain.slots import BusinessHours, free_slots
from services.field_sales.models import (
    AppointmentRow,
    FirstVisitRow,
    OpportunityRow,
    PromiseRow,
    RepRow,
    StepRow,
)
from services.field_sales.schemas.answers import (
    AppointmentOut,
    FirstVisitOut,
    HistoryOut,
    OpportunityOut,
    PhaseSpanOut,
    PipelineLine,
    PromiseOut,
    StepOut,
    Sum,
)
from services.field_sales.schemas.opportunities import OpportunityQuery
from shared.errors import Invalid, NotFound
from shared.http.paging import filtered, page

BY_REFERENCE = "ext:"


async def resolve(session: AsyncSession, key: str) -> UUID:
    """The id of an opportunity from what stands in a path: its id, or `ext:` and the caller's own."""
    if key.startswith(BY_REFERENCE):
        external_id = key.removeprefix(BY_REFERENCE)
        found = await session.scalar(select(OpportunityRow.id).where(OpportunityRow.external_id == external_id))
        if found is None:
            raise NotFound(f"No opportunity with the external_id {external_id} is known here", retry_after=1)
        return found
    try:
        return UUID(key)
    except ValueError:
        raise Invalid("opportunity_id", "a UUID, or ext: and an external_id") from None


async def one(session: AsyncSession, opportunity_id: UUID) -> OpportunityRow:
    row = await session.get(OpportunityRow, opportunity_id)
    if row is None:
        raise NotFound(f"The opportunity {opportunity_id} is not known here", retry_after=1)
    return row


async def shown(session: AsyncSession, rows: Sequence[OpportunityRow]) -> list[OpportunityOut]:
    """The rows with their newest appointment, first visit and promises, in the same order."""
    ids = [row.id for row in rows]
    told = select(AppointmentRow).where(AppointmentRow.opportunity_id.in_(ids))
    ordered = told.order_by(AppointmentRow.set_at, AppointmentRow.id)  # the newest stands last and stays
    appointments = {found.opportunity_id: found for found in await session.scalars(ordered)}
    visited = select(FirstVisitRow).where(FirstVisitRow.opportunity_id.in_(ids))
    visits = {found.opportunity_id: found for found in await session.scalars(visited)}
    promised = select(PromiseRow).where(PromiseRow.opportunity_id.in_(ids)).order_by(PromiseRow.number)
    promises: dict[UUID, list[PromiseOut]] = {}
    for found in await session.scalars(promised):
        promises.setdefault(found.opportunity_id, []).append(PromiseOut.model_validate(found))
    return [_out(row, appointments.get(row.id), visits.get(row.id), promises.get(row.id, [])) for row in rows]


def _out(
    row: OpportunityRow,
    appointment: AppointmentRow | None,
    visit: FirstVisitRow | None,
    promises: list[PromiseOut],
) -> OpportunityOut:
    out = OpportunityOut.model_validate({name: getattr(row, name) for name in _OWN})
    out.appointment = AppointmentOut.model_validate(appointment) if appointment else None
    out.first_visit = FirstVisitOut.model_validate(visit) if visit else None
    out.promises = promises
    return out


_OWN = [name for name in OpportunityOut.model_fields if name not in {"appointment", "first_visit", "promises"}]


async def listed(
    session: AsyncSession, given: OpportunityQuery, person: Sequence[UUID]
) -> tuple[list[OpportunityOut], str | None]:
    """`person` are all ids of the lead asked for; they take its place in the filter."""
    rows, cursor = await page(session, _matching(given, person), OpportunityRow, given)
    return await shown(session, rows), cursor


def _matching(given: OpportunityQuery, person: Sequence[UUID]) -> Any:
    query = filtered(select(OpportunityRow), OpportunityRow, given.model_copy(update={"lead_id": None}))
    return query if given.lead_id is None else query.where(OpportunityRow.lead_id.in_(person))


async def history(session: AsyncSession, row: OpportunityRow, now: datetime) -> HistoryOut:
    query = select(StepRow).where(StepRow.opportunity_id == row.id).order_by(StepRow.at, StepRow.id)
    steps = list(await session.scalars(query))
    moves = [Step(step.at, step.phase if step.status is Status.OPEN else None) for step in steps]
    return HistoryOut(
        opportunity_id=row.id,
        steps=[StepOut.model_validate(step) for step in steps],
        phases=[
            PhaseSpanOut(
                phase=span.phase,
                since=span.since,
                until=span.until,
                seconds=span.lasted.total_seconds(),
                days=round(span.lasted / timedelta(days=1), 4),
            )
            for span in spans(moves, now)
        ],
    )


async def pipeline(
    session: AsyncSession, given: OpportunityQuery, person: Sequence[UUID], phases: Phases
) -> list[PipelineLine]:
    """Open opportunities only, by phase in its order and by currency. One with money in two currencies is in both."""
    open_ones = _matching(given, person).where(OpportunityRow.status == Status.OPEN).subquery()
    o = open_ones.c
    none, no_currency = cast(null(), BigInteger), cast(null(), Text)
    parts = union_all(
        select(o.id, o.phase, o.mrr_currency.label("currency"), o.mrr_amount.label("mrr"), none.label("amount")).where(
            o.mrr_amount.is_not(None)
        ),
        select(o.id, o.phase, o.amount_currency, none, o.amount_amount).where(o.amount_amount.is_not(None)),
        select(o.id, o.phase, no_currency, none, none).where(o.mrr_amount.is_(None), o.amount_amount.is_(None)),
    ).subquery()
    p = parts.c
    sums = select(p.phase, p.currency, func.count(p.id.distinct()), func.sum(p.mrr), func.sum(p.amount))
    lines = [_line(found, phases) for found in await session.execute(sums.group_by(p.phase, p.currency))]
    order = {code: place for place, code in enumerate(phases.codes)}
    return sorted(
        lines, key=lambda line: (order.get(line.phase or "", len(order)), line.phase or "", line.currency or "")
    )


def _line(found: Any, phases: Phases) -> PipelineLine:
    phase, currency, count, mrr, amount = found
    probability = phases.probability(phase)
    return PipelineLine(
        phase=phase,
        currency=currency,
        count=count,
        mrr=_sum(mrr, currency),
        amount=_sum(amount, currency),
        probability=probability,
        weighted_mrr=_weighted(mrr, currency, probability),
        weighted_amount=_weighted(amount, currency, probability),
    )


def _sum(amount: Decimal | None, currency: str | None) -> Sum | None:
    return None if amount is None or currency is None else Sum(amount=int(amount), currency=currency)


def _weighted(amount: Decimal | None, currency: str | None, probability: float | None) -> Sum | None:
    if amount is None or probability is None:
        return None
    return _sum((amount * Decimal(str(probability))).to_integral_value(ROUND_HALF_EVEN), currency)


async def rep(session: AsyncSession, rep_id: str) -> RepRow:
    row = await session.get(RepRow, rep_id)
    if row is None:
        raise NotFound(f"The rep {rep_id} is not known here")
    return row


async def slots(
    session: AsyncSession, row: RepRow, hours: BusinessHours, since: date, until: date, now: datetime
) -> list[tuple[datetime, datetime]]:
    """Appointments name a rep by id or by name."""
    day = timedelta(days=1)
    ends: ColumnElement[datetime] = AppointmentRow.start_at + func.make_interval(0, 0, 0, 0, 0, AppointmentRow.minutes)
    query = select(AppointmentRow.start_at, ends).where(
        AppointmentRow.rep.in_([row.id, row.name]),
        AppointmentRow.status == AppointmentStatus.SET,
        ends > datetime.combine(since, time(), UTC) - day,
        AppointmentRow.start_at < datetime.combine(until, time(), UTC) + day,
    )
    busy = [(start, end) for start, end in await session.execute(query)]
    return free_slots(hours, since, until, busy, now)
