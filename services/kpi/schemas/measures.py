"""Counter-measures as people write them down, and as they turned out."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.kpi.schemas.decisions import Stage
from services.kpi.schemas.figures import RateOut
from shared.http.bodies import Answer, Body, Key, LongText, Text

Share = Annotated[float, Field(gt=-1e6, lt=1e6, allow_inf_nan=False)]


class ExpectedIn(Body):
    """How the rate is to change: `relative` (0.3 is 30 % more) or in `points` (0.3 is 30 percentage points)."""

    kind: Literal["relative", "points"]
    change: Share


class MeasureIn(Body):
    """What is done, by whom, since when, and which rate it is to change."""

    title: Text
    detail: LongText | None = None
    metric: Key = Field(description="a rate of GET /v1/metrics")
    segment: Key | None = None
    department: Stage
    owner: Key = Field(description="who sees to it")
    started_on: date
    due_on: date
    review_on: date
    expected: ExpectedIn
    lower_is_better: bool = False
    feedback_ids: list[UUID] = Field([], max_length=20, description="feedback it answers")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.started_on <= self.due_on <= self.review_on or self.started_on == self.review_on:
            raise ValueError("started_on, due_on and review_on follow each other")
        return self


class CloseIn(Body):
    """Without a reason its effect must be there."""

    not_measurable_because: LongText | None = None


class EffectOut(Answer):
    """The rate over as many days before it began as have passed since, up to the review."""

    before: RateOut | None
    after: RateOut | None
    difference: float | None
    ci95: tuple[float, float] | None = Field(description="Newcombe")
    wanted: float | None = Field(description="what the rate was to become")
    verdict: str


class MeasureOut(Answer):
    id: UUID
    title: str
    detail: str | None
    metric: str
    segment: str | None
    department: str
    owner: str
    started_on: date
    due_on: date
    review_on: date
    expected: ExpectedIn
    lower_is_better: bool
    feedback_ids: list[UUID]
    state: str
    not_measurable_because: str | None
    closed_at: datetime | None
    effect: EffectOut
    version: int
    set_by: str
    set_at: datetime


class MeasuresOut(Answer):
    items: list[MeasureOut]
    next_cursor: UUID | None = None
