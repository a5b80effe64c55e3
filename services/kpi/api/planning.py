"""Which factor of the chain costs most, what a goal needs of each step, and what if one were different."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, viewing
from services.kpi.domain.periods import Period
from services.kpi.metrics.chain import (
    DEPARTMENTS,
    NO_EVIDENCE,
    SHARES,
    Factors,
    Reference,
    Suspect,
    decided,
    examined,
    factors,
    lead_to_won,
    requirement,
)
from services.kpi.metrics.decomposition import shown, worst_first
from services.kpi.metrics.exchange import money
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.schemas.planning import BottleneckOut, NeedOut, RequirementOut, SuspectOut, VerdictOut, WhatIfOut
from shared.errors import Invalid
from shared.http.door import Door
from shared.money import decimals

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)
NAMES: Mapping[str, tuple[str, str]] = {
    "visitors": ("来訪者数", "Visitors"),
    "visitor_to_lead": ("来訪者→リード", "Visitor to lead"),
    "offline_recycle_uplift": ("Web以外・リサイクル", "Other ways and recycling"),
    "lead_to_mql": ("リード→MQL", "Lead to MQL"),
    "mql_to_sql": ("MQL→SQL", "MQL to SQL"),
    "sql_accept": ("SQL→有効商談", "SQL to opportunity"),
    "outside_opportunities": ("SQL以外の商談", "Opportunities no SQL preceded"),
    "opp_to_won": ("有効商談→受注", "Opportunity to won"),
}
NOTHING = Factors(dict.fromkeys(DEPARTMENTS, (0, 0)))


@router.get("/bottleneck")
async def get_bottleneck(request: Request, asked: Annotated[Asked, Query()]) -> BottleneckOut:
    """The gap of deals won to what was to be won, taken apart by factor; held against the rates decided, else against
    the span before."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        found = (await factors(view)).get(ALL, NOTHING)
        reference = decided(view) or await _before(view)
        gap, suspects = examined(found, reference)
        worth = (await won_worth(view)).get(ALL)
        average = worth.mean if worth and not worth.unpriced else None
        rank = worst_first(gap)
        return BottleneckOut(
            **basis(view),
            reference=reference.source,
            actual_won=gap.actual,
            planned_won=gap.planned,
            gap=gap.total,
            blocked=gap.blocked,
            factors=[_suspect(each, average, view) for each in suspects],
            rank=rank,
            verdict=_verdict(suspects, rank, gap.blocked),
        )


async def _before(view: View) -> Reference:
    """The factors of the span before, of the same length."""
    whole = view.question.whole
    earlier = view.with_question(whole=Period(whole.start - (whole.end - whole.start), whole.start))
    found = (await factors(earlier)).get(ALL, NOTHING)
    return Reference(found.rates, "previous")


def _suspect(found: Suspect, average: Decimal | None, view: View) -> SuspectOut:
    ja, en = NAMES[found.factor]
    worth = None if average is None else money(Decimal(str(found.contribution)) * average, view)
    return SuspectOut(
        factor=found.factor,
        ja=ja,
        en=en,
        department=DEPARTMENTS[found.factor],
        contribution=found.contribution,
        worth=worth,
        actual=found.actual,
        reference=found.reference,
        numerator=found.counts[0],
        denominator=found.counts[1],
        ci95=found.ci95,
        probability_below=found.probability,
        evidence=found.evidence,
    )


def _verdict(suspects: list[Suspect], rank: list[str], blocked: str | None) -> VerdictOut:
    if blocked is not None:
        return VerdictOut(factor=blocked, evidence="blocked", text=f"{blocked}: blocked")
    by_name = {each.factor: each for each in suspects}
    for name in rank:
        if by_name[name].evidence != NO_EVIDENCE:
            return VerdictOut(factor=name, evidence=by_name[name].evidence, text=f"{name}: {by_name[name].evidence}")
    return VerdictOut(factor=None, evidence=NO_EVIDENCE, text=NO_EVIDENCE)


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
