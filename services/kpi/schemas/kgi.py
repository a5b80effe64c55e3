"""Targets of metrics at every level, and the trees they stand in."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.kpi.schemas.figures import Basis, Value
from shared.http.bodies import Answer, Body, Key

Level = Literal["company", "department", "team", "person"]


class MetricTargetIn(Body):
    """What a metric is to reach; money in major units. `name` says whose, at every level but the company's."""

    level: Level = "company"
    name: Key | None = None
    value: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
    owner: Key | None = Field(None, description="who answers for it")

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if (self.level == "company") != (self.name is None):
            raise ValueError("name says whose target it is, at every level but the company's")
        return self


class MetricTargetOut(Answer):
    period: str
    from_date: date
    to_date: date
    metric: str
    level: str
    name: str | None
    value: float
    owner: str | None
    version: int
    set_by: str
    set_at: datetime


class SumOut(Answer):
    """Whether the targets of a level add up to the company's; only of metrics that add up."""

    period: str
    metric: str
    level: str
    sum: float
    company: float
    difference: float


class MetricTargetsOut(Answer):
    items: list[MetricTargetOut]
    sums: list[SumOut]


class StandingOut(Answer):
    """A metric against its target, which is in major units of money; `pace` is what should be there by now, `landing`
    where it ends at the pace so far (an estimate)."""

    metric: str
    ja: str
    en: str
    unit: str
    department: str
    actual: Value
    reason: str | None
    target: float | None
    pace: float | None
    status: str
    landing: float | None


class NodeOut(StandingOut):
    """The landing of ARR is worked out from what is signed, open and moving, as `/v1/forecast/arr` shows."""

    owner: str | None
    drivers: list["NodeOut"]


class KgiOut(Basis):
    period: str | None
    currency: str
    elapsed: float
    trees: list[NodeOut]
