"""The answers: every figure with what it was counted from, how and as of when."""

from datetime import date, datetime
from typing import Any

from pydantic import ConfigDict, Field

from shared.http.bodies import Answer
from shared.money import Money

Value = Money | float | int | None


class RateOut(Answer):
    """`value` is null with a `reason` where there is nothing to divide by; `ci95` is Wilson's interval."""

    value: float | None
    numerator: int | None
    denominator: int | None
    ci95: tuple[float, float] | None = None
    target: float | None = None
    reason: str | None = None


class Parts(Answer):
    """Where a base comes from; they add up to it. `opening` is the stock at the start, where the base is one."""

    from_previous: int
    outside: int
    opening: int


class BaseOut(Answer):
    milestone: str
    value: int
    parts: Parts
    target: float | None = None


class GoalOut(Answer):
    milestone: str
    value: int | None
    target: float | None = None
    gap: float | None = Field(None, description="value minus target")


class StageOut(Answer):
    stage: str
    base: BaseOut
    goal: GoalOut
    rate: RateOut


class StepOut(Answer):
    """Entries into one milestone, people among them, and ways that went past it without entering."""

    milestone: str
    passes: int
    unique: int | None = Field(description="people; null for visitors, who are only counted")
    skipped: int


class GroupOut(Answer):
    by: str
    value: str
    stages: list[StageOut]
    steps: list[StepOut]


class Span(Answer):
    """Days from `from` inclusive to `to` exclusive; `is_partial` while it has not ended or is cut off."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    begin: date = Field(alias="from")
    stop: date = Field(alias="to")


class PeriodOut(Span):
    is_partial: bool
    stages: list[StageOut]
    steps: list[StepOut]
    groups: list[GroupOut] = Field(default_factory=list)


class Basis(Span):
    """What every answer says of itself."""

    timezone: str
    mode: str
    unit: str
    slice: str
    as_of: datetime
    known_at: datetime | None
    decided_at: datetime | None = None
    fresh_to: datetime | None = Field(description="everything told until then is counted; null: not known")
    late: list[str] = Field(description="departments whose news may be missing; empty where the figure is fresh")
    definition_version: int
    filters: dict[str, str]


class FunnelOut(Basis):
    is_partial: bool
    stages: list[StageOut]
    steps: list[StepOut]
    groups: list[GroupOut] = Field(default_factory=list)
    periods: list[PeriodOut] = Field(default_factory=list)


class Window(Span):
    timezone: str
    days: int | None = Field(description="how long a cohort is followed; null: up to as_of")


class Figure(Answer):
    """One number. Money where the metric's unit is money; `more` holds what belongs beside it."""

    value: Value
    numerator: Value = None
    denominator: Value = None
    ci95: tuple[float, float] | None = None
    reason: str | None = None
    small_sample: bool = Field(False, description="too few to rank or alarm by (setting smallest_sample)")
    more: dict[str, Any] = Field(default_factory=dict)


class FigureGroup(Figure):
    by: str
    group: str


class FigurePeriod(Figure, Span):
    is_partial: bool
    groups: list[FigureGroup] = Field(default_factory=list)


class MetricOut(Figure, Basis):
    metric: str
    window: Window
    currency: str
    is_partial: bool
    elapsed: float = Field(description="how much of the span has passed at as_of, 0 to 1")
    unset_share: float | None = Field(
        None, description="how much of it the asked dimension was not told of; null where none was asked"
    )
    warnings: list[str] = Field(
        default_factory=list, description="of the data: `unset_share` where more than 5 % has no value"
    )
    records: str = Field(description="where the records behind it are")
    groups: list[FigureGroup] = Field(default_factory=list)
    periods: list[FigurePeriod] = Field(default_factory=list)


class MetricAbout(Answer):
    """A metric of the catalogue: how it is named and counted."""

    id: str
    ja: str
    en: str
    unit: str
    formula: str
    modes: list[str]
    additive: bool = Field(description="may its values of days be added up?")
    department: str
    grain: str = Field(description="what one of it is")
    counter: str | None = Field(description="the metric to watch with it: it gets worse where only this one is pushed")
    source: str = Field(description="where the formula, or its statistics, come from")
    version: int = Field(description="of its definition")


class CatalogueOut(Answer):
    items: list[MetricAbout]


class CheckOut(Answer):
    """`examples` are broken ones: a lead and its cycle, or an opportunity."""

    id: str
    ja: str
    en: str
    looked_at: int
    broken: int
    examples: list[str]


class ConservationOut(Answer):
    holds: bool
    checks: list[CheckOut]
    as_of: datetime
    fresh_to: datetime | None
    late: list[str] = Field(description="departments whose news may be missing: what is on its way may look broken")


class Movements(Answer):
    """Amounts without a sign: contraction and churn go down."""

    new: Money
    expansion: Money
    contraction: Money
    churn: Money
    reactivation: Money


class RetentionOut(Answer):
    value: float | None
    numerator: Money | None
    denominator: Money | None
    reason: str | None = None


class Customers(Answer):
    start: int
    end: int


class MrrFigures(Answer):
    """start + new + expansion + reactivation - contraction - churn = end; all null where a plan rate is missing."""

    start: Money | None
    movements: Movements | None
    net_new: Money | None
    end: Money | None
    nrr: RetentionOut
    grr: RetentionOut
    customers: Customers
    reason: str | None = None


class MrrGroup(MrrFigures):
    by: str
    value: str


class MrrPeriod(MrrFigures, Span):
    is_partial: bool


class MrrOut(MrrFigures, Basis):
    basis: str
    currency: str
    groups: list[MrrGroup] = Field(default_factory=list)
    periods: list[MrrPeriod] = Field(default_factory=list)


class FamilyOut(Answer):
    """Metrics that are read together, by their ids, all of one moment."""

    family: str
    metrics: dict[str, MetricOut]
