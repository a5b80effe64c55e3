"""Plans: a goal, what it needs of each department, and whether it is published."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.decisions import Factor
from services.kpi.schemas.planning import NeedOut
from shared.http.bodies import Answer, Body, Key, Text

Rate = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class BaselineIn(Body):
    """The span the rates are taken from."""

    from_date: date
    to_date: date


class PlanIn(Body):
    """New MRR to be won in a period, in major units; `relative` says it in times of the baseline's (×1.3 is 1.3)."""

    name: Text
    period: Key = Field(description="2026-04, 2026-Q2 (of the fiscal year), 2026-H1 or FY2026")
    goal: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]
    goal_is: Literal["new_mrr", "relative"] = "new_mrr"
    baseline: BaselineIn
    average_won: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)] | None = Field(
        None, description="what a deal is worth a month; default as in the baseline"
    )
    rates: dict[Factor, Rate] = Field({}, description="other rates than the baseline's")
    retention: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="the share of customers to be kept; default as in the baseline"
    )


class StagePlanOut(Answer):
    stage: str
    base: float | None
    rate: float | None
    goal: float | None


class PlanOut(Answer):
    """`needs` in reals, and whole as they are shown; `stages` are the targets it sets once it is published."""

    plan_id: UUID
    name: str
    period: str
    from_date: date
    to_date: date
    goal: float = Field(description="new MRR, in major units of the company's currency")
    currency: str
    average_won: float
    rates: dict[str, float]
    needs: list[NeedOut]
    stages: list[StagePlanOut]
    state: str
    published_at: datetime | None
    published_by: str | None
    version: int
    set_by: str
    set_at: datetime


class PlansOut(Answer):
    items: list[PlanOut]
