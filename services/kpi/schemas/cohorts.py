"""Cohort grids and curves."""

from datetime import date

from pydantic import Field

from services.kpi.schemas.figures import Basis, Figure
from shared.http.bodies import Answer
from shared.money import Money


class CellOut(Answer):
    """The state at the end of a month; age 0 is the month they began in."""

    age: int
    customers: int
    mrr: Money | None
    logo_retention: float | None
    mrr_retention: float | None = Field(description="of the MRR they began with; above 1 where they grew")


class CohortOut(Answer):
    """Those that became customers in one month. Months that are not over are no cells."""

    month: date
    customers: int
    mrr: Money | None
    cells: list[CellOut]


class CohortsOut(Basis):
    basis: str
    currency: str
    cohorts: list[CohortOut]
    reason: str | None = None


class StepOut(Answer):
    """One step of the curves: shares of everyone who entered, `at_risk` had not ended just before."""

    days: float
    reached: float
    other_end: float
    at_risk: int


class CurveOut(Answer):
    group: str | None = Field(description="value of the asked dimension; null for all")
    figure: Figure
    median_days: float | None = Field(description="when half of all had ended one way or the other")
    steps: list[StepOut]


class TimeToConvertOut(Basis):
    base: str
    goal: str
    window: int
    curves: list[CurveOut]
