"""Goals that departments share, how far each has come, and whether feedback changed anything."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.kpi.api.kgi import metric_target
from services.kpi.api.questions import Asked, viewing
from services.kpi.commands.deciding import decide
from services.kpi.domain.goals import NEXT, Component, attainment, local_optimum, weakest
from services.kpi.domain.periods import Period
from services.kpi.metrics.catalogue import CATALOGUE, whole
from services.kpi.metrics.effects import Effect, effects
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import View
from services.kpi.metrics.reception import Reception, Reference, reception
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import METRIC_TARGET, newest_decision, newest_decisions
from services.kpi.schemas.figures import Value
from services.kpi.schemas.goals import (
    CooperationOut,
    EffectOut,
    EffectsOut,
    GoalIn,
    GoalOut,
    GoalsOut,
    LocalOptimumOut,
    PartOut,
    SideOut,
)
from shared.auth import Role
from shared.errors import Invalid, NotFound
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.money import Money, decimals

router = APIRouter(prefix="/v1", tags=["cooperation"], route_class=Door)
GOAL = "goal"
NAME = r"^[a-z0-9][a-z0-9._-]{0,79}$"
GoalId = Annotated[str, Path(pattern=NAME, description="a short name of its own: q2-shared")]


@router.get("/goals")
async def list_goals(session: Reading) -> GoalsOut:
    """The goals that hold."""
    return GoalsOut(items=[goal_out(row) for row in await newest_decisions(session, GOAL)])


@router.put("/goals/{goal_id}", dependencies=[allowed(Role.OPS_LEAD)], response_model=GoalOut)
async def put_goal(goal_id: GoalId, body: GoalIn, tx: Tx, now: Now, who: Who) -> Response:
    """Decide on a goal, or on it anew. Refused where one department could reach it alone."""
    for number, component in enumerate(body.components):
        if component.metric not in CATALOGUE:
            raise Invalid(f"components.{number}.metric", "is a metric of GET /v1/metrics")
    row = await decide(tx, GOAL, goal_id, body.model_dump(mode="json"), by=who.subject, now=now)
    await tx.session.flush()
    return resource(goal_out(row), version=row.version)


def goal_out(row: DecisionVersion) -> GoalOut:
    told = {"goal_id": row.decision_id, "version": row.version, "set_by": row.set_by, "set_at": row.set_at}
    return GoalOut.model_validate({**row.body, **told})


class CooperationAsked(Asked):
    goal: str = Field(pattern=NAME, description="its span is asked about, unless another is named")


@router.get("/cooperation")
async def get_cooperation(
    request: Request, session: Reading, asked: Annotated[CooperationAsked, Query()]
) -> CooperationOut:
    """A shared goal: what each department has attained of its part; the weakest counts."""
    row = await newest_decision(session, GOAL, asked.goal)
    if row is None:
        raise NotFound(f"There is no goal {asked.goal}; GET /v1/goals lists them")
    goal, runtime = goal_out(row), request.app.state.runtime
    question = asked.question(runtime)
    if asked.begin is None and asked.end is None:
        question = replace(question, whole=Period(goal.from_date, goal.to_date))
    wanted = await _wanted(session, goal, question.whole)
    async with viewing(runtime, question) as view:
        parts = [Component(**given.model_dump()) for given in goal.components]
        judged = [(part, await whole(CATALOGUE[part.metric], view)) for part in parts]
        shares = [(part, part.attained(_number(actual.value, view))) for part, actual in judged]
        departments = weakest(shares)
        found = attainment(departments)
        return CooperationOut(
            **basis(view),
            goal_id=goal.goal_id,
            name=goal.name,
            version=goal.version,
            parts=[
                _part(part, actual.value, share, actual.reason)
                for (part, actual), (_, share) in zip(judged, shares, strict=True)
            ],
            departments=departments,
            shared=found.shared,
            geometric=found.geometric,
            balance=found.balance,
            one_sided=found.one_sided,
            local_optima=[
                _local_optimum(name, share, await reception(view, name, wanted))
                for name, share in departments.items()
                if name in NEXT
            ],
        )


async def _wanted(session: AsyncSession, goal: GoalOut, span: Period) -> Mapping[str, Reference]:
    """By metric what it is to reach in the span: as the goal says, else the company's target of exactly the span."""
    targets = [metric_target(row) for row in await newest_decisions(session, METRIC_TARGET)]
    found = {
        one.metric: Reference(one.value, "target")
        for one in targets
        if one.level == "company" and Period(one.from_date, one.to_date) == span
    }
    return found | {part.metric: Reference(part.target, "goal") for part in goal.components if not part.lower_is_better}


def _local_optimum(department: str, attained: float | None, found: Reception) -> LocalOptimumOut:
    metric, value = CATALOGUE[found.metric], found.actual.value
    return LocalOptimumOut(
        department=department,
        attained=attained,
        metric=metric.id,
        ja=metric.ja,
        en=metric.en,
        actual=value if isinstance(value, float) else None,
        ci95=found.actual.ci95,
        reference=found.reference.value if found.reference else None,
        reference_from=found.reference.source if found.reference else None,
        below=found.below,
        flagged=local_optimum(attained, below=found.below),
    )


def _number(value: Value, view: View) -> float | None:
    """Major units of money."""
    if isinstance(value, Money):
        return float(value.amount / 10 ** decimals(view.question.currency))
    return None if value is None else float(value)


def _part(part: Component, actual: Value, share: float | None, reason: str | None) -> PartOut:
    metric = CATALOGUE[part.metric]
    return PartOut(
        department=part.department,
        metric=part.metric,
        ja=metric.ja,
        en=metric.en,
        actual=actual,
        target=part.target,
        lower_is_better=part.lower_is_better,
        attained=share,
        reason=reason,
    )


class EffectsAsked(Asked):
    days: int = Field(90, ge=1, le=730, description="on each side of the action")


@router.get("/cooperation/effects")
async def list_effects(request: Request, asked: Annotated[EffectsAsked, Query()]) -> EffectsOut:
    """Feedback of the span that was acted on: how often what it was about happened before and after."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        found = await effects(view, asked.days)
        return EffectsOut(**basis(view), days=asked.days, items=[_effect(each) for each in found])


def _effect(found: Effect) -> EffectOut:
    return EffectOut(
        feedback_id=found.feedback_id,
        external_id=found.external_id,
        sender=found.sender,
        receiver=found.receiver,
        reason=found.reason,
        acted_at=found.acted_at,
        milestone=found.milestone,
        end=found.end,
        before=SideOut(numerator=found.before.successes, denominator=found.before.trials),
        after=SideOut(numerator=found.after.successes, denominator=found.after.trials),
        difference=found.difference,
        ci95=found.ci95,
        verdict=found.verdict,
    )
