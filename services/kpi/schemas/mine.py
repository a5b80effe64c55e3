"""One person's numbers."""

from pydantic import Field

from services.kpi.schemas.figures import Basis, Value
from services.kpi.schemas.kgi import StandingOut
from shared.http.bodies import Answer


class BesideOut(Answer):
    """What is watched with a metric, so that it is not reached at the cost of something else."""

    metric: str
    ja: str
    en: str
    unit: str
    value: Value
    reason: str | None


class AdviceOut(Answer):
    ja: str
    en: str


class MyNumberOut(StandingOut):
    """`missing` is what is still to come by the end of the period, and `per_day` of it on each working day left; both
    only of what adds up. `to_do` is said where the number is behind."""

    numerator: Value
    denominator: Value
    missing: float | None
    per_day: float | None
    beside: BesideOut | None
    to_do: AdviceOut | None
    records: str


class MyNumbersOut(Basis):
    """Nobody is ranked: the numbers of one person, for that person and who plans with them."""

    person: str
    may_see_others: bool = Field(description="whether the one who asks may ask for other people")
    period: str
    currency: str
    elapsed: float
    working_days_left: int
    items: list[MyNumberOut]
