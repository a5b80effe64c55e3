"""What a goal needs of each step, and what if one were different."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, viewing
from services.kpi.metrics.chain import NOTHING, SHARES, factors, lead_to_won, requirement
from services.kpi.metrics.decomposition import shown
from services.kpi.metrics.exchange import money
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL
from services.kpi.metrics.rates import NO_BASE
from services.kpi.schemas.planning import NeedOut, RequirementOut, WhatIfOut
from shared.errors import Invalid
from shared.http.door import Door
from shared.money import decimals

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)


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
