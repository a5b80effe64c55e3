"""What kpi decides and tells: how the stages are cut, what the targets are, which plan they come from."""

from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Code, Event


class StageCut(BaseModel):
    """One department's stage: which milestone it starts from, which it ends with."""

    model_config = ConfigDict(frozen=True)

    stage: Code
    base: Code
    goal: Code


class SegmentChain(BaseModel):
    """The chain of one segment."""

    model_config = ConfigDict(frozen=True)

    segment: Code
    stages: tuple[StageCut, ...]


class StagesDefined(Event):
    """The chain was cut anew: kpi says which milestones are base and goal of each department."""

    type: ClassVar[str] = "kpi.stages_defined.v1"
    about: ClassVar[str] = "definition"
    definition_id: str
    version: int
    stages: tuple[StageCut, ...]
    segments: tuple[SegmentChain, ...] | None = Field(None, description="those that have a chain of their own")


class StageTarget(BaseModel):
    """What one department is to reach."""

    model_config = ConfigDict(frozen=True)

    stage: Code
    base: float | None = None
    rate: float | None = None
    goal: float | None = None


class PlanPublished(Event):
    """A plan was published: by it kpi sets the targets of all departments at once, under one version."""

    type: ClassVar[str] = "kpi.plan_published.v1"
    about: ClassVar[str] = "plan"
    plan_id: str
    version: int
    period_id: str = Field(description="2026-04, 2026-Q2, 2026-H1 or FY2026")
    from_date: date
    to_date: date
    targets: tuple[StageTarget, ...]


class TargetsSet(Event):
    """The targets of a period were set: kpi says them."""

    type: ClassVar[str] = "kpi.targets_set.v1"
    about: ClassVar[str] = "period"
    period_id: str = Field(description="2026-04, 2026-Q2, 2026-H1 or FY2026")
    from_date: date
    to_date: date
    stage: Code
    segment: str | None = None
    base: float | None = None
    rate: float | None = None
    goal: float | None = None
    version: int
