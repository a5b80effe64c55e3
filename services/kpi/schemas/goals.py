"""Goals that departments share, how far they are, and what feedback changed."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.kpi.domain.goals import LEAST_DEPARTMENTS
from services.kpi.schemas.decisions import Stage
from services.kpi.schemas.figures import Basis, Value
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
