"""What a goal needs of each step, and what if one were different."""

from pydantic import Field

from services.kpi.schemas.figures import Basis
from shared.http.bodies import Answer
from shared.money import Money


class NeedOut(Answer):
    """What one step needs: exactly, and as whole things to be shown."""

    step: str
    exact: float
    shown: int


class RequirementOut(Basis):
    """Backwards from a goal, at the rates of the span."""

    goal: Money
    average_won: Money | None
    needs: list[NeedOut]
    lead_to_won_ci95: tuple[float, float] | None = Field(description="delta method on the logarithm of the product")
    reason: str | None = None


class WhatIfOut(Basis):
    """Deals won, were some factors other than they are."""

    won: float
    changed: float
    difference: float
    factors: dict[str, float]


class GridCell(Answer):
    """Deals won and their new MRR there, and how many more those are than came."""

    won: float
    difference: float
    new_mrr: Money | None


class GridOut(Basis):
    """Two levers at once: `rows` go with `y_values`, what is in a row with `x_values`."""

    won: float
    x: str
    y: str
    x_values: list[float]
    y_values: list[float]
    rows: list[list[GridCell]]
    reason: str | None = None


class ThresholdOut(Answer):
    """Of the lead cycles of the span; the shares are null where too little is known."""

    threshold: int
    mqls: int
    lead_to_mql: float
    acceptance: float | None
    mql_to_sql: float | None
    sqls: float | None


class ThresholdsOut(Basis):
    """`slope` of the log-odds to be accepted by one more point of the score, from `cases` whose fate is known; at or
    below 0 the score does not tell who is accepted."""

    leads: int
    without_score: int
    declared: int = Field(description="by a person: MQLs at any threshold")
    cases: int
    slope: float | None
    points: list[ThresholdOut]
    reason: str | None
