"""Plans: from a goal backwards, and published to all departments at once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.kpi.api.questions import Asked, viewing
from services.kpi.commands.deciding import decide, set_target
from services.kpi.domain.periods import Period, named
from services.kpi.domain.planning import stage_plans
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.chain import Factors, factors, requirement
from services.kpi.metrics.decomposition import shown
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.recurring import NO_COURSE, courses
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import decisions, newest_decision, newest_decisions
from services.kpi.schemas.plans import PlanIn, PlanOut, PlansOut
from shared.auth import Role
from shared.contracts.kpi import PlanPublished, StageTarget
from shared.errors import Invalid, NotFound, Refused
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.ids import new_id
from shared.money import decimals
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)
PLAN, DRAFT, PUBLISHED = "plan", "draft", "published"
OPERATIONS = allowed(Role.OPS_LEAD)


@router.get("/plans")
async def list_plans(session: Reading) -> PlansOut:
    """All of them, the newest first."""
    rows = sorted(await newest_decisions(session, PLAN), key=lambda row: row.set_at, reverse=True)
    return PlansOut(items=[_plan(row) for row in rows])


@router.get("/plans/{plan_id}")
async def get_plan(plan_id: UUID, session: Reading) -> Response:
    row = await _found(session, plan_id)
    return resource(_plan(row), version=row.version)


@router.post("/plans", dependencies=[OPERATIONS], response_model=PlanOut, status_code=201)
async def create_plan(request: Request, body: PlanIn, tx: Tx, now: Now, who: Who) -> Response:
    """What each department is to reach, backwards from the goal, at the rates of the baseline or other ones."""
    given = {**await _made(request.app.state.runtime, tx.session, body), "state": DRAFT}
    row = await decide(tx, PLAN, str(new_id()), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_plan(row), version=row.version, status=201)


@router.put("/plans/{plan_id}", dependencies=[OPERATIONS], response_model=PlanOut)
async def change_plan(request: Request, plan_id: UUID, body: PlanIn, tx: Tx, now: Now, who: Who) -> Response:
    """Plan anew; what was published before holds until this is."""
    await _found(tx.session, plan_id)
    given = {**await _made(request.app.state.runtime, tx.session, body), "state": DRAFT}
    row = await decide(tx, PLAN, str(plan_id), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_plan(row), version=row.version)


@router.post("/plans/{plan_id}/publish", dependencies=[OPERATIONS], response_model=PlanOut)
async def publish_plan(plan_id: UUID, tx: Tx, now: Now, who: Who) -> Response:
    """Set the targets of all departments at once, and tell them under one version of the plan."""
    row = await _found(tx.session, plan_id)
    plan = _plan(row)
    if plan.state == PUBLISHED:
        raise Refused("It is published already", rule="plan_published")
    span = Period(plan.from_date, plan.to_date)
    for stage in plan.stages:
        figures = (stage.base, stage.rate, stage.goal)
        await set_target(
            tx, plan.period, span, stage=stage.stage, segment=None, figures=figures, by=who.subject, now=now
        )
    given = {**row.body, "state": PUBLISHED, "published_at": now.isoformat(), "published_by": who.subject}
    published = await decide(tx, PLAN, str(plan_id), given, by=who.subject, now=now)
    told = PlanPublished(
        plan_id=str(plan_id),
        version=published.version,
        period_id=plan.period,
        from_date=plan.from_date,
        to_date=plan.to_date,
        targets=tuple(StageTarget(**stage.model_dump()) for stage in plan.stages),
    )
    tx.announce(told, journey=str(plan_id), at=now)
    await tx.session.flush()
    return resource(_plan(published), version=published.version)


async def _found(session: AsyncSession, plan_id: UUID) -> DecisionVersion:
    """Raises NotFound."""
    row = await newest_decision(session, PLAN, str(plan_id))
    if row is None:
        raise NotFound(f"There is no plan {plan_id}")
    return row


def _plan(row: DecisionVersion) -> PlanOut:
    told = {"plan_id": row.decision_id, "version": row.version, "set_by": row.set_by, "set_at": row.set_at}
    return PlanOut.model_validate({"published_at": None, "published_by": None, **row.body, **told})


async def _made(runtime: Runtime, session: AsyncSession, body: PlanIn) -> dict[str, Any]:
    """Raises Invalid where the baseline has no rate for a step, or the period is none."""
    try:
        span = named(body.period, (await decisions(session)).first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error
    if body.baseline.from_date >= body.baseline.to_date:
        raise Invalid("baseline.to_date", "lies after from_date: it is the first day no longer counted")
    question = Asked().question(runtime)
    whole = Period(body.baseline.from_date, body.baseline.to_date)
    async with viewing(runtime, replace(question, whole=whole)) as view:
        return await _worked_out(view, span, body)


async def _worked_out(view: View, span: Period, body: PlanIn) -> dict[str, Any]:
    minor = 10 ** decimals(view.question.currency)
    found = (await factors(view)).get(ALL) or Factors({})
    rates = {**found.rates, **{str(name): rate for name, rate in body.rates.items()}}
    worth = (await won_worth(view)).get(ALL)
    average = body.average_won or (float(worth.mean / minor) if worth and worth.mean else None)
    missing = next((name for name, value in rates.items() if not value), None)
    if average is None or missing is not None or not rates:
        raise Invalid(f"rates.{missing or 'average_won'}", "is not known of the baseline; say it")
    goal = body.goal
    if body.goal_is == "relative":
        goal = body.goal * float((worth.total if worth else Decimal(0)) / minor)
    needs = requirement(rates, goal, average)
    opening = (await courses(view)).get(ALL, NO_COURSE).customers[1]
    plans = stage_plans(view.decisions.chain, needs, opening, body.retention or await _kept(view))
    return {
        "name": body.name,
        "period": body.period,
        "from_date": str(span.start),
        "to_date": str(span.end),
        "goal": goal,
        "currency": view.question.currency,
        "average_won": average,
        "rates": rates,
        "needs": [{"step": step, "exact": exact, "shown": shown(exact)} for step, exact in needs.items()],
        "stages": [{"stage": one.stage, "base": one.base, "rate": one.rate, "goal": one.goal} for one in plans],
        "told": body.model_dump(mode="json"),
    }


async def _kept(view: View) -> float:
    """The share of customers that stayed in the baseline; all of them where there were none."""
    figure = (await CATALOGUE["logo_churn"].compute(view)).get(ALL)
    value = figure.value if figure else None
    return 1 - value if isinstance(value, float) else 1.0
