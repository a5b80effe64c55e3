"""How good kept forecasts turned out to be."""

from datetime import date, datetime

from pydantic import Field

from services.kpi.schemas.figures import Basis, RateOut
from shared.http.bodies import Answer
from shared.money import Money


class BenchmarkOut(Answer):
    """What was won in the same period a year before, taken as a forecast of the same periods."""

    periods: int
    wape: float | None
    value_added: float | None = Field(
        description="its WAPE minus the method's: above zero the method is worth something"
    )
    mase: float | None = Field(
        None, description="the method's mean absolute error ÷ the benchmark's; below 1 it is better"
    )


class JudgedOut(Answer):
    """A method at a horizon. Everything is null with a reason where it could speak of too few periods."""

    horizon: str
    method: str
    ja: str
    en: str
    periods: int
    reason: str | None
    wape: float | None = Field(description="Σ|forecast - actual| ÷ Σ actual")
    bias: float | None = Field(description="Σ forecast ÷ Σ actual - 1")
    mape: float | None = Field(description="mean |forecast - actual| ÷ actual, of periods with any")
    mape_excluded: int = Field(description="periods without anything won")
    coverage: RateOut = Field(description="periods whose actual lay within P10 to P90; 0.8 is right")
    benchmark: BenchmarkOut
    error: Money | None = Field(description="Σ forecast - actual")
    error_from: dict[str, Money] = Field(description="where it comes from; adds up to the error")
    brier: float | None = Field(description="mean squared difference of chance and outcome by deal; 0 is perfect")
    brier_skill: float | None = Field(description="1 - Brier ÷ that of the base rate")


class ReliabilityOut(Answer):
    """Deals due in a period, by people's own category: the share won beside the mean chance M1 gave."""

    horizon: str
    category: str | None
    won: RateOut
    expected: float | None
    brier: float | None


class OwnerOut(Answer):
    """What a rep called as most likely against what was won of their deals; null of too few periods. Not a ranking."""

    horizon: str
    owner: str
    periods: int
    bias: float | None = Field(description="Σ called ÷ Σ won - 1")
    drawn: float | None = Field(description="drawn towards everyone's: (n b + 4 B) / (n + 4)")
    leans: str | None = Field(description="sandbagging below -10 %, happy_ears above +10 %")


class SaidOut(Answer):
    method: str
    value: Money | None
    reason: str | None
    p10: Money | None
    p90: Money | None
    error: Money | None


class KeptOut(Answer):
    horizon: str
    at: datetime
    caught_up: bool
    methods: list[SaidOut]


class JudgedPeriod(Answer):
    period: str
    from_date: date
    to_date: date
    actual: Money
    reason: str | None
    kept: list[KeptOut]


class AccuracyOut(Basis):
    """`floor` is how many periods a figure needs; `periods` are those that are over, with every kept forecast."""

    length: str
    currency: str
    floor: int
    items: list[JudgedOut]
    reliability: list[ReliabilityOut]
    owners: list[OwnerOut]
    periods: list[JudgedPeriod]
