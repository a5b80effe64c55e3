"""Plans: from a goal backwards, and published to all departments at once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.kpi.api.questions import Asked, viewing
from services.kpi.commands.deciding import decide, set_target
from services.kpi.domain.periods import Period, named
from services.kpi.domain.planning import BESIDES, LATER
from services.kpi.metrics.bottleneck.remedies import FACTORS
from services.kpi.metrics.plans import plan
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import decisions, newest_decision, newest_decisions
from services.kpi.schemas.plans import Assumptions, LeverOut, PlanIn, PlanOut, PlansOut
from shared.auth import Role
from shared.clock import day_of
from shared.contracts.kpi import PlanPublished, StageTarget
from shared.errors import Invalid, NotFound, Refused
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.ids import new_id
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)
PLAN, DRAFT, PUBLISHED = "plan", "draft", "published"
OPERATIONS = allowed(Role.OPS_LEAD)
LEVERS: Mapping[str, tuple[str, str]] = {
    **FACTORS,
    "average_won": ("平均受注金額", "Average value won"),
    "recycling": ("リサイクル", "Recycling"),
    "expansion": ("拡大", "Expansion"),
    "renewals": ("更新", "Renewals"),
}


@router.get("/plans")
async def list_plans(request: Request, session: Reading, now: Now) -> PlansOut:
    """All of them, the newest first."""
    rows = sorted(await newest_decisions(session, PLAN), key=lambda row: row.set_at, reverse=True)
    today = day_of(now, request.app.state.runtime.settings.zone)
    return PlansOut(items=[_plan(row, today) for row in rows])


@router.get("/plans/{plan_id}")
async def get_plan(request: Request, plan_id: UUID, session: Reading, now: Now) -> Response:
    row = await _found(session, plan_id)
    return resource(_plan(row, day_of(now, request.app.state.runtime.settings.zone)), version=row.version)


@router.post("/plans", dependencies=[OPERATIONS], response_model=PlanOut, status_code=201)
async def create_plan(request: Request, body: PlanIn, tx: Tx, now: Now, who: Who) -> Response:
    """What each department is to reach, backwards from the goal, at the rates of the baseline or other ones."""
    runtime = request.app.state.runtime
    given = {**await _made(runtime, tx.session, body), "state": DRAFT}
    row = await decide(tx, PLAN, str(new_id()), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_plan(row, day_of(now, runtime.settings.zone)), version=row.version, status=201)


@router.put("/plans/{plan_id}", dependencies=[OPERATIONS], response_model=PlanOut)
async def change_plan(request: Request, plan_id: UUID, body: PlanIn, tx: Tx, now: Now, who: Who) -> Response:
    """Plan anew; what was published before holds until this is."""
    await _found(tx.session, plan_id)
    runtime = request.app.state.runtime
    given = {**await _made(runtime, tx.session, body), "state": DRAFT}
    row = await decide(tx, PLAN, str(plan_id), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_plan(row, day_of(now, runtime.settings.zone)), version=row.version)


@router.post("/plans/{plan_id}/publish", dependencies=[OPERATIONS], response_model=PlanOut)
async def publish_plan(request: Request, plan_id: UUID, tx: Tx, now: Now, who: Who) -> Response:
    """Set the targets of all departments at once, of each segment too where it was planned by them, and tell them under
    one version of the plan."""
    row = await _found(tx.session, plan_id)
    today = day_of(now, request.app.state.runtime.settings.zone)
    found = _plan(row, today)
    if found.state == PUBLISHED:
        raise Refused("It is published already", rule="plan_published")
    span = Period(found.from_date, found.to_date)
    expected, tx.if_match = tx.if_match, None  # it speaks of the plan, not of its targets
    by_segment = [(one.segment, stage) for one in found.segments for stage in one.stages]
    for segment, stage in [*((None, stage) for stage in found.stages), *by_segment]:
        figures = (stage.base, stage.rate, stage.goal)
        await set_target(
            tx, found.period, span, stage=stage.stage, segment=segment, figures=figures, by=who.subject, now=now
        )
    given = {**row.body, "state": PUBLISHED, "published_at": now.isoformat(), "published_by": who.subject}
    tx.if_match = expected
    published = await decide(tx, PLAN, str(plan_id), given, by=who.subject, now=now)
    told = PlanPublished(
        plan_id=str(plan_id),
        version=published.version,
        period_id=found.period,
        from_date=found.from_date,
        to_date=found.to_date,
        targets=tuple(StageTarget(**stage.model_dump()) for stage in found.stages),
    )
    tx.announce(told, journey=str(plan_id), at=now)
    await tx.session.flush()
    return resource(_plan(published, today), version=published.version)


async def _found(session: AsyncSession, plan_id: UUID) -> DecisionVersion:
    """Raises NotFound."""
    row = await newest_decision(session, PLAN, str(plan_id))
    if row is None:
        raise NotFound(f"There is no plan {plan_id}")
    return row


def _plan(row: DecisionVersion, today: date) -> PlanOut:
    """With what is left of each step that comes too late by now."""
    told = {"plan_id": row.decision_id, "version": row.version, "set_by": row.set_by, "set_at": row.set_at}
    plan = PlanOut.model_validate({"published_at": None, "published_by": None, **row.body, **told})
    for need in plan.needs:
        need.late = need.need_by is not None and need.need_by < today
        need.levers = [_lever(name) for name in (*LATER[need.step], *BESIDES)] if need.late else []
    return plan


def _lever(name: str) -> LeverOut:
    ja, en = LEVERS[name]
    return LeverOut(lever=name, ja=ja, en=en)


async def _made(runtime: Runtime, session: AsyncSession, body: PlanIn) -> dict[str, Any]:
    """Raises Invalid where the baseline has no rate for a step, or the period is none."""
    whole, span = await spans(session, body)
    async with viewing(runtime, replace(Asked().question(runtime), whole=whole)) as view:
        return await plan(view, span, body)


async def spans(session: AsyncSession, body: Assumptions) -> tuple[Period, Period]:
    """The baseline, and the period. Raises Invalid."""
    try:
        span = named(body.period, (await decisions(session)).first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error
    if body.baseline.from_date >= body.baseline.to_date:
        raise Invalid("baseline.to_date", "lies after from_date: it is the first day no longer counted")
    return Period(body.baseline.from_date, body.baseline.to_date), span
