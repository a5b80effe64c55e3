"""Plans: a goal, what it needs of each department, and whether it is published."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.kpi.schemas.capacity import Capacity, Day, DepartmentLoadOut
from services.kpi.schemas.decisions import Factor
from services.kpi.schemas.planning import NeedOut
from shared.http.bodies import Answer, Body, Key, Text

Rate = Annotated[float, Field(ge=1e-9, le=1e9, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=1e-6, le=1e15, allow_inf_nan=False)]
Retention = Annotated[float, Field(gt=0, le=1)]


class BaselineIn(Body):
    """The span the rates are taken from."""

    from_date: Day
    to_date: Day


class AimIn(Body):
    """A goal said of a metric: twice the leads is `lead_cycles` relative 1 up, 30 % more of 商談化率 `sql_rate`
    relative 0.3 up (0.20 becomes 0.26), 30 points more `points` 0.3 (0.20 becomes 0.50). One of the two must be said.
    """

    metric: Key = Field(
        description="visitors, lead_cycles, mql, sql, opportunity, won, v2l, l2m, sql_rate, sql_acc, opp_to_won (as the"
        " chain counts them), new_mrr, arr (at the end), won_average, ltv, logo_churn, productivity (new MRR by"
        " head-month of marketing, inside and field sales)"
    )
    kind: Literal["relative", "points"] | None = None
    change: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
    direction: Literal["up", "down"] = "up"


class RecycledIn(Body):
    """Recycled cycles that are counted on. Their rates are their own, drawn to everyone's, or what is said."""

    cycles: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = Field(
        None, description="in the period; default as in the baseline, in proportion to its length"
    )
    rates: dict[
        Literal["lead_to_mql", "mql_to_sql", "sql_accept", "opp_to_won"], Annotated[float, Field(ge=0, le=1)]
    ] = Field({})


class Assumptions(Body):
    """What is taken of a baseline, and what is said instead of it."""

    name: Text
    period: Key = Field(description="2026-04, 2026-Q2 (of the fiscal year), 2026-H1 or FY2026")
    baseline: BaselineIn
    average_won: Amount | None = Field(None, description="what a deal is worth a month; default as in the baseline")
    rates: dict[Factor, Rate] = Field({}, description="other rates than the baseline's")
    retention: Retention | None = Field(
        None, description="the share of customers to be kept; default as in the baseline"
    )
    capacity: Capacity = Field([], description="what each department has: people, hours, budget")


class PlanIn(Assumptions):
    """Either `goal` or `aim`. `goal` in major units: new MRR, or ARR at the end of the period, or (`relative`) new MRR
    in times of the baseline's (×1.3 is 1.3), which counts in proportion where it is of another length."""

    goal: Amount | None = None
    goal_is: Literal["new_mrr", "relative", "end_arr"] = "new_mrr"
    aim: AimIn | None = None
    nrr: Annotated[float, Field(gt=0, le=10)] | None = Field(
        None, description="what the MRR of the start becomes by the end, for a goal in ARR; default as in the baseline"
    )
    less_pipeline: bool = Field(False, description="take off what open deals due by the end are expected to bring")
    recycled: RecycledIn | None = Field(
        None, description="recycled cycles at rates of their own; without it all cycles are one, at everyone's"
    )
    per_segment: bool = Field(False, description="a chain for each segment, added up")

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if (self.goal is None) == (self.aim is None):
            raise ValueError("either goal or aim")
        return self


class StagePlanOut(Answer):
    stage: str
    base: float | None
    rate: float | None
    goal: float | None


class LeverOut(Answer):
    lever: str
    ja: str
    en: str


class PlanNeedOut(NeedOut):
    """`exact` at the rates; `p50` and `p80` reach the goal with that chance, as far as the rates are known.

    `need_by`: half of those that are won at all are won in time; `safe_by`: four fifths. `entered` are there in time
    already, `missing` still to come. `late`: it is past, nothing that enters now can be relied on for the period;
    `levers` are what is left.
    """

    p50: float | None = None
    p80: float | None = None
    need_by: date | None = None
    safe_by: date | None = None
    entered: float | None = None
    missing: float | None = None
    late: bool = False
    levers: list[LeverOut] = Field(default_factory=list)


class PlanMonthOut(Answer):
    """A month of the period. `won` so far; `expected` wins from when it was planned on, by the step they are reckoned
    from: what was there and what was to come by then, convolved with the time it takes."""

    from_date: date
    to_date: date
    won: int
    expected: dict[str, float]


class UncertaintyOut(Answer):
    """Seeded draws of the rates: Beta(1 + k, 1 + n - k) of each share; rates that were said are certain."""

    draws: int
    p_goal: float = Field(description="chance of the goal with the visitors planned")
    p_goal_as_before: float = Field(description="chance of the goal with as many visitors as in the baseline")
    lead_to_won_ci95: tuple[float, float] | None = Field(
        description="of the baseline, in closed form: delta method on the logarithm of the product"
    )


class PipelineOut(Answer):
    """Open deals due by the end of the period, by the chance of their phase; null with a reason where none is known."""

    open_deals: int
    expected_deals: float | None
    expected_mrr: float | None = Field(description="major units")
    subtracted: bool
    reason: str | None


class RecycledPlanOut(Answer):
    """What recycled cycles bring to each step, and their deals in new MRR; it is part of `needs`."""

    cycles: float
    rates: dict[str, float]
    average_won: float
    passes: dict[str, float]
    new_mrr: float = Field(description="major units")


class SegmentPlanOut(Answer):
    """A segment's part of the goal: its share of what was won; rates drawn to everyone's, (k + 20 p) / (n + 20)."""

    segment: str
    goal: float
    average_won: float
    rates: dict[str, float]
    needs: list[NeedOut]
    stages: list[StagePlanOut]


class AimOut(Answer):
    """The metric the goal was said in: what it was, and is to be."""

    metric: str
    kind: str
    change: float
    direction: str
    baseline: float
    wanted: float


class PlanOut(Answer):
    """`needs` in reals, and whole as they are shown; `stages` are the targets it sets once it is published.

    `differing`: factors by which segments differ by more than 30 %, with the rate of each. There one chain for all
    misleads (`blended_misleads`) unless the plan is per segment.
    """

    plan_id: UUID
    name: str
    period: str
    from_date: date
    to_date: date
    goal: float = Field(description="new MRR, in major units of the company's currency")
    currency: str
    average_won: float
    rates: dict[str, float]
    needs: list[PlanNeedOut]
    stages: list[StagePlanOut]
    aim: AimOut | None = None
    pipeline: PipelineOut | None = None
    recycled: RecycledPlanOut | None = None
    uncertainty: UncertaintyOut | None = None
    months: list[PlanMonthOut] = Field(default_factory=list)
    segments: list[SegmentPlanOut] = Field(default_factory=list)
    differing: dict[str, dict[str, float]] = Field(default_factory=dict)
    blended_misleads: bool = False
    capacity: list[DepartmentLoadOut] = Field(default_factory=list)
    feasible: bool | None = Field(None, description="all departments that told of what they have; null: none did")
    state: str
    published_at: datetime | None
    published_by: str | None
    version: int
    set_by: str
    set_at: datetime


class PlansOut(Answer):
    items: list[PlanOut]
