"""What a goal needs of each step, and what if one were different."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, viewing
from services.kpi.metrics.chain import NOTHING, SHARES, VISITORS, Factors, factors, lead_to_won, requirement
from services.kpi.metrics.decomposition import shown
from services.kpi.metrics.exchange import money
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.statistics import wilson
from services.kpi.metrics.threshold import thresholds
from services.kpi.schemas.planning import (
    GridCell,
    GridOut,
    NeedOut,
    RequirementOut,
    ThresholdOut,
    ThresholdsOut,
    WhatIfOut,
)
from shared.errors import Invalid
from shared.http.door import Door
from shared.money import decimals

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)
MOST_VALUES = 25
A_FIFTH = 0.2


class RequirementAsked(Asked):
    goal: float = Field(gt=0, le=1e15, description="new MRR to be won, in major units of the currency")


@router.get("/plans/requirement")
async def get_requirement(request: Request, asked: Annotated[RequirementAsked, Query()]) -> RequirementOut:
    """What each step needs so that the goal comes out at the end, at the rates of the span."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        found, worth = (await factors(view)).get(ALL, NOTHING), (await won_worth(view)).get(ALL)
        goal = Decimal(str(asked.goal)) * 10 ** decimals(view.question.currency)
        average = worth.mean if worth and not worth.unpriced else None
        answer = {**basis(view), "goal": money(goal, view), "lead_to_won_ci95": lead_to_won(found)}
        if average is None or not all(found.rates.values()):
            return RequirementOut(**answer, average_won=None, needs=[], reason=NO_BASE)
        needs = requirement(found.rates, float(goal), float(average))
        return RequirementOut(
            **answer,
            average_won=money(average, view),
            needs=[NeedOut(step=step, exact=exact, shown=shown(exact)) for step, exact in needs.items()],
        )


class WhatIfAsked(Asked):
    visitors: float | None = Field(None, gt=0, le=1e12)
    visitor_to_lead: float | None = Field(None, gt=0, le=1)
    lead_to_mql: float | None = Field(None, gt=0, le=1)
    mql_to_sql: float | None = Field(None, gt=0, le=1)
    sql_accept: float | None = Field(None, gt=0, le=1)
    opp_to_won: float | None = Field(None, gt=0, le=1)


@router.get("/scenarios/what-if")
async def get_what_if(request: Request, asked: Annotated[WhatIfAsked, Query()]) -> WhatIfOut:
    """The deals won in the span, were some factors other than they were."""
    given = {name: value for name in ("visitors", *SHARES) if (value := getattr(asked, name)) is not None}
    if not given:
        raise Invalid("visitors", f"say at least one of {', '.join(('visitors', *SHARES))}")
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        found = (await factors(view)).get(ALL, NOTHING)
        changed = 1.0
        for name, rate in found.rates.items():
            changed *= given.get(name, rate)
        return WhatIfOut(
            **basis(view),
            won=found.won,
            changed=changed,
            difference=changed - found.won,
            factors={**found.rates, **given},
        )


Lever = Literal["visitors", "visitor_to_lead", "lead_to_mql", "mql_to_sql", "sql_accept", "opp_to_won"]
Axis = Annotated[list[Annotated[float, Field(gt=0, le=1e12)]], Field(max_length=MOST_VALUES)]


class GridAsked(Asked):
    x: Lever
    y: Lever
    x_values: Axis = Field([], description="default from the lower to the upper end of what is known of the rate")
    y_values: Axis = Field([], description="likewise; of visitors from a fifth less to a fifth more")

    def check(self) -> None:
        """Raises Invalid."""
        if self.x == self.y:
            raise Invalid("y", "is another lever than x")
        for name, lever, values in (("x_values", self.x, self.x_values), ("y_values", self.y, self.y_values)):
            if lever != VISITORS and any(value > 1 for value in values):
                raise Invalid(name, "a rate is at most 1")


@router.get("/scenarios/grid")
async def get_grid(request: Request, asked: Annotated[GridAsked, Query()]) -> GridOut:
    """The deals won in the span and their new MRR, were two levers other than they were, by what each could be."""
    asked.check()
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        found, worth = (await factors(view)).get(ALL, NOTHING), (await won_worth(view)).get(ALL)
        average = worth.mean if worth and not worth.unpriced else None
        answer = {**basis(view), "won": found.won, "x": asked.x, "y": asked.y}
        if not all(found.rates.values()):
            return GridOut(**answer, x_values=[], y_values=[], rows=[], reason=NO_BASE)
        x, y = asked.x_values or _around(asked.x, found), asked.y_values or _around(asked.y, found)
        return GridOut(
            **answer,
            x_values=x,
            y_values=y,
            rows=[[_cell(found, {asked.x: one, asked.y: other}, average, view) for one in x] for other in y],
        )


class ThresholdAsked(Asked):
    thresholds: Annotated[list[int], Field(max_length=MOST_VALUES)] = Field(
        default_factory=lambda: list(range(0, 101, 10)), description="scores from which a lead would be an MQL"
    )


@router.get("/scenarios/threshold")
async def get_thresholds(request: Request, asked: Annotated[ThresholdAsked, Query()]) -> ThresholdsOut:
    """What the lead cycles of the span would have become, were a lead an MQL from another score on: more MQLs of whom
    fewer are accepted, or fewer and better ones. The rates of a point are those `POST /v1/scenarios` takes."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        found = await thresholds(view, sorted(set(asked.thresholds)))
        return ThresholdsOut(
            **basis(view),
            leads=found.leads,
            without_score=found.without_score,
            declared=found.declared,
            cases=found.cases,
            slope=found.slope,
            reason=found.reason,
            points=[ThresholdOut(**point._asdict(), sqls=point.sqls) for point in found.points],
        )


def _around(lever: str, found: Factors) -> list[float]:
    """The lever as it is in the middle, and on both sides as far as what is known of it allows."""
    now = found.rates[lever]
    interval = None if lever == VISITORS else wilson(*found.counts[lever])
    low, high = interval or (now * (1 - A_FIFTH), now * (1 + A_FIFTH))
    return [low, (low + now) / 2, now, (now + high) / 2, high]


def _cell(found: Factors, given: Mapping[str, float], average: Decimal | None, view: View) -> GridCell:
    won = found.won
    for lever, value in given.items():
        won *= value / found.rates[lever]
    worth = None if average is None else money(average * Decimal(str(won)), view)
    return GridCell(won=won, difference=won - found.won, new_mrr=worth)
