"""Who began together, followed: the grid of customers by month, and how long from one milestone to another."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, MrrAsked, viewing
from services.kpi.domain.stages import MILESTONES
from services.kpi.metrics.cohorts import Row, cohorts
from services.kpi.metrics.conversion import Followed, described, follow, steps
from services.kpi.metrics.exchange import NO_PLAN_RATE, money
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import View
from services.kpi.metrics.subjects import DEFAULT_WINDOW
from services.kpi.metrics.survival import incidence
from services.kpi.schemas.cohorts import CellOut, CohortOut, CohortsOut, CurveOut, StepOut, TimeToConvertOut
from shared.errors import Invalid
from shared.http.door import Door

router = APIRouter(prefix="/v1", tags=["figures"], route_class=Door)
Entered = Literal["lead", "mql", "mql_accepted", "sql", "opportunity", "won"]
Reached = Literal["mql", "mql_accepted", "sql", "opportunity", "won", "customer", "onboarded"]


@router.get("/cohorts")
async def get_cohorts(request: Request, asked: Annotated[MrrAsked, Query()]) -> CohortsOut:
    """Customers and MRR by the month they began and their age in months; months that are not over are no cells."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime, mode="cohort", basis=asked.basis)) as view:
        grid = await cohorts(view)
        return CohortsOut(
            **basis(view),
            basis=asked.basis,
            currency=view.question.currency,
            cohorts=[_cohort(row, view, priced=not grid.unpriced) for row in grid.rows],
            reason=NO_PLAN_RATE if grid.unpriced else None,
        )


def _cohort(row: Row, view: View, *, priced: bool) -> CohortOut:
    return CohortOut(
        month=row.month,
        customers=row.size,
        mrr=money(row.began, view) if priced else None,
        cells=[
            CellOut(
                age=age,
                customers=logos,
                mrr=money(mrr, view) if priced else None,
                logo_retention=logos / row.size if row.size else None,
                mrr_retention=_share(mrr, row.began) if priced else None,
            )
            for age, (mrr, logos) in enumerate(zip(row.mrr, row.logos, strict=True))
        ],
    )


def _share(mrr: Decimal, began: Decimal) -> float | None:
    return float(mrr / began) if began else None


class TimeAsked(Asked):
    base: Entered = "opportunity"
    goal: Reached = "won"
    window: int = Field(DEFAULT_WINDOW, ge=1, le=3650, description="days within which the share is told")


@router.get("/time-to-convert")
async def get_time_to_convert(request: Request, asked: Annotated[TimeAsked, Query()]) -> TimeToConvertOut:
    """How long from one milestone to another, and how many come that far: those on the way are censored, other ends
    compete."""
    if MILESTONES.index(asked.base) >= MILESTONES.index(asked.goal):
        raise Invalid("goal", f"comes after {asked.base}")
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime, mode="cohort", window=asked.window)) as view:
        found = await follow(view, asked.base, asked.goal)
        whole = {cell.value: each for cell, each in found.items() if cell.period is None}
        return TimeToConvertOut(
            **basis(view),
            base=asked.base,
            goal=asked.goal,
            window=asked.window,
            curves=[_curve(group, whole[group], asked.window) for group in sorted(whole, key=lambda name: name or "")],
        )


def _curve(group: str | None, found: Followed, window: int) -> CurveOut:
    curve = incidence(found.days, found.kinds)
    return CurveOut(
        group=group,
        figure=described(found, window),
        median_days=curve.median(),
        steps=[StepOut.model_validate(step) for step in steps(curve)],
    )
