"""Whether the chain holds together, and how many KPIs the departments own together."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.api.goals import GOAL, goal_out
from services.kpi.api.kgi import metric_target
from services.kpi.api.questions import Asked, viewing
from services.kpi.domain.goals import Kpi
from services.kpi.domain.periods import FORMS, Period, named
from services.kpi.domain.stages import STAGES
from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.integrity import Edge, Integrity, followed_plan, integrity
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import rate
from services.kpi.queries.decisions import METRIC_TARGET, decisions, newest_decisions, newest_published
from services.kpi.schemas.goals import (
    ChainOut,
    ChainPartOut,
    CoOwnershipOut,
    EdgeOut,
    FollowedPlanOut,
    GoalOut,
    JointOut,
    KpiOut,
    SurveyOut,
)
from services.kpi.schemas.plans import StagePlanOut
from shared.clock import day_of, utc_now
from shared.errors import Invalid
from shared.http.door import Door, Reading

router = APIRouter(prefix="/v1", tags=["cooperation"], route_class=Door)
SURVEY = SurveyOut(
    value=0.568,
    n=258,
    ja="参考: 他部門のKGI・KPIにも関与している企業の割合(企業調査、n=258)。目標ではない",
    en="for reference: firms whose departments share KGIs or KPIs (survey of firms, n = 258); no target",
)


@router.get("/cooperation/chain")
async def get_chain(request: Request, session: Reading, asked: Annotated[Asked, Query()]) -> ChainOut:
    """Is each goal the next one's base, is nothing lost between two departments, do all work by one plan?"""
    runtime = request.app.state.runtime
    question = asked.question(runtime)
    plan = await newest_published(session, question.whole)
    async with viewing(runtime, question) as view:
        parts = [_part(found, view) for found in await integrity(view)]
        followed = None
        if plan is not None:
            stages = followed_plan(view, [StagePlanOut.model_validate(stage) for stage in plan.body["stages"]])
            followed = FollowedPlanOut(
                plan_id=plan.decision_id, version=plan.version, holds=all(stages.values()), stages=stages
            )
        holds = all(part.holds for part in parts) and (followed is None or followed.holds)
        return ChainOut(**basis(view), holds=holds, parts=parts, plan=followed)


def _part(found: Integrity, view: View) -> ChainPartOut:
    place = found.cell.period
    span = view.question.whole if place is None else view.periods[place]
    return ChainPartOut(
        begin=span.start,
        stop=span.end,
        group=found.cell.value,
        holds=found.holds,
        joints=[JointOut(**joint._asdict(), difference=joint.difference) for joint in found.joints],
        edges=[_edge(edge) for edge in found.edges],
    )


def _edge(edge: Edge) -> EdgeOut:
    return EdgeOut(receiver=edge.receiver, milestone=edge.milestone, handed=edge.handed, **edge.states)


class CoOwnershipAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str | None = Field(None, max_length=20, description=f"{FORMS}; default what has a target today")


@router.get("/cooperation/co-ownership")
async def get_co_ownership(
    request: Request, session: Reading, asked: Annotated[CoOwnershipAsked, Query()]
) -> CoOwnershipOut:
    """Of the KPIs that have a target in the period, those that departments own together."""
    day = day_of(utc_now(), request.app.state.runtime.settings.zone)
    span = Period(day, date.fromordinal(day.toordinal() + 1))
    if asked.period is not None:
        try:
            span = named(asked.period, (await decisions(session)).first_month)
        except ValueError as error:
            raise Invalid("period", str(error)) from error
    goals = [goal for goal in await _goals(session) if goal.from_date < span.end and goal.to_date > span.start]
    kpis = await _metrics(session, goals, span)
    kpis += [Kpi("goal", goal.goal_id, {part.department for part in goal.components}) for goal in goals]
    found = rate(sum(kpi.co_owned for kpi in kpis), len(kpis))
    names = {goal.goal_id: goal.name for goal in goals}
    return CoOwnershipOut(
        begin=span.start,
        stop=span.end,
        value=found.value,
        numerator=found.numerator or 0,
        denominator=found.denominator or 0,
        ci95=found.ci95,
        reason=found.reason,
        items=[_kpi(kpi, names) for kpi in kpis],
        survey=SURVEY,
    )


async def _goals(session: AsyncSession) -> list[GoalOut]:
    return [goal_out(row) for row in await newest_decisions(session, GOAL)]


async def _metrics(session: AsyncSession, goals: list[GoalOut], span: Period) -> list[Kpi]:
    """Metrics with a target in the span. Whose they are: their own department's, those with a target of their own,
    and those with a part of a shared goal."""
    targets = [metric_target(row) for row in await newest_decisions(session, METRIC_TARGET)]
    owners: dict[str, set[str]] = {}
    for one in targets:
        if one.from_date < span.end and one.to_date > span.start:
            mine = owners.setdefault(one.metric, {ABOUT[one.metric].department})
            mine |= {one.name} & set(STAGES) if one.level == "department" and one.name else set()
    for goal in goals:
        for part in goal.components:
            if part.metric in owners:
                owners[part.metric].add(part.department)
    return [Kpi("metric", metric, departments) for metric, departments in sorted(owners.items())]


def _kpi(kpi: Kpi, names: dict[str, str]) -> KpiOut:
    metric = CATALOGUE[kpi.id] if kpi.kind == "metric" else None
    return KpiOut(
        kind=kpi.kind,
        id=kpi.id,
        name=None if metric else names[kpi.id],
        ja=metric.ja if metric else None,
        en=metric.en if metric else None,
        departments=sorted(kpi.departments),
        co_owned=kpi.co_owned,
    )
