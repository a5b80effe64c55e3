"""Goals that departments share, how far they are, and what feedback changed."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.kpi.domain.goals import LEAST_DEPARTMENTS
from services.kpi.schemas.decisions import Stage
from services.kpi.schemas.figures import Basis, Span, Value
from shared.http.bodies import Answer, Body, Key, Text


class ComponentIn(Body):
    """A department's part; money targets in major units of the company's currency."""

    department: Stage
    metric: Key
    target: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]
    lower_is_better: bool = False


class GoalIn(Body):
    """At least two departments: a goal that one can reach alone is nobody else's."""

    name: Text = Field(description="what is wanted, in the words of the company")
    from_date: date
    to_date: date
    components: list[ComponentIn] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _is_shared(self) -> Self:
        if self.from_date >= self.to_date:
            raise ValueError("to_date lies after from_date: it is the first day no longer counted")
        if len({component.department for component in self.components}) < LEAST_DEPARTMENTS:
            raise ValueError("components of at least two departments: no department can reach a shared goal alone")
        return self


class GoalOut(Answer):
    goal_id: str
    name: str
    from_date: date
    to_date: date
    components: list[ComponentIn]
    version: int
    set_by: str
    set_at: datetime


class GoalsOut(Answer):
    items: list[GoalOut]


class PartOut(Answer):
    """One component: `attained` is actual ÷ target (or target ÷ actual), at most 1.2."""

    department: str
    metric: str
    ja: str
    en: str
    actual: Value
    target: float
    lower_is_better: bool
    attained: float | None
    reason: str | None


class LocalOptimumOut(Answer):
    """A department's part and what the next one says of what it got; `reference_from` is goal, target or earlier."""

    department: str
    attained: float | None
    metric: str
    ja: str
    en: str
    actual: float | None
    ci95: tuple[float, float] | None
    reference: float | None
    reference_from: str | None
    below: bool | None = Field(description="true only where the whole 95 % interval lies below the reference")
    flagged: bool | None = Field(description="attained, and the next one below its reference; null: cannot be said")


class CooperationOut(Basis):
    """`shared` is the weakest department's share: what pays. `balance` weakest ÷ strongest."""

    goal_id: str
    name: str
    version: int
    parts: list[PartOut]
    departments: dict[str, float | None]
    shared: float | None
    geometric: float | None
    balance: float | None
    one_sided: bool = Field(description="balance below 0.7: one side carries it")
    local_optima: list[LocalOptimumOut] = Field(description="goals met at the cost of the next department")


class SideOut(Answer):
    """Of those handed on: how many came to the end complained of."""

    numerator: int
    denominator: int


class EffectOut(Answer):
    feedback_id: str
    external_id: str | None
    sender: str
    receiver: str
    reason: str | None = Field(description="only ends for this reason are counted; null: all of them")
    acted_at: datetime
    milestone: str
    end: str
    before: SideOut
    after: SideOut
    difference: float | None
    ci95: tuple[float, float] | None
    verdict: str = Field(description="improved or worse only where the interval leaves out zero; else inconclusive")


class EffectsOut(Basis):
    days: int
    items: list[EffectOut]


class JointOut(Answer):
    """The goal of one stage, and what the next counts as come from it: the difference is 0."""

    before: str
    after: str
    goal: int | None
    base: int
    difference: int


class EdgeOut(Answer):
    """`handed` in the span, and where it is: the states add up to it, and `unexplained` is 0."""

    receiver: str
    milestone: str
    handed: int
    accepted: int
    rejected: int
    dropped: int
    undecided: int
    unexplained: int


class ChainPartOut(Span):
    """The whole span or one period of it, and one value of the asked dimension (null: all)."""

    group: str | None
    holds: bool
    joints: list[JointOut]
    edges: list[EdgeOut]


class FollowedPlanOut(Answer):
    """The plan published for exactly this span, and by stage whether its target is still the plan's."""

    plan_id: str
    version: int
    holds: bool
    stages: dict[str, bool]


class ChainOut(Basis):
    """`parts` begins with the whole. `plan` is null where none was published for exactly this span."""

    holds: bool
    parts: list[ChainPartOut]
    plan: FollowedPlanOut | None


class KpiOut(Answer):
    kind: str = Field(description="metric or goal")
    id: str
    name: str | None = Field(description="of a goal")
    ja: str | None
    en: str | None
    departments: list[str]
    co_owned: bool


class SurveyOut(Answer):
    """What others do, to compare with; never a target."""

    value: float
    n: int
    ja: str
    en: str


class CoOwnershipOut(Span):
    """KPIs with a target that at least two departments own ÷ KPIs with a target."""

    value: float | None
    numerator: int
    denominator: int
    ci95: tuple[float, float] | None
    reason: str | None
    items: list[KpiOut]
    survey: SurveyOut
