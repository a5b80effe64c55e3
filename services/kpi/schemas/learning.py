"""Model cards, customers by value at risk, and the health score held against what came."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.figures import Basis, RateOut, Span
from shared.http.bodies import Answer
from shared.money import Money


class FloorOut(Answer):
    """How much there is to learn from, and how much is missing."""

    rows: int
    events: int = Field(description="people or accounts it came to")
    needed_rows: int
    needed_events: int
    missing_rows: int
    missing_events: int


class SplitOut(Answer):
    """Judged by rows from `cut` on; learned from rows whose outcome was known by then, of other people or accounts."""

    cut: datetime
    learned_rows: int
    judged_rows: int
    left_between: int = Field(description="their outcome was not known yet at the cut")
    folds: int


class BinOut(Answer):
    rows: int
    said: float
    came: float


class QualityOut(Answer):
    """On rows nobody had seen. `lift` is of the top tenth; slope 1 and intercept 0 are perfect calibration."""

    rows: int
    events: int
    base_rate: float
    auc: float | None
    auc_pr: float | None
    brier: float | None
    brier_skill: float | None = Field(description="1 - Brier ÷ that of saying the base rate each time")
    ece: float | None = Field(description="expected calibration error over ten bins of equal size")
    slope: float | None
    intercept: float | None
    lift: float | None
    bins: list[BinOut]


class ContestOut(Answer):
    """Mean of the rule's squared error minus the model's; the model wins where the whole interval is above 0."""

    difference: float
    ci95: tuple[float, float]


class WeightOut(Answer):
    """`size` in log-odds, on average; `rises` +1 where more of it goes with a higher chance, -1 a lower, 0 of words."""

    feature: str
    ja: str
    en: str
    size: float
    rises: int


class LeftOutOut(Answer):
    feature: str
    ja: str
    en: str


class ModelOut(Basis):
    """A model card. `used` is what chances are told by; `reason` why that is not the model."""

    model: str
    ja: str
    en: str
    label: str
    horizon_days: int
    population: int
    sampled: int = Field(description="rows learned from and judged by: all, or whole people or accounts of them")
    knowledge: str
    unknown_rule: int = Field(description="rows of which the rule had said nothing")
    base_rate: float | None
    floor: FloorOut
    used: str
    reason: str | None
    says_ja: str
    says_en: str
    algorithm: str | None
    calibration: str | None
    seed: int
    split: SplitOut | None
    of_model: QualityOut | None
    of_rule: QualityOut | None
    contest: ContestOut | None
    weights: list[WeightOut]
    left_out: list[LeftOutOut]
    drift: float | None = Field(None, description="stability index of today's chances; above 0.2 they have drifted")
    trained_at: datetime


class RiskReasonOut(Answer):
    """By the model in log-odds; by the rule in points of the health score, which lower the chance."""

    feature: str
    ja: str
    en: str
    value: Any = None
    contribution: float


class AccountAtRiskOut(Answer):
    account_id: UUID
    account_external_id: str | None
    segment: str | None
    mrr: Money | None
    chance: float | None
    value_at_risk: Money | None
    health_score: float | None
    health_band: str | None
    reasons: list[RiskReasonOut]


class AccountsAtRiskOut(Basis):
    """Customers under contract, the dearest risk first: value at risk = chance x MRR."""

    used: str
    reason: str | None
    trained_at: datetime
    currency: str
    customers: int
    mrr: Money | None
    value_at_risk: Money | None
    unpriced: int = Field(description="customers without a plan rate; they come last")
    items: list[AccountAtRiskOut]
    next_cursor: str | None


class ConfusionOut(Answer):
    """Customers by the band their score was in, and what became of them."""

    band: str
    churned: int
    renewed: int


class BacktestOut(Answer):
    """`recall`: of the churned, those the score had in `risk`; `precision`: of those in `risk`, the churned.
    `untreated_precision` leaves out whom somebody had attended to."""

    days_before: int
    confusion: list[ConfusionOut]
    recall: RateOut
    precision: RateOut
    untreated_precision: RateOut
    green_churned: RateOut
    red_renewed: RateOut


class QuarterOut(Span):
    is_partial: bool
    before: list[BacktestOut]


class MissOut(Answer):
    """`treated`: an event tells that somebody attended to them in between; `alarmed`: a risk was raised."""

    account_id: UUID
    account_external_id: str | None
    kind: str = Field(description="green_churned or red_renewed")
    days_before: int
    at: datetime
    score: float | None
    treated: bool
    alarmed: bool


class HealthBacktestOut(Basis):
    whole: list[BacktestOut]
    quarters: list[QuarterOut]
    misses: list[MissOut] = Field(description="the newest two hundred")
    miss_count: int
